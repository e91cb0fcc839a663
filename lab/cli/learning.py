"""What ``echolab learn``, ``echolab exercise`` and ``echolab pack`` do.

The work of an exercise is plain files in work/NN-name/; everything that these commands know is read from there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.grade import answers as sheets
from lab.grade.check import ANSWERS, CAPTURES, PREDICTIONS, check
from lab.grade.errors import GradeError
from lab.grade.manifest import Exercise, Question, load_all
from lab.grade.pack import pack
from lab.grade.paste import Progressing, script
from lab.grade.play import Lab, Run
from lab.grade.progress import Work
from lab.grade.seed import fill, student_id
from lab.grade.tell import listing, overview, paragraphs, report

FAILED = 1
_LOOK_EVERY_S = 0.5


def work_of(options: argparse.Namespace) -> Work:
    """The work folder that is meant."""
    return Work(options.work or Path(os.environ.get("ECHO_WORK") or "work"))


def _enrolled(options: argparse.Namespace) -> Work:
    """The work folder of a student who is known; asks on a terminal. Raises GradeError."""
    work = work_of(options)
    if options.student:
        work.enrol(options.student)
    elif not work.student():
        if not sys.stdin.isatty():
            raise GradeError("say who you are, once: --student NAME (your name or number seeds your exercises)")
        print("Your name or student number? It seeds your exercises; nobody else gets the same.")
        try:
            work.enrol(input("> "))
        except EOFError:
            raise GradeError("nobody answered: --student NAME says who you are") from None
    return work


def chosen(wanted: str, exercises: list[Exercise]) -> Exercise:
    """The one exercise that somebody means. Raises GradeError."""
    word = wanted.strip().strip("/").rpartition("/")[2]
    if word.isdecimal():
        found = [one for one in exercises if one.number == int(word[:6])]
    else:
        found = [one for one in exercises if word and (one.name.startswith(word) or one.name[3:].startswith(word))]
    if len(found) != 1:
        what = "no exercise" if not found else "more than one exercise"
        raise GradeError(f"{what} is called {sheets.shown(wanted)}: 'echolab exercise list' shows all")
    return found[0]


def learn_(options: argparse.Namespace) -> int:
    work = work_of(options)
    if options.student:
        work.enrol(options.student)
    print(overview(work, load_all()))
    return 0


def list_(options: argparse.Namespace) -> int:
    print(listing(work_of(options), load_all()))
    return 0


def start_(options: argparse.Namespace) -> int:
    exercise = chosen(options.exercise, load_all())
    work = _enrolled(options)
    folder = work.start(exercise)
    student = work.student()
    print(fill(exercise.readme, exercise.values(student)))
    print(f"Laid out in {folder}: README.md (the text above) and answers.toml.")
    if exercise.predictions:
        print(f"First write your prediction into {folder / ANSWERS}.")
    print(f"Then: echolab exercise run {exercise.number}")
    return 0


def run_(options: argparse.Namespace) -> int:
    exercise, work, seal = _begun(options)
    progress = work.progress(exercise)
    values = exercise.values(work.student(), progress.runs, seal)
    if shutil.which("docker") is None and "ECHO_CAPTURES" in os.environ:
        # In the container of the service learn: the machine outside has Docker, and plays this script.
        if sys.stdout.isatty():
            raise GradeError(
                f"pipe it into a shell: docker compose run --rm -T learn exercise run {exercise.number} | sh"
            )
        print(script(exercise, values), end="")
        return 0
    print(f"Playing {exercise.title!r} for {work.student()}:")
    return _keep(exercise, work, Run(exercise, values, Lab(), _say).go())


def _say(words: str) -> None:
    print(f"  {words}", flush=True)


def _keep(exercise: Exercise, work: Work, captures: Mapping[str, Path]) -> int:
    """Copy a run's captures, and say where they are."""
    work.keep_captures(exercise, captures)
    progress = work.progress(exercise)
    progress.runs += 1
    work.save(exercise, progress)
    folder = work.folder(exercise)
    print("Your captures:")
    for part in captures:
        print(f"  {folder / CAPTURES / part}.pcapng")
    print(f"Look at them, answer in {folder / ANSWERS}, then: echolab exercise check {exercise.number}")
    return 0


def _begun(options: argparse.Namespace) -> tuple[Exercise, Work, str]:
    """The exercise to be played, the student's work, and the seal on the prediction, which is recorded now."""
    exercise = chosen(options.exercise, load_all())
    work = _enrolled(options)
    work.start(exercise)
    sheet = sheets.read(work.folder(exercise) / ANSWERS)
    _understood(exercise, sheet.predict)
    return exercise, work, work.record_predictions(exercise, sheet.predict) if exercise.predictions else ""


def _progressing(options: argparse.Namespace) -> tuple[Progressing, Path]:
    """A run that another machine's shell plays, and the folder with the captures."""
    exercise, work, seal = _begun(options)
    return Progressing(exercise, work, seal), Path(os.environ.get("ECHO_CAPTURES") or "captures")


def program_(options: argparse.Namespace) -> int:
    run, captures = _progressing(options)
    print(run.program(options.stage, captures))
    return 0


def collect_(options: argparse.Namespace) -> int:
    run, captures = _progressing(options)
    told = "" if sys.stdin.isatty() else sys.stdin.read()
    found = run.collect(options.stage, told, captures, _say)
    return _keep(run.exercise, run.work, found) if found else 0


def _understood(exercise: Exercise, given: Any) -> None:
    """A prediction that nobody can understand is told before it is recorded for good. Raises GradeError."""
    for question in exercise.predictions:
        if question.id in given:
            try:
                sheets.understand(given[question.id], question.form, question.choices)
            except sheets.UnclearError as unclear:
                raise GradeError(f"your prediction {question.id}: {unclear}") from unclear


def hint_(options: argparse.Namespace) -> int:
    exercise = chosen(options.exercise, load_all())
    work = _enrolled(options)
    progress = work.progress(exercise)
    question = _question(exercise, work, options.question)
    taken = progress.hints.get(question.id, 0)
    level = min(taken, len(question.hints) - 1)
    values = exercise.values(work.student())
    print(f"{question.id}, hint {level + 1} of {len(question.hints)}:")
    print(paragraphs(fill(question.hints[level], values), "  "))
    progress.hints[question.id] = min(taken + 1, len(question.hints))
    work.save(exercise, progress)
    return 0


def _question(exercise: Exercise, work: Work, wanted: str | None) -> Question:
    """The question that a hint is asked for; by default the first one that is not answered rightly."""
    by_id = {question.id: question for question in exercise.questions}
    if wanted is not None:
        if wanted not in by_id:
            raise GradeError(f"there is no question {sheets.shown(wanted)}: there are {', '.join(by_id)}")
        return by_id[wanted]
    if work.started(exercise):
        result = check(exercise, work.folder(exercise))
        for marked in result.marks:
            if marked.state != "right" and not marked.question.predict:
                return marked.question
    return exercise.questions[0]


def check_(options: argparse.Namespace) -> int:
    exercise = chosen(options.exercise, load_all())
    work = _enrolled(options)
    if not work.started(exercise):
        raise GradeError(f"it is not started yet: echolab exercise start {exercise.number}")
    if not work.played(exercise) and _is_readable(work.folder(exercise) / ANSWERS):
        raise GradeError(f"it is not played yet, so there is no capture: echolab exercise run {exercise.number}")
    return _check_once(exercise, work)


def _is_readable(path: Path) -> bool:
    """Whether the answers are at least TOML: else that is what is told first."""
    try:
        sheets.read(path)
    except GradeError:
        return False
    return True


def _check_once(exercise: Exercise, work: Work) -> int:
    result = check(exercise, work.folder(exercise), student=work.student())
    if result.outcome in ("passed", "not-yet"):
        work.checked(exercise, result)
    print(report(exercise, result))
    return 0 if result.outcome == "passed" else FAILED


def watch_(options: argparse.Namespace) -> int:
    exercise = chosen(options.exercise, load_all())
    work = _enrolled(options)
    work.start(exercise)
    before: object = None
    print(f"Watching {work.folder(exercise)}; Ctrl-C ends.")
    while True:
        now = _stamp(work.folder(exercise))
        if now != before:
            before = now
            if not work.played(exercise):
                print(f"It is not played yet: echolab exercise run {exercise.number} in another terminal.", flush=True)
            elif _check_once(exercise, work) == 0:
                return 0
        time.sleep(_LOOK_EVERY_S)


def _stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    """What changes when answers or captures are saved."""
    paths = [folder / ANSWERS, folder / PREDICTIONS, *sorted((folder / CAPTURES).glob("*.*"))]
    found = []
    for path in paths:
        try:
            found.append((path.name, path.stat().st_mtime_ns))
        except OSError:
            continue
    return tuple(found)


def reset_(options: argparse.Namespace) -> int:
    exercise = chosen(options.exercise, load_all())
    work = work_of(options)
    work.reset(exercise)
    print(f"{exercise.name} is as if it had never been started.")
    return 0


def solution_(options: argparse.Namespace) -> int:
    exercise = chosen(options.exercise, load_all())
    work = work_of(options)
    if not options.teacher and not work.progress(exercise).passed:
        raise GradeError(
            f"the solution comes after you have passed; 'echolab exercise hint {exercise.number}' helps until then"
        )
    student = student_id(options.student) if options.student else work.student()
    print(fill(exercise.solution, exercise.values(student)) if student else exercise.solution)
    return 0


def pack_(options: argparse.Namespace) -> int:
    work = _enrolled(options)
    exercises = load_all()
    wanted = [chosen(word, exercises) for word in options.exercise] or [e for e in exercises if work.started(e)]
    path = pack(work, wanted, options.output)
    for one in wanted:
        if not work.played(one):
            print(f"echolab: {one.name} is not played yet: its captures are missing in the zip", file=sys.stderr)
    print(f"{path}: {', '.join(one.name for one in wanted)}. Hand in this file.")
    return 0


ACTIONS = {
    "learn": learn_,
    "list": list_,
    "start": start_,
    "run": run_,
    "program": program_,
    "collect": collect_,
    "hint": hint_,
    "check": check_,
    "watch": watch_,
    "reset": reset_,
    "solution": solution_,
    "pack": pack_,
}


def act(name: str, options: argparse.Namespace) -> int:
    """Do one of the actions; what goes wrong is one sentence. Returns the exit status."""
    try:
        return ACTIONS[name](options)
    except GradeError as error:
        print(f"echolab: {error}", file=sys.stderr)
        return FAILED
