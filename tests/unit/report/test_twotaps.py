"""Two taps in the terminal: both lifelines, whole numbers at every width, arrows that end or begin in the middle."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lab.analysis.compare import Comparison, compare
from lab.report.ladder import Style
from lab.report.pairing import crossing_rungs
from lab.report.svgladder import SERVER_X, ladder_svg
from lab.report.twotaps import two_taps
from tests.unit.analysis.scenes import OPEN, TALK, frames_of, look, without

WORDS = frames_of(OPEN + TALK + '> P. 7 ack 7 "quit\\n"\n < P. 7 ack 12 "Good bye\\n"\n < R. 16 ack 12')


def found() -> Comparison:
    """The server's tap lacks frame 4 of the client; the client's has a RST (10) that the server did not send."""
    return compare(look(WORDS), look(without(without(WORDS, 10), 4)))


def drawn(width: int, *, raw: bool = False, done: list[str] | None = None) -> list[str]:
    result = found()
    return two_taps(result, crossing_rungs(result, raw=raw), Style(width), done)


def test_each_arrow_has_the_numbers_of_both_taps() -> None:
    lines = drawn(80)
    assert re.search(r" #6 ◀─+ PSH, ACK seq 1 ack 7 len 6 ── #5 ", lines[7])
    assert re.search(r" #8 ── PSH, ACK seq 7 ack 7 len 5 ─+▶ #7 ", lines[9])


def test_the_arrow_of_a_lost_segment_ends_in_the_middle() -> None:
    lines = drawn(80)
    assert lines[4].rstrip("- ").endswith("#4 ── PSH, ACK ─────────✕")
    assert lines[5].split() == ["seq", "1", "ack", "1", "len", "6", "[lost]"]
    assert sum("✕" in line for line in lines) == 1
    forged = next(line for line in lines if "RST" in line)
    assert re.search(r" #10 ◀─+ RST, ACK ── +-$", forged)
    assert len(forged) <= 80


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("width", [60, 80, 132])
def test_no_number_is_cut_at_any_width(width: int, raw: bool) -> None:
    done = ["drop (line 4) and more words than fit into what is left of a line of 80 columns"] * len(found().crossings)
    lines = drawn(width, raw=raw, done=done)
    assert max(len(line) for line in lines) <= width
    told = [int(number) for number in re.findall(r"(?:seq|ack|len) (\d+)", " ".join(" ".join(lines).split()))]
    meant = [
        int(number)
        for rung in crossing_rungs(found(), raw=raw)
        for number in re.findall(r"(?:seq|ack|len) (\d+)", rung.label)
    ]
    assert told == meant


def test_the_picture_has_the_numbers_of_both_taps_and_arrows_that_begin_in_the_middle() -> None:
    every = crossing_rungs(found())
    picture = ladder_svg(every, "two taps", "client", "server")
    assert picture.count(">#10<") == 1  # the forged one: at the client's tap only
    assert picture.count(">#7<") == 2
    middle = (250 + SERVER_X) / 2
    assert f'<line x1="{middle:.0f}"' in picture
    honest = [replace(one, appeared=False) for one in every]
    assert f'<line x1="{middle:.0f}"' not in ladder_svg(honest, "two taps", "client", "server")
