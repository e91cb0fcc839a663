"""The kit's results as text, JSON and JUnit."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from lab.conformance import Result
from lab.conformance.output import as_json, as_junit, counts, text, told

PASSED = Result("crlf", "A line with CRLF is answered with CRLF", "P3", "pass", seconds=0.25)
FAILED = Result(
    "sharp-s",
    "straße becomes STRASSE",
    "P9",
    "fail",
    "stra\\xc3\\x9fe\\n",
    "STRASSE\\n",
    "STRA\\xc3\\x9fE\\n",
    "Use it.",
    1.5,
)
ERROR = Result("thousand", "1,000 connections", "P1", "error", got="raise the limit with `ulimit -n`")
CONTRACT = Result("help", "--help prints the usage", "contract: arguments", "fail", "", "a", "b", "c")
ALL = [PASSED, FAILED, ERROR]


def test_a_passed_case_is_one_line_with_rule_and_name() -> None:
    (line,) = told(PASSED)
    assert line.split(maxsplit=3) == ["pass", "P3", "crlf", "A line with CRLF is answered with CRLF"]


def test_a_failed_case_tells_what_was_sent_expected_and_got_and_what_to_do() -> None:
    first, *story = told(FAILED)
    assert first.split()[:3] == ["FAIL", "P9", "sharp-s"]
    assert [line.split()[0] for line in story] == ["rule", "sent", "expected", "got", "advice"]
    assert "STRA\\xc3\\x9fE\\n" in story[3]


def test_an_error_tells_why_but_gives_no_advice_on_the_program() -> None:
    first, *story = told(ERROR)
    assert first.split()[0] == "ERROR"
    assert [line.split()[0] for line in story] == ["rule", "got"]


def test_a_rule_of_the_contract_names_the_page() -> None:
    assert told(CONTRACT)[1].split(maxsplit=1)[1] == "images/CONTRACT.md: arguments"


def test_a_long_story_is_folded_so_that_no_line_is_very_long() -> None:
    long = Result("x", "y", "P1", "fail", "a" * 1000, "b " * 300, "c", "d")
    lines = told(long)
    assert max(map(len, lines)) <= 132
    assert "".join("".join(lines).split()).count("a" * 1000) == 1


def test_the_text_ends_with_the_counts_and_without_every_shows_no_passes() -> None:
    whole = text("me:7", ALL)
    assert whole.endswith("\n3 cases: 1 pass, 1 fail, 1 could not be found out\n")
    assert "crlf" in whole
    short = text("me:7", ALL, every=False)
    assert "crlf" not in short
    assert "sharp-s" in short


def test_the_text_says_nothing_of_errors_when_there_are_none() -> None:
    assert text("me:7", [PASSED]).endswith("1 cases: 1 pass, 0 fail\n")


def test_json_has_every_field_of_every_result() -> None:
    read = json.loads(as_json("me:7", ALL, 2.0))
    assert read["subject"] == "me:7"
    assert read["counts"] == counts(ALL) == {"pass": 1, "fail": 1, "error": 1}
    assert read["results"][1] == {
        "case": "sharp-s", "name": "straße becomes STRASSE", "rule": "P9", "outcome": "fail",
        "sent": "stra\\xc3\\x9fe\\n", "expected": "STRASSE\\n",
        "got": "STRA\\xc3\\x9fE\\n", "advice": "Use it.", "seconds": 1.5,
    }  # fmt: skip


def test_junit_keeps_failures_and_errors_apart() -> None:
    suite = ET.fromstring(as_junit("me:7", ALL, 2.0))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("time")) == (
        "3",
        "1",
        "1",
        "2.000",
    )
    passed, failed, error = suite
    assert list(passed) == []
    assert failed.get("classname") == "conformance.P9"
    assert [child.tag for child in failed] == ["failure"]
    assert failed[0].get("message") == "expected STRASSE\\n, got STRA\\xc3\\x9fE\\n"
    assert "Use it." in (failed[0].text or "")
    assert [child.tag for child in error] == ["error"]


def test_junit_is_well_formed_whatever_the_octets_were() -> None:
    odd = Result("odd", "control \x00\x1b and lone \ud800", "P4", "fail", "\x00", "<&>\"'", "\x7f]]>", "\ufffe")
    suite = ET.fromstring(as_junit("\x01", [odd], 0).encode("utf-8", "strict").decode("utf-8"))
    assert "control \ufffd\ufffd and lone \ufffd" in (suite[0].get("name") or "")
