"""The command echolab, on captures that the tap's own store has written."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from lab.cli import main
from lab.session.tracker import Tracker
from lab.store.blocks import InterfaceFacts, SectionFacts
from lab.store.facts import RunFacts
from lab.store.sessions import SessionStore
from lab.wire.frame import Frame
from tests.unit.capture.traffic import START_NS, Talk

KEY = b"teacher"


@pytest.fixture
def captures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One run with three sessions: of 5, 1 and 3 lines; the second one ends with a reset."""
    store = SessionStore(
        tmp_path,
        run=RunFacts(START_NS),
        section=SectionFacts(),
        interface=InterfaceFacts("eth0"),
        clock_ns=lambda: START_NS,
        key=KEY,
    )
    tracker = Tracker(names={"192.0.2.20": "client", "192.0.2.10": "server"})
    for number, (turns, ending) in enumerate(((5, "fin"), (1, "rst"), (3, "fin"))):
        for time_ns, octets, direction in Talk(random.Random(number), 40000 + number).play(turns, ending):
            frame = Frame(time_ns + number * 10**9, octets, len(octets), 0, direction)
            for event in tracker.feed(frame):
                store.handle(event)
    for event in tracker.stop(START_NS + 10**10):
        store.handle(event)
    store.close()
    monkeypatch.setenv("ECHO_CAPTURES", str(tmp_path))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(words)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def test_sessions_are_listed_in_80_columns(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "sessions")
    lines = out.splitlines()
    assert status == 0
    assert len(lines) == 4
    assert max(map(len, lines)) <= 80
    assert [line.split()[4] for line in lines[1:]] == ["complete", "reset", "complete"]


@pytest.mark.parametrize(
    ("words", "ordinals"),
    [
        (["--verdict", "reset"], [2]),
        (["--client", "client", "--sort", "frames"], [2, 3, 1]),
        (["--client", "nobody"], []),
        (["--text", "LINE 4"], [1]),
        (["--text", "line 1"], [1, 3]),
        (["--sort", "frames", "--reverse"], [1, 3, 2]),
        (["--run", "latest"], [1, 2, 3]),
        (["--run", "1999"], []),
    ],
)
def test_sessions_are_filtered_and_sorted(
    captures: Path, capsys: pytest.CaptureFixture[str], words: list[str], ordinals: list[int]
) -> None:
    status, out, _ = run(capsys, "sessions", "--json", *words)
    assert status == 0
    assert [entry["facts"]["ordinal"] for entry in json.loads(out)] == ordinals


def test_a_damaged_session_is_listed_with_its_problem(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(captures.glob("*/0002*.json")).write_text("{")
    _, out, _ = run(capsys, "sessions")
    assert "0002-client-40001-server-7:" in out
    assert "not valid JSON" in out


@pytest.mark.parametrize("name", ["latest", "3", "0003", "0003-client-40002-server-7"])
def test_a_ladder_is_found_by_any_of_its_names(captures: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, out, _ = run(capsys, "ladder", name)
    assert status == 0
    assert "client 192.0.2.20:40002" in out
    assert "\x1b" not in out


def test_a_ladder_of_any_capture_file(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(captures.glob("*/0001*.pcapng"))
    status, out, _ = run(capsys, "ladder", str(path), "--width", "70", "--ascii")
    assert status == 0
    assert out.isascii()
    assert max(len(line) for line in out.splitlines()) <= 70
    assert "192.0.2.20:40000" in out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["ladder", "9"], 1, "no session '9'"),
        (["ladder", "000"], 1, "fits 3 sessions"),
        (["ladder", "nowhere.pcap"], 1, "does not exist"),
        (["ladder", "/"], 1, "is a folder"),
        (["ladder", __file__], 1, "is not a capture"),
        (["ladder", "--width", "20"], 2, "too narrow"),
        (["sessions", "--captures", "/nowhere"], 1, "no folder /nowhere"),
        (["sessions", "--colour"], 2, "--colour"),
        (["frobnicate"], 2, "frobnicate"),
        ([], 2, "COMMAND"),
        (["prune"], 2, "--keep N"),
        (["prune", "--keep", "-1"], 2, "0 or more"),
    ],
)
def test_what_is_asked_wrongly_gets_one_sentence(
    captures: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, said: str
) -> None:
    found, out, err = run(capsys, *words)
    assert found == status
    assert said in err
    assert err.startswith("echolab: ")
    assert len(err.splitlines()) == 1
    assert out == ""


def test_prune_only_says_with_dry_run_and_removes_without(captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "prune", "--keep", "1", "--dry-run")
    assert "would remove" in out
    assert len(list(captures.glob("*/*.pcapng"))) == 3
    _, out, _ = run(capsys, "prune", "--keep", "1")
    assert "2 sessions go" in out
    assert [path.name[:4] for path in captures.glob("*/*.pcapng")] == ["0003"]


def test_verify_tells_genuine_edited_and_unsigned_apart(
    captures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, "verify")[0] == 3, "without a key it cannot be told"
    monkeypatch.setenv("ECHO_KEY", KEY.decode())
    status, out, _ = run(capsys, "verify", "1", "2", "3")
    assert status == 0
    assert out.count("genuine:") == 3
    path = next(captures.glob("*/0002*.pcapng"))
    octets = bytearray(path.read_bytes())
    octets[-60] ^= 1
    path.write_bytes(octets)
    status, out, _ = run(capsys, "verify", "1", "2", "--json")
    assert status == 1
    assert [entry["state"] for entry in json.loads(out)] == ["genuine", "edited"]


def test_conformance_is_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "conformance", "--list")
    assert status == 0
    assert "sharp-s" in out
