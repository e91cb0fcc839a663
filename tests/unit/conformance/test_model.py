"""Octets for people, right answers, and how a case comes to its result."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.conformance import Case, client_cases, process_cases, server_cases
from lab.conformance.capitals import MAY_DIFFER, NEW_IN_14, NEW_IN_16, NEW_IN_17, answer_to, answers_to, capitals
from lab.conformance.model import Busy, Failed, Unable, shown
from lab.conformance.run import chosen, run, run_case

ROOT = Path(__file__).resolve().parents[3]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "nothing"),
        (b"hello\r\n", "hello\\r\\n"),
        (b"\x00\x1b\x7f\xc3\xa9", "\\x00\\x1b\\x7f\\xc3\\xa9"),
        (b"back\\slash\t", "back\\\\slash\\t"),
    ],
)
def test_octets_are_shown_so_that_none_is_lost_and_none_plays_tricks(octets: bytes, words: str) -> None:
    assert shown(octets) == words


def test_of_many_octets_the_middle_is_left_out_and_counted() -> None:
    assert shown(b"a" * 500 + b"z" * 500, most=10) == "aaaaa … 990 octets … zzzzz"
    assert shown(b"a" * 10, most=10) == "a" * 10


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("straße", "STRASSE"),
        ("κόσμος", "ΚΌΣΜΟΣ"),
        ("ǆ", "Ǆ"),
        ("\u0390", "\u0399\u0308\u0301"),
        ("iıİ", "IIİ"),
        (
            "\U00010597\u019b\U00016ebb",
            "\U00010597\u019b\U00016ebb",
        ),  # new in 14, 16, 17
    ],
)
def test_the_kit_knows_the_capital_letters_of_unicode_13(message: str, answer: str) -> None:
    assert capitals(message) == answer
    assert answer_to(message.encode()) == answer.encode()


def test_the_capitals_are_those_of_this_python_but_for_letters_that_are_young() -> None:
    letters = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    differing = {ord(letter) for letter in letters if capitals(letter) != letter.upper()}
    assert differing <= MAY_DIFFER.keys()


def test_what_is_not_utf_8_is_taken_as_octets() -> None:
    assert answer_to("é".encode() + b"\xff a") == "é".encode() + b"\xff A"


def test_each_answer_ends_as_its_line_did() -> None:
    assert answers_to(b"a\r\nb\n\r\n\nc\r\r\n") == b"A\r\nB\n\r\n\nC\r\r\n"


def test_the_letters_that_may_differ_are_those_of_unicode_14_16_and_17() -> None:
    assert (len(NEW_IN_14), len(NEW_IN_16), len(NEW_IN_17), len(MAY_DIFFER)) == (40, 27, 28, 95)


# ---- How a case is run ----


def case_of(play: Callable[[Any], None], key: str = "x") -> Case:
    return Case(key, "A name", "P1", "Some advice.", play)


def raising(*problems: Exception | None) -> Callable[[Any], None]:
    """A conversation that ends so the first time, so the second time, ..."""
    left = list(problems)

    def play(_subject: Any) -> None:
        problem = left.pop(0)
        if problem:
            raise problem

    return play


def test_a_case_that_returns_has_passed_and_gives_no_advice() -> None:
    result = run_case(case_of(raising(None)), None)
    assert (result.outcome, result.advice, result.expected) == ("pass", "", "")


def test_a_broken_rule_is_a_failure_with_advice() -> None:
    result = run_case(case_of(raising(Failed("A", "B", "a"))), None)
    assert (result.outcome, result.sent, result.expected, result.got) == ("fail", "a", "A", "B")
    assert result.advice == "Some advice."


def test_what_the_kit_could_not_find_out_is_an_error_and_no_verdict() -> None:
    for problem in (Unable("no sockets"), OSError(24, "Too many open files")):
        result = run_case(case_of(raising(problem)), None)
        assert result.outcome == "error"
        assert result.advice == ""


def test_a_case_that_a_busy_machine_spoilt_is_tried_again() -> None:
    assert run_case(case_of(raising(Busy("slow"), Busy("slow"), None)), None).outcome == "pass"
    assert run_case(case_of(raising(Busy("slow"), Failed("A", "B"))), None).outcome == "fail"


def test_a_machine_that_stays_busy_is_an_error() -> None:
    assert run_case(case_of(raising(*[Busy("slow")] * 3)), None).outcome == "error"


def test_what_fails_only_beside_others_is_blamed_on_side_by_side_alone() -> None:
    cases = [
        case_of(raising(Failed("A", "B"), None), "disturbed"),
        case_of(raising(Failed("A", "B"), Failed("A", "B")), "wrong"),
        case_of(raising(None), "right"),
        case_of(raising(None), "side-by-side"),
    ]
    results = {result.case: result for result in run(cases, None)}
    outcomes = {key: result.outcome for key, result in results.items()}
    assert outcomes == {"disturbed": "pass", "wrong": "fail", "right": "pass", "side-by-side": "fail"}
    assert "disturbed" in results["side-by-side"].got
    assert "wrong" not in results["side-by-side"].got.split(": ")[1]


def test_without_side_by_side_nothing_is_repeated() -> None:
    (result,) = run([case_of(raising(Failed("A", "B"), None))], None)
    assert result.outcome == "fail"


def test_progress_hears_of_every_result() -> None:
    heard: list[str] = []
    run([case_of(raising(None), "one"), case_of(raising(None), "two")], None, lambda result: heard.append(result.case))
    assert heard == ["one", "two"]


def test_cases_are_chosen_by_their_ids_and_an_unknown_one_is_named() -> None:
    cases = [case_of(raising(None), "one"), case_of(raising(None), "two")]
    assert chosen(cases, []) == cases
    assert [case.id for case in chosen(cases, ["two"])] == ["two"]
    with pytest.raises(ValueError, match="there is no case three"):
        chosen(cases, ["two", "three"])


# ---- The cases and the protocol's text ----


@pytest.mark.parametrize("cases", [server_cases() + process_cases(), client_cases()], ids=["server", "client"])
def test_every_case_has_an_id_of_its_own_a_name_and_advice(cases: list[Case]) -> None:
    assert len({case.id for case in cases}) == len(cases)
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert re.fullmatch(r"[a-z0-9-]+", case.id)
        assert len(case.advice) > 20
        assert case.rule.startswith("contract: ") or f"**{case.rule}.**" in PROTOCOL, case.rule


def test_every_rule_of_the_protocol_has_a_case() -> None:
    rules = set(re.findall(r"^\*\*(P\d+)\.\*\*", PROTOCOL, re.MULTILINE))
    assert len(rules) > 25
    checked = {case.rule for case in [*server_cases(), *process_cases(), *client_cases()]}
    assert rules - checked == set()
