"""What a real kernel does, and what the analysis says of it.

The files in kernel/ were captured with tcpdump at the client of two network namespaces (Linux 6.18, congestion control
reno, a veth pair with offloads off); iptables at the server dropped what had to be lost. Nobody made these frames by
hand: here it shows whether the causes that the analysis names are those that the kernel had.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.analysis.model import Analysis
from lab.analysis.stats import stats
from lab.store.reader import read_capture
from tests.unit.analysis.scenes import kinds, only

FOLDER = Path(__file__).parent / "kernel"


def seen(name: str) -> Analysis:
    [analysis] = analyse(read_capture(FOLDER / f"{name}.pcap").frames)
    return analysis


def test_the_third_full_segment_dropped_is_sent_again_by_fast_retransmit_and_nothing_else_is() -> None:
    analysis = seen("fast")
    [again] = analysis.client.retransmissions
    assert (again.cause, again.attempt, again.original, again.frame) == ("fast", 1, 6, 23)
    assert not again.spurious
    assert only(analysis, "sack").frames == only(analysis, "duplicate-acks").frames
    assert len(analysis.server.messages) == 14


def test_the_only_segment_dropped_once_is_sent_again_by_a_tail_loss_probe() -> None:
    [again] = seen("tail").client.retransmissions
    assert again.cause == "tail-loss-probe"
    assert again.gap_ns is not None
    assert 200_000_000 <= again.gap_ns <= 230_000_000


def test_dropped_for_longer_the_probe_is_followed_by_time_outs_that_double() -> None:
    analysis = seen("rto")
    again = analysis.client.retransmissions
    assert [a.cause for a in again] == ["tail-loss-probe", "timeout", "timeout", "timeout"]
    waits = [a.gap_ns or 0 for a in again]
    assert 1.8 < waits[2] / waits[1] < 2.2
    assert 1.8 < waits[3] / waits[2] < 2.2
    assert only(analysis, "karn").facts["count"] == 1


def test_a_server_that_does_not_read_closes_its_window_and_is_probed_one_octet_below() -> None:
    analysis = seen("zero")
    found = only(analysis, "zero-window")
    assert (found.side, found.facts["probes"]) == ("server", 3)
    assert all("as Linux does" in f.sentence for f in analysis.findings_of("zero-window-probe"))
    assert "keep-alive" not in kinds(analysis)
    assert [a.spurious for a in analysis.client.retransmissions] == [True, True]


def test_two_small_writes_and_a_read_wait_for_the_delayed_ack() -> None:
    stalls = seen("nagle").findings_of("nagle-stall")
    assert len(stalls) == 2  # the first of the three rounds is in the kernel's quick-ACK time
    assert all(40_000_000 <= (stall.facts["stall_ns"] or 0) <= 50_000_000 for stall in stalls)  # type: ignore[operator]


def test_keep_alives_are_asked_and_answered() -> None:
    found = seen("keep").findings_of("keep-alive")
    assert [f.frames for f in found] == [(8, 9), (10, 11)]
    assert "wireshark-differs" not in kinds(seen("keep"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("unread", "reset-unread-data"), ("linger", "reset-linger"), ("close", "reset-write-after-close")],
)
def test_each_reset_of_the_kernel_has_the_reason_that_the_program_gave_it(name: str, kind: str) -> None:
    analysis = seen(name)
    assert only(analysis, kind).side == "server"
    assert [k for k in kinds(analysis) if k.startswith("reset")] == [kind]


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.pcap")))
def test_the_cheap_totals_are_the_same(name: str) -> None:
    analysis = seen(name)
    [totals] = stats(read_capture(FOLDER / f"{name}.pcap").frames)
    assert totals.verdict == analysis.verdict
    assert totals.from_client.octets_new == analysis.client.octets
    assert totals.from_client.retransmissions == len(analysis.client.retransmissions)
