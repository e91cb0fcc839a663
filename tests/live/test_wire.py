"""The wire, live: the most telling scenarios over IPv4 and IPv6, each judged by both captures, the wire's log frame by
frame, tshark and the kernels' counters (``tests.wire``). All scenarios, twenty times: ``python -m tests.wire.soak``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.live.conftest import Oracle, private_folder
from tests.wire import expect
from tests.wire.judge import judged
from tests.wire.play import Play, disagreements
from tests.wire.shark import complaints
from tests.wire.soak import soak
from tests.wire.table import page

CHOSEN = (
    "lost-syn",
    "lost-data",
    "lost-last-data",
    "lost-fin",
    "duplicated",
    "reordered-by-4",
    "corrupted",
    "small-mtu",
    "fragments",
    "zero-window",
    "rst-exact",
    "rst-in-window",
    "syn-flood",
    "ttl-too-small",
)
CASES = [(name, version) for name in CHOSEN for version in (4, 6) if expect.named(name, version) is not None]
NET = 116


@pytest.fixture(scope="module")
def plays(images: None, oracle: Oracle, tmp_path_factory: pytest.TempPathFactory) -> list[Play]:
    """Every chosen scenario, played once over either IP version, on two labs side by side. A play in which the wire
    itself was late by more than 10 ms, which is the machine's doing, may be repeated twice."""
    return soak(CHOSEN, 1, 2, NET, private_folder(tmp_path_factory, "wire"), project="echolab-wire", say=False, again=2)


def of(plays: list[Play], name: str, version: int) -> Play:
    """One of the plays."""
    return next(one for one in plays if (one.expected.name, one.version) == (name, version))


@pytest.mark.parametrize(("name", "version"), CASES)
def test_a_scenario_has_the_intended_effect_and_no_other(plays: list[Play], name: str, version: int) -> None:
    one = of(plays, name, version)
    assert one.complaints == [], (one.differences, one.moved, one.marks)


def test_a_lost_segment_is_sent_at_one_tap_and_absent_at_the_other(plays: list[Play]) -> None:
    for version in (4, 6):
        story = of(plays, "lost-data", version).story
        assert story is not None
        sent = [one for one in story.near["client"] if one.name == "client data 5"]
        got = [one for one in story.far["client"] if one.name == "client data 5"]
        assert len({one.seq for one in sent}) == 1
        assert (len(sent), len(got)) == (2, 1)
        # It is the second transmission that arrived: its timestamp is the later one's.
        assert got[0].options == sent[1].options != sent[0].options


def test_every_other_frame_crossed_once_and_one_router_further(plays: list[Play]) -> None:
    story = of(plays, "lost-data", 4).story
    assert story is not None
    for side in ("client", "server"):
        assert {one.ttl for one in story.near[side]} == {64}
        assert {one.ttl for one in story.far[side]} == {63}
        crossed = Counter(one.name for one in story.far[side])
        assert {name for name, count in crossed.items() if count != 1} == set()


def test_the_log_tells_which_rule_took_the_segment(plays: list[Play]) -> None:
    lines = [line for line in of(plays, "lost-data", 6).log if "drop" in line.get("did", ())]
    assert [line["is"] for line in lines] == [["segment 7", "data 5"]]
    assert lines[0]["rules"] == [4]


def test_the_judge_refuses_a_play_that_is_not_what_was_intended(plays: list[Play]) -> None:
    lost = of(plays, "lost-data", 4)
    copied = expect.named("duplicated", 4)
    assert copied is not None
    wrong = replace(lost, expected=copied)
    found = judged(wrong) + complaints(wrong)
    assert "captures: not there: client data 3 copied" in found
    assert "captures: unintended: client data 5 lost" in found
    assert any(one.startswith("nstat: client TcpRetransSegs went up by 1, not 0") for one in found)
    assert any(one.startswith("tshark at the client's tap: unintended: client data 5") for one in found)


def test_the_judge_misses_no_frame_that_the_log_has_not(plays: list[Play]) -> None:
    one = of(plays, "lost-data", 4)
    assert one.story is not None
    mac = one.story.near["client"][0].to_mac
    assert disagreements(one, mac) == []
    out = next(line for line in one.log if line["event"] == "out")
    without = replace(one, log=[line for line in one.log if line is not out])
    assert len(disagreements(without, mac)) == 1
    assert "in the capture alone" in disagreements(without, mac)[0]
    other = replace(one, log=[{**line, "seq": 1} if line is out else line for line in one.log])
    assert len(disagreements(other, mac)) == 2


def test_the_page_counts_the_plays(plays: list[Play]) -> None:
    text = page(plays, {name: name for name in CHOSEN}, 1)
    assert f"{len(plays)} plays" in text
    assert text.count("\n### ") == len(CHOSEN)
    assert "| 1 of 1 | 1 of 1 | – |" in text


def test_the_page_tells_what_went_otherwise(plays: list[Play]) -> None:
    lost = of(plays, "lost-data", 4)
    text = page([replace(lost, complaints=["captures: unintended: x"])], {"lost-data": "..."}, 1)
    assert "| 0 of 1 | – | – |" in text
    assert "- `lost-data` over IPv4: captures: unintended: x" in text


def test_in_the_page_of_the_docs_every_play_of_every_scenario_went_as_intended() -> None:
    text = (Path(__file__).parents[2] / "docs" / "wire-scenarios.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| [`")]
    assert [row[0] for row in rows] == [f"[`{name}`](#{name})" for name in expect.all_names()]
    for name, (_, _, four, six, shipped) in zip(expect.all_names(), rows, strict=True):
        there = [expect.named(name, version) is not None for version in (4, 6)]
        assert [four, six] == ["20 of 20" if one else "–" for one in there], name
        assert shipped == f"{sum(there)} of {sum(there)}", name
