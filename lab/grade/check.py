"""A work folder marked: its answers against its own captures.

Used for ``echolab exercise check`` and for a teacher's ``echolab grade``; so what a student sees is what the teacher
will see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lab.analysis.model import Analysis
from lab.grade import answers as sheets
from lab.grade.answers import Answers, Value
from lab.grade.errors import EvidenceError, GradeError
from lab.grade.evidence import Evidence, analysis_of, gather
from lab.grade.feedback import Marked, foretold, mark
from lab.grade.manifest import Exercise
from lab.grade.seed import seal, student_id

ANSWERS, PREDICTIONS, CAPTURES = "answers.toml", "predictions.json", "captures"
_LARGEST_PREDICTIONS = 64 * 1024
_NONCE = re.compile(r"\b[A-Z2-7]{10}\b")

Outcome = Literal["passed", "not-yet", "refused", "unreadable"]


@dataclass(frozen=True)
class Result:
    """What came out. outcome: ``passed`` (all right), ``not-yet``, ``refused`` (a capture that cannot be graded) or
    ``unreadable`` (the answers cannot be read). reason, retake: why, and what to do. score: points of ``full``.

    fingerprints: what is random in each capture, so that a copy shows: initial sequence numbers and the first time.
    nonces: what looks like a student's mark in the captures. signed: whether the class's tap signed all captures.
    """

    exercise: str
    student: str
    outcome: Outcome
    marks: tuple[Marked, ...] = ()
    reason: str = ""
    retake: str = ""
    score: float = 0
    full: float = 0
    fingerprints: tuple[str, ...] = ()
    nonces: tuple[str, ...] = ()
    signed: bool = False

    @property
    def share(self) -> float:
        """The score as a part of the whole, 0 to 1."""
        return self.score / self.full if self.full else 0.0


def check(exercise: Exercise, folder: Path, *, student: str | None = None, key: bytes | None = None) -> Result:
    """Mark a work folder. student: whose it must be; else the one that answers.toml names. Never raises for what is in
    the folder."""
    full = sum(question.weight * (2 if question.predict else 1) for question in exercise.questions)
    try:
        sheet = _sheet(exercise, folder / ANSWERS)
        name = student_id(sheet.student)
        if student is not None and name != student_id(student):
            raise GradeError(f"answers.toml is of '{name}', not of '{student_id(student)}'")
    except GradeError as wrong:
        return Result(exercise.name, "", "unreadable", reason=f"{wrong}", full=full)
    seed = exercise.seed(name)
    try:
        evidence = gather(folder / CAPTURES, exercise.scenario, seed, exercise.values(name), key)
        sealed = predictions(folder / PREDICTIONS, evidence) if exercise.predictions else {}
        marks = tuple(_marks(exercise, sheet, sealed, evidence))
    except EvidenceError as refused:
        there = _readable(folder / CAPTURES, exercise.scenario.parts(exercise.values(name)))
        return Result(
            exercise.name,
            name,
            "refused",
            reason=refused.reason,
            retake=refused.retake,
            full=full,
            fingerprints=tuple(fingerprint(one) for one in there),
            nonces=nonces(there),
        )
    score = sum(one.points * one.question.weight for one in marks)
    done = all(one.state == "right" or (one.question.predict and one.points) for one in marks)
    return Result(
        exercise.name,
        name,
        "passed" if done else "not-yet",
        marks,
        score=score,
        full=full,
        fingerprints=tuple(fingerprint(part.analysis) for part in evidence.parts.values()),
        nonces=nonces([part.analysis for part in evidence.parts.values()]),
        signed=all(part.digest == "genuine" for part in evidence.parts.values()),
    )


def _sheet(exercise: Exercise, path: Path) -> Answers:
    if path.is_symlink() or not path.is_file():
        raise GradeError(f"there is no {path.name}: 'echolab exercise start {exercise.number}' lays one out")
    sheet = sheets.read(path)
    if sheet.exercise and sheet.exercise != exercise.name:
        raise GradeError(f"{path.name} says exercise '{sheet.exercise[:40]}', and this is {exercise.name}")
    return sheet


def _marks(exercise: Exercise, sheet: Answers, sealed: Mapping[str, Value], evidence: Evidence) -> list[Marked]:
    """A mark for each question, and for one that was predicted two: the prediction, and what came."""
    found = []
    for question in exercise.questions:
        asked = replace(question, predict=False)
        came = mark(asked, sheet.answers.get(question.id), evidence, exercise.questions)
        if question.predict and question.id in sealed:
            found.append(foretold(question, sealed[question.id], evidence, came))
        elif question.predict:
            words = "No prediction was recorded before the run. 'echolab exercise reset' lets you begin anew."
            found.append(Marked(question, "open", 0, words))
        found.append(came)
    return found


def predictions(path: Path, evidence: Evidence) -> dict[str, Value]:
    """The predictions that were recorded before the run: those whose seal stands in the capture. Else none."""
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST_PREDICTIONS:
            return {}
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    values = told.get("predictions") if isinstance(told, dict) else None
    if not isinstance(values, dict):
        return {}
    found = {str(name): str(value) for name, value in values.items()}
    mark_on_wire = seal(found).encode()
    spoken = (message.octets for part in evidence.parts.values() for message in part.analysis.client.messages)
    return dict(found) if any(mark_on_wire in octets for octets in spoken) else {}


def fingerprint(found: Analysis) -> str:
    """What no other capture has: both initial sequence numbers and the time of the first frame."""
    return f"{found.client.isn}/{found.server.isn}/{found.start_ns}"


def nonces(found: Sequence[Analysis]) -> tuple[str, ...]:
    """Whatever in the clients' texts has the form of a student's mark."""
    texts = [message.octets.decode("ascii", "replace") for one in found for message in one.client.messages[:50]]
    return tuple(sorted({word for text in texts for word in _NONCE.findall(text[:4096])})[:50])


def _readable(folder: Path, parts: Sequence[str]) -> list[Analysis]:
    """What can be read of captures that were refused: a copy shall show although it earns nothing."""
    found = []
    for part in parts:
        try:
            found.append(analysis_of(folder / f"{part}.pcapng"))
        except EvidenceError:
            continue
    return found
