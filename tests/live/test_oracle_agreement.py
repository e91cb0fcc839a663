"""tshark, capinfos, tcptrace, the programs that talked and the kernels: do they say what our JSON says?

About sixty mixed sessions: two thirds played by real kernels in the composed lab, the rest made, with damage that no
kernel sends. ``python -m tests.oracle --sessions 1000`` does the same with more, and writes docs/oracle.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.golden.canonical import CAPTURES
from tests.live.conftest import private_folder
from tests.oracle import known
from tests.oracle.__main__ import make
from tests.oracle.box import Opinion, oracle, sessions_below
from tests.oracle.case import Finding
from tests.oracle.compare import compare
from tests.oracle.real import Played, hear_witnesses, stage

REAL, MADE, SEED = 42, 18, 7


@dataclass
class Evening:
    """What was played, and every tool's opinion of it."""

    played: Played
    real: list[Opinion]
    made: list[Opinion]


@pytest.fixture(scope="module")
def evening(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    folder = private_folder(tmp_path_factory, "agreement")
    for part in ("real", "made"):
        (folder / part).mkdir()
    with stage(folder / "real", "echolab-agreement", "198.18.104", "2001:db8:104") as on:
        played = on.play(REAL, SEED)
    make(folder / "made", MADE, SEED)
    with oracle(folder) as box:
        yield Evening(played, box.ask(folder / "real"), box.ask(folder / "made"))


def unexplained(findings: list[Finding]) -> list[str]:
    return [f"{f.tool}, {f.quantity} ({f.where}): {f.ours!r} and {f.theirs!r}" for f in findings if f.unexplained]


def test_every_tool_agrees_with_the_json_of_every_real_session(evening: Evening) -> None:
    assert len(evening.real) >= REAL
    assert {str(one.path.name): found for one in evening.real if (found := unexplained(compare(one)))} == {}


def test_every_tool_agrees_with_the_json_of_every_made_session(evening: Evening) -> None:
    assert len(evening.made) == MADE
    assert {str(one.path): found for one in evening.made if (found := unexplained(compare(one)))} == {}


def test_the_programs_and_the_kernels_agree_with_the_json(evening: Evening) -> None:
    findings = hear_witnesses(evening.played, [one.facts for one in evening.real])
    assert unexplained(findings) == []
    assert {f.tool for f in findings} == {"the programs", "the kernels"}
    assert sum(evening.played.retransmitted.values()) > 0, (
        "no kernel sent anything again: the lossy sessions lost nothing"
    )


def test_a_made_up_retransmission_is_noticed_by_the_kernels_count(evening: Evening) -> None:
    sessions = deepcopy([one.facts for one in evening.real])
    sessions[0]["from_server"]["retransmissions"] += 1
    assert unexplained(hear_witnesses(evening.played, sessions)) != []


def test_the_mix_has_every_verdict_and_both_ip_versions(evening: Evening) -> None:
    everything = [one.facts for one in (*evening.real, *evening.made)]
    verdicts = {"complete", "reset", "refused", "half-open", "midstream", "cut"}
    assert {facts["verdict"] for facts in everything} == verdicts
    assert {one.facts["verdict"] for one in evening.real} >= verdicts - {"cut"}
    assert {facts["first_closer"] for facts in everything} == {"client", "server", None}
    for part in (evening.real, evening.made):
        assert {one.facts["ip_version"] for one in part} == {4, 6}
    # Whether the two FINs really cross is up to the kernels; that it was tried is up to us.
    assert any(told["kind"] == "both close at once" for told in evening.played.told)
    assert any(facts["from_server"]["zero_windows"] for facts in everything)
    assert any(facts["from_client"]["keep_alives"] for facts in everything)
    assert any(finding["rule"] == "reuse" for facts in everything for finding in facts["findings"])


def whole(evening: Evening) -> Opinion:
    """A real session with all there is to it."""
    return next(one for one in evening.real if one.facts["server"]["port"] == 7 and one.facts["verdict"] == "complete")


def of(findings: list[Finding], tool: str, quantity: str) -> bool:
    """Whether this quantity has an unexplained difference."""
    return any(f.unexplained for f in findings if (f.tool, f.quantity) == (tool, quantity))


@pytest.mark.parametrize(
    ("member", "tool", "quantity"),
    [
        ("frames", "tshark", "segments"),
        ("frames", "tcptrace", "segments"),
        ("payload_octets", "tshark", "octets of text"),
        ("payload_octets", "tcptrace", "octets of text"),
        ("octets_new", "tcptrace", "octets sent for the first time"),
        ("octets_again", "tcptrace", "octets sent again"),
        ("retransmissions", "tshark", "retransmissions"),
        ("retransmissions", "tcptrace", "retransmitted segments"),
        ("out_of_order", "tcptrace", "segments out of order"),
        ("dup_acks", "tshark", "duplicate acks"),
        ("zero_windows", "tshark", "zero windows"),
        ("keep_alives", "tshark", "keep-alives and probes"),
        ("fins", "tshark", "FINs"),
        ("rsts", "tshark", "RSTs"),
        ("isn", "tshark", "ISN"),
        ("bad_checksums", "tshark", "bad checksums"),
    ],
)
def test_a_count_that_is_one_too_high_is_unexplained(evening: Evening, member: str, tool: str, quantity: str) -> None:
    for opinion in (whole(evening), evening.made[1]):
        facts = deepcopy(opinion.facts)
        facts["from_client"][member] += 1
        assert not of(compare(opinion), tool, quantity)
        assert of(compare(replace(opinion, facts=facts)), tool, quantity)


@pytest.mark.parametrize(
    ("member", "wrong", "tool", "quantity"),
    [
        ("verdict", "reset", "tshark", "verdict"),
        ("verdict", "cut", "tcptrace", "verdict"),
        ("first_closer", "client", "tshark", "first closer"),
        ("initial_rtt_ns", 1, "tshark", "initial round trip"),
        ("first_ns", 1, "tshark", "time of the first frame"),
        ("history", "S", "tshark", "completeness"),
    ],
)
def test_a_wrong_word_about_the_session_is_unexplained(
    evening: Evening, member: str, wrong: object, tool: str, quantity: str
) -> None:
    opinion = whole(evening)
    assert not of(compare(opinion), tool, quantity)
    assert of(compare(replace(opinion, facts={**opinion.facts, member: wrong})), tool, quantity)


def test_a_capture_that_was_changed_does_not_fit_its_json(evening: Evening, tmp_path: Path) -> None:
    opinion = evening.real[0]
    info = deepcopy(opinion.info)
    info.values["SHA256"] = "0" * 64
    assert of(compare(replace(opinion, info=info)), "capinfos", "SHA-256")


def test_a_total_that_is_right_by_two_errors_is_unexplained(evening: Evening) -> None:
    """tshark's word taken from a segment that was sent again and given to one that was not: the same number."""
    opinion, judged, other = next(
        (one, judged, other)
        for one in evening.real
        for judged in one.rows
        for other in one.rows
        if judged.port == other.port and other.payload_octets
        if "retransmission" in judged.marks and "retransmission" not in other.marks
    )
    rows = list(opinion.rows)
    for row, marks in ((judged, judged.marks - {"retransmission"}), (other, other.marks | {"retransmission"})):
        rows[row.number - 1] = replace(row, marks=marks)
    assert not of(compare(opinion), "tshark", "retransmissions")
    assert of(compare(replace(opinion, rows=rows)), "tshark", "retransmissions")


def test_sessions_below_a_folder_are_all_compared(evening: Evening) -> None:
    folder = evening.real[0].path.parent.parent
    assert len(sessions_below(folder)) == len(evening.real)
    assert known.EVERY


def test_every_tool_agrees_with_the_json_and_the_analysis_of_every_golden_trace(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = private_folder(tmp_path_factory, "golden")
    for capture in CAPTURES:
        shutil.copy(capture, folder)
        shutil.copy(capture.parent / "facts" / f"{capture.stem}.json", folder)
    with oracle(folder) as box:
        opinions = box.ask(folder)
    assert len(opinions) == len(CAPTURES)
    assert unexplained([finding for one in opinions for finding in compare(one)]) == []
