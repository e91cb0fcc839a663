"""Text for terminals: harmless whatever the payload is, and never wider than asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab.report.text import columns, duration, quote


def test_plain_text_stands_in_quotes() -> None:
    assert quote(b"hello\n") == '"hello\\n"'


def test_text_in_any_script_stands_as_it_is() -> None:
    assert quote("κόσμος ß".encode()) == '"κόσμος ß"'


def test_control_characters_and_invalid_octets_are_escaped() -> None:
    assert quote(b'\x1b[2J\x07\xff\x00"\\\r\t') == '"\\x1b[2J\\x07\\xff\\0\\"\\\\\\r\\t"'


def test_characters_that_turn_the_line_around_are_escaped() -> None:
    assert quote("a\u202eb".encode()) == '"a\\u202eb"'


def test_long_text_is_cut_and_says_how_long_it_was() -> None:
    assert quote(b"x" * 100, 30) == '"' + "x" * 14 + '"… (100 octets)'


def test_short_text_is_not_cut() -> None:
    assert quote(b"x" * 28, 30) == '"' + "x" * 28 + '"'


@given(st.binary(max_size=300), st.integers(30, 100))
def test_any_octets_give_printable_text_of_at_most_that_width(octets: bytes, width: int) -> None:
    text = quote(octets, width)
    assert text.isprintable()
    assert columns(text) <= width


def test_durations_have_the_unit_that_suits_them() -> None:
    assert [duration(n) for n in (412, 83_140, 12_400_000, 3_050_000_000, 120_000_000_000)] == [
        "412 ns",
        "83.1 µs",
        "12.4 ms",
        "3.05 s",
        "2 min",
    ]
