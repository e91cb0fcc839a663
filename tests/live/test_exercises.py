"""A few exercises, live: played in the composed lab as a student would, solved from the student's own capture, passed;
and refused to the neighbour. The others are held to the same by tests/unit/grade on recorded runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.grade import play
from lab.grade.check import CAPTURES, check
from lab.grade.evidence import gather
from lab.grade.manifest import Exercise
from lab.grade.progress import Work
from tests.live.conftest import Lab, private_folder
from tests.unit.grade.made import exercises, solve, write_answers

PLAYED = (
    "01-three-way-handshake",
    "07-reset-four-ways",
    "08-port-reuse",
    "10-nagle-and-delayed-ack",
    "11-zero-window",
    "13-ipv6-and-ndp",
    "17-round-trips-and-rto",
    "18-is-anybody-there",
)


@pytest.fixture(scope="module")
def composed(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[play.Lab]:
    """A lab of its own: an exercise may restart a host, which would disturb the other tests."""
    folder = private_folder(tmp_path_factory, "exercises")
    lab = Lab("echolab-exercises", folder, "198.18.44", "2001:db8:44", ECHO_LADDER="off")
    lab.down()
    lab.compose("build", "--quiet", "player")
    yield play.Lab(env={**lab.env, "COMPOSE_PROJECT_NAME": lab.project})
    lab.down()
    shutil.rmtree(folder, ignore_errors=True)


def played(lab: play.Lab, exercise: Exercise, student: str, root: Path) -> Path:
    """Play an exercise for a student with some predictions; the work folder, with no answers yet."""
    work = Work(root)
    work.enrol(student)
    work.start(exercise)
    forms = {"boolean": "no", "time": "1 s"}
    made = {q.id: q.choices[0] if q.choices else forms.get(q.form, "1") for q in exercise.predictions}
    seal = work.record_predictions(exercise, made) if made else ""
    said: list[str] = []
    work.keep_captures(exercise, play.Run(exercise, exercise.values(student, 0, seal), lab, said.append).go())
    assert said, "nothing was told of what was played"
    return work.folder(exercise)


def solved(exercise: Exercise, student: str, folder: Path) -> None:
    """The right answers, from the capture."""
    evidence = gather(folder / CAPTURES, exercise.scenario, exercise.seed(student), exercise.values(student))
    (folder / "answers.toml").unlink()
    write_answers(exercise, student, folder, solve(exercise, evidence, predictions=False))


@pytest.mark.parametrize("name", PLAYED)
def test_an_exercise_can_be_played_and_passed(name: str, composed: play.Lab, tmp_path: Path) -> None:
    exercise = exercises()[name]
    folder = played(composed, exercise, "berta", tmp_path)
    assert {one.state for one in check(exercise, folder).marks if not one.question.predict} == {"open"}
    solved(exercise, "berta", folder)
    result = check(exercise, folder)
    assert {one.state for one in result.marks if not one.question.predict} == {"right"}, (result.reason, result.marks)
    assert not [one for one in result.marks if "No prediction was recorded" in one.words]


def test_the_neighbours_live_capture_is_refused(composed: play.Lab, tmp_path: Path) -> None:
    exercise = exercises()[PLAYED[0]]
    berta = played(composed, exercise, "berta", tmp_path / "b")
    carl = played(composed, exercise, "carl", tmp_path / "c")
    shutil.rmtree(carl / CAPTURES)
    shutil.copytree(berta / CAPTURES, carl / CAPTURES)
    result = check(exercise, carl)
    assert result.outcome == "refused"
    assert "'carl'" in result.reason


def test_the_seal_of_the_prediction_is_on_the_wire(composed: play.Lab, tmp_path: Path) -> None:
    exercise = exercises()[PLAYED[0]]
    folder = played(composed, exercise, "berta", tmp_path)
    path = folder / "predictions.json"
    told = json.loads(path.read_text())
    told["predictions"]["ack-with-text"] = "yes"
    path.write_text(json.dumps(told))
    states = {one.question.id: one.state for one in check(exercise, folder).marks}
    assert states["ack-with-text"] == "open"


def test_the_player_has_no_privilege(composed: play.Lab) -> None:
    words = ["run", "--rm", "-T", "--no-deps", "player", "sh", "-c", "id -u; grep CapEff /proc/self/status; touch /x"]
    done = composed.compose(words)
    assert done.out.split() == ["65532", "CapEff:", "0000000000000000"]
    assert "Read-only file system" in done.err
