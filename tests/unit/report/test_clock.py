"""The axis without the pauses, and what may not get lost where there are too many marks."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from lab.analysis.model import Analysis
from lab.report import plots as module
from lab.report.clock import Clock, without_pauses
from lab.report.plots import plots
from tests.golden.canonical import CAPTURES, analysis_of

BY_NAME = {capture.stem: capture for capture in CAPTURES}
MS, S = 1_000_000, 1_000_000_000


@pytest.fixture(scope="module")
def lossy() -> Analysis:
    """A server's data with losses and pauses."""
    return analysis_of(BY_NAME["lossy-server"])


def test_a_long_pause_is_cut_short_and_the_rest_keeps_its_distances() -> None:
    times = [0, MS, 2 * MS, 60 * S, 60 * S + MS, 60 * S + 3 * MS]
    clock = without_pauses(times)
    assert clock is not None
    assert clock.pauses == ((2 * MS, 60 * S),)
    assert clock.unit == "ms"
    places = [clock.at(time_ns) for time_ns in times]
    steps = [later - earlier for earlier, later in pairwise(places)]
    assert steps == pytest.approx([1, 1, 0.3, 1, 2])
    assert clock.span == pytest.approx(places[-1])
    assert places[2] < clock.at(30 * S) < places[3]


@pytest.mark.parametrize("times", [[], [5], [0, MS], [0, MS, 2 * MS, 3 * MS, 4 * MS, 5 * MS, 6 * MS], [7, 7, 7]])
def test_without_a_pause_there_is_nothing_to_cut(times: list[int]) -> None:
    assert without_pauses(times) is None


def test_a_clock_that_cuts_nothing_tells_the_time() -> None:
    clock = Clock(S, 11 * S)
    assert [clock.at(time_ns) for time_ns in (S, 2 * S, 11 * S)] == [0, 1, 10]
    assert (clock.unit, clock.span) == ("s", 10)


def test_the_plot_without_pauses_says_how_long_they_were(lossy: Analysis) -> None:
    found = {plot.slug: plot for plot in plots(lossy)}
    close = found["tcptrace-server-close"]
    assert re.findall(r">(pause of [^<]+)<", close.svg)[:2] == ["pause of 5.04 ms", "pause of 6.51 ms"]
    assert "leave them out" in close.reading
    assert "pause of" not in found["tcptrace-server"].svg


def test_thinning_keeps_what_was_sent_again_and_the_peaks(lossy: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    every = {plot.slug: plot.svg for plot in plots(lossy)}
    monkeypatch.setattr(module, "MOST_MARKS", 3)
    thin = {plot.slug: plot for plot in plots(lossy)}
    again = len(lossy.server.retransmissions)
    for slug in ("stevens-server", "tcptrace-server", "tcptrace-server-close"):
        assert thin[slug].svg.count(">R</text>") == every[slug].count(">R</text>") == again > 1
        assert len(thin[slug].svg) < len(every[slug])
        assert "only one in" in thin[slug].reading

    def highest(svg: str) -> float:
        path = re.search(r'd="([^"]+)" class="plot p-data"', svg)
        assert path is not None
        return min(float(y) for y in re.findall(r"V([\d.]+)", path.group(1)))

    assert highest(thin["window-server"].svg) == highest(every["window-server"])
