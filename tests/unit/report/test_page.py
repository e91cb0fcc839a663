"""The report: one file, complete, that asks no network for anything and lets nothing of the capture become markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.analysis.model import Analysis
from lab.report.page import MOST_FRAMES, page
from tests.golden.canonical import CAPTURES, analysis_of, frames_of

BY_NAME = {capture.stem: capture for capture in CAPTURES}
VOID = {"meta", "br", "img", "hr", "link", "input"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and gathers links, places and words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.words: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [str(named["id"])] if "id" in named else []
        self.links |= {str(named["href"])} if named.get("href") else set()
        self.scripts += tag == "script"
        assert not named.get("src")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> Reader:
    """Parse a page."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_every_link_leads_somewhere_on_the_page(capture: Path) -> None:
    analysis = analysis_of(capture)
    found = read(page(analysis, "x.pcapng"))
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert all(link.startswith("#") for link in found.links)
    assert {f"frame-{frame.number}" for frame in analysis.frames} <= set(found.ids)
    for finding in analysis.findings:
        assert any(finding.sentence in word for word in found.words)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_what_is_said_of_the_handshake_is_what_the_findings_say(capture: Path) -> None:
    analysis = analysis_of(capture)
    text = page(analysis, "x.pcapng")
    kinds = {finding.kind for finding in analysis.findings}
    assert ("has no whole handshake" in text) == ("handshake-complete" not in kinds)
    assert ("Opened in " in text) == ("initial-rtt" in kinds)
    assert ("a SYN was sent more than once" in text) == (kinds >= {"handshake-complete", "syn-retransmission"})


def test_nothing_is_fetched() -> None:
    text = page(analysis_of(BY_NAME["demo"]), "x.pcapng")
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", text)


def test_markup_from_the_wire_stays_text() -> None:
    frames = frames_of(BY_NAME["demo"])
    evil = b"<script>1</script>"
    place = next(n for n, frame in enumerate(frames) if len(frame.data) > 66 + len(evil))
    data = frames[place].data
    frames[place] = frames[place]._replace(data=data[:66] + evil + data[66 + len(evil) :])
    (analysis,) = analyse(frames, names={"198.51.100.20": "<b>client"})
    text = page(analysis, "<i>.pcapng", certificate="<u>")
    assert read(text).scripts == 1
    assert not re.search(r"<(b|i|u)>", text)
    assert "&lt;script&gt;1" in text


def test_a_long_session_is_shortened_and_says_so() -> None:
    analysis = long_session()
    assert len(analysis.frames) > MOST_FRAMES
    found = read(page(analysis, "x.pcapng"))
    shown = [one for one in found.ids if one.startswith("frame-")]
    assert len(shown) <= MOST_FRAMES
    assert f"frame-{len(analysis.frames)}" in shown
    assert any("frames are left out here" in word for word in found.words)


def long_session() -> Analysis:
    """The demo with its first acknowledgment repeated some hundred times."""
    frames = frames_of(BY_NAME["demo"])
    repeated = [frames[6]._replace(time_ns=frames[6].time_ns + number) for number in range(MOST_FRAMES + 50)]
    (analysis,) = analyse(frames[:7] + repeated + frames[7:], names={})
    return analysis
