"""Marking by meaning: what counts as the same, what is unclear, and which sentence a wrong answer gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.grade.answers import Value
from lab.grade.feedback import mark
from lab.grade.manifest import Question
from tests.unit.grade.made import exercises, expected, recorded_evidence


def question(exercise: str, name: str) -> Question:
    return next(one for one in exercises()[exercise].questions if one.id == name)


def test_a_relative_number_is_as_good_as_a_raw_one_where_the_question_does_not_say() -> None:
    asked = question("03-sequence-arithmetic", "next-after-second")
    evidence = recorded_evidence("03-sequence-arithmetic")
    told = expected(asked, evidence)
    assert isinstance(told.value, int)
    for written in (told.value, hex(told.value), f"{told.value:,}", told.relative):
        assert written is not None
        assert mark(asked, written, evidence).state == "right"


def test_a_relative_number_is_named_where_the_question_says_raw() -> None:
    asked = replace(question("03-sequence-arithmetic", "next-after-second"), raw=True)
    evidence = recorded_evidence("03-sequence-arithmetic")
    marked = mark(asked, expected(asked, evidence).relative, evidence)
    assert (marked.state, marked.mistake) == ("wrong", "relative-for-raw")
    assert "(raw)" in marked.words


@pytest.mark.parametrize(
    ("exercise", "name", "factor", "mistake"),
    [
        ("01-three-way-handshake", "round-trip", 1000.0, "unit"),
        ("01-three-way-handshake", "round-trip", 0.001, "unit"),
        ("01-three-way-handshake", "round-trip", 1.02, ""),
    ],
)
def test_a_time_may_be_rounded_but_not_in_another_unit(exercise: str, name: str, factor: float, mistake: str) -> None:
    asked, evidence = question(exercise, name), recorded_evidence(exercise)
    told = expected(asked, evidence)
    marked = mark(asked, f"{float(told.value) * factor:.0f} ns", evidence)
    assert marked.mistake == mistake
    assert marked.state == ("wrong" if mistake else "right")


@pytest.mark.parametrize("written", ["02-42-C6-12-28-0A", "0242c612280a", "0242.c612.280a", "02:42:c6:12:28:0a"])
def test_a_hardware_address_may_be_written_in_any_way(written: str) -> None:
    asked, evidence = question("12-arp-and-the-lan", "servers-address"), recorded_evidence("12-arp-and-the-lan")
    assert mark(asked, written, evidence).state == "right"


def test_an_ipv6_address_may_be_written_out() -> None:
    asked, evidence = question("13-ipv6-and-ndp", "group-address"), recorded_evidence("13-ipv6-and-ndp")
    assert mark(asked, "FF02:0:0:0:0:1:FF00:0010", evidence).state == "right"
    assert mark(asked, "ff02::1:ff00:11", evidence).state == "wrong"


def test_a_wrong_prediction_that_was_made_earns_half() -> None:
    asked, evidence = question("05-fin-and-time-wait", "who-waits"), recorded_evidence("05-fin-and-time-wait")
    assert mark(asked, "client", evidence).points == 0.5
    assert mark(asked, "server", evidence).points == 1
    assert mark(asked, "the bridge", evidence).points == 0


def test_what_did_not_happen_is_nobodys_mistake() -> None:
    asked = replace(question("10-nagle-and-delayed-ack", "held-back"), parameters={"at": "held-back", "part": "swift"})
    marked = mark(asked, "3", recorded_evidence("10-nagle-and-delayed-ack"))
    assert marked.state == "not-shown"
    assert "not your mistake" in marked.words


@pytest.mark.parametrize("given", ["9999", "1"])
def test_a_wrong_frame_is_described_and_the_right_one_not_named(given: str) -> None:
    asked, evidence = (
        question("04-stream-not-messages", "answer-to-pieces"),
        recorded_evidence("04-stream-not-messages"),
    )
    marked = mark(asked, given, evidence)
    assert marked.state == "wrong"
    assert marked.frames == ()
    assert "The capture has" in marked.words or "Frame 1 " in marked.words


def test_an_answer_cannot_move_the_cursor() -> None:
    asked, evidence = question("12-arp-and-the-lan", "asked-for"), recorded_evidence("12-arp-and-the-lan")
    marked = mark(asked, "\x1b[2Jgone", evidence)
    assert "\x1b" not in marked.given + marked.words


@pytest.mark.parametrize("given", [None, ""])
def test_no_answer_is_open_and_not_wrong(given: Value | None) -> None:
    asked, evidence = question("02-options-and-mss", "client-mss"), recorded_evidence("02-options-and-mss")
    assert mark(asked, given, evidence).state == ("open" if given is None else "unclear")
