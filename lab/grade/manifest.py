"""An exercise's folder, read and checked: exercise.toml, scenario.toml, README.md, solution.md and nothing else.

Whoever writes an exercise writes data. So every mistake in it is one clear sentence, all of them at once, and the same
check runs in the tests and before a student's ``start``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.grade import scenario as scenarios
from lab.grade import toml
from lab.grade.errors import GradeError, ManifestError
from lab.grade.scenario import Scenario
from lab.grade.seed import Range, Seed, draw, placeholders, student_id
from lab.grade.vocabulary import FORMS, VOCABULARY

FILES = ("README.md", "exercise.toml", "scenario.toml", "solution.md")
EXERCISES = Path(__file__).resolve().parents[1] / "exercises"
"""Where the lab's own exercises are."""
_FOLDER = re.compile(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*")
_SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TOP = {"title", "minutes", "objectives", "prerequisites", "debunks", "seeded", "question"}
_QUESTION = {"id", "text", "form", "weight", "thought", "predict", "check", "hints", "choices", "wrong", "raw"}
ALWAYS = frozenset({"nonce", "port", "seal"})
"""Placeholders that every exercise has; in a group of connections also {i}, and {n} in a repeated line."""


@dataclass(frozen=True)
class Question:
    """One question. check: a name of the vocabulary; parameters: what it is told. wrong: what a wrong choice means.

    raw: the number as it stands in the header is asked for, so a relative one is a mistake.
    """

    id: str
    text: str
    form: str
    check: str
    parameters: Mapping[str, Any]
    hints: tuple[str, ...]
    weight: float = 1
    thought: bool = False
    predict: bool = False
    raw: bool = False
    choices: tuple[str, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exercise:
    """An exercise as it is in its folder."""

    folder: Path
    title: str
    minutes: int
    objectives: tuple[str, ...]
    prerequisites: tuple[str, ...]
    debunks: str
    seeded: Mapping[str, Range | Sequence[str]]
    questions: tuple[Question, ...]
    scenario: Scenario

    @property
    def name(self) -> str:
        """Its folder's name, such as ``01-three-way-handshake``."""
        return self.folder.name

    @property
    def number(self) -> int:
        """Its place in the order."""
        return int(self.name[:2])

    @property
    def predictions(self) -> tuple[Question, ...]:
        """The questions that are answered before the run."""
        return tuple(question for question in self.questions if question.predict)

    @cached_property
    def readme(self) -> str:
        """The text that a student gets, with its placeholders."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    @cached_property
    def solution(self) -> str:
        """The text with the reasons."""
        return (self.folder / "solution.md").read_text(encoding="utf-8")

    def seed(self, student: str) -> Seed:
        """What a student gets, however the name is written."""
        return draw(self.name, student_id(student), self.seeded)

    def values(self, student: str, attempt: int = 0, seal: str = "") -> dict[str, str | int]:
        """Every placeholder with its value for this student and attempt."""
        seed = self.seed(student)
        return {**seed.drawn, "nonce": seed.nonce, "port": seed.port(attempt), "seal": seal}


def load(folder: Path) -> Exercise:
    """Read and check an exercise. Raises ManifestError with every mistake."""
    mistakes: list[str] = []
    if not folder.is_dir():
        raise ManifestError(folder.name, ("there is no such folder",))
    there = {path.name for path in folder.iterdir()}
    mistakes += [f"{name} is missing" for name in FILES if name not in there]
    mistakes += [f"{name} does not belong there" for name in sorted(there - set(FILES))]
    if mistakes:
        raise ManifestError(folder.name, tuple(mistakes))
    try:
        tables = toml.load(folder / "exercise.toml")
        played = toml.load(folder / "scenario.toml")
    except GradeError as wrong:
        raise ManifestError(folder.name, (str(wrong),)) from wrong
    scenario, found = scenarios.read(played)
    mistakes += found
    if not _FOLDER.fullmatch(folder.name):
        mistakes.append("a folder is named like 01-three-way-handshake")
    mistakes += _top_mistakes(tables)
    questions = []
    for number, entry in enumerate(tables.get("question", ()), 1):
        question, found = _question(entry, f"question {entry.get('id', number)}", scenario)
        mistakes += found
        if question is not None:
            questions.append(question)
    seeded, found = _seeded(tables.get("seeded", {}))
    mistakes += found
    if mistakes:
        raise ManifestError(folder.name, tuple(mistakes))
    exercise = Exercise(
        folder,
        tables["title"],
        tables["minutes"],
        tuple(tables["objectives"]),
        tuple(tables.get("prerequisites", ())),
        tables["debunks"],
        seeded,
        tuple(questions),
        scenario,
    )
    mistakes = _mistakes_across(exercise)
    if mistakes:
        raise ManifestError(folder.name, tuple(mistakes))
    return exercise


def load_all(folder: Path = EXERCISES) -> list[Exercise]:
    """Every exercise, in its order. Raises ManifestError for the first that is wrong."""
    found = [load(path) for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0].isdigit()]
    for index, exercise in enumerate(found):
        unknown = set(exercise.prerequisites) - {earlier.name for earlier in found[:index]}
        if unknown:
            raise ManifestError(exercise.name, (f"its prerequisites must come before it: {', '.join(unknown)}",))
    return found


def _top_mistakes(tables: Mapping[str, Any]) -> list[str]:
    found = [f"exercise.toml: {word!r} means nothing" for word in sorted(tables.keys() - _TOP)]
    for word in ("title", "debunks"):
        if not isinstance(tables.get(word), str) or not tables[word].strip():
            found.append(f"exercise.toml: {word} must be a text")
    if not isinstance(tables.get("minutes"), int) or not 15 <= tables["minutes"] <= 30:
        found.append("exercise.toml: minutes must be a number from 15 to 30")
    for word in ("objectives", "prerequisites"):
        value = tables.get(word, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            found.append(f"exercise.toml: {word} must be a list of texts")
    if not tables.get("objectives"):
        found.append("exercise.toml: objectives are missing")
    questions = tables.get("question", [])
    if not isinstance(questions, list) or not 4 <= len(questions) <= 8:
        return [*found, "exercise.toml: there must be 4 to 8 questions ([[question]])"]
    thought = sum(1 for question in questions if question.get("thought") is True)
    if thought * 2 < len(questions):
        found.append(f"at least half of the {len(questions)} questions must need thought; {thought} say so")
    ids = [question.get("id") for question in questions]
    found += [f"two questions are called {one}" for one in sorted({str(i) for i in ids if ids.count(i) > 1})]
    return found


def _question(entry: Mapping[str, Any], where: str, scenario: Scenario) -> tuple[Question | None, list[str]]:
    found = [f"{where}: {word!r} means nothing" for word in sorted(entry.keys() - _QUESTION)]
    if not isinstance(entry.get("id"), str) or not _SLUG.fullmatch(entry["id"]):
        found.append(f"{where}: its id must be of small letters, digits and '-'")
    if not isinstance(entry.get("text"), str) or len(entry["text"].strip()) < 10:
        found.append(f"{where}: it has no text")
    hints = entry.get("hints", [])
    if not isinstance(hints, list) or len(hints) != 2 or not all(isinstance(h, str) and len(h) > 10 for h in hints):
        found.append(f"{where}: it needs two hints, the second one plainer than the first")
    form = entry.get("form")
    if form not in FORMS:
        found.append(f"{where}: form {form!r} is none of {', '.join(FORMS)}")
    weight = entry.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 10:
        found.append(f"{where}: weight must be a number over 0, at most 10")
    if (form == "choice") != ("choices" in entry):
        found.append(f"{where}: choices go with form choice, and only with it")
    check = entry.get("check")
    if not isinstance(check, dict) or check.get("name") not in VOCABULARY:
        name = check.get("name") if isinstance(check, dict) else check
        return None, [*found, f"{where}: there is no check {name!r} (docs/authoring.md lists them)"]
    found += _check_mistakes(check, form, where, scenario)
    allowed = set(entry.get("choices", ())) or {"yes", "no"}
    if form in ("choice", "boolean"):
        found += [
            f"{where}: wrong has {key!r}, which is no choice" for key in sorted(entry.get("wrong", {}).keys() - allowed)
        ]
    if found or not isinstance(form, str):
        return None, found
    return Question(
        entry["id"],
        " ".join(entry["text"].split()),
        form,
        check["name"],
        {key: value for key, value in check.items() if key != "name"},
        tuple(hints),
        float(weight),
        entry.get("thought", False) is True,
        entry.get("predict", False) is True,
        entry.get("raw", False) is True,
        tuple(entry.get("choices", ())),
        dict(entry.get("wrong", {})),
    ), []


def _check_mistakes(check: Mapping[str, Any], form: str | None, where: str, scenario: Scenario) -> list[str]:
    known = VOCABULARY[check["name"]]
    found = [
        f"{where}: {check['name']} does not know {word!r}"
        for word in sorted(check.keys() - known.all_parameters - {"name"})
    ]
    found += [f"{where}: {check['name']} needs {word!r}" for word in sorted(known.needed - check.keys())]
    found += [
        f"{where}: {word} = {check[word]!r} is none of {', '.join(known.choices[word])}"
        for word in sorted(known.choices.keys() & check.keys())
        if check[word] not in known.choices[word]
    ]
    if form not in known.forms:
        found.append(f"{where}: {check['name']} gives {' or '.join(known.forms)}, not {form}")
    parts = check.get("parts", []) if isinstance(check.get("parts"), list) else []
    for part in (*parts, *(check[word] for word in ("part", "other") if word in check)):
        if scenario.plan_of(str(part)) is None:
            found.append(f"{where}: the scenario has no connection {part!r}")
    if "part" in known.all_parameters and "part" not in check and scenario.several:
        found.append(f"{where}: say which connection is meant (part = ...), there are several")
    return found


def _seeded(tables: object) -> tuple[dict[str, Range | Sequence[str]], list[str]]:
    found: list[str] = []
    ranges: dict[str, Range | Sequence[str]] = {}
    for name, value in tables.items() if isinstance(tables, dict) else ():
        if name in ALWAYS | {"i", "n"} or not _SLUG.fullmatch(name):
            found.append(f"seeded: {name!r} cannot be a placeholder's name")
        elif isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            ranges[name] = tuple(value)
        elif isinstance(value, dict) and {"from", "to"} <= value.keys() <= {"from", "to", "step"}:
            span = Range(value["from"], value["to"], value.get("step", 1))
            ranges[name] = span
            if not 0 <= span.low <= span.high or span.step < 1:
                found.append(f"seeded: {name} must go from a number to one that is not smaller")
        else:
            found.append(f"seeded: {name} must be a list of texts or {{ from = 1, to = 9 }}")
    return ranges, found


def _mistakes_across(exercise: Exercise) -> list[str]:
    """What is wrong between the files."""
    known = set(exercise.seeded) | ALWAYS
    found = [
        f"scenario.toml uses {{{name}}}, which is not seeded"
        for name in sorted(exercise.scenario.names_used() - known - {"i", "n"})
    ]
    if exercise.predictions and "seal" not in exercise.scenario.names_used():
        found.append("it has predictions, so a line of the scenario must carry {seal}")
    words = placeholders(exercise.readme)
    found += [f"README.md: {{{name}}} is not seeded" for name in sorted(words - known) if name.islower()]
    for question in exercise.questions:
        if f"## {question.id}\n" not in exercise.solution:
            found.append(f"solution.md has no section '## {question.id}'")
    return found
