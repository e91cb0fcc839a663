"""docs/analysis.md and the table of findings: in step with the code, whole, and in plain words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.analysis.document import document
from lab.analysis.kind import Kind
from lab.analysis.kinds import KINDS, example, finding
from lab.analysis.words import duration, frames_text
from lab.session.findings import RFC_OF_RULE

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_tables_say() -> None:
    assert (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8") == document(), (
        "run: python -m lab.analysis.document > docs/analysis.md"
    )


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.slug)
def test_every_kind_has_a_slug_a_rule_and_a_sentence(kind: Kind) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug)
    assert re.fullmatch(r"RFC \d+( §[\d.]+)?|", kind.rfc)
    sentence = example(kind)
    assert sentence[0].isupper() or sentence[0].isdigit()
    assert sentence.endswith(".")
    assert "None" not in sentence
    assert "{" not in sentence


def test_every_rule_of_the_tracker_is_told_under_some_kind() -> None:
    from lab.analysis.entry import _OWN_RULES

    known = set(KINDS) | _OWN_RULES
    assert set(RFC_OF_RULE) <= known


def test_every_kind_that_the_code_names_is_in_the_table_and_the_other_way_round() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "lab" / "analysis").glob("*.py")
                     if not path.name.startswith("kinds_"))  # fmt: skip
    named = set(re.findall(r'finding\(\s*"([a-z-]+)"', source))
    assert named <= set(KINDS)
    unused = {slug for slug, kind in KINDS.items() if kind.template != "{said}" and f'"{slug}"' not in source}
    assert not unused


def test_a_kind_that_is_not_in_the_table_cannot_come_up() -> None:
    with pytest.raises(KeyError):
        finding("no-such-kind", (1,))


def test_frames_that_are_not_known_are_left_out() -> None:
    assert finding("fin-unacknowledged", (None, 3, None), "client").frames == (3,)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1_000, "1.00 µs"), (9_994, "9.99 µs"), (9_996, "10.0 µs"), (999_600, "1.00 ms"),
     (213_400_000, "213 ms"), (1_020_000_000, "1.02 s"), (119_400_000_000, "119 s"), (120_000_000_000, "2 min"),
     (10_800_000_000_000, "3 h"), (9_015_000_000_000, "2 h 30 min"), (185_000_000_000, "3 min 5 s"),
     (-5_000, "-5.00 µs")],
)  # fmt: skip
def test_a_duration_has_three_digits_and_a_unit(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_a_long_list_of_frames_is_cut() -> None:
    assert frames_text((1,)) == "frame 1"
    assert frames_text((1, 2)) == "frames 1 and 2"
    assert frames_text(range(1, 10)) == "frames 1, 2, 3, 4, 5, 6 and 3 more"
    assert frames_text(()) == "no frame"
