"""docs/testing.md names tests: each of them must exist, and none of the faults' tests may be left out."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "testing.md"
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8"))


def functions(path: Path) -> set[str]:
    return set(re.findall(r"^def (\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_test_that_the_page_names_exists() -> None:
    assert len(NAMED) > 40
    assert [f"{path}::{name}" for path, name in NAMED if name not in functions(TESTS / path)] == []


def test_a_name_that_no_function_has_would_be_noticed() -> None:
    assert "test_no_such_thing" not in functions(TESTS / NAMED[0][0])


def test_every_live_test_of_a_fault_and_of_a_session_s_life_is_on_the_page() -> None:
    for path in ("live/test_faults.py", "live/test_clock_and_kill.py", "live/test_session_life.py"):
        tests = {name for name in functions(TESTS / path) if name.startswith("test_")}
        assert tests - {name for where, name in NAMED if where == path} == set()


def test_every_kind_of_trouble_has_a_row() -> None:
    """The words of the page's own tables, so that a row is not lost in an edit."""
    rows = [
        line.split("|")[1].strip() for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    assert len(rows) == len(set(rows)) > 30
