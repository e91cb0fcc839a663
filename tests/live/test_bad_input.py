"""Bad input to the composed lab: each one sentence with the next step, no traceback, and earlier captures unharmed.

Twice where it makes sense: ``python3 -m lab.setup up`` (what make calls) looks before it starts anything and names who
is in the way; plain ``docker compose up`` has Docker's words or those of the program that was told nonsense.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.conftest import ROOT, Lab, private_folder, until

EARLIER = "2026-01-01T00-00-00Z"


def digests(folder: Path) -> dict[str, str]:
    """Every file of the run that was there before, with a digest of its octets."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob(f"{EARLIER}/*"))}


@pytest.fixture
def bad(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A second lab that a test may break, with an earlier run in its captures, which must come through unharmed."""
    lab = Lab("echolab-bad", private_folder(tmp_path_factory, "bad"), "198.18.71", "2001:db8:71")
    earlier = lab.captures / EARLIER
    earlier.mkdir()
    shutil.copy(ROOT / "tests" / "golden" / "demo.pcapng", earlier / "0001-client-40000-server-7.pcapng")
    (earlier / "run.json").write_text(json.dumps({"schema": 1, "run": EARLIER, "tap": "server-tap", "end_ns": 1}))
    before = digests(lab.captures)
    yield lab
    lab.down()
    assert before
    assert digests(lab.captures) == before


@dataclass(frozen=True)
class Said:
    """What a command said of its failure: its sentence, the next step, all of it, and the exit status."""

    sentence: str
    next_step: str
    text: str
    status: int


def make_up(lab: Lab, **env: str) -> Said:
    """``python3 -m lab.setup up`` for this lab; it must fail with one sentence and one next step, and start nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.setup", "up"],
        cwd=ROOT,
        env={**lab.env, "COMPOSE_PROJECT_NAME": lab.project, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = done.stdout + done.stderr
    # A sentence goes on in lines that are indented below it; the next step is one line, to be copied.
    sentences = re.findall(r"^   no  (.*(?:\n {7}\S.*)*)$", text, re.MULTILINE)
    steps = re.findall(r"^ next  (.+)$", text, re.MULTILINE)
    assert (len(sentences), len(steps)) == (1, 1), text
    assert done.returncode in {1, 2}
    assert "Traceback" not in text
    assert lab.docker.containers.list(all=True, filters={"label": f"com.docker.compose.project={lab.project}"}) == []
    return Said(" ".join(sentences[0].split()), steps[0], text, done.returncode)


def words_of(done: subprocess.CompletedProcess[str], lab: Lab) -> str:
    """All that a plain ``docker compose`` that had to fail said, with the logs of the containers."""
    assert done.returncode != 0
    text = done.stdout + done.stderr + lab.tail()
    assert "Traceback" not in text
    return text


@pytest.fixture
def taken_port(bad: Lab) -> Iterator[int]:
    """The lab's port, with somebody else listening on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", bad.port))
        taken.listen()
        yield bad.port


def test_a_port_in_use_is_named_with_who_has_it(bad: Lab, taken_port: int) -> None:
    said = make_up(bad)
    assert re.fullmatch(rf"Port {taken_port} on 127\.0\.0\.1 is taken by .+ \(process {os.getpid()}\)\.", said.sentence)
    assert re.fullmatch(r"ECHO_PORT=\d+ make up", said.next_step)
    assert str(taken_port) in words_of(bad.compose("up", "--detach", check=False), bad)


def test_a_subnet_in_use_is_refused_and_the_other_network_named(bad: Lab, lab: Lab) -> None:
    said = make_up(bad, ECHO_NET4=lab.net4)
    assert re.search(rf'overlaps {lab.net4}\.\d+/25, used by the Docker network "{lab.project}_\w+"\.$', said.sentence)
    assert re.match(r"ECHO_NET4=\S+ make up", said.next_step)
    said = make_up(bad, ECHO_NET6=lab.net6)
    assert re.search(rf'overlaps {lab.net6}:\S*/64, used by the Docker network "{lab.project}_\w+"\.$', said.sentence)
    bad.env["ECHO_NET4"] = lab.net4
    assert "overlap" in words_of(bad.compose("up", "--detach", check=False), bad).lower()


def test_captures_that_cannot_be_there_are_named(bad: Lab) -> None:
    file = bad.captures / "file"
    file.touch()
    assert "is a file, not a folder" in make_up(bad, ECHO_CAPTURES=str(file)).sentence
    assert "cannot be made (Not a directory)" in make_up(bad, ECHO_CAPTURES=str(file / "below")).sentence
    # Plain compose makes no folder, as that would belong to root.
    bad.env["ECHO_CAPTURES"] = str(bad.captures / "nowhere")
    assert "bind source path does not exist" in words_of(bad.compose("up", "--detach", check=False), bad)
    assert not (bad.captures / "nowhere").exists()


def test_a_missing_script_is_named(bad: Lab) -> None:
    bad.env["ECHO_SCRIPT"] = "./no-such-script.txt"
    said = make_up(bad)
    assert said.sentence == "The conversation for the client, ECHO_SCRIPT=./no-such-script.txt, does not exist."
    assert "unset ECHO_SCRIPT" in said.next_step
    assert "no-such-script.txt" in words_of(bad.compose("up", "--detach", check=False), bad)


@pytest.mark.parametrize(
    ("name", "value", "next_step"),
    [
        ("SERVER", "klingon", "make up"),
        ("ECHO_RING_MIB", "many", "unset ECHO_RING_MIB"),
        ("ECHO_NET4", "224.0.0", "ECHO_NET4="),
        ("ECHO_TCP_CC", "no-such", "ECHO_TCP_CC=reno"),
        ("ECHO_PROT", "8081", "unset ECHO_PROT, set ECHO_PORT"),
    ],
)
def test_an_unknown_value_or_name_is_told_before_anything_starts(
    bad: Lab, name: str, value: str, next_step: str
) -> None:
    said = make_up(bad, **{name: value})
    assert name in said.sentence
    assert next_step in said.next_step
    assert said.status == 2


def test_an_unknown_language_is_named_by_compose_too(bad: Lab) -> None:
    bad.env["SERVER"] = "klingon"
    assert "klingon" in words_of(bad.compose("up", "--detach", check=False), bad)


@pytest.mark.parametrize(
    ("service", "name", "value"), [("server-tap", "ECHO_SNAPLEN", "-1"), ("server", "ECHO_LOG", "all")]
)
def test_compose_up_with_a_wrong_value_ends_soon_and_the_log_has_one_sentence(
    bad: Lab, service: str, name: str, value: str
) -> None:
    bad.env[name] = value
    began = time.monotonic()
    done = bad.compose("up", "--detach", check=False)
    assert time.monotonic() - began < 30, "it must not wait for a program that is started again and again"
    assert service in done.stderr.splitlines()[-1]
    words_of(done, bad)
    # Each of the few times that it was started, it said the same.
    (said,) = set(bad.container(service).logs().decode().splitlines())
    assert name in said
    assert value in said


def test_a_value_that_is_none_stops_the_tap_with_one_sentence(bad: Lab) -> None:
    bad.compose("up", "--detach", "server-host")
    for name, value in (("ECHO_RING_MIB", "many"), ("ECHO_RING_MIB", "0"), ("ECHO_IDLE_S", "soon")):
        done = bad.compose("run", "--rm", "-T", "--env", f"{name}={value}", "server-tap", check=False)
        assert done.returncode != 0
        said = [line for line in (done.stdout + done.stderr).splitlines() if name in line]
        assert len(said) == 1, done
        assert value in said[0]
        assert "Traceback" not in done.stdout + done.stderr


def test_captures_that_may_not_be_written_are_named(bad: Lab) -> None:
    if os.geteuid() != 0:
        pytest.skip("making a folder that its owner may not write needs root here")
    bad.captures.chmod(0o555)
    os.chown(bad.captures, 12345, 12345)
    try:
        said = make_up(bad)
        assert f"{bad.captures}, is not writable for its owner." in said.sentence
        assert said.next_step == f"chmod u+rwx {bad.captures}"
        bad.compose("up", "--detach", "server-host")
        done = bad.compose("run", "--rm", "-T", "server-tap", check=False)
        assert done.returncode != 0
        told = [line for line in (done.stdout + done.stderr).splitlines() if "captures" in line and "denied" in line]
        assert len(told) == 1, done
        assert "Traceback" not in done.stdout + done.stderr
    finally:
        bad.captures.chmod(0o755)


def test_captures_belong_to_the_owner_of_the_folder(bad: Lab) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving a folder to another user takes root")
    os.chown(bad.captures, 12345, 23456)
    bad.up()
    session = until(lambda: bad.ended()[:1], "the demo's session")[0]
    assert session["certificate"]["complete"] is True
    written = [path for path in bad.captures.rglob("*") if EARLIER not in path.parts]
    assert len(written) >= 4
    for path in written:
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456), path


@pytest.fixture
def small_disk(bad: Lab) -> Iterator[Path]:
    """The captures on a file system of 600 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k,mode=755", "tmpfs", str(bad.captures)], check=True)
    yield bad.captures
    bad.down()
    subprocess.run(["umount", "--lazy", str(bad.captures)], check=True)


def test_a_full_disk_costs_no_finished_capture_and_capturing_resumes(bad: Lab, small_disk: Path) -> None:
    said = make_up(bad)
    assert f"Only 0 MiB are free on the disk of {bad.captures}" in said.sentence
    assert "make room" in said.next_step
    bad.up()
    first = until(lambda: bad.ended()[:1], "the demo's session")[0]
    digest = hashlib.sha256(first["_path"].read_bytes()).hexdigest()
    bad.client(b"x" * 600_000 + b"\nquit\n")
    until(lambda: "full" in bad.container("server-tap").logs().decode(), "the tap's word that the disk is full")
    log = bad.container("server-tap").logs().decode()
    assert "Traceback" not in log
    assert hashlib.sha256(first["_path"].read_bytes()).hexdigest() == digest, "an earlier capture was harmed"
    for path in small_disk.glob("*/*"):  # make room: everything but the first session
        if path.stem != first["name"] and path.name != "run.json":
            path.unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)

    def captured_again() -> bool:
        bad.client("room\nquit\n")
        return any(s["certificate"]["complete"] for s in bad.ended()[1:])

    until(captured_again, "a certified session after there is room again", deadline_s=60)
    assert bad.container("server-tap").attrs["State"]["ExitCode"] == 0
