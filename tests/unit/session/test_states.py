"""The state table: every cell stands here a second time, written by hand from RFC 9293 §3.3.2 and §3.10.7."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.session.states import TABLE, Happening, State, _cells, document, step

# Rows as in docs/states.md. "." stays; "!" stays with a finding; "NAME" moves; "NAME!" moves with a finding.
COLUMNS = [
    "CLOSED", "LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2",
    "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT",
]  # fmt: skip
EXPECTED = {
    "SENT_SYN": "SYN_SENT SYN_SENT . . SYN_SENT ! ! ! ! ! !",
    "RECEIVED_SYN": ". . SYN_RECEIVED . . . . ! ! ! .",
    "SENT_SYN_ACK": "SYN_RECEIVED! SYN_RECEIVED SYN_RECEIVED! . . . . . . . !",
    "RECEIVED_SYN_ACK": ". . ESTABLISHED . . . . . . . .",
    "RECEIVED_ACK_OF_SYN": ". ! . ESTABLISHED . . . . . . .",
    "SENT_NEW_DATA": "! ! ! ESTABLISHED! . ! ! . ! ! !",
    "SENT_FIN": "! ! FIN_WAIT_1! FIN_WAIT_1 FIN_WAIT_1 . . LAST_ACK . . .",
    "SENT_CROSSING_FIN": "! ! FIN_WAIT_1! FIN_WAIT_1 FIN_WAIT_1 . . CLOSING . . .",
    "RECEIVED_FIN": ". . ! CLOSE_WAIT CLOSE_WAIT CLOSING TIME_WAIT . . . .",
    "RECEIVED_ACK_OF_FIN": ". ! ! ! ! FIN_WAIT_2 . ! TIME_WAIT CLOSED .",
    "SENT_RST": ". CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED",
    "RECEIVED_RST": ". . CLOSED LISTEN CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED",
    "TIMEOUT": ". . CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED",
}
CELLS = [
    (column, happening, cell)
    for happening, row in EXPECTED.items()
    for column, cell in zip(COLUMNS, row.split(), strict=True)
]


@pytest.mark.parametrize(("state", "happening", "expected"), CELLS)
def test_every_cell(state: str, happening: str, expected: str) -> None:
    cell = step(State[state], Happening[happening])
    moves_to = expected.rstrip("!").replace(".", "") or state
    assert cell.state is State[moves_to]
    assert bool(cell.finding) == expected.endswith("!")


def test_the_expectations_cover_the_whole_table() -> None:
    assert {(s, h) for s, h, _ in CELLS} == {(s.name, h.name) for s in TABLE for h in TABLE[s]}
    assert len(CELLS) == len(State) * len(Happening)


def test_a_row_with_a_missing_or_unknown_column_is_not_accepted() -> None:
    everything: dict[str, None] = {happening.name.lower(): None for happening in Happening}
    _cells(State.CLOSED, **everything)
    with pytest.raises(KeyError):
        _cells(State.CLOSED, **dict.fromkeys(list(everything)[1:]))
    with pytest.raises(KeyError):
        _cells(State.CLOSED, **everything, dreamed=None)


def test_every_state_can_be_reached_and_left_without_a_finding() -> None:
    moves = [(s, c.state) for s, row in TABLE.items() for c in row.values() if c.state is not s and not c.finding]
    assert {end for _, end in moves} == set(State)
    assert {start for start, _ in moves} == set(State)


def test_docs_states_is_what_the_table_says() -> None:
    text = (Path(__file__).parents[3] / "docs" / "states.md").read_text(encoding="utf-8")
    assert text == document(), "docs/states.md is not up to date: run  python -m lab.session.states > docs/states.md"


def test_the_document_numbers_each_finding_once_and_uses_every_number() -> None:
    table, _, list_of_findings = document().partition("## What should not happen")
    findings = re.findall(r"^(\d+)\. (.+)$", list_of_findings, re.MULTILINE)
    assert [number for number, _ in findings] == [str(n) for n in range(1, len(findings) + 1)]
    assert len({words for _, words in findings}) == len(findings) > 5
    assert {int(number) for number in re.findall(r"\((\d+)\)", table)} == set(range(1, len(findings) + 1))


def test_the_diagram_leaves_out_what_the_text_says_it_does() -> None:
    moves = re.findall(r"^    (\w+) --> (\w+): (.+)$", document(), re.MULTILINE)
    assert len(moves) > 15
    assert [move for move in moves if "RST" in move[2]] == []
    assert [move for move in moves if move[2] == Happening.TIMEOUT.value] == [("TIME_WAIT", "CLOSED", "waited in vain")]
