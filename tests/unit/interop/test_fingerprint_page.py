"""The page: who decides a trait, what a table says, and that docs/fingerprint.md is what the measured cells give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.page import load, merged, render, save, slug
from tests.interop.sources import ROOT
from tests.interop.traits import BY_NAME, EITHER, NOBODY, TRAITS, Cell, decided_by, groups, shown, values_of

PAGE = ROOT / "docs" / "fingerprint.md"
ADVICE = "make the page anew: python3 -m tests.interop.fingerprint --render docs/fingerprint.md"
LANGUAGES = ("c", "java", "python")
NODELAY, LONG = BY_NAME["server-nodelay"], BY_NAME["server-long"]


def cells(name: str, rows: dict[str, tuple[str | float, ...]]) -> list[Cell]:
    """{server: (value with each client)}."""
    return [
        Cell(server, client, values={name: value})
        for server, values in rows.items()
        for client, value in zip(LANGUAGES, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("rows", "decision"),
    [
        ({"c": ("x", "x", "x"), "java": ("x", "x", "x"), "python": ("x", "x", "x")}, NOBODY),
        ({"c": ("x", "x", "x"), "java": ("x", "x", "x"), "python": ("y", "y", "y")}, "the server"),
        ({"c": ("x", "x", "y"), "java": ("x", "x", "y"), "python": ("x", "x", "y")}, "the client"),
        ({"c": ("x", "x", "y"), "java": ("x", "x", "x"), "python": ("y", "y", "y")}, EITHER),
    ],
    ids=["nobody", "the-server", "the-client", "the-moment"],
)
def test_who_decides_a_trait_is_read_from_all_pairs(rows: dict[str, tuple[str, ...]], decision: str) -> None:
    assert decided_by(NODELAY, cells("server-nodelay", rows)) == decision


def test_an_entry_is_the_value_or_a_range_or_what_came_how_often() -> None:
    found = cells("server-nodelay", {"c": ("x", "x", "x"), "java": ("x", "y", "x")})
    assert shown(NODELAY, found, "c") == "x"
    assert shown(NODELAY, found, "java") == "x (2 of 3); y (1 of 3)"
    numbers = cells("server-long", {"c": ("15", "15", "15"), "java": ("15", "16", "15")})
    assert shown(LONG, numbers, "c") == "15"
    assert shown(LONG, numbers, "java") == "15 to 16"
    assert shown(LONG, numbers, "cobol") == "–"


def test_two_exceptions_in_twenty_leave_it_mostly_to_the_server_and_three_to_the_moment() -> None:
    def decision(odd: int) -> str:
        usual = [Cell("c", str(n), values={"server-nodelay": "y" if n < odd else "x"}) for n in range(10)]
        other = [Cell("java", str(n), values={"server-nodelay": "y"}) for n in range(10)]
        return decided_by(NODELAY, usual + other)

    assert (decision(0), decision(2), decision(3)) == ("the server", "mostly the server", EITHER)


def test_a_lone_exception_is_not_put_down_to_anybody() -> None:
    found = cells("server-nodelay", {"c": ("x", "x", "x"), "java": ("x", "y", "x"), "python": ("x", "x", "x")})
    assert decided_by(NODELAY, found) == EITHER


def test_languages_with_the_same_value_stand_together() -> None:
    found = cells("server-nodelay", {"c": ("x", "x", "x"), "java": ("x", "x", "x"), "python": ("y", "y", "y")})
    assert groups("server-nodelay", found) == {"x": ["c", "java"], "y": ["python"]}


def test_the_traits_of_dialogues_that_were_not_played_are_left_out() -> None:
    side = {"small_on_small": 1, "longest_ack_wait_ms": 3.0, "fin": "alone", "resets": 0}
    paced = {"client": side, "server": side, "closing": "RST", "first_closer": "client"}
    values = values_of({"paced": paced, "gaps_ms": []})
    assert values["server-nodelay"] == "at once"
    assert "server-gap" not in values  # nothing was there to be measured
    assert "client-syn" not in values  # the demo was not played


def test_the_newest_of_each_pair_is_kept_in_order(tmp_path: Path) -> None:
    old = [Cell("java", "c", values={"a": "old"}), Cell("c", "c", values={"a": "kept"})]
    new = [Cell("java", "c", values={"a": "new"})]
    save(tmp_path / "cells.json", merged(old, new))
    assert [(c.server, c.values["a"]) for c in load(tmp_path / "cells.json")] == [("c", "kept"), ("java", "new")]
    assert load(tmp_path / "nothing.json") == []


def test_the_page_says_of_nagle_what_was_measured_and_not_the_contrary() -> None:
    measured = cells("server-nodelay", {"c": ("at once",) * 3, "python": ("after the ACK",) * 3})
    text = " ".join(render(measured).split())
    assert "Servers in c set it" in text
    assert "Servers in python don't" in text
    assert "Python is a surprise" in text
    cured = " ".join(render(cells("server-nodelay", {"python": ("at once",) * 3})).split())
    assert "Servers in python set it" in cured
    assert "Python is a surprise" not in cured


def test_what_is_the_same_for_all_has_one_row_and_what_differs_a_row_for_each_language() -> None:
    same = render(cells("server-nodelay", {"c": ("x",) * 3, "java": ("x",) * 3}))
    assert "| `Y`, while `X` is unacknowledged | x |" in same
    assert "| **java** |" not in same
    different = render(cells("server-nodelay", {"c": ("x",) * 3, "java": ("y",) * 3}))
    assert "| **java** | y |" in different
    assert "| *decided by* | the server |" in different


def test_a_pair_that_failed_is_named_and_counts_in_no_table() -> None:
    page = render([Cell("c", "java", "the capture is not certified", {"server-nodelay": "nonsense"})])
    assert "- server c, client java: the capture is not certified" in page
    assert "nonsense" not in page


def test_every_trait_has_a_name_of_its_own_and_a_paragraph() -> None:
    assert len(BY_NAME) == len(TRAITS)
    page = PAGE.read_text(encoding="utf-8")
    headings = {slug(line.removeprefix("### ")) for line in page.splitlines() if line.startswith("### ")}
    anchors = {part.split(")")[0] for part in page.split("](#")[1:]}
    assert anchors
    assert anchors <= headings


def test_the_page_in_docs_is_what_the_measured_cells_and_the_sources_give() -> None:
    measured = load(PAGE.with_suffix(".json"))
    assert measured
    assert [cell for cell in measured if cell.problem] == []
    assert PAGE.read_text(encoding="utf-8") == render(measured), ADVICE
