"""A session whose JSON is lost is told anew from its capture: the same facts, marked, and never signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.cli.command import main
from lab.store.digest import verify
from lab.store.errors import CaptureFileError
from lab.store.index import SessionEntry, sessions
from lab.store.rebuild import rebuilt
from tests.oracle.made import frames_of, write

UNKNOWABLE = {"digest", "rebuilt", "closed_because", "findings", "late_frames"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that is over, with sessions of every kind of ending."""
    (tmp_path / "captures").mkdir()
    return write(tmp_path / "captures", frames_of(3, 12), "the tracker")


def listed(run: Path) -> dict[str, SessionEntry]:
    return {entry.name: entry for entry in sessions(run.parent)}


def test_every_fact_that_the_frames_tell_is_told_as_it_was(run: Path) -> None:
    before = listed(run)
    assert len({entry.verdict for entry in before.values()}) > 1
    for entry in before.values():
        entry.json_path.unlink()
    after = listed(run)
    assert after.keys() == before.keys()
    for name, entry in after.items():
        was = before[name]
        assert entry.problem == f"{name}.json is missing; told anew from its frames, unsigned"
        assert (entry.verdict, entry.certified, entry.ordinal) == (was.verdict, was.certified, was.ordinal)
        assert (entry.facts["rebuilt"], entry.facts["digest"]) == (True, "unsigned")
        assert entry.facts.keys() - {"rebuilt"} == was.facts.keys()
        for member in was.facts.keys() - UNKNOWABLE:
            assert _sentences(entry.facts[member]) == _sentences(was.facts[member]), member


def _sentences(value: Any) -> Any:
    """A certificate with its reasons as one text: the comment in the file has them so."""
    if isinstance(value, dict) and "reasons" in value:
        return {**value, "reasons": " ".join(value["reasons"])}
    return value


def test_a_spoiled_json_is_told_anew_too_and_its_problem_stays(run: Path) -> None:
    entry = sessions(run.parent)[0]
    entry.json_path.write_text('{"verdict": ', encoding="utf-8")
    again = sessions(run.parent)[0]
    assert again.problem.startswith(f"{entry.json_path.name} cannot be read")
    assert again.problem.endswith("told anew from its frames, unsigned")
    assert again.verdict == entry.verdict


def test_the_command_lists_it_with_verdict_and_frames_and_verify_does_not_call_it_genuine(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = sessions(run.parent)[0]
    row = f"{entry.verdict:9} {entry.facts['frames']:>7}"
    entry.json_path.unlink()
    assert main(["sessions", "--captures", str(run.parent)]) == 0
    table = capsys.readouterr().out
    assert row in table.splitlines()[1]
    assert "told anew from its frames, unsigned" in table.splitlines()[2]
    assert main(["sessions", "--json", "--captures", str(run.parent)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["facts"]["rebuilt"] is True
    assert verify(entry.json_path, b"key").state == "unreadable"


def test_of_a_run_that_is_still_written_nothing_is_told_anew(run: Path) -> None:
    facts = run / "run.json"
    facts.write_text(
        facts.read_text(encoding="utf-8").replace('"end_ns": ', '"end_ns": null, "was": '), encoding="utf-8"
    )
    entry = sessions(run.parent)[0]
    entry.json_path.unlink()
    from lab.store.run import RunLock  # the tap's part

    with RunLock(run) as lock:
        assert lock.take()
        assert sessions(run.parent)[0].problem == f"{entry.json_path.name} is missing"
    assert "told anew" in sessions(run.parent)[0].problem


def test_a_capture_that_was_never_finished_gets_no_certificate(run: Path) -> None:
    entry = next(entry for entry in sessions(run.parent) if entry.certified)
    octets = entry.pcapng_path.read_bytes()
    length = int.from_bytes(octets[-4:], "little")
    entry.pcapng_path.write_bytes(octets[:-length])  # without the closing statistics
    entry.json_path.unlink()
    facts = rebuilt(entry.pcapng_path)
    assert facts["verdict"] == "cut"
    assert "not finished" in json.dumps(facts["certificate"])


def test_what_is_no_capture_stays_a_problem(run: Path) -> None:
    (run / "0099-note.pcapng").write_text("no capture\n", encoding="utf-8")
    assert listed(run)["0099-note"].problem == "0099-note.json is missing"
    with pytest.raises(CaptureFileError, match="is not a capture"):
        rebuilt(run / "0099-note.pcapng")
