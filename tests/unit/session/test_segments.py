"""What single segments are taken for: retransmissions, windows, probes, gaps, damage. Each with its negative twin."""

from __future__ import annotations

import pytest

from lab.session.limits import Limits
from lab.session.observe import echo_of
from lab.wire.frame import Frame
from tests.unit.session.notation import ADDRESSES, CLIENT_MAC, HANDSHAKE, SERVER_MAC, TALK, ethernet, ip_packet, play


def test_octets_that_pass_twice_are_counted_as_new_once() -> None:
    played = play(HANDSHAKE + '> P. 1 ack 1 "hello\\n"\n +200 > P. 1 ack 1 "hello\\n"')
    side = played.session.client_side
    assert (side.octets_new, side.octets_again, side.retransmissions) == (6, 6, 1)
    assert played.notes[-1].trouble == ("retransmission",)
    assert play(HANDSHAKE + TALK).session.client_side.retransmissions == 0


def test_a_retransmission_with_new_octets_at_its_end_counts_both() -> None:
    played = play(HANDSHAKE + '> P. 1 ack 1 "hello\\n"\n +200 > P. 1 ack 1 "hello\\nworld\\n"')
    side = played.session.client_side
    assert (side.octets_new, side.octets_again, side.next_seq) == (12, 6, 13)


def test_a_late_segment_that_comes_soon_is_out_of_order() -> None:
    played = play(HANDSHAKE + "> P. 7 ack 1 x6\n > P. 1 ack 1 x6")
    assert [n.trouble for n in played.notes[-2:]] == [("gap",), ("out-of-order",)]
    assert played.session.client_side.missing_octets == 0
    assert played.session.client_side.retransmissions == 0


def test_a_late_segment_that_comes_later_is_a_retransmission() -> None:
    played = play(HANDSHAKE + "> P. 7 ack 1 x6\n +220 > P. 1 ack 1 x6")
    assert played.notes[-1].trouble == ("retransmission",)
    assert "did not pass this tap before" in played.notes[-1].comment
    assert played.session.client_side.octets_again == 0


def test_a_gap_that_stays_is_missing() -> None:
    session = play(HANDSHAKE + "> P. 7 ack 1 x6").session
    assert session.client_side.missing_octets == 6
    assert any("6 sequence numbers of the client are missing" in reason for reason in session.certificate.reasons)


def test_a_gap_filled_in_its_middle_leaves_two() -> None:
    side = play(HANDSHAKE + "> P. 31 ack 1 x10\n > P. 11 ack 1 x10").session.client_side
    assert [(hole.start, hole.end) for hole in side.holes] == [(1, 11), (21, 31)]
    assert side.missing_octets == 20


def test_more_gaps_than_the_limit_are_counted_but_not_kept() -> None:
    trace = HANDSHAKE + "\n".join(f"> P. {2 * n} ack 1 x1" for n in range(1, 101))
    session = play(trace, limits=Limits(max_holes=10)).session
    assert len(session.client_side.holes) == 10
    assert session.client_side.missing_octets == 100


def test_an_acknowledgment_of_octets_not_seen_is_told() -> None:
    played = play(HANDSHAKE + "< . 1 ack 7")
    assert played.notes[-1].trouble == ("ack-of-unseen",)
    assert not played.session.certificate.complete
    assert "ack-of-unseen" not in play(HANDSHAKE + TALK).rules


def test_an_acknowledgment_that_passes_before_its_data_leaves_nothing_missing() -> None:
    played = play(HANDSHAKE + '< . 1 ack 7\n > P. 1 ack 1 "hello\\n"')
    assert played.session.client_side.missing_octets == 0


def test_a_keep_alive_and_its_answer() -> None:
    played = play(HANDSHAKE + TALK + "+10000 > . 6 ack 7\n < . 7 ack 7")
    assert [n.kind for n in played.notes[-2:]] == ["keep-alive", "ack"]
    assert played.session.client_side.keep_alives == 1
    assert played.session.server_side.dup_acks == 0
    assert "answers that it is there" in played.notes[-1].comment


def test_a_keep_alive_with_one_octet_is_no_retransmission() -> None:
    side = play(HANDSHAKE + TALK + "+10000 > . 6 ack 7 x1").session.client_side
    assert (side.keep_alives, side.retransmissions, side.octets_new) == (1, 0, 6)


def test_one_octet_not_acknowledged_yet_is_a_retransmission_and_no_keep_alive() -> None:
    side = play(HANDSHAKE + "> P. 1 ack 1 x1\n +200 > P. 1 ack 1 x1").session.client_side
    assert (side.keep_alives, side.retransmissions) == (0, 1)


def test_a_keep_alive_right_after_the_handshake() -> None:
    assert play(HANDSHAKE + "+10000 > . 0 ack 1").notes[-1].kind == "keep-alive"


def test_a_repeated_handshake_ack_is_no_keep_alive() -> None:
    assert play(HANDSHAKE + "> . 1 ack 1").notes[-1].kind == "ack"


def test_an_ack_from_before_its_own_fin_is_no_keep_alive() -> None:
    assert play(HANDSHAKE + "> F. 1 ack 1\n > . 1 ack 1").notes[-1].kind != "keep-alive"


def test_the_linux_form_of_a_zero_window_probe() -> None:
    trace = HANDSHAKE + (
        "> P. 1 ack 1 x6\n < . 1 ack 7 win 0\n +200 > . 6 ack 1\n < . 1 ack 7 win 0\n < . 1 ack 7 win 500"
    )
    played = play(trace)
    assert played.notes[4].trouble == ("zero-window",)
    assert played.notes[5].trouble == ("zero-window-probe",)
    assert played.notes[7].kind == "window-update"
    assert played.session.client_side.probes == 1
    assert played.session.client_side.keep_alives == 0
    assert played.session.server_side.zero_windows == 2
    assert "w" in played.session.history


def test_the_answer_to_a_probe_that_opens_the_window_is_a_window_update() -> None:
    closed = HANDSHAKE + "> P. 1 ack 1 x6\n < . 1 ack 7 win 0\n +200 > . 6 ack 1\n"
    opened, still_closed = play(closed + "< . 1 ack 7 win 500"), play(closed + "< . 1 ack 7 win 0")
    assert opened.notes[-1].kind == "window-update"
    assert "can take data again" in opened.notes[-1].comment
    assert opened.session.server_side.window_updates == still_closed.session.server_side.window_updates + 1
    assert still_closed.notes[-1].kind == "ack"
    assert "answers that it is there" in still_closed.notes[-1].comment


def test_a_rst_with_window_0_closes_no_window() -> None:
    assert "zero-window" not in play(HANDSHAKE + "> R. 1 ack 1 win 0").rules


def test_a_zero_window_probe_with_one_new_octet() -> None:
    played = play(HANDSHAKE + "> P. 1 ack 1 x6\n < . 1 ack 7 win 0\n +200 > . 7 ack 1 x1")
    assert "zero-window-probe" in played.notes[-1].trouble
    assert "window-exceeded" not in played.notes[-1].trouble


def test_windows_are_scaled_only_if_both_syns_offer_it() -> None:
    assert play(HANDSHAKE + "> . 1 ack 1 win 10").notes[-1].window_bytes == 10 << 7
    assert play(HANDSHAKE.replace(", ws 7>\n    >", ">\n    >") + "> . 1 ack 1 win 10").notes[-1].window_bytes == 10
    assert play("> . 1 ack 1 win 10").notes[-1].window_bytes is None
    assert play(HANDSHAKE).notes[0].window_bytes == 8192  # the window of a SYN is never scaled


def test_more_than_the_window_is_a_finding() -> None:
    handshake = "> S 0\n < S. 0 ack 1 win 100\n > . 1 ack 1\n"
    assert "window-exceeded" in play(handshake + "> P. 1 ack 1 x101").rules
    assert "window-exceeded" not in play(handshake + "> P. 1 ack 1 x100").rules


def test_duplicate_acks_need_octets_under_way() -> None:
    lost = HANDSHAKE + "> P. 1 ack 1 x6\n > P. 7 ack 1 x6\n"
    played = play(lost + "< . 1 ack 1\n < . 1 ack 1")
    assert played.session.server_side.dup_acks == 2
    assert play(HANDSHAKE + "< . 1 ack 1\n < . 1 ack 1").session.server_side.dup_acks == 0


def test_a_duplicate_ack_with_sack_may_change_the_window() -> None:
    played = play(HANDSHAKE + "> P. 1 ack 1 x6\n > P. 7 ack 1 x6\n < . 1 ack 1 win 9 <sack 1007-1013>")
    assert played.notes[-1].trouble == ("dup-ack",)


def test_octets_that_arrived_twice_are_reported_by_d_sack() -> None:
    played = play(HANDSHAKE + TALK + "< . 7 ack 7 <sack 1001-1007>")
    assert "d-sack" in played.notes[-1].trouble
    assert "d-sack" not in play(HANDSHAKE + "> P. 7 ack 1 x6\n < . 1 ack 1 <sack 1007-1013>").rules


def test_a_damaged_segment_changes_nothing() -> None:
    played = play(HANDSHAKE + '> P. 1 ack 1 "hello\\n" bad\n +200 > P. 1 ack 1 "hello\\n"')
    side = played.session.client_side
    assert (side.bad_checksums, side.octets_new, side.retransmissions) == (1, 6, 0)
    assert played.notes[3].trouble == ("bad-checksum",)
    assert "c" in played.session.history.lower()


def test_a_damaged_first_syn_still_opens_its_session() -> None:
    played = play("> S 0 bad\n +1000 > S 0\n < S. 0 ack 1\n > . 1 ack 1")
    assert len(played.sessions) == 1
    assert played.session.established


def test_a_partial_checksum_is_told_and_counts_as_data() -> None:
    played = play(HANDSHAKE + '> P. 1 ack 1 "hello\\n" partial')
    assert played.notes[-1].trouble == ("partial-checksum",)
    assert played.session.client_side.octets_new == 6
    assert "partial-checksum" not in play(HANDSHAKE + TALK).rules


def test_a_segment_without_any_flag_is_odd() -> None:
    played = play(HANDSHAKE + "> - 1")
    assert (played.notes[-1].kind, played.notes[-1].trouble) == ("other", ("odd-flags",))


def test_a_syn_with_fin_is_odd_and_harmless() -> None:
    played = play("> SF 0")
    assert "odd-flags" in played.rules
    assert "q" in played.session.history.lower()


def test_fast_open_data_in_the_syn_counts_as_data() -> None:
    played = play("> S 0 x5\n < S. 0 ack 6\n > . 6 ack 1")
    assert played.session.client_side.octets_new == 5
    assert "Fast Open" in played.notes[0].comment
    assert played.notes[-1].kind == "handshake-ack"


def test_a_stray_syn_ack_inside_the_connection_moves_nothing() -> None:
    played = play(HANDSHAKE + TALK + "< S. 50 ack 7\n > . 7 ack 7")
    assert played.session.server_side.next_seq == 7
    assert played.notes[-1].trouble == ("challenge-ack",)


def test_four_gigabytes_later_offsets_go_on() -> None:
    step = 2**30
    trace = HANDSHAKE + "\n".join(f"> . {1 + n * step} ack 1\n < . 1 ack {1 + n * step}" for n in range(1, 6))
    played = play(trace)
    assert played.notes[-1].ack_rel == 1 + 5 * step
    assert played.notes[-2].seq_rel == 1 + 5 * step


@pytest.mark.parametrize("reverse", [False, True])
def test_fragments_become_one_segment_again(reverse: bool) -> None:
    played = play(HANDSHAKE)
    whole = play(HANDSHAKE)
    frame = whole.wire.frame("> P. 1 ack 1 x100")
    assert frame is not None
    played.wire.time_ns = frame.time_ns
    body = frame.data[34:154]
    client, server, _ = ADDRESSES[4]
    pieces = [(0, body[:48], 0x2000), (6, body[48:96], 0x2006), (12, body[96:], 0x000C)]
    for _, octets, field in reversed(pieces) if reverse else pieces:
        data = ethernet(CLIENT_MAC, SERVER_MAC, 4, ip_packet(client, server, 6, octets, 99, field))
        played.events += played.tracker.feed(Frame(frame.time_ns, data, len(data)))
    assert played.kinds[3:5] == ["fragment", "fragment"]
    assert played.session.client_side.octets_new == 100
    assert played.session.client_side.missing_octets == 0
    assert len(played.notes) == 6


def test_a_fragment_of_an_unknown_packet_opens_nothing() -> None:
    client, server, _ = ADDRESSES[4]
    data = ethernet(CLIENT_MAC, SERVER_MAC, 4, ip_packet(client, server, 6, b"x" * 48, 99, 0x2006))
    assert play("").tracker.feed(Frame(1, data, len(data))) == []


def test_a_frame_cut_inside_its_tcp_header_is_still_put_to_its_session() -> None:
    played = play(HANDSHAKE + '> P. 1 ack 1 "hello" cut 40')
    assert played.notes[-1].kind == "other"
    assert played.session.cut_frames == 1


def test_the_capital_letters_of_the_protocol() -> None:
    assert echo_of("straße\n".encode()) == b"STRASSE\n"
    assert echo_of(b"\xffabc\n") == b"\xffABC\n"
    assert echo_of(b"") is None
