"""Why something was sent again: each cause with its twin that only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.store.reader import read_capture
from tests.unit.analysis.scenes import OPEN, doubled, frames_of, kinds, look, only, swapped, without

BURST = (
    OPEN
    + """
    > . 1    ack 1 x1000
    +0.1 > . 1001 ack 1 x1000
    +0.1 > . 2001 ack 1 x1000
    +0.1 > . 3001 ack 1 x1000
    +0.1 > . 4001 ack 1 x1000
"""
)
LOSS = (
    BURST
    + """
    +0.5 < . 1 ack 1001
    +0.1 < . 1 ack 1001 <sack 3001-4001>
    +0.1 < . 1 ack 1001 <sack 3001-5001>
    +0.1 < . 1 ack 1001 <sack 3001-6001>
"""
)


def test_three_duplicate_acks_and_then_the_octets_again_is_a_fast_retransmit() -> None:
    analysis = look(LOSS + "+0.1 > . 1001 ack 1 x1000\n +0.5 < . 1 ack 5001")
    found = only(analysis, "retransmission-fast")
    assert found.frames == (5, 13)
    assert found.rfc == "RFC 5681 §3.2"
    assert (found.facts["dup_acks"], found.facts["original"], found.side) == (3, 5, "client")
    [again] = analysis.client.retransmissions
    assert (again.cause, again.attempt, again.spurious) == ("fast", 1, False)
    assert only(analysis, "duplicate-acks").frames == (10, 11, 12)


def test_two_duplicate_acks_with_sack_and_then_the_octets_again_is_rack() -> None:
    trace = LOSS.rsplit("+0.1 <", 1)[0] + "+1 > . 1001 ack 1 x1000"
    assert only(look(trace), "retransmission-rack").facts["dup_acks"] == 2


def test_another_hole_filled_while_recovering_is_recovery() -> None:
    trace = LOSS + "+0.1 > . 1001 ack 1 x1000\n +0.5 < . 1 ack 2001 <sack 3001-5001>\n +0.1 > . 2001 ack 1 x1000"
    found = only(look(trace), "retransmission-recovery")
    assert found.facts["original"] == 6
    assert found.rfc == "RFC 6675 §5"


def test_silence_with_several_outstanding_and_then_the_first_again_is_the_time_out() -> None:
    analysis = look(BURST + "+210 > . 1 ack 1 x1000")
    found = only(analysis, "retransmission-timeout")
    assert found.frames == (4, 9)
    assert found.rfc == "RFC 6298 §5.4"
    assert analysis.client.retransmissions[0].gap_ns == 210_400_000


def test_silence_and_then_the_last_again_is_a_tail_loss_probe() -> None:
    found = only(look(BURST + "+5 > . 4001 ack 1 x1000"), "retransmission-tail-loss-probe")
    assert found.frames == (8, 9)
    assert found.rfc == "RFC 8985 §7"


def test_a_single_segment_is_probed_after_200_ms_and_the_second_time_it_is_the_time_out() -> None:
    analysis = look(OPEN + '> P. 1 ack 1 "hello\\n"\n +205 > P. 1 ack 1 "hello\\n"\n +205 > P. 1 ack 1 "hello\\n"')
    assert [again.cause for again in analysis.client.retransmissions] == ["tail-loss-probe", "timeout"]
    assert [again.attempt for again in analysis.client.retransmissions] == [1, 2]


def test_without_sack_there_is_no_tail_loss_probe() -> None:
    trace = OPEN.replace("sackok, ", "") + '> P. 1 ack 1 "hello\\n"\n +205 > P. 1 ack 1 "hello\\n"'
    assert "retransmission-tail-loss-probe" not in kinds(look(trace))
    assert only(look(trace), "retransmission-timeout").frames == (4, 5)


def test_the_time_out_that_doubles_is_told_and_wireshark_counts_from_the_first() -> None:
    hello = '> P. 1 ack 1 "hello\\n"\n'
    analysis = look(OPEN.replace("sackok, ", "") + hello + f"+200 {hello} +400 {hello} +800 {hello}")
    found = only(analysis, "rto-backoff")
    assert found.frames == (4, 5, 6, 7)
    assert found.facts["waits"] == "200 ms, 400 ms, 800 ms"
    words = [f.facts["wireshark"] for f in analysis.findings_of("wireshark-differs")]
    assert words == ["tcp.analysis.rto 600 ms", "tcp.analysis.rto 1.40 s"]


def test_one_time_out_is_no_backoff() -> None:
    assert "rto-backoff" not in kinds(look(BURST + "+210 > . 1 ack 1 x1000"))


def test_a_d_sack_proves_a_retransmission_spurious() -> None:
    again = "+0.1 > . 1001 ack 1 x1000\n"
    analysis = look(LOSS + again + "+0.5 < . 1 ack 5001 <sack 2001-3001>")
    found = only(analysis, "retransmission-spurious")
    assert found.frames == (5, 13, 14)
    assert found.facts["cause"] == "fast"
    assert analysis.client.retransmissions[0].spurious
    assert only(analysis, "d-sack").facts["copy"] == 13
    assert analysis.frame(14).d_sack
    assert not look(LOSS + again + "+0.5 < . 1 ack 5001").findings_of("retransmission-spurious")


def test_a_spurious_retransmission_whose_original_passed_no_tap_is_told_without_its_number() -> None:
    again = "+0.1 > . 1001 ack 1 x1000\n"
    frames = without(frames_of(LOSS + again + "+0.5 < . 1 ack 5001 <sack 2001-3001>"), 5)
    found = only(look(frames), "retransmission-spurious")
    assert (found.frames, found.facts["original"]) == ((12, 13), None)
    assert found.sentence.startswith("Frame 12 was sent for nothing: a copy that did not pass this tap had arrived")


def test_what_was_acknowledged_before_is_sent_for_nothing() -> None:
    analysis = look(OPEN + '> P. 1 ack 1 "hello\\n"\n < . 1 ack 7\n +200 > P. 1 ack 1 "hello\\n"')
    found = only(analysis, "retransmission-spurious")
    assert found.frames == (4, 6, 5)
    assert "spurious" in analysis.frame(6).roles


def test_a_packet_that_the_network_copied_is_no_retransmission() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hello\\n"\n < . 1 ack 7')
    analysis = look(doubled(frames, 4))
    assert only(analysis, "duplicate-frame").frames == (4, 5)
    assert analysis.client.retransmissions[0].cause == "duplicate"
    assert not any(f.kind.startswith("retransmission") for f in analysis.findings)
    assert "the network delivered it twice" in only(analysis, "wireshark-differs").sentence


def test_the_same_octets_in_a_new_packet_are_a_retransmission_and_no_copy() -> None:
    assert "duplicate-frame" not in kinds(look(OPEN + '> P. 1 ack 1 "hello\\n"\n +0.02 > P. 1 ack 1 "hello\\n"'))


def test_over_ipv6_equal_timestamps_show_the_copy() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 <ts 5 1> "hello\\n"\n < . 1 ack 7', version=6)
    assert only(look(doubled(frames, 4)), "duplicate-frame").frames == (4, 5)
    assert "duplicate-frame" not in kinds(look(doubled(frames, 4, later_ns=200_000_000)))


def test_a_segment_that_was_overtaken_is_out_of_order_and_not_sent_again() -> None:
    analysis = look(swapped(frames_of(BURST), 5, 6))
    found = only(analysis, "out-of-order")
    assert (found.frames, found.facts["overtaken_by"]) == ((6,), 1)
    assert analysis.client.out_of_order == (6,)
    assert not analysis.client.retransmissions


OVERTAKING_ACK = (
    OPEN
    + """
    < P. 1 ack 1 "hi\\n"
    +0.1 > . 1    ack 1 x1000
    +0.1 > . 1001 ack 1 x1000
    +0.1 > . 2001 ack 4
"""
)


@pytest.mark.parametrize("version", [4, 6])
def test_text_that_its_own_end_s_ack_overtook_is_out_of_order(version: int) -> None:
    frames = frames_of(OVERTAKING_ACK, version=version)
    assert not look(frames, version=version).client.out_of_order
    analysis = look([*frames[:4], *swapped(frames[4:], 1, 3)], version=version)
    assert analysis.client.out_of_order == (6, 7)
    assert [f.facts["overtaken_by"] for f in analysis.findings_of("out-of-order")] == [1, 2]
    assert not analysis.client.retransmissions


def test_text_after_an_ack_that_counts_it_as_sent_is_a_retransmission_when_it_left_later() -> None:
    frames = frames_of(OVERTAKING_ACK + "\n +300 > . 1 ack 4 x1000")
    analysis = look([frame for number, frame in enumerate(frames, 1) if number != 5])
    assert [again.frame for again in analysis.client.retransmissions] == [7]
    assert not analysis.client.out_of_order


def test_a_late_segment_with_an_old_identification_is_out_of_order_however_late() -> None:
    frames = swapped(frames_of(BURST + "+300 > . 5001 ack 1 x1000"), 8, 9)
    analysis = look(frames)
    assert only(analysis, "out-of-order").frames == (9,)
    assert not analysis.client.retransmissions
    assert only(analysis, "wireshark-differs").facts["wireshark"] == "tcp.analysis.retransmission"


def test_a_soon_segment_with_a_new_identification_was_sent_again_though_its_first_copy_never_passed() -> None:
    trace = OPEN + "> . 1 ack 1 x1000\n > . 2001 ack 1 x1000\n +0.5 > . 1001 ack 1 x1000"
    analysis = look(trace)
    [again] = analysis.client.retransmissions
    assert (again.original, again.frame) == (None, 6)
    assert "did not pass this tap" in only(analysis, "retransmission").sentence
    assert only(analysis, "wireshark-differs").facts["wireshark"] == "tcp.analysis.out_of_order"


def test_octets_that_never_pass_are_missing() -> None:
    analysis = look(OPEN + "> . 1 ack 1 x1000\n > . 2001 ack 1 x1000")
    assert only(analysis, "octets-missing").facts["octets"] == 1000
    assert "octets-missing" not in kinds(look(BURST))


@pytest.mark.parametrize("version", [4, 6])
def test_a_syn_sent_again_is_told_with_its_wait(version: int) -> None:
    trace = "> S 0 <mss 1460>\n +1000 > S 0 <mss 1460>\n < S. 0 ack 1 <mss 1460>\n > . 1 ack 1"
    found = only(look(trace, version=version), "syn-retransmission")
    assert (found.frames, found.facts["gap_ns"]) == ((1, 2), 1_000_000_000)
    assert "syn-retransmission" not in kinds(look(OPEN))


def test_a_tail_loss_probe_before_the_time_outs_doubles_nothing_and_hides_nothing() -> None:
    recorded = Path("tests/unit/grade/recorded/23-back-off/wait-at-client.pcapng")
    [analysis] = analyse(read_capture(recorded).frames)
    assert [one.cause for one in analysis.client.retransmissions][:2] == ["tail-loss-probe", "timeout"]
    found = only(analysis, "rto-backoff")
    assert found.frames == (8, 10, 11, 12)
    assert found.facts["waits"] == "208 ms, 436 ms, 832 ms"


def test_a_probe_with_new_octets_is_one_if_it_brought_the_loss_to_light() -> None:
    begin = OPEN + "> P. 1 ack 1 x1000\n "
    told = "< . 1 ack 1 <sack 2001-2501>\n > P. 1 ack 1 x1000\n < . 1 ack 1501"
    analysis = look(begin + "+206 > P. 1001 ack 1 x500\n" + told)
    found = only(analysis, "tail-loss-probe-new-data")
    assert (found.frames, found.facts["waited_ns"]) == ((5, 7), 206_000_000)
    assert only(analysis, "retransmission-rack").frames == (4, 7)
    early = look(begin + "+20 > P. 1001 ack 1 x500\n" + told)
    assert "tail-loss-probe-new-data" not in kinds(early)
    harmless = look(begin + "+206 > P. 1001 ack 1 x500\n < . 1 ack 1501")
    assert "tail-loss-probe-new-data" not in kinds(harmless)
