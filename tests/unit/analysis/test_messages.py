"""Messages: lines out of a stream of octets, their answers, and what is neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.store.reader import read_capture
from tests.unit.analysis.scenes import OPEN, TALK, WHOLE, frames_of, kinds, look, only, swapped


def test_a_line_and_its_answer_find_each_other() -> None:
    analysis = look(WHOLE)
    assert analysis.protocol == "echo"
    [asked], [answered] = analysis.client.messages, analysis.server.messages
    assert (asked.octets, asked.frames, asked.line_end, asked.answered_by) == (b"hello\n", (4,), "LF", 1)
    assert (answered.octets, answered.reply_of, answered.reply_ns) == (b"HELLO\n", 1, 2_000_000)
    found = only(analysis, "echo")
    assert found.frames == (4, 6)
    assert (found.facts["answered"], found.facts["quickest_ns"]) == (1, 2_000_000)


def test_two_lines_in_one_segment_are_two_messages() -> None:
    trace = OPEN + '> P. 1 ack 1 "one\\ntwo\\n"\n < P. 1 ack 9 "ONE\\nTWO\\n"'
    analysis = look(trace)
    assert [message.octets for message in analysis.client.messages] == [b"one\n", b"two\n"]
    assert {f.side for f in analysis.findings_of("coalesced")} == {"client", "server"}
    assert analysis.findings_of("coalesced")[0].facts["messages"] == 2
    assert "coalesced" not in kinds(look(WHOLE))


def test_a_line_in_two_segments_is_one_message() -> None:
    trace = OPEN + '> P. 1 ack 1 "hel"\n > P. 4 ack 1 "lo\\r\\n"\n < P. 1 ack 8 "HELLO\\r\\n"'
    analysis = look(trace)
    [message] = analysis.client.messages
    assert (message.octets, message.frames, message.line_end) == (b"hello\r\n", (4, 5), "CRLF")
    assert message.whole_ns - message.sent_ns == 1_000_000
    assert only(analysis, "split").frames == (4, 5)
    assert "split" not in kinds(look(WHOLE))


def test_segments_out_of_order_give_the_same_message() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hel"\n > P. 4 ack 1 "lo\\n"\n < P. 1 ack 7 "HELLO\\n"')
    [message] = look(swapped(frames, 4, 5)).client.messages
    assert (message.octets, message.frames) == (b"hello\n", (5, 4))


def test_a_retransmission_adds_nothing_to_a_message() -> None:
    trace = OPEN + '> P. 1 ack 1 "hel"\n +210 > P. 1 ack 1 "hello\\n"\n < P. 1 ack 7 "HELLO\\n"'
    [message] = look(trace).client.messages
    assert (message.octets, message.frames) == (b"hello\n", (4, 5))


def test_text_without_a_line_end_that_was_answered_after_a_silence_is_a_message() -> None:
    trace = OPEN + '> P. 1 ack 1 "hel"\n +200 < P. 1 ack 4 "HEL"\n +100 > P. 4 ack 4 "lo\\n"\n < P. 4 ack 7 "LO\\n"'
    analysis = look(trace)
    assert [message.octets for message in analysis.client.messages] == [b"hel", b"lo\n"]
    assert [message.octets for message in analysis.server.messages] == [b"HEL", b"LO\n"]
    assert only(analysis, "echo").facts["answered"] == 2
    assert [f.side for f in analysis.findings_of("unfinished-line")] == ["client", "server"]


def test_text_that_goes_on_before_any_answer_is_one_message() -> None:
    trace = OPEN + '> P. 1 ack 1 "hel"\n +190 > P. 4 ack 1 "lo\\n"\n < P. 1 ack 7 "HELLO\\n"'
    assert [message.octets for message in look(trace).client.messages] == [b"hello\n"]


def test_quit_is_answered_good_bye() -> None:
    trace = OPEN + '> P. 1 ack 1 "QuIt\\n"\n < P. 1 ack 6 "Good bye\\n"'
    assert only(look(trace), "quit").frames == (4, 5)
    assert not {"wrong-answer", "unanswered"} & kinds(look(trace))
    assert "quit" not in kinds(look(WHOLE))


def test_a_wrong_answer_and_a_missing_one_are_told() -> None:
    trace = OPEN + '> P. 1 ack 1 "one\\n"\n < P. 1 ack 5 "ONE\\n"\n > P. 5 ack 5 "two\\n"\n < P. 5 ack 9 "TVO\\n"\n'
    analysis = look(trace + '> P. 9 ack 9 "three\\n"')
    assert only(analysis, "wrong-answer").frames == (6, 7)
    assert only(analysis, "unanswered").frames == (8,)


def test_a_dropped_octet_of_a_line_makes_no_wrong_message_of_two() -> None:
    trace = OPEN + '> P. 1 ack 1 "one\\n"\n > P. 9 ack 1 "three\\n"'
    assert [message.octets for message in look(trace).client.messages] == [b"one\n", b"three\n"]


@pytest.mark.parametrize("port", [80, 7000])
def test_another_protocol_is_cut_into_turns(port: int) -> None:
    trace = (
        OPEN
        + """
        > P. 1 ack 1 "GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
        < . 1 ack 28 "HTTP/1.1 200 OK\\r\\n"
        < P. 18 ack 28 "\\r\\nbody"
        > P. 28 ack 24 "again"
    """
    )
    analysis = look(trace, ports=(40312, port))
    assert analysis.protocol == "unknown"
    assert [len(message.octets) for message in analysis.client.messages] == [27, 5]
    assert [message.frames for message in analysis.server.messages] == [(5, 6)]
    assert not {"echo", "unanswered", "wrong-answer", "unfinished-line", "coalesced"} & kinds(analysis)


def test_an_echo_on_another_port_is_seen_by_its_answers() -> None:
    assert look(WHOLE, ports=(40312, 9000)).protocol == "echo"


def test_a_conversation_from_the_middle_blames_nobody() -> None:
    analysis = look('< P. 1 ack 1 "LO\\n"\n > P. 1 ack 4 "two\\n"\n < P. 4 ack 5 "TWO\\n"')
    assert not {"wrong-answer", "unanswered"} & kinds(analysis)


def test_push_and_totals_are_counted() -> None:
    analysis = look(OPEN + "> . 1 ack 1 x1000\n > P. 1001 ack 1 x500\n < . 1 ack 1501")
    assert only(analysis, "push").facts == {"pushes": 1, "segments": 2}
    assert analysis.client.segments_bytes == (1000, 500)
    assert (analysis.client.data_frames, analysis.client.push_frames) == ((4, 5), (5,))
    assert only(look(OPEN + TALK), "echo").side == "server"


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_slow_line_in_pieces_makes_no_wrong_answer(side: str) -> None:
    """Recorded on a slow link: pauses over 150 ms within lines, and answers to earlier lines meanwhile."""
    recorded = Path("tests/unit/grade/recorded/24-slow-link") / f"small-at-{side}.pcapng"
    [analysis] = analyse(read_capture(recorded).frames)
    assert not {"wrong-answer", "unanswered"} & kinds(analysis)
    assert len(analysis.client.messages) == len(analysis.server.messages)
    assert only(analysis, "echo").facts["answered"] == len(analysis.client.messages)


def test_a_pause_within_a_line_ends_it_only_if_just_that_was_answered() -> None:
    first = OPEN + '> P. 1 ack 1 "one\\nhel"\n'
    rest = '+200 > P. 8 ack 5 "lo\\n"\n'
    earlier = look(first + '< P. 1 ack 8 "ONE\\n"\n' + rest + '< P. 5 ack 11 "HELLO\\n"')
    assert [message.octets for message in earlier.client.messages] == [b"one\n", b"hello\n"]
    assert not {"wrong-answer", "unfinished-line"} & kinds(earlier)
    itself = look(first + '< P. 1 ack 8 "ONE\\n"\n +100 < P. 5 ack 8 "HEL"\n' + rest + '< P. 8 ack 11 "LO\\n"')
    assert [message.octets for message in itself.client.messages] == [b"one\n", b"hel", b"lo\n"]
    assert "wrong-answer" not in kinds(itself)


def test_the_answer_to_unfinished_text_ends_within_a_segment() -> None:
    trace = OPEN + '> P. 1 ack 1 "hel"\n +200 < P. 1 ack 4 "HEL"\n +100 > P. 4 ack 4 "lo\\nend\\n"\n'
    analysis = look(trace + '< P. 1 ack 11 "HELLO\\nEND\\n"')  # the server's first segment again, with what followed
    assert [message.octets for message in analysis.server.messages] == [b"HEL", b"LO\n", b"END\n"]
    assert "wrong-answer" not in kinds(analysis)


def test_after_a_hole_in_the_capture_nobody_is_blamed() -> None:
    asked = [f'> P. {1 + 4 * n} ack 1 "{word}\\n"\n' for n, word in enumerate(("one", "two", "six", "ten"))]
    answered = '< P. 1 ack 17 "ONE\\n"\n < P. 5 ack 17 "TWO\\n"\n < P. 9 ack 17 "SIX\\n"\n < P. 13 ack 17 "TEN\\n"'
    assert only(look(OPEN + "".join(asked) + answered), "echo").facts["answered"] == 4
    del asked[1]
    holed = look(OPEN + "".join(asked) + answered)
    assert not {"wrong-answer", "unanswered"} & kinds(holed)
    assert only(holed, "echo").facts["answered"] == 1
    unheard = look(OPEN + "".join(asked[:1]) + '> P. 5 ack 1 "two\\n"\n < P. 5 ack 9 "TWO\\n"')
    assert not {"wrong-answer", "unanswered"} & kinds(unheard)
