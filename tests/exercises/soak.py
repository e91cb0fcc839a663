"""Every exercise, played live for many students, solved from each one's own capture, and marked: the table of
docs/exercises-runs.md.

    python -m tests.exercises.soak --ids 20 --write docs/exercises-runs.md

It starts labs of its own and takes them down at the end. For each student: the scenario is played, the empty answer
sheet must not pass, the right answers must, and the capture of the student before must be refused. ``--record`` keeps
the runs of the student 'anna' for the unit tests.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Thread

from lab.conformance.server_program import free_port
from lab.grade import play
from lab.grade.check import CAPTURES, Result, check
from lab.grade.errors import GradeError, NotShownError
from lab.grade.evidence import gather
from lab.grade.manifest import Exercise, load_all
from lab.grade.progress import Work
from tests.unit.grade.made import ANNA, ANNAS_SEAL_OF, RECORDED, solve, write_answers

MOST_TRIES = 3
_ROW = re.compile(r"\| \d\d [^|]*\| (\d+) of (\d+) \|")
ROOT = Path(__file__).resolve().parents[2]


class BusyLab(play.Lab):
    """A lab that nobody else touches, so that what is up need not be asked for before every play."""

    def up(self, language: str = "", *, wired: bool = False) -> None:
        """As play.Lab, where it is not just so."""
        wanted = (language, wired or self.__dict__.get("has_wire", False))
        if self.__dict__.get("is_up") != wanted:
            super().up(language, wired=wired)
            self.__dict__.update(is_up=wanted, has_wire=wanted[1])

    def fresh_host(self) -> None:
        """The tap beside the client goes with it."""
        self.__dict__.update(is_up=None, has_wire=False)
        super().fresh_host()

    def fresh_quirks(self) -> None:
        """It is up again at the end."""
        self.__dict__.update(is_up=None)
        super().fresh_quirks()

    def wire_runs(self) -> bool:
        """Whether the hosts' routes still lead through it."""
        return bool(self.__dict__.get("is_steered"))

    def steer(self, way: str) -> None:
        """Back to the direct way only when the next exercise wants it: wire_runs() tells it then."""
        asked_again = self.__dict__.get("is_left", False)
        self.__dict__.update(is_steered=way == "through" or not asked_again, is_left=way == "direct")
        if way == "through" or asked_again:
            super().steer(way)

    def captures(self) -> Path:
        """Asked for once."""
        if "folder" not in self.__dict__:
            self.__dict__["folder"] = super().captures()
        return Path(self.__dict__["folder"])


def todays_student() -> str:
    """One of the twenty students, another one every day, so that the tests do not always play the same numbers.
    ECHO_STUDENT names one."""
    return os.environ.get("ECHO_STUDENT") or f"s{date.today().toordinal() % 20 + 1:04d}"


def lab_of(project: str, number: int, captures: Path) -> play.Lab:
    """A lab under this project's name, in the network 198.18.NUMBER, that writes its captures there."""
    captures.mkdir(parents=True, exist_ok=True)
    captures.chmod(0o777)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ECHO_", "COMPOSE_", "SERVER", "CLIENT"))}
    own = {"ECHO_NET4": f"198.18.{number}", "ECHO_NET6": f"2001:db8:{number}", "ECHO_PORT": str(free_port())}
    more = {"ECHO_CAPTURES": str(captures), "ECHO_LADDER": "off", "COMPOSE_PROJECT_NAME": project}
    return BusyLab(env={**kept, **own, **more})


def played(
    lab: play.Lab, exercise: Exercise, student: str, root: Path, attempt: int = 0, predicted: str = ""
) -> tuple[Path, list[str]]:
    """Play an exercise for a student with some predictions: the work folder with no answers yet, and what was said."""
    work = Work(root)
    work.enrol(student)
    work.start(exercise)
    forms = {"boolean": "no", "time": "1 s"}
    made = {q.id: predicted or (q.choices[0] if q.choices else forms.get(q.form, "1")) for q in exercise.predictions}
    seal = work.record_predictions(exercise, made) if made else ""
    values = exercise.values(student, attempt, seal)
    hand = Hand(lab, values)
    work.keep_captures(exercise, play.Run(exercise, values, lab, hand).go())
    hand.ended()
    return work.folder(exercise), hand.said


@dataclass
class Hand:
    """What a student does whom a run tells that it is their turn: another process connects with the words that the run
    says, and types the lines of the README, each one after the answer to the one before."""

    lab: play.Lab
    values: Mapping[str, str | int]
    said: list[str] = field(default_factory=list)
    _typing: list[Thread] = field(default_factory=list)

    def __call__(self, words: str) -> None:
        """Hear what the run says."""
        self.said.append(words)
        if "docker compose exec client-host socat" in words:
            thread = Thread(target=self._type, args=(words.rpartition("socat")[2].split(),), daemon=True)
            self._typing.append(thread)
            thread.start()

    def _type(self, address: list[str]) -> None:
        lines = [f"GET /{self.values.get('page')} HTTP/1.1", "Host: server", f"User-Agent: {self.values['nonce']}", ""]
        with subprocess.Popen(
            ["docker", "compose", "exec", "-T", "client-host", "socat", *address],
            cwd=self.lab.root,
            env=dict(os.environ if self.lab.env is None else self.lab.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as made:
            assert made.stdin is not None
            assert made.stdout is not None
            for line in [*lines, "quit"]:
                made.stdin.write(f"{line}\n".encode())
                made.stdin.flush()
                made.stdout.readline()

    def ended(self) -> None:
        """Nobody types any more."""
        for thread in self._typing:
            thread.join(30)


def solved(exercise: Exercise, student: str, folder: Path) -> Result:
    """The right answers from the capture, written down and marked."""
    evidence = gather(folder / CAPTURES, exercise.scenario, exercise.seed(student), exercise.values(student))
    (folder / "answers.toml").unlink(missing_ok=True)
    write_answers(exercise, student, folder, solve(exercise, evidence, predictions=False))
    return check(exercise, folder)


@dataclass
class Row:
    """One exercise over all students."""

    exercise: Exercise
    passed: int = 0
    refused_others: int = 0
    unanswered_open: int = 0
    seconds: list[float] = field(default_factory=list)
    again: int = 0
    problems: list[str] = field(default_factory=list)

    def one(self, lab: play.Lab, student: str, root: Path, before: Path | None) -> Path | None:
        """Play for one student and note what came out. What the capture does not show, or the lab did not do, is what a
        student would be told to play again: three times at most."""
        for attempt in range(MOST_TRIES):
            shutil.rmtree(root, ignore_errors=True)
            begun_s = time.monotonic()
            try:
                folder, _said = played(lab, self.exercise, student, root, attempt)
                took_s = time.monotonic() - begun_s
                unanswered = {one.state for one in check(self.exercise, folder).marks if not one.question.predict}
                result = solved(self.exercise, student, folder)
                break
            except (GradeError, NotShownError) as wrong:
                self.again += 1
                told = str(wrong)
        else:
            self.problems.append(f"{student}: {told}")
            return before
        self.seconds.append(took_s)
        self.unanswered_open += unanswered == {"open"}
        states = {one.state for one in result.marks if not one.question.predict}
        if states == {"right"}:
            self.passed += 1
        else:
            odd = [f"{one.question.id} {one.words}" for one in result.marks if one.state != "right"]
            self.problems.append(f"{student}: {result.outcome} {result.reason} {odd}")
        if before is not None:
            copy = root / "copied"
            shutil.copytree(folder, copy)
            shutil.rmtree(copy / CAPTURES)
            shutil.copytree(before / CAPTURES, copy / CAPTURES)
            self.refused_others += check(self.exercise, copy).outcome == "refused"
        return folder


def run(
    labs: Sequence[play.Lab], exercises: Sequence[Exercise], students: Sequence[str], scratch: Path, target: Path | None
) -> list[Row]:
    """Play everything, each exercise in one of the labs, those through the wire first since they take longest; tells on
    standard error how far it is, and writes the page after each."""
    free: queue.Queue[play.Lab] = queue.Queue()
    for lab in labs:
        free.put(lab)
    rows: list[Row] = []
    before_page = target.read_text(encoding="utf-8") if target is not None and target.exists() else ""

    def one(exercise: Exercise) -> Row:
        lab = free.get()
        row, before = Row(exercise), None
        for student in students:
            before = row.one(lab, student, scratch / exercise.name / student, before)
        free.put(lab)
        rows.append(row)
        if target is not None:
            target.write_text(page(rows, students, before_page), encoding="utf-8")
        took = sum(row.seconds) / max(len(row.seconds), 1)
        print(
            f"{exercise.name}: {row.passed} of {len(students)} passed, {took:.1f} s each", file=sys.stderr, flush=True
        )
        for problem in row.problems:
            print(f"  {problem}", file=sys.stderr, flush=True)
        return row

    with ThreadPoolExecutor(len(labs)) as pool:
        return list(pool.map(one, sorted(exercises, key=lambda each: not each.scenario.through_wire)))


def page(rows: Sequence[Row], students: Sequence[str], before: str = "") -> str:
    """The table as a page of the docs. before: the page as it was; rows of exercises that were not played stay."""
    rows = sorted(rows, key=lambda row: row.exercise.name)
    titles = {f"| {one.name[:2]} {one.title} |" for one in load_all()}
    kept = {line[2:4]: line for line in before.splitlines() if _ROW.match(line) and _title(line) in titles}
    lines = [
        "# Every exercise, played live",
        "",
        f"Made by `python -m tests.exercises.soak --ids {len(students)} --write docs/exercises-runs.md`: each",
        f"exercise was played in the lab for {len(students)} students ({students[0]} to {students[-1]}), each with a",
        "scenario of their own. *Passed*: the solution, reckoned from that student's own capture, gets full marks.",
        "*Unanswered*: the empty answer sheet fails, because nothing is answered. *Refused*: with the capture of the",
        "student before, it is refused. *Again*: how often a capture did not show what was asked for (the machine was",
        "busy), so that it had to be played again. An exercise that `--only` left out keeps the row of its last run.",
        "",
        "| exercise | passed | unanswered | another's capture refused | again | seconds to play (median, longest) |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        took = sorted(row.seconds) or [0.0]
        kept[row.exercise.name[:2]] = (
            f"| {row.exercise.name[:2]} {row.exercise.title} | {row.passed} of {len(students)} |"
            f" {row.unanswered_open} of {len(students)} | {row.refused_others} of {len(students) - 1} |"
            f" {row.again} | {took[len(took) // 2]:.1f}, {took[-1]:.1f} |"
        )
    told = [kept[number] for number in sorted(kept)]
    counts = [match for line in told if (match := _ROW.match(line))]
    total, plays = sum(int(match[1]) for match in counts), sum(int(match[2]) for match in counts)
    lines += [*told, "", f"{total} of {plays} plays passed."]
    lines += [f"- {row.exercise.name}, {problem}" for row in rows for problem in row.problems]
    return "\n".join(lines) + "\n"


def _title(line: str) -> str:
    """The first cell of a row, with the bars around it."""
    return "|".join(line.split("|")[:2]) + "|"


def record(lab: play.Lab, exercise: Exercise, scratch: Path) -> None:
    """Play as anna, and keep the captures for the unit tests."""
    folder, _said = played(lab, exercise, ANNA, scratch / "recorded" / exercise.name, predicted=ANNAS_SEAL_OF)
    target = RECORDED / exercise.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in sorted((folder / CAPTURES).glob("*.pcapng")):
        shutil.copyfile(path, target / path.name)


def main() -> int:
    """Exit status 0 if every play passed."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    reader.add_argument("--ids", type=int, default=20, help="how many students")
    reader.add_argument("--only", default="", help="exercises whose name begins so, separated by commas")
    reader.add_argument(
        "--write", type=Path, help="write the page there; exercises that --only leaves out keep their row"
    )
    reader.add_argument("--record", action="store_true", help="record anna's runs for the unit tests instead")
    reader.add_argument("--project", default="echolab-exercise-soak")
    reader.add_argument("--network", type=int, default=45, help="third number of the lab's network 198.18.N")
    reader.add_argument("--labs", type=int, default=2, help="so many labs at once, each in a network of its own")
    reader.add_argument("--keep", action="store_true", help="leave the lab and the work folders as they are at the end")
    options = reader.parse_args()
    chosen = [one for one in load_all() if one.name.startswith(tuple(options.only.split(",")))]
    students = [f"s{number:04d}" for number in range(1, options.ids + 1)]
    scratch = Path(tempfile.mkdtemp(prefix="echolab-exercises-"))
    labs = [
        lab_of(f"{options.project}{number or ''}", options.network + number, scratch / f"captures{number}")
        for number in range(1 if options.record else options.labs)
    ]
    try:
        if options.record:
            for exercise in chosen:
                record(labs[0], exercise, scratch)
            return 0
        rows = run(labs, chosen, students, scratch, options.write)
        print(f"{sum(row.passed for row in rows)} of {len(rows) * len(students)} plays passed")
        return 0 if all(row.passed == len(students) for row in rows) else 1
    finally:
        if options.keep:
            print(f"kept: {scratch}", file=sys.stderr)
        else:
            for lab in labs:
                lab.compose(["down", "--timeout", "1", "--remove-orphans", "--volumes"])
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
