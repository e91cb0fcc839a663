"""Grades for those who read them: a table for the terminal, CSV for a learning platform, results.json for Gradescope,
JUnit for a continuous integration. The HTML report of a class is in ``lab.grade.page``.

Names and answers come from students, so each form gets them in its own safe way: a terminal no escapes, a spreadsheet
no formula, XML no character that it forbids.
"""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

from lab.grade.check import Result
from lab.grade.classroom import Graded, Suspicion, pairs
from lab.grade.feedback import Marked
from lab.grade.tell import harmless, paragraphs

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def exercises_in(graded: Sequence[Graded]) -> list[str]:
    """All exercises that anybody has handed in, in order."""
    return sorted({result.exercise for one in graded for result in one.results})


def table(graded: Sequence[Graded], suspected: Sequence[Suspicion]) -> str:
    """The class in 80 columns: one line a submission, and below it what is to be said of it."""
    names = exercises_in(graded)
    shown = names[:10]
    head = f"{'student':22} {'total':>5} " + " ".join(f"{name[:2]:>4}" for name in shown)
    lines = [head]
    for one in graded:
        shares = {result.exercise: result for result in one.results}
        cells = " ".join(f"{_cell(shares.get(name)):>4}" for name in shown)
        lines.append(f"{_clip(one.student or one.name, 22):22} {one.score:>5.0%} {cells}")
        notes = [one.refused] if one.refused else []
        notes += [f"{result.exercise}: {result.reason}" for result in one.results if result.reason]
        notes += [f"{name}: played after the deadline" for name in one.late]
        notes += list(one.problems)
        lines += [paragraphs(note, "    ") for note in notes]
    for suspicion in suspected:
        who = ", ".join(suspicion.submissions)
        lines.append(paragraphs(f"Look at {who} in {suspicion.exercise}: {suspicion.what}."))
    if len(names) > len(shown):
        lines.append(paragraphs(f"The first {len(shown)} of {len(names)} exercises; --csv and --html show all."))
    count = len(graded)
    copies = pairs(suspected)
    lines.append(
        f"{count} {'submission' if count == 1 else 'submissions'}, {copies} suspected"
        f" {'copy' if copies == 1 else 'copies'}."
    )
    return "\n".join(lines)


def _cell(result: Result | None) -> str:
    if result is None:
        return "-"
    return {"refused": "ref", "unreadable": "?"}.get(result.outcome, f"{result.share * 100:.0f}")


def _clip(text: str, width: int) -> str:
    text = harmless(text).replace("\n", " ")
    return text if len(text) <= width else text[: width - 1] + "…"


def cell(text: str) -> str:
    """A text for a spreadsheet: what would be taken for a formula begins with an apostrophe and is shown as it is."""
    plain = harmless(text).replace("\n", " ")
    return f"'{plain}" if plain.lstrip().startswith(_FORMULA) else plain


def as_csv(graded: Sequence[Graded]) -> str:
    """One line a submission: totals in percent, a column for each exercise, notes last."""
    names = exercises_in(graded)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["submission", "student", "total percent", *names, "late", "notes"])
    for one in graded:
        shares = {result.exercise: f"{result.share * 100:.1f}" for result in one.results}
        notes = [one.refused, *(f"{r.exercise}: {r.reason}" for r in one.results if r.reason), *one.problems]
        writer.writerow(
            [
                cell(one.name),
                cell(one.student),
                f"{one.score * 100:.1f}",
                *(shares.get(name, "") for name in names),
                cell(" ".join(one.late)),
                cell("; ".join(note for note in notes if note)),
            ]
        )
    return text.getvalue()


def as_gradescope(graded: Graded) -> dict[str, Any]:
    """results.json of Gradescope for one submission: each question is a test."""
    tests: list[dict[str, Any]] = []
    for result in graded.results:
        if not result.marks:
            words = f"{result.reason} {result.retake}".strip()
            test = {"name": result.exercise, "score": 0, "max_score": result.full, "output": harmless(words)}
            tests.append({**test, "status": "failed", "visibility": "visible"})
        for mark in result.marks:
            shown = f"{mark.words}\nDisplay filter: {mark.filter}" if mark.filter else mark.words
            tests.append(
                {
                    "name": f"{result.exercise} {_name(mark)}",
                    "score": round(mark.points * mark.question.weight, 4),
                    "max_score": mark.question.weight,
                    "output": harmless(shown),
                    "status": "passed" if _fine(mark) else "failed",
                    "visibility": "visible",
                }
            )
    notes = [graded.refused, *graded.problems, *(f"{name}: played after the deadline" for name in graded.late)]
    return {
        "score": round(graded.score * 100, 2),
        "max_score": 100,
        "output": harmless("\n".join(note for note in notes if note)),
        "tests": tests,
    }


def _name(mark: Marked) -> str:
    """A mark's name: a prediction and what came are two."""
    return f"{mark.question.id} (predicted)" if mark.question.predict else mark.question.id


def _fine(mark: Marked) -> bool:
    """Whether nothing is wrong with it: also a prediction that was made in time and turned out otherwise."""
    return mark.state == "right" or (mark.question.predict and mark.points > 0)


def gradescope_text(graded: Sequence[Graded]) -> str:
    """The text of results.json: Gradescope's own form for one submission, a list of them for a class."""
    found = [as_gradescope(one) for one in graded]
    return json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False) + "\n"


def as_junit(graded: Sequence[Graded]) -> str:
    """JUnit: a suite for each submission, a case for each question. What could not be graded is an error, not a
    failure: that tells a student's mistake from a capture's."""
    suites = ElementTree.Element("testsuites")
    for one in graded:
        suite = ElementTree.SubElement(suites, "testsuite", name=_xml(one.student or one.name))
        if one.refused:
            case = ElementTree.SubElement(suite, "testcase", name="submission")
            ElementTree.SubElement(case, "error", message=_xml(one.refused))
        for result in one.results:
            if not result.marks:
                case = ElementTree.SubElement(suite, "testcase", classname=result.exercise, name="capture")
                words = f"{result.reason} {result.retake}".strip()
                ElementTree.SubElement(case, "error", message=_xml(words))
            for mark in result.marks:
                case = ElementTree.SubElement(suite, "testcase", classname=result.exercise, name=_name(mark))
                if mark.state == "not-shown":
                    ElementTree.SubElement(case, "error", message=_xml(mark.words))
                elif not _fine(mark):
                    ElementTree.SubElement(case, "failure", message=_xml(mark.words), type=mark.mistake or mark.state)
        cases = suite.findall("testcase")
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(sum(1 for case in cases if case.find("failure") is not None)))
        suite.set("errors", str(sum(1 for case in cases if case.find("error") is not None)))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """The text without characters that XML 1.0 does not allow."""
    return _NOT_XML.sub("�", harmless(text))
