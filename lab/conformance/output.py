"""Results for people, for programs (JSON) and for the tools of a build server (JUnit's XML)."""

from __future__ import annotations

import json
import re
import textwrap
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from lab.conformance.model import Result

_WIDTH = 110
_WORDS = {"pass": "pass ", "fail": "FAIL ", "error": "ERROR"}
# What XML 1.0 cannot hold at all, not even as a reference.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(subject: str, results: Sequence[Result], *, every: bool = True) -> str:
    """The results as lines for people. subject: what was tested. every: also the cases that passed."""
    lines = [f"{subject} and the rules of docs/protocol.md", ""]
    for result in results:
        if every or result.outcome != "pass":
            lines += [*told(result)]
    return "\n".join([*lines, "", closing_line(results)]) + "\n"


def told(result: Result) -> list[str]:
    """One result as lines: one, or the whole story if it didn't pass."""
    rule = result.rule if result.rule.startswith("P") else "   "
    lines = [f"  {_WORDS[result.outcome]} {rule:<4} {result.case:<24} {result.name}"]
    if result.outcome == "pass":
        return lines
    story = [
        ("rule", result.rule if result.rule.startswith("P") else result.rule.replace("contract", "images/CONTRACT.md")),
        ("sent", result.sent),
        ("expected", result.expected),
        ("got", result.got),
        ("advice", result.advice),
    ]
    for word, said in story:
        if said:
            indent = " " * 20
            wrapped = textwrap.wrap(said, _WIDTH, break_long_words=True, break_on_hyphens=False) or [""]
            lines.append(f"        {word:<12}{wrapped[0]}")
            lines += [indent + line for line in wrapped[1:]]
    return lines


def closing_line(results: Sequence[Result]) -> str:
    """How many passed, failed, and could not be found out."""
    count = counts(results)
    line = f"{len(results)} cases: {count['pass']} pass, {count['fail']} fail"
    return line + (f", {count['error']} could not be found out" if count["error"] else "")


def counts(results: Sequence[Result]) -> dict[str, int]:
    """How many results of each outcome there are."""
    found = Counter(result.outcome for result in results)
    return {outcome: found[outcome] for outcome in ("pass", "fail", "error")}


def as_json(subject: str, results: Sequence[Result], seconds: float) -> str:
    """The results as one JSON object: subject, seconds, counts, and a list of the results' fields."""
    whole = {
        "subject": subject,
        "seconds": round(seconds, 3),
        "counts": counts(results),
        "results": [asdict(result) for result in results],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def as_junit(subject: str, results: Sequence[Result], seconds: float) -> str:
    """The results as a JUnit test suite; the rule is the class."""
    count = counts(results)
    suite = ET.Element(
        "testsuite",
        name=_clean(f"echo conformance of {subject}"),
        tests=str(len(results)),
        failures=str(count["fail"]),
        errors=str(count["error"]),
        time=f"{seconds:.3f}",
    )
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=_clean(f"conformance.{result.rule}"),
            name=_clean(f"{result.case}: {result.name}"),
            time=f"{result.seconds:.3f}",
        )
        if result.outcome != "pass":
            kind = "failure" if result.outcome == "fail" else "error"
            message = f"expected {result.expected}, got {result.got}" if result.expected else result.got
            ET.SubElement(case, kind, message=_clean(message)).text = _clean("\n".join(told(result)))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _clean(words: str) -> str:
    return _NO_XML.sub("\ufffd", words)
