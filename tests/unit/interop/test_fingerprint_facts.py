"""The facts of a fingerprint, from made-up segments: each habit is seen where it is, and not where it isn't."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.facts import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    Segment,
    closing_of,
    disagreements,
    facts_of,
    gaps_ms,
    segment_of,
    small_on_small,
)

FULL = 1448
CLOSE_BY_SERVER = [("server", FIN | ACK, 1, 1), ("client", FIN | ACK, 1, 2), ("server", ACK, 2, 2)]


def text(side: str, seq: int, ack: int, payload: bytes, time_ms: float = 0, flags: int = PSH | ACK) -> Segment:
    return Segment(time_ms, side, flags, seq, ack, len(payload), 64000, (), payload)


def plain(side: str, flags: int, seq: int, ack: int, time_ms: float = 0) -> Segment:
    return Segment(time_ms, side, flags, seq, ack, 0, 64000)


def steps(*rows: tuple[str, int, int, int]) -> list[Segment]:
    return [plain(*row) for row in rows]


def conversation() -> list[Segment]:
    """A handshake, a line and its answer, and an end by the server in three segments."""
    options = ("MSS 1460", "window scale 10", "SACK permitted", "timestamps")
    return [
        Segment(0, "client", SYN, 0, 0, 0, 64240, options),
        Segment(0, "server", SYN | ACK, 0, 1, 0, 65160, options),
        plain("client", ACK, 1, 1),
        text("client", 1, 1, b"quit\n", 1),
        text("server", 1, 6, b"Good bye\n", 3.5),
        plain("server", FIN | ACK, 10, 6, 4),
        plain("client", FIN | ACK, 6, 11, 5),
        plain("server", ACK, 11, 7, 5),
    ]


def json_of_it() -> dict[str, Any]:
    """What our tracker says of that conversation."""
    syn = {"mss_bytes": 1460, "window_scale": 10, "sack_permitted": True, "timestamps": True}
    side = {"fins": 1, "rsts": 0, "syn_options": syn, "frames": 4}
    return {
        "first_closer": "server",
        "simultaneous_close": False,
        "from_client": {**side, "payload_octets": 5},
        "from_server": {**side, "payload_octets": 9},
    }


def test_a_conversation_is_told_in_facts() -> None:
    facts = facts_of(conversation())
    assert (facts["first_closer"], facts["closing"], facts["frames"]) == ("server", "three segments", 8)
    client, server = facts["client"], facts["server"]
    assert client["syn_options"] == "MSS 1460, window scale 10, SACK permitted, timestamps"
    assert (client["syn_window_bytes"], server["syn_window_bytes"]) == (64240, 65160)
    assert (client["data_segments"], client["octets"], client["bare_acks"]) == (1, 5, 0)
    assert (server["data_segments"], server["acks_on_data"], server["bare_acks"]) == (1, 1, 1)
    assert (server["small_segments"], server["small_with_psh"], server["full_segments"]) == (1, 1, 0)
    assert server["longest_ack_wait_ms"] == 2.5
    assert (server["fin"], server["fins"], server["resets"]) == ("alone", 1, 0)


def test_a_session_of_no_segments_has_facts_too() -> None:
    facts = facts_of([])
    assert (facts["first_closer"], facts["closing"], facts["client"]["fin"]) == ("", "no end", "")


def test_a_missing_psh_is_counted() -> None:
    segments = [text("server", 1, 1, b"a" * 3, flags=ACK), text("server", 4, 1, b"b" * 3)]
    server = facts_of(segments)["server"]
    assert (server["small_segments"], server["small_with_psh"]) == (2, 1)


def test_full_segments_are_told_from_small_ones() -> None:
    segments = [text("client", 1, 1, b"x" * FULL, flags=ACK), text("client", 1 + FULL, 1, b"x" * 1200)]
    client = facts_of(segments)["client"]
    assert (client["full_segments"], client["full_with_psh"], client["small_segments"]) == (1, 0, 1)


def test_a_small_segment_behind_an_unacknowledged_one_shows_that_nagle_is_off() -> None:
    segments = [text("server", 1, 1, b"X\n"), text("server", 3, 1, b"Y"), plain("client", ACK, 1, 4)]
    assert small_on_small(segments, "server", FULL) == 1


@pytest.mark.parametrize(
    "segments",
    [
        [text("server", 1, 1, b"X\n"), plain("client", ACK, 1, 3), text("server", 3, 1, b"Y")],
        [text("server", 1, 1, b"x" * FULL), text("server", 1 + FULL, 1, b"Y")],
        [text("server", 1, 1, b"X\n"), text("server", 1, 1, b"X\n")],
        [text("server", 1, 1, b"X\n"), text("server", 3, 1, b"Y", flags=PSH | FIN | ACK)],
        [text("server", 1, 1, b"X\n"), text("client", 1, 1, b"b")],
    ],
    ids=["after-the-ACK", "behind-a-full-one", "sent-again", "with-the-FIN", "of-the-other-side"],
)
def test_what_nagle_lets_through_shows_nothing(segments: list[Segment]) -> None:
    assert small_on_small(segments, "server", FULL) == 0


def test_an_ack_alone_before_the_second_fin_makes_four_segments() -> None:
    first, second, last = CLOSE_BY_SERVER
    assert closing_of(steps(first, second, last)) == "three segments"
    assert closing_of(steps(first, ("client", ACK, 1, 2), second, last)) == "four segments"


def test_an_ack_of_text_before_the_second_fin_is_not_the_fourth_segment() -> None:
    first, second, last = CLOSE_BY_SERVER
    assert closing_of(steps(first, ("client", ACK, 1, 1), second, last)) == "three segments"


def test_a_fin_that_is_sent_again_is_told() -> None:
    first, second, last = CLOSE_BY_SERVER
    rows = steps(first, first, ("client", ACK, 1, 2), second, last)
    assert closing_of(rows) == "four segments and the FIN again"


def test_two_fins_that_cross_are_both_at_once() -> None:
    assert closing_of(steps(("server", FIN | ACK, 1, 1), ("client", FIN | ACK, 1, 1))) == "both at once"


def test_a_reset_and_half_an_end_have_their_own_words() -> None:
    assert closing_of(steps(*CLOSE_BY_SERVER, ("client", RST, 2, 0))) == "RST"
    assert closing_of(steps(CLOSE_BY_SERVER[0])) == "one side only"


def test_a_fin_that_has_text_with_it_is_told_from_one_alone() -> None:
    assert facts_of([text("client", 1, 1, b"bye", flags=FIN | PSH | ACK)])["client"]["fin"] == "with text"


def test_a_gap_is_only_measured_between_exactly_these_texts() -> None:
    segments = [text("server", 1, 1, b"X\n", 1), text("client", 1, 3, b"z", 2), text("server", 3, 1, b"Y", 21.04)]
    assert gaps_ms(segments, "server", b"X\n", b"Y") == [20.0]
    assert gaps_ms(segments, "server", b"X\n", b"Z") == []
    assert gaps_ms([text("server", 1, 1, b"X\nY")], "server", b"X\n", b"Y") == []


def test_a_line_of_tshark_becomes_a_segment() -> None:
    line = "0.001500000\t7\t0x0012\t0\t1\t0\t65160\t1460\t10\t\t2766864825\t"
    segment = segment_of(line)
    assert (segment.side, segment.flags, segment.time_ms) == ("server", SYN | ACK, 1.5)
    assert segment.options == ("MSS 1460", "window scale 10", "timestamps")
    assert segment_of("0\t33570\t0x0018\t1\t1\t2\t63\t\t\t\t9\t410a").payload == b"A\n"


def test_tshark_and_the_json_agree_on_the_same_conversation() -> None:
    assert disagreements(facts_of(conversation()), json_of_it()) == []


@pytest.mark.parametrize(
    ("member", "value", "word"),
    [
        ("payload_octets", 6, "octets"),
        ("fins", 2, "FINs"),
        ("rsts", 1, "RSTs"),
        ("frames", 5, "number of segments"),
        ("syn_options", {"mss_bytes": 1440, "window_scale": 10, "sack_permitted": True, "timestamps": True}, "SYN"),
    ],
)
def test_a_difference_between_tshark_and_the_json_is_named(member: str, value: object, word: str) -> None:
    session = json_of_it()
    session["from_client"][member] = value
    told = disagreements(facts_of(conversation()), session)
    assert len(told) == 1
    assert word in told[0]


def test_another_first_closer_is_a_difference_as_well() -> None:
    assert len(disagreements(facts_of(conversation()), {**json_of_it(), "first_closer": None})) == 1
