"""Links to source lines: each pattern finds its one line in each language, and the page's links are those lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.interop.reasons import REASONS
from tests.interop.sources import PLACES, ROOT, PlaceError, line_of, link, source

PAGE = ROOT / "docs" / "fingerprint.md"
LINK = re.compile(r"\]\((\.\./images/[^)#]+)#L(\d+)\)")
THERE = [
    (role, place, language)
    for (role, place), patterns in PLACES.items()
    for language in patterns
    if source(language, role) is not None
]


@pytest.mark.parametrize(("role", "place", "language"), THERE, ids=lambda word: word)
def test_every_pattern_matches_exactly_one_line(role: str, place: str, language: str) -> None:
    assert re.fullmatch(rf"\[{language}\]\(\.\./images/{language}/{role}\.\w+#L\d+\)", link(language, role, place))


@pytest.mark.parametrize("role", ["server", "client"])
def test_the_languages_of_the_lab_are_all_in_every_place(role: str) -> None:
    languages = {language for r, _, language in THERE if r == role}
    assert len(languages) >= 5
    for (of, _), patterns in PLACES.items():
        assert of != role or languages <= set(patterns)


def test_every_reason_names_places_that_there_are() -> None:
    assert {(role, place) for reason in REASONS for role, place, _ in reason.places} == set(PLACES)


@pytest.mark.parametrize(
    ("text", "problem"), [("a\nb\n", "no line matches"), ("close(1);\nx\nclose(2);\n", "lines 1, 3 match")]
)
def test_a_pattern_with_no_line_or_two_says_so(text: str, problem: str) -> None:
    with pytest.raises(PlaceError, match=f"c's server: {problem}"):
        line_of(text, r"close\(", "c's server")


def test_of_several_patterns_the_first_that_matches_is_taken() -> None:
    assert line_of("create\nset\n", (r"set", r"create"), "") == 2
    assert line_of("create\n", (r"set", r"create"), "") == 1


def test_a_language_that_nobody_has_patterns_for_is_named_without_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "cobol"
    folder.mkdir(parents=True)
    (folder / "server.cob").write_text("PROGRAM-ID. ECHO.\n", encoding="utf-8")
    assert link("cobol", "server", "listen", tmp_path) == "cobol"


def test_the_links_of_the_page_point_at_lines_that_still_match() -> None:
    links = LINK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(links) > 50
    right = {link(language, role, place) for role, place, language in THERE}
    known = {match.groups() for text in right if (match := LINK.search(text))}
    wrong = [f"{path}#L{number}" for path, number in links if (path, number) not in known]
    advice = "make the page anew: python3 -m tests.interop.fingerprint --render docs/fingerprint.md"
    assert not wrong, (advice, wrong)
