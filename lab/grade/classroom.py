"""A class, graded: every submission by itself, several at a time, and what shows only when they lie side by side.

Each submission is graded in a process that may neither take more memory nor more time than a real one needs; whatever
goes wrong there is that submission's result, and never the end of the run. No Docker, no network.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.grade import toml
from lab.grade.check import Result, check
from lab.grade.errors import GradeError
from lab.grade.manifest import EXERCISES, Exercise, load_all
from lab.grade.submission import Submission, lay_out

MOST_MEMORY = 2 << 30
MOST_SECONDS = 120
_KILLED = "the process that graded it was killed: it took more memory than this machine has"


@dataclass(frozen=True)
class Course:
    """What counts. weights: exercise to weight (empty: all that are handed in, alike). deadlines: exercise to time in
    nanoseconds. late: by which factor points count whose capture was taken after the deadline."""

    weights: Mapping[str, float] = field(default_factory=dict)
    deadlines: Mapping[str, int] = field(default_factory=dict)
    late: float = 1.0


@dataclass(frozen=True)
class Graded:
    """One submission's results. refused: why nothing could be graded; problems: what was odd. late: exercises played
    after their deadline. score: 0 to 1."""

    name: str
    student: str = ""
    results: tuple[Result, ...] = ()
    refused: str = ""
    problems: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    score: float = 0.0


@dataclass(frozen=True)
class Suspicion:
    """Two or more submissions of different students that share, in one exercise, what cannot be shared by chance. what:
    all of it, in words."""

    exercise: str
    what: str
    submissions: tuple[str, ...]


def read_course(path: Path, exercises: Sequence[Exercise]) -> Course:
    """A course.toml: [weights], [deadlines], late. Raises GradeError."""
    tables = toml.load(path)
    names = {one.name: one.name for one in exercises} | {one.name[:2]: one.name for one in exercises}
    names |= {str(one.number): one.name for one in exercises}
    unknown = tables.keys() - {"weights", "deadlines", "late"}
    if unknown:
        raise GradeError(f"{path.name}: {', '.join(sorted(unknown))} means nothing (weights, deadlines, late do)")
    weights: dict[str, float] = {}
    deadlines: dict[str, int] = {}
    for section, put in (("weights", weights), ("deadlines", deadlines)):
        table = tables.get(section, {})
        for key, value in table.items() if isinstance(table, dict) else ():
            if key not in names:
                raise GradeError(f"{path.name}: [{section}] names {key!r}, which is no exercise")
            if section == "weights":
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1000:
                    raise GradeError(f"{path.name}: the weight of {key} must be a number from 0 to 1000")
                put[names[key]] = float(value)  # type: ignore[assignment]
            else:
                deadlines[names[key]] = _moment(value, f"{path.name}: the deadline of {key}")
    late = tables.get("late", 1.0)
    if isinstance(late, bool) or not isinstance(late, int | float) or not 0 <= late <= 1:
        raise GradeError(f"{path.name}: late must be a factor from 0 to 1")
    return Course(weights, deadlines, float(late))


def _moment(value: object, what: str) -> int:
    """A TOML date or time as nanoseconds; without a zone it is this machine's, a bare date means its end."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, 23, 59, 59)
    else:
        raise GradeError(f"{what} must be a time, such as 2026-12-01T23:59:00+01:00")
    return int(moment.astimezone(timezone.utc).timestamp()) * 1_000_000_000


@lru_cache(maxsize=1)
def _exercises(folder: Path) -> tuple[Exercise, ...]:
    return tuple(load_all(folder))


def grade_one(submission: Submission, course: Course, key: bytes | None, folder: Path = EXERCISES) -> Graded:
    """Grade one submission. Never raises for what it holds."""
    exercises = {one.name: one for one in _exercises(folder)}
    with tempfile.TemporaryDirectory(prefix="echolab-") as scratch:
        laid = lay_out(submission, Path(scratch), _known_parts(folder))
        if laid.refused:
            return Graded(submission.name, refused=laid.refused, problems=tuple(laid.problems))
        results = [check(exercises[name], laid.folder / name, key=key) for name in sorted(laid.exercises)]
    students = {result.student for result in results if result.student}
    problems = list(laid.problems)
    if len(students) > 1:
        problems.append(f"answers of several students: {', '.join(sorted(students))}")
    late = tuple(
        result.exercise
        for result in results
        if result.exercise in course.deadlines and _taken_ns(result) > course.deadlines[result.exercise]
    )
    return Graded(
        submission.name,
        min(students) if students else "",
        tuple(results),
        problems=tuple(problems),
        late=late,
        score=_score(results, course, late),
    )


@lru_cache(maxsize=1)
def _known_parts(folder: Path) -> dict[str, frozenset[str]]:
    """Exercise to the names that its captures can have."""
    return {one.name: _parts(one) for one in _exercises(folder)}


def _parts(exercise: Exercise) -> frozenset[str]:
    """The names that captures of an exercise can have, for any student."""
    found: set[str] = set()
    for plan in exercise.scenario.plans:
        found |= plan.captures_of(plan.name).keys()
        if plan.count:
            found |= {f"{plan.name}-{number}" for number in range(1, 65)}
    return frozenset(found)


def _taken_ns(result: Result) -> int:
    """When the last of its captures began."""
    return max((int(print_.rpartition("/")[2]) for print_ in result.fingerprints), default=0)


def _score(results: Sequence[Result], course: Course, late: Sequence[str]) -> float:
    weights = course.weights or {result.exercise: 1.0 for result in results}
    total = sum(weights.values())
    gained = sum(
        weights.get(result.exercise, 0.0) * result.share * (course.late if result.exercise in late else 1.0)
        for result in results
    )
    return gained / total if total else 0.0


class TooLongError(BaseException):
    """The time for one submission is over. No Exception, so that nothing on the way takes it for trouble of its own."""


def _bounded() -> None:
    """In a grading process: memory is limited, and the teacher's Ctrl-C is not for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


Job = tuple[Submission, Course, bytes | None, Path]


def _work(job: Job) -> Graded:
    """One job in its process: too long or too much is this submission's own trouble."""

    def too_long(_signal: int, _frame: Any) -> None:
        raise TooLongError

    timed = hasattr(signal, "SIGALRM")
    if timed:
        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(MOST_SECONDS)
    try:
        return grade_one(*job)
    except TooLongError:
        return Graded(job[0].name, refused=f"grading it took over {MOST_SECONDS} s")
    except MemoryError:
        return Graded(job[0].name, refused="grading it took more memory than any real submission does")
    except Exception as wrong:  # a fault of ours must not cost the class its grades
        return Graded(job[0].name, refused=f"the grader failed on it ({type(wrong).__name__}): please report this")
    finally:
        if timed:
            signal.alarm(0)


def grade_all(
    submissions: Sequence[Submission],
    course: Course | None = None,
    *,
    key: bytes | None = None,
    jobs: int = 0,
    folder: Path = EXERCISES,
) -> list[Graded]:
    """Grade all, in their order. jobs: how many at a time (0: one for each processor)."""
    work = [(one, course or Course(), key, folder) for one in submissions]
    count = min(jobs or os.cpu_count() or 1, len(work))
    found = _in_processes(work, count) if work else []
    # A process that was killed takes its whole pool along: what is left is graded one by one, each in a process of its
    # own, so that only the submission that did it goes without a grade.
    return [
        graded or _in_processes([one], 1)[0] or Graded(one[0].name, refused=_KILLED)
        for one, graded in zip(work, found, strict=True)
    ]


def _in_processes(work: Sequence[Job], count: int) -> list[Graded | None]:
    """Grade in so many bounded processes; None for what was not graded because one of them was killed."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(count, context, initializer=_bounded) as pool:
        jobs = [pool.submit(_work, one) for one in work]
        return [_result(one) for one in jobs]


def _result(job: Future[Graded]) -> Graded | None:
    try:
        return job.result()
    except BrokenProcessPool:
        return None


def suspicions(graded: Sequence[Graded], folder: Path = EXERCISES) -> list[Suspicion]:
    """Captures that are in several submissions, and captures that carry the mark of somebody else in the class."""
    exercises = {one.name: one for one in _exercises(folder)}
    by_print: dict[tuple[str, str], set[str]] = defaultdict(set)
    owners: dict[tuple[str, str], str] = {}
    whose: dict[str, str] = {}
    for one in graded:
        whose[one.name] = one.student or one.name
        for result in one.results:
            if result.student:
                owners[result.exercise, exercises[result.exercise].seed(result.student).nonce] = one.name
            for text in result.fingerprints:
                client, server, time_ns = text.split("/")
                by_print[result.exercise, f"initial sequence numbers {client} and {server}"].add(one.name)
                by_print[result.exercise, f"a capture that began at {time_ns} ns"].add(one.name)
    # Two attempts of one student hold the same captures by right.
    shared: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (exercise, what), names in by_print.items():
        if len({whose[name] for name in names}) > 1:
            shared[exercise, tuple(sorted(names))].append(f"the same capture: {what}")
    for one in graded:
        for result in one.results:
            for mark in result.nonces:
                owner = owners.get((result.exercise, mark))
                if owner is not None and whose[owner] != whose[one.name]:
                    what = f"a capture of {one.name} carries the mark {mark} of {owner}"
                    shared[result.exercise, tuple(sorted((one.name, owner)))].append(what)
    return [
        Suspicion(exercise, "; ".join(sorted(set(what))), names) for (exercise, names), what in sorted(shared.items())
    ]


def pairs(suspected: Sequence[Suspicion]) -> int:
    """How many groups of submissions are suspected, each counted once whatever they share."""
    return len({one.submissions for one in suspected})
