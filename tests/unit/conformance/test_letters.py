"""Letters that have a capital since a late version of Unicode: how old a server's tables are; what the pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.conformance.capitals import MAY_DIFFER, NEW_IN, age_of
from tests.contract.test_letters import ages_of_the_page
from tests.interop.letters import different, render

DOCS = Path(__file__).resolve().parents[3] / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text("utf-8")
PAGE = (DOCS / "letters.md").read_text("utf-8")


def tables_of(age: int) -> dict[int, bytes]:
    """The answers of a server with tables of this version."""
    known = {small for version, letters in NEW_IN.items() if version <= age for small in letters}
    return {small: chr(capital if small in known else small).encode() for small, capital in MAY_DIFFER.items()}


@pytest.mark.parametrize(("age", "found"), [(13, 13), (14, 14), (15, 14), (16, 16), (17, 17)])
def test_the_age_of_the_tables_is_found(age: int, found: int) -> None:
    assert age_of(tables_of(age)) == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({0x019B: "X"}, "U\\+019B is answered 'X'"),
        ({0x019B: "\ua7dc"}, "U\\+0264 has none"),
        ({small: chr(capital) for small, capital in NEW_IN[17].items()}, "which is older, none"),
    ],
    ids=["wrong", "one-of-many", "later-without-earlier"],
)
def test_tables_of_no_single_age_are_told(change: dict[int, str], words: str) -> None:
    answers = {**tables_of(14), **{small: text.encode() for small, text in change.items()}}
    with pytest.raises(ValueError, match=words):
        age_of(answers)


def test_the_protocol_lists_exactly_the_letters_that_the_kit_lets_differ() -> None:
    rows = re.findall(r"^\| Unicode (\d+) \((\d+)\) \|(.*)\|$", PROTOCOL, re.MULTILINE)
    assert {version for version, count, _ in rows if int(count)} == {str(version) for version in NEW_IN}
    for version, count, words in rows:
        listed: set[int] = set()
        for first, last in re.findall(r"U\+([0-9A-F]+)(?: to U\+([0-9A-F]+))?", words):
            listed |= set(range(int(first, 16), int(last or first, 16) + 1))
        assert len(listed) == int(count)
        assert listed == NEW_IN.get(int(version), {}).keys()


def test_the_page_has_every_letter_with_the_capital_and_the_version_that_the_kit_knows() -> None:
    rows = re.findall(r"^\| \S U\+([0-9A-F]+) \| U\+([0-9A-F]+) \| (\d+) \|", PAGE, re.MULTILINE)
    known = {(small, capital, version) for version, letters in NEW_IN.items() for small, capital in letters.items()}
    assert {(int(small, 16), int(capital, 16), int(version)) for small, capital, version in rows} == known
    assert len(rows) == len(MAY_DIFFER) == 95


def test_the_page_is_what_tables_of_these_ages_make_of_it() -> None:
    ages = ages_of_the_page(PAGE)
    found = {language: tables_of(age) for language, age in ages.items()}
    command = re.search(r"Made by `(.*?)`", PAGE)
    assert command
    assert render(found, command[1]) == PAGE


def test_the_protocol_says_of_the_six_what_the_page_says() -> None:
    ages = ages_of_the_page(PAGE)
    assert {language for language, age in ages.items() if age == 16} == {"c", "cpp", "csharp", "javascript"}
    assert {language for language, age in ages.items() if age == 14} == {"java", "python"}
    found = {language: tables_of(age) for language, age in ages.items()}
    assert different(found) == NEW_IN[16].keys()
    said = " ".join(PROTOCOL.split())
    assert (
        "Python 3.13 and Java 21 have the tables of Unicode 15; libunistring (C, C++, C#) and Node have those of 16"
        in said
    )
    assert f"there the six programs differ in {len(NEW_IN[16])} letters" in said
