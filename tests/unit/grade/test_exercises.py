"""Every exercise is held to the same promises: what an author may forget, a student never meets."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from lab.grade.asked import sent_by
from lab.grade.check import CAPTURES, PREDICTIONS, check
from lab.grade.feedback import agrees, mark
from lab.grade.manifest import EXERCISES, Exercise, Question, load, load_all
from lab.grade.progress import sheet
from lab.grade.scenario import program
from lab.grade.seed import fill
from lab.router import grammar
from lab.store.reader import read_capture
from tests.unit.grade.made import (
    ANNA,
    exercises,
    expected,
    make,
    recorded_evidence,
    write_answers,
    write_part,
    written,
)

NAMES = sorted(exercises())
EVERY = pytest.mark.parametrize("name", NAMES)
IDS = ("berta", "s1234567", "Zoë Müller", "李雷", "o'neil")


def test_there_are_exercises_and_nothing_else_in_the_folder() -> None:
    assert [path.name for path in sorted(EXERCISES.iterdir()) if path.name != "__pycache__"] == NAMES
    assert len(NAMES) >= 16


def test_they_stand_in_an_order_that_teaches() -> None:
    numbers = [one.number for one in load_all()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_at_least_five_ask_for_a_prediction() -> None:
    assert sum(1 for one in exercises().values() if one.predictions) >= 5


@EVERY
def test_its_folder_has_no_mistake(name: str) -> None:
    exercise = load(EXERCISES / name)
    assert exercise.objectives
    assert all(len(question.hints) == 2 for question in exercise.questions)


@EVERY
@pytest.mark.parametrize("student", IDS)
def test_the_scenario_can_be_played_for_anybody(name: str, student: str) -> None:
    exercise = load(EXERCISES / name)
    told = program(exercise.scenario.plans, exercise.values(student, 3, "SEALSEALSE"))
    text = json.dumps(told)
    assert exercise.seed(student).nonce in text
    assert not re.search(r"\{[a-z]", text.replace('{"', "").replace("{ ", "")), "a placeholder is left"


@EVERY
def test_the_languages_it_wants_are_there(name: str) -> None:
    exercise = load(EXERCISES / name)
    images = EXERCISES.parents[1] / "images"
    for plan in exercise.scenario.plans:
        for number in range(20):
            language = fill(plan.server, exercise.values(f"s{number}"))
            assert not language or (images / language / "Dockerfile").is_file()


@EVERY
def test_the_starter_fails_because_nothing_is_answered(name: str, tmp_path: Path) -> None:
    exercise = exercises()[name]
    make(exercise, "berta", tmp_path)
    (tmp_path / "answers.toml").write_text(sheet(exercise, "berta", exercise.values("berta")))
    result = check(exercise, tmp_path)
    assert result.outcome == "not-yet"
    assert {one.state for one in result.marks if not one.question.predict} == {"open"}


@EVERY
def test_without_a_capture_it_says_how_to_get_one(name: str, tmp_path: Path) -> None:
    exercise = exercises()[name]
    write_answers(exercise, "berta", tmp_path, {})
    result = check(exercise, tmp_path)
    assert result.outcome == "refused"
    assert "exercise run" in result.retake


@EVERY
@pytest.mark.parametrize("student", IDS)
def test_the_solution_passes(name: str, student: str, tmp_path: Path) -> None:
    exercise = exercises()[name]
    result = check(exercise, make(exercise, student, tmp_path))
    assert result.outcome == "passed", (result.reason, [one for one in result.marks if one.state != "right"])
    assert result.score == result.full


@EVERY
def test_another_students_captures_are_refused(name: str, tmp_path: Path) -> None:
    exercise = exercises()[name]
    make(exercise, "berta", tmp_path / "b")
    carl = make(exercise, "carl", tmp_path / "c")
    # As many captures as carl's own, so that it is the mark that is looked at.
    for path in (carl / CAPTURES).iterdir():
        other = tmp_path / "b" / CAPTURES / path.name
        shutil.copyfile(other if other.exists() else _first(tmp_path / "b" / CAPTURES, path.suffix), path)
    result = check(exercise, carl)
    assert result.outcome == "refused"
    assert "carl" in result.reason


def _first(folder: Path, suffix: str) -> Path:
    return next(path for path in sorted(folder.iterdir()) if path.suffix == suffix)


@EVERY
def test_a_copied_answer_sheet_earns_nothing_for_its_raw_numbers(name: str, tmp_path: Path) -> None:
    exercise = exercises()[name]
    make(exercise, "berta", tmp_path / "b")
    carl = make(exercise, "carl", tmp_path / "c")
    text = (tmp_path / "b" / "answers.toml").read_text(encoding="utf-8").replace('"berta"', '"carl"')
    (carl / "answers.toml").write_text(text, encoding="utf-8")
    raw = [question.id for question in exercise.questions if question.raw]
    states = {one.question.id: one.state for one in check(exercise, carl).marks}
    assert [states[one] for one in raw] == ["wrong"] * len(raw)


@EVERY
def test_a_capture_with_a_changed_octet_is_refused(name: str, tmp_path: Path) -> None:
    exercise = exercises()[name]
    make(exercise, "berta", tmp_path)
    path = sorted((tmp_path / CAPTURES).glob("*.pcapng"))[0]
    octets = bytearray(path.read_bytes())
    octets[-200] ^= 1
    path.write_bytes(octets)
    assert check(exercise, tmp_path).outcome == "refused"


@EVERY
def test_a_capture_with_a_frame_cut_out_and_new_facts_is_refused(name: str, tmp_path: Path) -> None:
    exercise = exercises()[name]
    make(exercise, "berta", tmp_path)
    # Not where nobody answered: of SYNs that are all alike nobody can say how many there were.
    answered = {part for part in exercise.scenario.parts(exercise.values("berta")) if _answered(exercise, part)}
    path = next(path for path in sorted((tmp_path / CAPTURES).glob("*.pcapng")) if path.stem in answered)
    capture = read_capture(path)
    frames = [frame for frame in capture.frames if frame.data[12:14] in (b"\x08\x00", b"\x86\xdd")]
    answer = next(frame for frame in frames if _flags(frame.data) & 0x12 == 0x12)
    write_part([frame for frame in capture.frames if frame is not answer], capture.names, path)
    result = check(exercise, tmp_path)
    assert result.outcome == "refused"
    assert "Play the exercise again" in result.retake


def _flags(data: bytes) -> int:
    """Of TCP; 0 where there is none."""
    at, protocol = (34, data[23]) if data[12:14] == b"\x08\x00" else (54, data[20])
    return data[at + 13] if protocol == 6 else 0


def _answered(exercise: Exercise, part: str) -> bool:
    plan = exercise.scenario.plan_of(part)
    return plan is not None and plan.verdict != "half-open"


@EVERY
def test_the_wire_takes_its_scripts(name: str) -> None:
    exercise = load(EXERCISES / name)
    for plan in exercise.scenario.plans:
        for number in range(20):
            script = fill(plan.wire, exercise.values(f"s{number}"))
            assert not script or grammar.read(script)


@EVERY
def test_a_friends_numbers_under_the_own_name_are_refused(name: str, tmp_path: Path) -> None:
    """The mark is right, the seal is right; only lengths, counts or words are not this student's."""
    exercise = exercises()[name]
    make(exercise, "berta", tmp_path)
    own = load(EXERCISES / name)
    sent = [plan for plan in own.scenario.plans if not plan.by_hand]
    differs = [
        part
        for plan in sent
        for part in plan.names(exercise.values("berta"))
        if sent_by(part, plan, own.values("berta")) != sent_by(part, plan, exercise.values("berta"))
    ]
    result = check(own, tmp_path)
    assert (result.outcome == "refused") or not differs
    if differs:
        assert "berta" not in result.reason
        assert "under the name" in result.retake


@EVERY
def test_predictions_made_afterwards_do_not_count(name: str, tmp_path: Path) -> None:
    exercise = exercises()[name]
    if not exercise.predictions:
        assert "seal" not in exercise.scenario.names_used()
        return
    make(exercise, "berta", tmp_path)
    told = {question.id: "something else" for question in exercise.predictions}
    (tmp_path / PREDICTIONS).write_text(json.dumps({"recorded_ns": 1, "predictions": told}))
    result = check(exercise, tmp_path)
    assert result.outcome == "not-yet"
    assert all(one.state == "open" for one in result.marks if one.question.predict)


QUESTIONS = [(name, question) for name in NAMES for question in exercises()[name].questions]


@pytest.mark.parametrize(("name", "question"), QUESTIONS, ids=lambda one: one.id if isinstance(one, Question) else one)
def test_each_planted_misconception_is_recognised(name: str, question: Question) -> None:
    evidence = recorded_evidence(name)
    told = expected(question, evidence)
    assert told.frames
    assert told.filter
    seen = set()
    for planted in told.mistakes:
        if agrees(planted.value, told, question) or planted.value in seen:
            continue
        seen.add(planted.value)
        marked = mark(question, written(planted.value, question.form), evidence)
        if question.form == "choice" and planted.value not in question.choices:
            assert marked.state == "unclear"
            continue
        assert marked.state == "wrong"
        assert marked.mistake
        assert len(marked.words) > 40


@pytest.mark.parametrize(("name", "question"), QUESTIONS, ids=lambda one: one.id if isinstance(one, Question) else one)
def test_feedback_on_a_wrong_answer_does_not_give_the_right_one_away(name: str, question: Question) -> None:
    if question.form not in ("integer", "seq", "frame"):
        assert question.form in ("time", "choice", "text", "boolean")
        return
    evidence = recorded_evidence(name)
    told = expected(question, evidence)
    assert isinstance(told.value, int)
    for given in (told.value + 7, told.value + 1, *(planted.value for planted in told.mistakes)):
        if agrees(given, told, question):
            continue
        words = mark(question, written(given, question.form), evidence).words
        if told.value > 99:
            assert str(told.value) not in words
        if question.form == "frame":
            assert f"rame {told.value} " not in words
            assert f"rame {told.value}." not in words


@EVERY
def test_the_recorded_run_answers_every_question(name: str) -> None:
    evidence = recorded_evidence(name)
    for question in exercises()[name].questions:
        right = mark(question, written(expected(question, evidence).value, question.form), evidence)
        assert right.state == "right", (question.id, right)
        assert right.frames
        assert right.part in evidence.parts, "what is cited must be a file that the student has"
        assert 1 <= min(right.frames) <= max(right.frames) <= len(evidence.part(right.part).frames)


@EVERY
def test_wrong_choices_have_their_own_sentence_or_a_named_mistake(name: str) -> None:
    evidence = recorded_evidence(name)
    for question in exercises()[name].questions:
        for choice in question.choices:
            marked = mark(question, choice, evidence)
            assert marked.state in ("right", "wrong")
            assert len(marked.words) > 30


@EVERY
def test_readme_and_answer_sheet_fit_a_terminal_and_name_the_mark(name: str) -> None:
    exercise = exercises()[name]
    values = exercise.values(ANNA)
    assert exercise.seed(ANNA).nonce in exercise.readme.replace("{nonce}", str(values["nonce"]))
    assert "Display filters" in exercise.readme
    assert f"exercise run {exercise.number}`" in exercise.readme
    assert f"exercise check {exercise.number}`" in exercise.readme
    assert max(map(len, sheet(exercise, ANNA, values).splitlines())) <= 80
