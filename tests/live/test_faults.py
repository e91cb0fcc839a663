"""What can befall a tap, done to a living one: killed, no room, no turn of the CPU, its folder removed, rubbish in it.

The hosts and the server are the composed lab's. Every test has a tap of its own, with a captures folder of its own.
What a capture has lost must be told by the capture; what was finished before, and what comes after, must be whole.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.store.index import SessionEntry, sessions
from lab.store.reader import read_capture
from tests.live.conftest import Oracle, until
from tests.live.faults import Bench, bench_of, certified, digest, dropped_in_file, interface_of, reasons, say
from tests.marked import MARK

OWNER = 12345
"""Who owns the captures in the test of strange files: neither root, who may read everything, nor anybody else here."""
ASK = """
import contextlib, io, json, sys, traceback
from lab.cli.command import main
answers = {}
for words in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            code = main([*words, "--captures", "/captures"])
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.format_exc()
    answers[" ".join(words)] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def stage(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Hosts, server and gate of a lab of their own."""
    with bench_of("echolab-faults", 135, tmp_path_factory) as bench:
        yield bench


def test_a_tap_killed_in_a_session_leaves_a_file_to_its_last_flush_and_the_next_goes_on(
    stage: Bench, oracle: Oracle
) -> None:
    captures = stage.tap()
    whole = stage.play()
    assert certified(whole)
    before = digest(whole["_path"])
    with stage.talk() as connection:
        say(connection, b"one\n", b"ONE\n")
        running = stage.in_progress(6)
        stage.signal("SIGKILL")
        until(lambda: not stage.running(), "the tap's end")

        # As the kill left it: no closing statistics, and yet a capture for every reader.
        flushed = len(read_capture(running["_path"]).packets)
        assert flushed >= 6
        assert f"Number of packets:   {flushed}" in oracle.run(
            captures, "capinfos", str(running["_path"].relative_to(captures))
        )
        assert len(oracle.tshark(running["_path"])) == flushed
        assert interface_of(running).statistics is None

        stage.start()
        cut = stage.facts(running["name"])
        say(connection, b"two\n", b"TWO\n")
    assert cut["verdict"] == cut["closed_because"] == "cut"
    assert "killed" in reasons(cut)
    assert cut["frames"] == cut["file"]["frames"] == flushed
    assert cut["from_client"]["payload_octets"] == len(b"one\n")
    mended = read_capture(cut["_path"])
    assert len(mended.packets) == flushed
    assert mended.interfaces[0].statistics is not None
    assert "Certificate withheld" in oracle.run(captures, "capinfos", str(cut["_path"].relative_to(captures)))
    assert any(cut["name"] in line for line in stage.said())

    rest = until(lambda: [s for s in stage.lab.ended() if s["run"] != cut["run"]], "the rest of the conversation")[0]
    assert rest["verdict"] == "midstream"
    assert rest["client"] == cut["client"], "the next run goes on with the same connection"
    assert rest["from_client"]["payload_octets"] == len(b"two\nquit\n")
    assert "start the tap first" in reasons(rest)
    assert digest(whole["_path"]) == before, "a finished capture was touched"
    listed = [(one.run, one.verdict, one.problem) for one in sessions(captures)]
    assert listed == [(cut["run"], "complete", ""), (cut["run"], "cut", ""), (rest["run"], "midstream", "")]
    assert (captures / "latest.txt").read_text(encoding="utf-8").strip() == rest["run"]
    assert json.loads((captures / cut["run"] / "run.json").read_text(encoding="utf-8"))["recovered"] is True


@pytest.fixture
def small_disk(stage: Bench) -> Iterator[Path]:
    """A file system of 600 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    folder = stage.new_folder()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k,mode=755", "tmpfs", str(folder)], check=True)
    yield folder
    stage.lab.compose("rm", "--stop", "--force", "server-tap")
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_everywhere_and_capturing_resumes_with_the_first_room(
    stage: Bench, small_disk: Path
) -> None:
    stage.tap(small_disk)
    whole = stage.play()
    assert certified(whole)
    before = digest(whole["_path"])
    line = b"x" * 600_000 + b"\n"
    with stage.talk() as connection:
        say(connection, line, line.upper())
        until(lambda: any("disk is full" in said for said in stage.said()), "the tap's word that the disk is full")
        assert digest(whole["_path"]) == before, "a finished capture was harmed"
        unlucky = next(one for one in small_disk.glob("*/0002-*.pcapng"))
        assert read_capture(unlucky).packets, "what fitted is a capture"
        subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
        until(lambda: any("works again" in said for said in stage.said()), "the tap's word that writing works again")
        say(connection, b"room\n", b"ROOM\n")
    lost = until(lambda: stage.lab.ended()[1:], "the end of the session that lost frames")[0]
    count = lost["file"]["frames_not_written"]
    assert count > 0
    assert f"{count} frames could not be written to the disk" in reasons(lost)
    assert lost["frames"] == lost["file"]["frames"] + count
    assert len(read_capture(lost["_path"]).packets) == lost["file"]["frames"]
    assert interface_of(lost).drops_told == count, "the file tells how many are missing, and where"
    assert certified(stage.play())
    full, again = [said for said in stage.said() if "disk is full" in said or "works again" in said]
    assert "make room" in full
    assert f"{count} frames were not written meanwhile" in again
    run = small_disk / lost["run"] / "run.json"
    until(lambda: json.loads(run.read_text(encoding="utf-8"))["frames_not_written"] == count, "the run's own word")
    assert digest(whole["_path"]) == before


def test_frames_that_the_kernel_drops_while_the_tap_stands_still_are_counted_against_the_sessions_open_then(
    stage: Bench,
) -> None:
    stage.tap(ECHO_RING_MIB="1")
    assert certified(stage.play())
    line = b"y" * 1_000_000 + b"\n"
    with stage.talk() as quiet:
        say(quiet, b"quiet\n", b"QUIET\n")
        stage.in_progress(6)
        stage.signal("SIGSTOP")
        with stage.talk() as loud:
            for _ in range(3):
                say(loud, line, line.upper())
        # The health check says so after five seconds without a sign of life.
        tap = stage.lab.container("server-tap")
        until(lambda: tap.exec_run("tap-ready").exit_code == 1, "the health check's word that the tap stands still")
        stage.signal("SIGCONT")
        until(lambda: any("the kernel dropped" in said for said in stage.said()), "the tap's word of the drops")
        say(quiet, b"again\n", b"AGAIN\n")
    until(lambda: len(stage.lab.ended()) == 2, "the end of the quiet session")
    after = stage.play()
    # The end of the loud session was dropped: for the tap it goes on until the tap is stopped.
    stage.lab.compose("stop", "server-tap")
    before, *meanwhile, last = stage.lab.sessions()
    assert certified(before)
    assert (last["name"], certified(last)) == (after["name"], True)
    assert sorted(one["verdict"] for one in meanwhile) == ["complete", "cut"]
    run = json.loads((stage.lab.captures / after["run"] / "run.json").read_text(encoding="utf-8"))
    dropped = run["frames_dropped"]
    assert dropped > 100
    for one in meanwhile:
        assert f"The kernel dropped {dropped} frames while this session ran" in reasons(one)
        assert one["tap"]["frames_dropped"] == one["kernel_drops"] == dropped
        assert dropped_in_file(one) == dropped, "the file's own statistics carry it"
        assert "kernel-drop" in {finding["rule"] for finding in one["findings"]}
    for one in (before, last):
        assert one["tap"]["frames_dropped"] == dropped_in_file(one) == 0


def test_a_run_folder_removed_under_the_tap_is_made_again_and_later_sessions_are_certified(stage: Bench) -> None:
    captures = stage.tap()
    assert certified(stage.play())
    with stage.talk() as connection:
        say(connection, b"one\n", b"ONE\n")
        robbed = stage.in_progress(6)
        for path in captures.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        say(connection, b"two\n", b"TWO\n")
        until(lambda: any("gone" in said for said in stage.said()), "the tap's word that its folder is gone")
    lost = until(stage.lab.ended, "the end of the session that lost its file")[0]
    assert lost["name"] == robbed["name"]
    assert lost["file"]["frames_not_written"] >= 6
    assert f"{lost['file']['frames_not_written']} frames could not be written" in reasons(lost)
    assert len(read_capture(lost["_path"]).packets) == lost["file"]["frames"]
    assert certified(stage.play())
    assert (captures / "latest.txt").read_text(encoding="utf-8").strip() == lost["run"]
    until((captures / lost["run"] / "run.json").exists, "the run's facts, written anew")


def test_a_folder_removed_between_two_sessions_costs_no_frame_of_the_next(stage: Bench) -> None:
    captures = stage.tap()
    run = captures / stage.play()["run"]
    shutil.rmtree(run)
    after = stage.play()
    assert certified(after)
    assert after["run"] == run.name
    assert [said for said in stage.said() if "removed" in said and run.name in said]


def test_captures_removed_as_a_whole_is_told_and_a_restart_finds_the_new_folder(stage: Bench) -> None:
    captures = stage.tap()
    assert certified(stage.play())
    shutil.rmtree(captures)
    with stage.talk() as connection:
        say(connection, b"nowhere\n", b"NOWHERE\n")
    told = until(lambda: [said for said in stage.said() if "gone" in said], "the tap's word that the folder is gone")
    assert len(told) == 1
    assert "mkdir -p captures" in told[0]
    assert "restart the tap" in told[0]
    assert stage.running(), "the tap goes on"
    captures.mkdir(0o755)
    stage.lab.compose("restart", "--timeout", "5", "server-tap")
    stage.start()
    assert certified(stage.play())


def strange_files(folder: Path, good: Path) -> dict[str, str]:
    """A run's folder with every file that is no capture, or not a whole one: name to the words that must tell it."""
    folder.mkdir()
    octets = good.read_bytes()
    (folder / "0001-truncated.pcapng").write_bytes(octets[: len(octets) // 2 + 1])
    (folder / "0002-empty.pcapng").touch()
    (folder / "0003-foreign.pcapng").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    (folder / "0004-giant.pcapng").write_bytes(
        octets[: octets.index(b"\x06\0\0\0")] + b"\x06\0\0\0\xf0\xff\xff\x7f" + bytes(64)
    )
    (folder / "0005-dangling.pcapng").symlink_to("/nowhere/at/all")
    (folder / "0006-loop.pcapng").symlink_to("0006-loop.pcapng")
    (folder / "0007-folder.pcapng").mkdir()
    (folder / "0008-locked.pcapng").write_bytes(octets)
    (folder / "0008-locked.pcapng").chmod(0)
    os.mkfifo(folder / "0009-pipe.json")
    (folder / "0010-torn.json").write_text('{"verdict": "open", ', encoding="utf-8")
    return {
        "0002-empty": "is empty",
        "0003-foreign": "is not a capture",
        "0004-giant": "damaged",
        "0005-dangling": "does not exist",
        "0006-loop": "cannot be read",
        "0007-folder": "is a folder",
        "0008-locked": "cannot be read",
    }


def test_strange_files_in_captures_stop_neither_the_tap_nor_the_command_and_each_is_named(stage: Bench) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving files to another user takes root")
    stage.tap()
    good = stage.play()["_path"]
    captures = stage.new_folder()
    words = strange_files(captures / "2026-01-01T00-00-00Z", good)
    strange_files(captures / "2026-01-02T00-00-00Z", good)
    (captures / "2026-01-02T00-00-00Z" / "run.json").write_text('{"end_ns": 1}', encoding="utf-8")  # nothing to mend
    (captures / "2026-01-03T00-00-00Z").mkdir()
    (captures / "2026-01-04T00-00-00Z").touch()
    (captures / "2026-01-05T00-00-00Z").symlink_to("/proc")
    for path in [captures, *captures.rglob("*")]:
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
    (captures / "2026-01-03T00-00-00Z").chmod(0)

    stage.tap(captures)
    with stage.talk() as connection:
        say(connection, b"hello\n", b"HELLO\n")
    name = (captures / "latest.txt").read_text(encoding="utf-8").strip()

    def ended() -> list[SessionEntry]:
        return [one for one in sessions(captures) if one.run == name and one.verdict not in ("", "open")]

    [session] = until(ended, "the session's end")
    assert session.certified
    assert session.pcapng_path.stat().st_uid == OWNER
    told = stage.said()
    for name in (*words, "0001-truncated", "2026-01-03T00-00-00Z"):
        assert len([line for line in told if name in line]) == 1, (name, told)

    run = "2026-01-02T00-00-00Z"
    looks = [[verb, f"{run}/{name}"] for name in words for verb in ("show", "verify")]
    asked = [
        ["sessions"],
        ["sessions", "--json"],
        ["show", f"{run}/0001-truncated"],
        *looks,
        ["verify", session.name],
    ]
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "-i", *MARK, "--network", "none", "--user", str(OWNER), "--cap-drop", "ALL"),
            *("-v", f"{captures}:/captures:ro", "--entrypoint", "python3"),
            *(stage.lab.container("server-tap").image.tags[0], "-c", ASK),
        ],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert "Traceback" not in done.stdout + done.stderr
    code, table, complaint = answers["sessions"]
    assert (code, len(complaint.splitlines())) == (1, 1)
    assert "2026-01-03T00-00-00Z cannot be read" in complaint
    for name in (*words, "0001-truncated", "0009-pipe", "0010-torn"):
        assert f"{run}/{name}: " in table, table
    assert session.name in {one["name"] for one in json.loads(answers["sessions --json"][1])}
    code, output, complaint = answers[f"show {run}/0001-truncated"]
    assert (code, bool(output)) == (0, True), "what can be read of it is shown"
    assert "in the middle of a block" in complaint
    for name, reason in words.items():
        code, output, complaint = answers[f"show {run}/{name}"]
        assert (code, output, len(complaint.splitlines())) == (1, "", 1), (name, output, complaint)
        assert reason in complaint, (name, complaint)
        code, output, complaint = answers[f"verify {run}/{name}"]
        assert (code, len(output.splitlines()), complaint) == (1, 1, ""), (name, output, complaint)
        assert output.startswith("unreadable: ")
    assert answers[f"verify {session.name}"][0] == 3, "unsigned, and nothing worse"
