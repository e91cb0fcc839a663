"""A pair is only measured if everything agrees: else its cell says what went wrong, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.interop import dialogues, fingerprint
from tests.unit.interop.test_fingerprint_facts import conversation, json_of_it

GOOD: dict[str, Any] = {
    **json_of_it(),
    "verdict": "complete",
    "certificate": {"complete": True, "reasons": []},
    "languages": {"server": "c", "client": "java"},
    "_path": Path("0001.pcapng"),
}


def measured(monkeypatch: pytest.MonkeyPatch, session: dict[str, Any]) -> fingerprint.Cell:
    monkeypatch.setattr(dialogues, "play", lambda *_: {"demo": session})
    monkeypatch.setattr(fingerprint, "read_segments", lambda *_: [conversation()])
    return fingerprint.measure(("c", "java"), Path(), None, "nothing")  # type: ignore[arg-type]


def test_a_certified_session_on_which_tshark_and_the_json_agree_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = measured(monkeypatch, GOOD)
    assert cell.problem == ""
    assert cell.values["server-quit"] == "FIN alone"
    assert cell.values["client-quit"] == "three segments, server first"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"verdict": "cut"}, "demo: cut"),
        ({"certificate": {"complete": False, "reasons": ["frames were dropped"]}}, "frames were dropped"),
        ({"languages": {"server": "c", "client": "cpp"}}, "the JSON names"),
        ({"first_closer": "client"}, "first_closer: tshark 'server', the JSON 'client'"),
    ],
    ids=["cut", "not-certified", "other-languages", "another-story"],
)
def test_a_session_with_a_flaw_is_a_problem(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], word: str) -> None:
    assert word in measured(monkeypatch, {**GOOD, **change}).problem


def test_a_dialogue_that_did_not_come_to_its_end_is_a_problem_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def play(*_: object) -> None:
        raise TimeoutError("waited 20 s in vain\nand more lines")

    monkeypatch.setattr(dialogues, "play", play)
    cell = fingerprint.measure(("c", "java"), Path(), None, "nothing")  # type: ignore[arg-type]
    assert (cell.problem, cell.values) == ("waited 20 s in vain", {})
