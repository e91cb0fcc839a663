"""Exercises with every student's real numbers, also the smallest and the largest that a name can get: without Docker
where the talk is simple enough to be spoken, else as far as the player's program and the wire's script go."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from lab.grade.check import CAPTURES, PREDICTIONS, Result, check
from lab.grade.errors import NotShownError
from lab.grade.evidence import gather
from lab.grade.manifest import Exercise, load_all
from lab.grade.scenario import program
from lab.grade.seed import Range, fill, seal
from lab.router import grammar
from tests.unit.grade.made import expected, solve, write_answers, write_part
from tests.unit.grade.talk import NAMES, can_speak, speak

ALL = {one.name: one for one in load_all()}
SPOKEN = [name for name, one in ALL.items() if can_speak(one)]
IDS = ("s0001", "s0014", "李雷")


def spoken(exercise: Exercise, student: str, folder: Path) -> Result:
    """A student's folder with a spoken run and the right answers, marked."""
    made = {question.id: question.choices[0] if question.choices else "1" for question in exercise.predictions}
    values = exercise.values(student, 0, seal(made))
    for part, frames in speak(exercise, values, random.Random(student)).items():
        write_part(frames, NAMES, folder / CAPTURES / f"{part}.pcapng")
    folder.joinpath(PREDICTIONS).write_text(json.dumps({"predictions": made}))
    evidence = gather(folder / CAPTURES, exercise.scenario, exercise.seed(student), exercise.values(student))
    shown = tuple(one for one in exercise.questions if _shown(one, evidence))
    exercise = replace(exercise, questions=shown)
    write_answers(exercise, student, folder, solve(exercise, evidence, predictions=False))
    return check(exercise, folder)


def _shown(question: object, evidence: object) -> bool:
    try:
        return bool(expected(question, evidence).frames)  # type: ignore[arg-type]
    except NotShownError:
        return False


def at_the_edge(exercise: Exercise, high: bool) -> Exercise:
    """The same exercise where every number is the largest (or smallest) that a name can draw."""

    def edge(span: Range | object) -> object:
        if not isinstance(span, Range):
            return (list(span)[-1 if high else 0],)  # type: ignore[call-overload]
        last = span.low + (span.high - span.low) // span.step * span.step
        return Range(last, last) if high else Range(span.low, span.low)

    return replace(exercise, seeded={name: edge(span) for name, span in exercise.seeded.items()})  # type: ignore[misc]


def test_at_least_eight_exercises_can_be_spoken() -> None:
    assert len(SPOKEN) >= 8
    assert {"02-options-and-mss", "03-sequence-arithmetic", "04-stream-not-messages", "06-half-close"} <= set(SPOKEN)


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("student", IDS)
def test_the_solution_passes_with_the_students_own_numbers(name: str, student: str, tmp_path: Path) -> None:
    result = spoken(ALL[name], student, tmp_path)
    assert result.outcome in ("passed", "not-yet"), result.reason
    assert {one.state for one in result.marks if not one.question.predict} == {"right"}


@pytest.mark.parametrize("name", [name for name in SPOKEN if ALL[name].seeded])
@pytest.mark.parametrize("high", [False, True])
def test_the_solution_passes_at_both_ends_of_every_range(name: str, high: bool, tmp_path: Path) -> None:
    result = spoken(at_the_edge(ALL[name], high), "berta", tmp_path)
    assert {one.state for one in result.marks if not one.question.predict} == {"right"}, result.reason


@pytest.mark.parametrize("name", [name for name, one in ALL.items() if one.seeded])
def test_player_and_wire_take_both_ends_of_every_range(name: str) -> None:
    for high in (False, True):
        exercise = at_the_edge(ALL[name], high)
        values = exercise.values("berta", 0, "SEALSEALSE")
        assert program(exercise.scenario.plans, values)["connections"]
        for plan in exercise.scenario.plans:
            script = fill(plan.wire, values)
            assert not script or grammar.read(script).rules or grammar.read(script).text


def test_a_friends_spoken_run_is_refused(tmp_path: Path) -> None:
    exercise = ALL["03-sequence-arithmetic"]
    assert spoken(exercise, "berta", tmp_path).outcome == "passed"
    sheet = tmp_path / "answers.toml"
    sheet.write_text(sheet.read_text().replace('"berta"', '"carl"'))
    assert check(exercise, tmp_path).outcome == "refused"
