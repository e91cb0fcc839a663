"""The drawings: well-formed, with every frame on them, and with nothing of the capture that could become markup."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from lab.analysis.model import Analysis
from lab.report.mermaid import ladder_mermaid, safe
from lab.report.plots import plots
from lab.report.rungs import Rung, rungs
from lab.report.svgladder import MOST_RUNGS, ladder_svg
from tests.golden.canonical import CAPTURES, analysis_of

SVG = "{http://www.w3.org/2000/svg}"
BY_NAME = {capture.stem: capture for capture in CAPTURES}


@pytest.fixture(scope="module")
def demo() -> Analysis:
    """The demo conversation."""
    return analysis_of(BY_NAME["demo"])


def drawn(every: list[Rung], **options: bool) -> ElementTree.Element:
    """The ladder as a tree; fails if it is not well-formed."""
    return ElementTree.fromstring(ladder_svg(every, "title", "client", "server", **options))


def words(tree: ElementTree.Element) -> str:
    """All text of a drawing."""
    return "\n".join(tree.itertext())


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_every_golden_trace_can_be_drawn(capture: object) -> None:
    analysis = analysis_of(capture)  # type: ignore[arg-type]
    every = rungs(analysis)
    for options in ({}, {"to_scale": True}, {"explain": True}, {"linked": True}):
        tree = drawn(every, **options)
        for one in every:
            assert f"#{one.number}" in words(tree)
    for plot in plots(analysis, standalone=True):
        ElementTree.fromstring(plot.svg)
        assert plot.reading


def test_a_lost_frames_arrow_ends_in_the_middle() -> None:
    one = Rung(1, 0, "client", "data", "PSH, ACK  seq 1", '"x"', "", "", "", lost=True)
    lost, whole = drawn([one]), drawn([Rung(1, 0, "client", "data", "PSH, ACK  seq 1", '"x"', "", "", "")])
    ends = [[float(e.get("x2", "0")) for e in tree.iter(f"{SVG}line") if "k-data" in e.get("class", "")]
            for tree in (lost, whole)]  # fmt: skip
    assert ends[0][0] < ends[1][0]
    assert "[lost]" in words(lost)
    assert "[lost]" not in words(whole)


def test_distances_follow_the_time_only_on_request(demo: Analysis) -> None:
    def gaps(**options: bool) -> list[float]:
        places = [float(e.get("y1", "0")) for e in drawn(rungs(demo), **options).iter(f"{SVG}line")
                  if "arrow" in e.get("class", "")]  # fmt: skip
        return [later - earlier for earlier, later in pairwise(places)]

    assert max(gaps()) - min(gaps()) < 1
    scaled = gaps(to_scale=True)
    times = [one.time_ns for one in rungs(demo)]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert scaled.index(max(scaled)) == waits.index(max(waits))


def test_of_a_long_session_both_ends_are_drawn_and_the_gap_is_told() -> None:
    every = [Rung(n, n * 1000, "client", "data", "ACK", "", "", "", "") for n in range(1, MOST_RUNGS + 101)]
    said = words(drawn(every))
    assert "100 frames are not drawn" in said
    assert f"#{MOST_RUNGS + 100}" in said
    assert "not drawn" not in words(drawn(every[:MOST_RUNGS]))


def test_markup_in_a_payload_stays_text() -> None:
    one = Rung(1, 0, "client", "data", "PSH", '"</text><script>alert(1)</script>"', "", "", "<b>")
    tree = drawn([one])
    assert "<script>" in words(tree)
    assert not list(tree.iter(f"{SVG}script"))


@pytest.mark.parametrize("text", ["a; b", "#quot;", "end", "A->>B: x", "\u202e", "é", "%%{init}%%"])
def test_mermaid_gets_words_it_cannot_misread(text: str) -> None:
    assert re.fullmatch(r"([A-Za-z0-9 ,.\-_/()\[\]=+*?!']|#\d+;)*", safe(text))


def test_mermaid_has_an_arrow_for_every_frame(demo: Analysis) -> None:
    text = ladder_mermaid(rungs(demo), "client", "server", explain=True)
    assert text.splitlines()[0] == "sequenceDiagram"
    assert len(re.findall(r"^    [CS]->>[CS]: ", text, re.MULTILINE)) == len(demo.frames)
    assert "ESTABLISHED" in text


def test_what_was_sent_again_is_marked_in_the_plots() -> None:
    lossy = {plot.slug: plot for plot in plots(analysis_of(BY_NAME["lossy-server"]))}
    clean = {plot.slug: plot for plot in plots(analysis_of(BY_NAME["demo"]))}
    assert ">R</text>" in lossy["stevens-server"].svg
    assert ">R</text>" in lossy["tcptrace-server"].svg
    assert not any(">R</text>" in plot.svg for plot in clean.values())
