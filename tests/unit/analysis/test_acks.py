"""Acknowledgments and round trips: delayed, carried along, stretched; Nagle; Karn and RFC 6298."""

from __future__ import annotations

from tests.unit.analysis.scenes import OPEN, TALK, WHOLE, kinds, look, only

LAN = OPEN.replace("< S.", "+0.03 < S.").replace("> .  1 ack 1", "+0.02 > . 1 ack 1")


def test_an_ack_that_comes_40_ms_after_its_data_was_held_back() -> None:
    analysis = look(LAN + '> P. 1 ack 1 "hello\\n"\n +40 < . 1 ack 7')
    found = only(analysis, "ack-delayed")
    assert (found.frames, found.side, found.facts["longest_ns"]) == ((5,), "server", 40_000_000)
    [ack] = analysis.server.acks
    assert (ack.acks, ack.delay_ns, ack.delayed, ack.octets) == ((4,), 40_000_000, True, 6)
    assert "delayed-ack" in analysis.frame(5).roles


def test_an_ack_at_once_was_not_held_back() -> None:
    assert "ack-delayed" not in kinds(look(LAN + '> P. 1 ack 1 "hello\\n"\n +0.1 < . 1 ack 7'))


def test_on_a_long_path_an_ack_takes_as_long_as_the_syn_and_was_not_held_back() -> None:
    far = OPEN.replace("< S.", "+80 < S.")
    assert "ack-delayed" not in kinds(look(far + '> P. 1 ack 1 "hello\\n"\n +81 < . 1 ack 7'))
    assert "ack-delayed" in kinds(look(far + '> P. 1 ack 1 "hello\\n"\n +121 < . 1 ack 7'))


def test_an_ack_after_half_a_second_is_too_late() -> None:
    assert only(look(LAN + '> P. 1 ack 1 "hello\\n"\n +600 < . 1 ack 7'), "ack-late").frames == (4, 5)
    assert "ack-late" not in kinds(look(LAN + '> P. 1 ack 1 "hello\\n"\n +400 < . 1 ack 7'))


def test_an_answer_that_acknowledges_the_question_carries_the_ack_along() -> None:
    analysis = look(LAN + '> P. 1 ack 1 "hello\\n"\n +0.1 < P. 1 ack 7 "HELLO\\n"\n +0.1 > . 7 ack 7')
    assert only(analysis, "ack-piggybacked").frames == (5,)
    assert analysis.server.acks[0].piggybacked
    assert not analysis.client.acks[0].piggybacked
    assert "ack-piggybacked" not in kinds(look(LAN + TALK))


def test_one_ack_for_four_full_segments_is_stretched() -> None:
    four = "\n".join(f"+0.01 > . {1 + 1460 * n} ack 1 x1460" for n in range(4))
    found = only(look(LAN + four + "\n < . 1 ack 5841"), "ack-stretched")
    assert found.facts["most_segments"] == 4
    assert "ack-stretched" not in kinds(look(LAN + four + "\n < . 1 ack 2921\n < . 1 ack 5841"))


def test_a_small_segment_that_leaves_with_the_delayed_ack_was_held_by_nagle() -> None:
    trace = LAN + '> P. 1 ack 1 "he"\n +40 < . 1 ack 3\n +0.05 > P. 3 ack 1 "llo\\n"'
    found = only(look(trace), "nagle-stall")
    assert found.frames == (4, 5, 6)
    assert (found.side, found.facts["stall_ns"], found.rfc) == ("client", 40_000_000, "RFC 9293 §3.7.4")


def test_a_segment_a_while_after_the_ack_was_not_held_by_nagle() -> None:
    assert "nagle-stall" not in kinds(look(LAN + '> P. 1 ack 1 "he"\n +40 < . 1 ack 3\n +30 > P. 3 ack 1 "llo\\n"'))


def test_a_segment_after_an_answer_was_not_held_by_nagle() -> None:
    trace = LAN + '> P. 1 ack 1 "hi\\n"\n +40 < P. 1 ack 4 "HI\\n"\n +0.05 > P. 4 ack 4 "ho\\n"'
    assert "nagle-stall" not in kinds(look(trace))


def test_a_full_segment_after_the_ack_was_not_held_by_nagle() -> None:
    assert "nagle-stall" not in kinds(look(LAN + '> P. 1 ack 1 "he"\n +40 < . 1 ack 3\n +0.05 > . 3 ack 1 x1460'))


def test_samples_and_estimates_are_those_of_rfc_6298() -> None:
    trace = OPEN + "+10 > P. 1 ack 1 x10\n +9 < . 1 ack 11\n +10 > P. 11 ack 1 x10\n +17 < . 1 ack 21"
    samples = look(trace).client.rtt_samples
    assert [(s.data_frame, s.ack_frame, s.rtt_ns) for s in samples] == [
        (1, 2, 1_000_000),
        (4, 5, 9_000_000),
        (6, 7, 17_000_000),
    ]
    assert (samples[0].srtt_ns, samples[0].rttvar_ns) == (1_000_000, 500_000)
    # §2.3: RTTVAR = 3/4 * 0.5 + 1/4 * |1 - 9| = 2.375 ms, then SRTT = 7/8 * 1 + 1/8 * 9 = 2 ms
    assert (samples[1].srtt_ns, samples[1].rttvar_ns) == (2_000_000, 2_375_000)
    assert samples[1].rto_raw_ns == 2_000_000 + 4 * 2_375_000
    assert samples[1].rto_ns == 1_000_000_000


def test_what_was_sent_twice_gives_no_round_trip() -> None:
    trace = LAN + '> P. 1 ack 1 "hello\\n"\n +210 > P. 1 ack 1 "hello\\n"\n < . 1 ack 7'
    analysis = look(trace)
    assert [s.ack_frame for s in analysis.client.rtt_samples] == [2]
    assert only(analysis, "karn").frames == (6,)
    assert only(analysis, "karn").rfc == "RFC 6298 §3"
    assert "karn" not in kinds(look(WHOLE))


def test_a_sack_tells_what_has_arrived_after_the_gap() -> None:
    trace = OPEN + "> . 1 ack 1 x100\n > . 201 ack 1 x100\n < . 1 ack 101 <sack 1201-1301>"
    found = only(look(trace), "sack")
    assert (found.facts["left_rel"], found.facts["last_rel"], found.facts["ack_rel"]) == (201, 300, 101)
    assert look(trace).frame(6).sack_blocks == ((201, 301),)
    assert "sack" not in kinds(look(WHOLE))


def test_a_d_sack_inside_the_second_block_is_one_too() -> None:
    trace = OPEN + "> . 1 ack 1 x100\n > . 201 ack 1 x200\n < . 1 ack 101 <sack 1251-1301 1201-1401>"
    assert look(trace).frame(6).d_sack
    plain = trace.replace("1251-1301 1201-1401", "1301-1401 1201-1251")
    assert not look(plain).frame(6).d_sack


def test_bytes_in_flight_count_what_is_not_acknowledged() -> None:
    trace = OPEN + "> . 1 ack 1 x100\n > . 101 ack 1 x50\n < . 1 ack 101\n > F. 151 ack 1\n < . 1 ack 152"
    analysis = look(trace)
    assert [(e.frame, e.in_flight_bytes) for e in analysis.client.in_flight] == [
        (1, 0), (2, 0), (4, 100), (5, 150), (6, 50), (7, 50), (8, 0),
    ]  # fmt: skip
    assert only(analysis, "bytes-in-flight").facts == {"most": 150, "frame": 5}
