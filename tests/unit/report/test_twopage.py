"""The report of two taps: whole, self-contained, and nothing of the capture becomes markup."""

from __future__ import annotations

import re

import pytest

from lab.analysis.compare import compare
from lab.cli.command import main
from lab.report.pairing import crossing_rungs
from lab.report.twopage import two_page
from tests.golden.canonical import CAPTURES
from tests.unit.analysis.scenes import OPEN, frames_of, look, without
from tests.unit.report.test_page import read

TAPS = [str(CAPTURES[0].parent / "two-taps" / f"{side}.pcap") for side in ("client", "server")]


def test_it_says_what_was_lost_and_draws_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--html", *TAPS]) == 0
    text = capsys.readouterr().out
    found = read(text)
    assert any("Frame 8 of the client left its host and never arrived" in word for word in found.words)
    assert found.words.count("lost") == 1
    assert text.count("<svg") == 1
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text)
    assert found.scripts == 0


def test_markup_from_the_wire_stays_text() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hello"\n < . 1 ack 6')
    result = compare(look(frames), look(without(frames, 4)))
    text = two_page(result, crossing_rungs(result), ["<i>.pcapng", "b"], ["<u><script>"] * len(result.crossings))
    assert read(text).scripts == 0
    assert not re.search(r"<(i|u)>", text)
    assert "&lt;u&gt;&lt;script&gt;" in text
