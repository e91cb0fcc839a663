"""A student's work folder: what has been started, played, hinted and passed.

    work/student.toml                    whose work this is
    work/01-three-way-handshake/
        README.md  answers.toml          from ``start``; answers.toml is the student's own
        predictions.json                 recorded by the first ``run``
        captures/                        the captures of the last run, named after their connections
        state.json                       runs, hints taken, the best result

All of it is plain files: deleting a folder is a reset, copying it to another machine takes everything along.
"""

from __future__ import annotations

import json
import shutil
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lab.grade import toml
from lab.grade.answers import FORMS, Value
from lab.grade.check import ANSWERS, CAPTURES, PREDICTIONS, Result
from lab.grade.errors import GradeError
from lab.grade.manifest import Exercise, Question
from lab.grade.seed import fill, seal, student_id

STUDENT, STATE = "student.toml", "state.json"
_COLUMNS = 76


@dataclass
class Progress:
    """How far an exercise is. hints: how many were taken of each question."""

    runs: int = 0
    checks: int = 0
    passed: bool = False
    best: float = 0.0
    hints: dict[str, int] = field(default_factory=dict)


class Work:
    """The folder work/. Everything raises GradeError with one sentence when the disk does not let it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, exercise: Exercise) -> Path:
        """Where an exercise is worked on."""
        return self.root / exercise.name

    def student(self) -> str:
        """Whose work this is; empty if nobody has said."""
        path = self.root / STUDENT
        if not path.exists():
            return ""
        return student_id(str(toml.load(path).get("id", "")))

    def enrol(self, name: str) -> str:
        """Say whose work this is. Raises GradeError if it is somebody else's already."""
        student, known = student_id(name), self.student()
        if known and known != student:
            raise GradeError(f"this work is of '{known}': use another folder for '{student}' (--work DIR)")
        if not known:
            self._write(
                self.root / STUDENT, f"# Whose work this is: it seeds every exercise.\nid = {json.dumps(student)}\n"
            )
        return student

    def started(self, exercise: Exercise) -> bool:
        """Whether its folder is laid out."""
        return (self.folder(exercise) / ANSWERS).is_file()

    def played(self, exercise: Exercise) -> bool:
        """Whether there is any capture of it."""
        return any((self.folder(exercise) / CAPTURES).glob("*.pcapng"))

    def start(self, exercise: Exercise) -> Path:
        """Lay the folder out; what is there already stays as it is."""
        folder, student = self.folder(exercise), self.student()
        values = exercise.values(student)
        for name, text in (("README.md", fill(exercise.readme, values)), (ANSWERS, sheet(exercise, student, values))):
            if not (folder / name).exists():
                self._write(folder / name, text)
        return folder

    def progress(self, exercise: Exercise) -> Progress:
        """How far it is; a state that cannot be read counts as none."""
        try:
            told = json.loads((self.folder(exercise) / STATE).read_text(encoding="utf-8"))
            hints = {str(k): int(v) for k, v in dict(told.get("hints", {})).items()}
            return Progress(int(told["runs"]), int(told["checks"]), bool(told["passed"]), float(told["best"]), hints)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Progress()

    def save(self, exercise: Exercise, progress: Progress) -> None:
        """Write it down."""
        self._write(self.folder(exercise) / STATE, json.dumps(asdict(progress), indent=2) + "\n")

    def checked(self, exercise: Exercise, result: Result) -> Progress:
        """Note a result."""
        progress = self.progress(exercise)
        progress.checks += 1
        progress.passed = progress.passed or result.outcome == "passed"
        progress.best = max(progress.best, round(result.share, 4))
        self.save(exercise, progress)
        return progress

    def reset(self, exercise: Exercise) -> None:
        """Forget everything about an exercise."""
        folder = self.folder(exercise)
        if folder.is_symlink():
            raise GradeError(f"{folder} is a link: remove it yourself")
        if folder.exists():
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise GradeError(f"{folder} cannot be removed: {error.strerror or error}") from error

    def record_predictions(self, exercise: Exercise, given: Mapping[str, Value], clock_ns: int | None = None) -> str:
        """Record the predictions at the first run, and return their seal; later runs keep the first ones.

        Raises GradeError while one is missing.
        """
        path = self.folder(exercise) / PREDICTIONS
        if path.is_file():
            try:
                told = json.loads(path.read_text(encoding="utf-8"))["predictions"]
                return seal({str(name): str(value) for name, value in told.items()})
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise GradeError(
                    f"{path} cannot be read: 'echolab exercise reset {exercise.number}' begins anew"
                ) from error
        missing = [question.id for question in exercise.predictions if question.id not in given]
        if missing:
            raise GradeError(
                f"first write down what you expect: [predict] in {self.folder(exercise) / ANSWERS}"
                f" has no answer to {', '.join(missing)}"
            )
        made = {question.id: str(given[question.id]) for question in exercise.predictions}
        now_ns = time.time_ns() if clock_ns is None else clock_ns
        self._write(path, json.dumps({"recorded_ns": now_ns, "predictions": made}, indent=2, ensure_ascii=False) + "\n")
        return seal(made)

    def keep_captures(self, exercise: Exercise, captures: Mapping[str, Path]) -> None:
        """Copy a run's captures (part to .pcapng, its .json beside it) here, in place of the last run's."""
        folder = self.folder(exercise) / CAPTURES
        try:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            for part, path in captures.items():
                for suffix in (".pcapng", ".json"):
                    shutil.copyfile(path.with_suffix(suffix), folder / f"{part}{suffix}")
        except OSError as error:
            raise GradeError(f"the captures cannot be copied to {folder}: {error.strerror or error}") from error

    def _write(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise GradeError(f"{path} cannot be written: {error.strerror or error}") from error


def sheet(exercise: Exercise, student: str, values: Mapping[str, str | int]) -> str:
    """The empty answers.toml: every question as a comment above its line."""
    lines = [f"# {exercise.name[:2]}  {exercise.title}", f"student = {json.dumps(student, ensure_ascii=False)}"]
    lines += [f'exercise = "{exercise.name}"', ""]
    if exercise.predictions:
        lines += [
            "# Before you play the scenario: what do you expect? 'run' records it for good.",
            "[predict]",
        ]
        lines += _lines(exercise.predictions, values)
    lines += ["[answers]"]
    lines += _lines([replace(question, text=_came(question)) for question in exercise.questions], values)
    return "\n".join(lines)


def _came(question: Question) -> str:
    """A question after the run: of what was predicted it is asked what came."""
    return "You predicted this above. What does the capture say?" if question.predict else question.text


def _lines(questions: Sequence[Question], values: Mapping[str, str | int]) -> list[str]:
    lines = []
    for question in questions:
        text = textwrap.wrap(fill(question.text, values), _COLUMNS)
        form = f"one of: {', '.join(question.choices)}" if question.choices else FORMS[question.form]
        if question.raw:
            form += "; raw, as in the header"
        lines += ["", *(f"# {line}" for line in text), *(f"# {line}" for line in textwrap.wrap(f"({form})", _COLUMNS))]
        lines.append(f'{question.id} = ""')
    return [*lines, ""]
