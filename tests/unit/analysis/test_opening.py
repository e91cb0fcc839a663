"""The handshake: numbers, options, what holds because of them, and what is missing."""

from __future__ import annotations

from tests.unit.analysis.scenes import OPEN, TALK, WHOLE, frames_of, kinds, look, only, without


def test_a_whole_handshake_has_its_numbers_options_and_times() -> None:
    analysis = look("+1 > S 0 <mss 1400, sackok, ts 1 0, ws 5>\n +3 < S. 0 ack 1 <mss 1460, sackok, ts 1 1, ws 7>\n"
                    "+2 > . 1 ack 1")  # fmt: skip
    shake = analysis.handshake
    assert shake.complete
    assert shake.client is not None
    assert (shake.client.isn, shake.client.mss_bytes, shake.client.window_scale) == (1000, 1400, 5)
    assert (shake.mss_client_bytes, shake.mss_server_bytes) == (1460, 1400)
    assert (shake.client_shift, shake.server_shift, shake.window_scaling) == (5, 7, True)
    assert (shake.syn_ns, shake.ack_ns, shake.initial_rtt_ns) == (3_000_000, 2_000_000, 5_000_000)
    assert only(analysis, "handshake-complete").frames == (1, 2, 3)
    assert only(analysis, "initial-rtt").facts["initial_rtt_ns"] == 5_000_000
    assert {"mss", "window-scaling", "sack-permitted", "timestamps"} <= kinds(analysis)


def test_an_option_that_one_end_offers_only_is_not_used() -> None:
    analysis = look("> S 0 <mss 1460, sackok, ws 5>\n < S. 0 ack 1\n > . 1 ack 1 win 100")
    shake = analysis.handshake
    assert (shake.window_scaling, shake.sack, shake.client_shift) == (False, False, 0)
    assert shake.mss_client_bytes == 536  # RFC 9293 §3.7.1: the server announced none
    offered = {f.facts["option"]: f.side for f in analysis.findings_of("option-one-sided")}
    assert offered == {"window scaling": "client", "SACK": "client"}
    assert "option-one-sided" not in kinds(look(OPEN))


def test_over_ipv6_the_default_mss_is_another() -> None:
    assert look("> S 0\n < S. 0 ack 1\n > . 1 ack 1", version=6).handshake.mss_client_bytes == 1220


def test_what_of_the_handshake_is_missing_is_named() -> None:
    frames = frames_of(WHOLE)
    assert "the server's SYN-ACK" in only(look(without(frames, 2)), "handshake-incomplete").sentence
    assert "the client's SYN" in only(look(without(frames, 1)), "handshake-incomplete").sentence
    assert "the ACK that completes it" in only(look("> S 0\n < S. 0 ack 1"), "handshake-incomplete").sentence
    assert "handshake-incomplete" not in kinds(look(frames))


def test_the_ack_of_the_handshake_may_carry_data() -> None:
    frames = without(frames_of(WHOLE), 3)
    assert look(frames).handshake.ack_frame == 3
    assert look(frames).handshake.complete


def test_a_capture_that_begins_in_the_middle_says_so() -> None:
    analysis = look(TALK)
    assert "midstream" in kinds(analysis)
    assert "handshake-incomplete" not in kinds(analysis)
    assert analysis.handshake.client is None
    assert analysis.client.isn is None


def test_both_ends_may_open_at_once() -> None:
    both = "> S 0\n < S 0\n > S. 0 ack 1\n < S. 0 ack 1"
    analysis = look(both)
    found = only(analysis, "simultaneous-open")
    assert (found.frames, found.facts["client_isn"], found.facts["server_isn"]) == ((1, 2, 3), 1000, 5000)
    again = {"syn-retransmission", "retransmission-spurious", "karn", "handshake-complete"}
    assert not again & kinds(analysis)
    assert not analysis.client.retransmissions + analysis.server.retransmissions
    assert not any("again" in frame.comment for frame in analysis.frames)
    repeated = look(both + "\n +1000 > S. 0 ack 1")
    assert only(repeated, "syn-retransmission").frames == (3, 5)
    assert "simultaneous-open" not in kinds(look(OPEN))


def test_data_in_a_syn_is_fast_open() -> None:
    assert only(look('> S 0 "hi"\n < S. 0 ack 3\n > . 3 ack 1'), "fast-open").facts["octets"] == 2
    assert "fast-open" not in kinds(look(OPEN))
