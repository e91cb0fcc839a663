"""The clock set back under a living tap, and a tap killed in the middle of a busy, signed session.

How the clock is set back without harm to the machine stands in late_clock.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from lab.store.index import SessionEntry, lookup, sessions
from lab.store.reader import read_capture
from tests.live.conftest import ROOT, Oracle, until
from tests.live.faults import Bench, Facts, bench_of, certified, reasons, say
from tests.live.late_clock import STEP_S

LATE_TAP = {
    "services": {
        "server-tap": {
            "entrypoint": ["python3", "/late_clock.py"],
            "command": ["--interface", "eth0"],
            "environment": {"LATE_S": "${LATE_S:-0}"},
            "volumes": [f"{ROOT}/tests/live/late_clock.py:/late_clock.py:ro"],
        }
    }
}
STEP_NS = STEP_S * 1_000_000_000
LINE = b"z" * 5_000 + b"\n"


@pytest.fixture(scope="module")
def stage(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Hosts, server and gate of a lab of their own."""
    with bench_of("echolab-clock", 137, tmp_path_factory) as bench:
        yield bench


@pytest.fixture
def late(stage: Bench, tmp_path: Path) -> dict[str, str]:
    """Settings that start the tap with the late clock."""
    path = tmp_path / "late.json"
    path.write_text(json.dumps(LATE_TAP), encoding="utf-8")
    return {"COMPOSE_FILE": f"compose.yaml{os.pathsep}{path}"}


class Talker:
    """A connection on which one line after the other is sent and answered, by a thread, until ``end``."""

    def __init__(self, stage: Bench) -> None:
        self.lines = 0
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._connection = stage.lab.connect()
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self) -> None:
        try:
            while not self._stop.is_set():
                say(self._connection, LINE, LINE.upper())
                self.lines += 1
            say(self._connection, b"quit\n", b"Good bye\n")
        except BaseException as error:
            self._error = error

    def more(self, lines: int) -> None:
        """Wait until so many lines more have been answered."""
        wanted = self.lines + lines
        until(lambda: self.lines >= wanted or self._error, "answers to a busy connection")

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30)
        self._connection.close()
        assert self._error is None


def rules(facts: Facts) -> set[str]:
    return {finding["rule"] for finding in facts["findings"]}


def test_the_clock_set_back_ends_no_session_and_keeps_none_alive_and_a_restart_is_the_latest_run(
    stage: Bench, late: dict[str, str], oracle: Oracle
) -> None:
    captures = stage.tap(None, ECHO_IDLE_S="4", **late)
    before = stage.play()
    assert certified(before)
    busy = Talker(stage)
    try:
        with stage.talk() as talk:
            say(talk, b"one\n", b"ONE\n")
            busy.more(200)
            silent = stage.lab.connect()
            say(silent, b"I say no more\n", b"I SAY NO MORE\n")
            until(lambda: recorded(stage, b"I SAY NO MORE"), "the silent session's last words in its file")
            stage.signal("SIGUSR1")
            until(lambda: b"set back" in stage.lab.container("server-tap").logs(), "the clock's step")
            busy.more(200)
            say(talk, b"two\n", b"TWO\n")
    finally:
        busy.end()
    with silent:
        meanwhile = until(lambda: stage.lab.ended()[3:] and stage.lab.ended()[1:], "the end of all, the idle one too")
        assert len(meanwhile) == 3
    idle = next(one for one in meanwhile if one["from_client"]["payload_octets"] == len(b"I say no more\n"))
    assert (idle["verdict"], idle["closed_because"]) == ("cut", "idle"), "its silence counted on"
    assert "clock-set-back" in rules(idle)
    for one in meanwhile:
        if one is idle:
            continue
        assert certified(one), one
        assert "clock-set-back" in rules(one)
        assert one["duration_ns"] < STEP_NS // 2, "it did not last longer for that"
        packets = read_capture(one["_path"]).packets
        assert len(packets) == one["frames"] == one["file"]["frames"]
        steps = [later.frame.time_ns - earlier.frame.time_ns for earlier, later in pairwise(packets)]
        assert len([step for step in steps if step < -STEP_NS // 2]) == 1, "the file has the times that it got"
        told = oracle.run(captures, "capinfos", "-M", str(one["_path"].relative_to(captures)))
        assert f"Number of packets:   {one['frames']}" in told
        assert "Strict time order:   False" in told
    after = stage.play()
    assert certified(after)
    assert "clock-set-back" not in rules(before) | rules(after)
    assert after["first_ns"] < before["first_ns"], "by its clock it came earlier"
    assert [one["ordinal"] for one in stage.lab.sessions()] == [1, 2, 3, 4, 5]

    # A tap that starts by the late clock: its run has an earlier name, and is the latest all the same.
    stage.tap(captures, LATE_S="3600", **late)
    stage.play()
    run = (captures / "latest.txt").read_text(encoding="utf-8").strip()
    assert run < before["run"]
    assert lookup(captures, "latest") == lookup(captures, "1") == sessions(captures)[0]
    assert (sessions(captures)[0].run, sessions(captures)[0].certified) == (run, True)
    assert [one.problem for one in sessions(captures)] == [""] * 6


def grown(stage: Bench, octets: int) -> Facts:
    """The open session, once its file has so many octets: it is not read, for it grows faster than that."""

    def found() -> list[Facts]:
        running = [one for one in stage.lab.sessions() if one["verdict"] == "open"]
        return [one for one in running if one["_path"].stat().st_size > octets]

    return until(found, f"an open session with {octets} octets", every_s=0.01)[0]


def recorded(stage: Bench, text: bytes) -> bool:
    """Whether the file of a session with little to say holds this text."""
    small = [one["_path"] for one in stage.lab.sessions() if one["_path"].stat().st_size < 100_000]
    return any(text in packet.frame.data for path in small for packet in read_capture(path).packets)


def asked(captures: Path, name: str, key: str) -> tuple[int, str]:
    """``echolab verify NAME``: its exit status and its answer's first word."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", "verify", name, "--captures", str(captures)],
        cwd=ROOT,
        env={**os.environ, "ECHO_KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.partition(":")[0] + done.stderr


def test_a_tap_killed_in_a_busy_session_leaves_all_but_the_last_second_and_what_is_mended_is_signed(
    stage: Bench, oracle: Oracle
) -> None:
    captures = stage.tap(ECHO_KEY="a teacher's key")
    whole = stage.play()
    busy = Talker(stage)
    try:
        running = grown(stage, 3_000_000)
        stage.signal("SIGKILL")
        killed_ns = time.time_ns()
        until(lambda: not stage.running(), "the tap's end")
        left = read_capture(running["_path"])
        flushed = len(left.packets)
        assert flushed >= 2000
        assert killed_ns - left.packets[-1].frame.time_ns < 2_000_000_000
        stage.start()
        grown(stage, 300_000)
    finally:
        busy.end()
    until(lambda: stage.facts(running["name"])["verdict"] != "open", "the mending of a large capture", 60)
    cut = stage.facts(running["name"])
    assert cut["verdict"] == cut["closed_because"] == "cut"
    assert "killed" in reasons(cut)
    assert len(read_capture(cut["_path"]).packets) == cut["frames"] == flushed
    assert len(oracle.tshark(cut["_path"])) == flushed
    assert cut["from_client"]["octets_new"] + cut["from_server"]["octets_new"] > 1_000_000
    assert cut["from_client"]["missing"] == cut["from_server"]["missing"] == 0, "no hole before its end"
    rest = until(lambda: [s for s in stage.lab.ended() if s["run"] != cut["run"]], "the rest of the conversation")[0]
    assert (rest["verdict"], rest["client"]) == ("midstream", cut["client"])

    for one in (whole, cut, rest):
        name = f"{one['run']}/{one['name']}"
        assert asked(captures, name, "a teacher's key") == (0, "genuine")
        assert asked(captures, name, "") == (3, "unsigned")
        assert asked(captures, name, "another key") == (1, "other-key")
    copy = captures / whole["run"] / "0009-copy.pcapng"
    facts = copy.with_suffix(".json")
    for path, own in ((whole["_path"], copy), (whole["_path"].with_suffix(".json"), facts)):
        shutil.copy(path, own)
    assert asked(captures, "0009-copy", "a teacher's key") == (0, "genuine"), "a copy is as good"
    octets = bytearray(copy.read_bytes())
    octets[len(octets) // 2] ^= 1
    copy.write_bytes(octets)
    assert asked(captures, "0009-copy", "a teacher's key") == (1, "edited")
    shutil.copy(whole["_path"], copy)
    facts.write_text(facts.read_text(encoding="utf-8").replace('"complete"', '"reset"', 1), encoding="utf-8")
    assert asked(captures, "0009-copy", "a teacher's key") == (1, "edited")
    entry: SessionEntry = lookup(captures, f"{whole['run']}/{whole['name']}")
    assert entry.certified
