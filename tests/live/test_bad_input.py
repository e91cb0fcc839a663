"""Bad input to the composed lab: each one sentence with the next step, no traceback, and earlier captures unharmed."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import Lab, private_folder, until


@pytest.fixture
def bad(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A second lab that a test may break; it is gone afterwards."""
    lab = Lab("echolab-bad", private_folder(tmp_path_factory, "bad"), "198.18.71", "2001:db8:71")
    yield lab
    lab.down()


def words_of(done: subprocess.CompletedProcess[str], lab: Lab) -> str:
    text = done.stdout + done.stderr + lab.tail()
    assert "Traceback" not in text
    return text


def test_a_port_in_use_is_named(bad: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", bad.port))
        taken.listen()
        done = bad.compose("up", "--detach", check=False)
    assert done.returncode != 0
    assert str(bad.port) in words_of(done, bad)


def test_a_missing_captures_folder_is_named(bad: Lab) -> None:
    bad.env["ECHO_CAPTURES"] = str(bad.captures / "nowhere")
    done = bad.compose("up", "--detach", check=False)
    assert done.returncode != 0
    assert "nowhere" in words_of(done, bad)


def test_a_missing_script_is_named(bad: Lab) -> None:
    bad.env["ECHO_SCRIPT"] = "./no-such-script.txt"
    done = bad.compose("up", "--detach", check=False)
    assert done.returncode != 0
    assert "no-such-script.txt" in words_of(done, bad)


def test_an_unknown_language_is_named(bad: Lab) -> None:
    bad.env["SERVER"] = "klingon"
    done = bad.compose("up", "--detach", check=False)
    assert done.returncode != 0
    assert "klingon" in words_of(done, bad)


def test_a_subnet_in_use_is_refused(bad: Lab, lab: Lab) -> None:
    bad.env["ECHO_NET4"] = lab.net4
    done = bad.compose("up", "--detach", check=False)
    assert done.returncode != 0
    assert "overlap" in words_of(done, bad).lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ECHO_RING_MIB", "many"), ("ECHO_RING_MIB", "0"), ("ECHO_SNAPLEN", "-1"), ("ECHO_IDLE_S", "soon")],
)
def test_a_value_that_is_no_number_stops_the_tap_with_one_sentence(bad: Lab, name: str, value: str) -> None:
    bad.env[name] = value
    bad.compose("up", "--detach", "server-host")
    done = bad.compose("run", "--rm", "-T", "server-tap", check=False)
    assert done.returncode != 0
    said = [line for line in (done.stdout + done.stderr).splitlines() if name in line]
    assert len(said) == 1, done
    assert value in said[0]
    assert "Traceback" not in done.stdout + done.stderr


def test_captures_that_may_not_be_written_stop_the_tap_with_one_sentence(bad: Lab) -> None:
    if os.geteuid() != 0:
        pytest.skip("making a folder that its owner may not write needs root here")
    bad.captures.chmod(0o555)
    os.chown(bad.captures, 12345, 12345)
    try:
        bad.compose("up", "--detach", "server-host")
        done = bad.compose("run", "--rm", "-T", "server-tap", check=False)
        assert done.returncode != 0
        said = [line for line in (done.stdout + done.stderr).splitlines() if "captures" in line and "denied" in line]
        assert len(said) == 1, done
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
    for path in bad.captures.rglob("*"):
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
