"""The end: FINs in three or four packets, half-close, TIME_WAIT; and every reason for a RST."""

from __future__ import annotations

import pytest

from tests.unit.analysis.scenes import OPEN, TALK, WHOLE, frames_of, kinds, look, only

REQUEST = OPEN + '> P. 1 ack 1 "hello\\n"\n < . 1 ack 7\n'


def test_four_packets_where_the_first_fin_is_acknowledged_by_itself() -> None:
    analysis = look(WHOLE)
    found = only(analysis, "teardown")
    assert (found.facts["packets"], found.side, found.frames) == (4, "server", (8, 9, 10, 11))
    assert analysis.teardown.time_wait == "server"
    assert only(analysis, "time-wait").side == "server"


def test_three_packets_where_the_second_fin_acknowledges_the_first() -> None:
    analysis = look(OPEN + TALK + "< F. 7 ack 7\n > F. 7 ack 8\n < . 8 ack 8")
    assert only(analysis, "teardown").facts["packets"] == 3
    assert analysis.teardown.way == "fin"
    assert "half-close" not in kinds(analysis)


def test_text_after_the_others_fin_is_a_half_close() -> None:
    trace = OPEN + '> P. 1 ack 1 "hello\\n"\n > F. 7 ack 1\n < P. 1 ack 8 "HELLO\\n"\n < F. 7 ack 8\n > . 8 ack 8'
    analysis = look(trace)
    found = only(analysis, "half-close")
    assert (found.side, found.facts["octets"], found.frames) == ("server", 6, (5, 6))
    assert analysis.teardown.half_close_octets == 6


def test_text_that_was_under_way_when_the_fin_came_is_no_half_close() -> None:
    trace = OPEN + '> P. 1 ack 1 "hello\\n"\n > F. 7 ack 1\n < P. 1 ack 7 "HELLO\\n"\n < F. 7 ack 8\n > . 8 ack 8'
    assert "half-close" not in kinds(look(trace))


def test_fins_that_cross_are_a_simultaneous_close_and_both_hold_time_wait() -> None:
    analysis = look(OPEN + "> F. 1 ack 1\n < F. 1 ack 1\n > . 2 ack 2\n < . 2 ack 2")
    assert only(analysis, "simultaneous-close").frames == (4, 5)
    assert analysis.teardown.time_wait == "both"
    assert "simultaneous-close" not in kinds(look(WHOLE))


def test_a_fin_on_one_side_only_is_told_and_wireshark_calls_the_conversation_complete() -> None:
    analysis = look(OPEN + TALK + "< F. 7 ack 7\n > . 7 ack 8")
    assert only(analysis, "fin-missing").side == "client"
    assert analysis.teardown.way == "half"
    assert "complete conversation (31)" in only(analysis, "wireshark-differs").sentence
    assert not {"fin-missing", "fin-unacknowledged", "wireshark-differs"} & kinds(look(WHOLE))


def test_a_fin_that_nobody_acknowledged_is_told() -> None:
    assert only(look(OPEN + TALK + "< F. 7 ack 7"), "fin-unacknowledged").side == "server"


@pytest.mark.parametrize(
    ("trace", "kind", "cause", "side", "because"),
    [
        ("> S 0\n < R. 0 ack 1", "reset-refused", "refused", "server", 1),
        (REQUEST + "< R. 1 ack 7", "reset-unread-data", "unread-data", "server", 4),
        (OPEN + TALK + "> R. 7 ack 7", "reset-linger", "linger", "client", None),
        (
            REQUEST + '> F. 7 ack 1\n < . 1 ack 8\n < P. 1 ack 8 "HELLO\\n"\n > R 8',
            "reset-write-after-close",
            "write-after-close",
            "client",
            8,
        ),
        (OPEN + TALK + '> P. 7 ack 7 "more\\n"\n < R 7', "reset-after-close", "after-close", "server", 8),
        (WHOLE + "> P. 8 ack 8 x1\n < R 8", "reset-after-close", "after-close", "server", 12),
        (OPEN + TALK + "< F. 7 ack 7\n > . 7 ack 8\n < R. 8 ack 7", "reset", "unknown", "server", None),
    ],
)
def test_each_reset_has_its_reason(trace: str, kind: str, cause: str, side: str, because: int | None) -> None:
    analysis = look(trace)
    assert only(analysis, kind).side == side
    [reset] = analysis.resets
    assert (reset.cause, reset.side, reset.because) == (cause, side, because)


def test_a_session_that_ends_with_fins_has_no_reset() -> None:
    analysis = look(WHOLE)
    assert not analysis.resets
    assert not any(kind.startswith("reset") for kind in kinds(analysis))


def test_octets_that_the_reset_cost_are_counted() -> None:
    trace = OPEN + '> P. 1 ack 1 "hello\\n"\n < . 1 ack 7\n > P. 7 ack 1 "world!\\n"\n < R. 1 ack 7'
    assert look(trace).resets[0].lost_octets == 7


def test_a_second_reset_is_one_more() -> None:
    analysis = look(OPEN + TALK + "> R. 7 ack 7\n > R 7")
    assert [reset.cause for reset in analysis.resets] == ["linger", "again"]
    assert only(analysis, "reset-again").frames == (9,)


def test_a_reset_with_a_wrong_number_is_ignored_and_answered_with_a_challenge_ack() -> None:
    trace = OPEN + TALK + '> R 900\n < . 7 ack 7\n > P. 7 ack 7 "on\\n"\n < . 7 ack 10'
    analysis = look(trace)
    found = only(analysis, "reset-not-acceptable")
    assert (found.facts["seq_rel"], found.facts["expected_rel"]) == (900, 7)
    assert only(analysis, "challenge-ack").frames == (8, 9)
    differs = {f.frames: f.facts["wireshark"] for f in analysis.findings_of("wireshark-differs")}
    assert differs == {(9,): "tcp.analysis.duplicate_ack", (10,): "tcp.analysis.retransmission"}
    assert analysis.teardown.way == "open"
    assert found.sentence == "A RST of the client with offset 900, where 7 was expected, is ignored."


def test_a_reset_without_ack_in_answer_to_a_syn_is_ignored_and_no_offset_is_made_up_for_it() -> None:
    found = only(look("> S 0\n < R 0\n > S 0"), "reset-not-acceptable")
    assert found.sentence == "A RST of the server that does not acknowledge the SYN is ignored."
    assert found.facts["seq_rel"] is None


def test_a_reset_that_acknowledges_the_syn_refuses_it() -> None:
    assert "reset-not-acceptable" not in kinds(look("> S 0\n < R. 0 ack 1"))


def test_a_syn_inside_the_connection_is_challenged_too() -> None:
    frames = frames_of(OPEN + TALK + "> S. 3 ack 1\n < . 7 ack 7")
    assert only(look(frames), "challenge-ack").frames == (8, 9)


def test_an_ack_that_its_own_fin_overtook_is_no_keep_alive() -> None:
    trace = OPEN + TALK + '< P. 7 ack 7 "x"\n > F. 7 ack 8\n > . 7 ack 8\n < F. 8 ack 8\n > . 8 ack 9'
    analysis = look(trace)
    assert any(f.facts["ours"] == "an ACK that was overtaken" for f in analysis.findings_of("wireshark-differs"))
    assert "keep-alive" not in kinds(analysis)
