"""What a student reads in the terminal: the overview, the list, the report of a check. 80 columns, plain words.

Everything that comes from a file is made harmless before it is printed: a terminal obeys what it is shown.
"""

from __future__ import annotations

import textwrap

from lab.grade.check import Result
from lab.grade.feedback import Marked
from lab.grade.manifest import Exercise
from lab.grade.progress import Work

COLUMNS = 80
_SIGNS = {"right": "+", "wrong": "-", "unclear": "?", "open": " ", "not-shown": "~", "ungraded": "~"}


def harmless(text: str) -> str:
    """The text without what a terminal would obey or a reader could be deceived by."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)


def paragraphs(text: str, indent: str = "") -> str:
    """The text in lines of at most 80 columns."""
    lines: list[str] = []
    for paragraph in harmless(text).split("\n"):
        wrapped = textwrap.wrap(
            paragraph, COLUMNS - 1, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
        lines += wrapped or [""]
    return "\n".join(lines)


def report(exercise: Exercise, result: Result) -> str:
    """What came out of a check."""
    head = f"{exercise.name[:2]}  {exercise.title}"
    if result.outcome == "unreadable":
        return f"{head}\n{paragraphs(result.reason[:1].upper() + result.reason[1:] + '.', '  ')}"
    if result.outcome == "refused":
        return f"{head}\n{paragraphs(result.reason, '  ')}\n{paragraphs(result.retake, '  ')}"
    lines = [head]
    for one in result.marks:
        lines += ["", f"[{_SIGNS[one.state]}] {one.question.id}{_given(one)}", paragraphs(one.words, "    ")]
        if one.filter and one.state in ("right", "wrong"):
            where = f" in captures/{harmless(one.part)}.pcapng" if one.part else ""
            lines.append(paragraphs(f"Show it{where}: {one.filter}", "    "))
    right = sum(1 for one in result.marks if one.state == "right")
    points = f"{result.score:g} of {result.full:g} points"
    lines += ["", f"{right} of {len(result.marks)} right, {points}."]
    if result.outcome == "passed":
        lines.append(paragraphs(f"Passed. What this was to clear up: {exercise.debunks}"))
        lines.append(f"The reasons in one place: echolab exercise solution {exercise.number}")
    elif any(one.state == "wrong" and not one.question.predict for one in result.marks):
        lines.append(f"Stuck? echolab exercise hint {exercise.number} QUESTION")
    return "\n".join(line.rstrip() for line in lines)


def _given(one: Marked) -> str:
    predicted = " (predicted)" if one.question.predict else ""
    return f"{predicted}: {harmless(one.given)}" if one.given else predicted


def listing(work: Work, exercises: list[Exercise]) -> str:
    """All exercises with how far each is."""
    lines = []
    for one in exercises:
        lines.append(f"{one.name[:2]}  {one.title[:50]:50} {one.minutes:>3} min  {state_of(work, one)}".rstrip())
    return "\n".join(lines)


def state_of(work: Work, exercise: Exercise) -> str:
    """How far an exercise is, in a word or two."""
    progress = work.progress(exercise)
    if progress.passed:
        return "passed"
    if progress.checks:
        return f"{progress.best:.0%} so far"
    if progress.runs:
        return "played"
    return "started" if work.started(exercise) else ""


def overview(work: Work, exercises: list[Exercise]) -> str:
    """Where am I, and what next?"""
    student = work.student()
    passed = [one for one in exercises if work.progress(one).passed]
    lines = [f"{len(passed)} of {len(exercises)} exercises passed" + (f" by {harmless(student)}." if student else ".")]
    lines += ["", listing(work, exercises), ""]
    following = next((one for one in exercises if one not in passed), None)
    if following is None:
        lines.append("That is all of them. Make one of your own: docs/authoring.md tells how.")
        return "\n".join(lines)
    number = following.number
    lines.append(paragraphs(f"Next: {following.name[:2]} {following.title}. You will be able to"))
    lines += [paragraphs(f"- {objective}", "  ") for objective in following.objectives]
    progress = work.progress(following)
    if not work.started(following):
        step = f"echolab exercise start {number}" + ("" if student else " --student YOURNAME")
    elif not progress.runs:
        step = f"echolab exercise run {number}"
    else:
        step = f"echolab exercise check {number}"
    return "\n".join([*lines, "", step])
