"""Every exercise, live: played once in the composed lab as a student would, solved from the student's own capture and
passed; nothing answered, nothing passed; every misconception that is planted is recognised in that very capture.
``python -m tests.exercises.soak`` does the same for twenty students."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.grade import play
from lab.grade.check import CAPTURES, check
from lab.grade.evidence import gather
from lab.grade.feedback import agrees, mark
from lab.grade.manifest import EXERCISES, Exercise, load
from tests.exercises.soak import lab_of, played, solved
from tests.live.conftest import private_folder
from tests.unit.grade.made import exercises, expected, written

NAMES = sorted(exercises())
FIRST = NAMES[0]


@pytest.fixture(scope="module")
def composed(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[play.Lab]:
    """A lab of its own: an exercise may restart a host, which would disturb the other tests."""
    folder = private_folder(tmp_path_factory, "exercises")
    lab = lab_of("echolab-exercises", 44, folder)
    down = ["--profile", "*", "down", "--timeout", "1", "--remove-orphans", "--volumes"]
    lab.compose(down)
    lab.compose(["build", "--quiet", "player"], timeout_s=600)
    yield lab
    lab.compose(down)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def of_berta(composed: play.Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the work folders of what has been played are kept."""
    return tmp_path_factory.mktemp("berta")


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_can_be_played_and_passed(name: str, composed: play.Lab, of_berta: Path) -> None:
    exercise = load(EXERCISES / name)
    folder, said = played(composed, exercise, "berta", of_berta)
    assert said, "nothing was told of what was played"
    assert {one.state for one in check(exercise, folder).marks if not one.question.predict} == {"open"}
    result = solved(exercise, "berta", folder)
    assert {one.state for one in result.marks if not one.question.predict} == {"right"}, (result.reason, result.marks)
    assert not [one for one in result.marks if "No prediction was recorded" in one.words]
    recognised = planted(exercise, folder)
    assert recognised, "no misconception could be told"


def planted(exercise: Exercise, folder: Path) -> int:
    """How many misconceptions were recognised; a planted one that is taken for right or for nothing fails the test."""
    evidence = gather(folder / CAPTURES, exercise.scenario, exercise.seed("berta"), exercise.values("berta"))
    count = 0
    for question in exercise.questions:
        told = expected(question, evidence)
        for one in told.mistakes:
            if agrees(one.value, told, question) or (question.choices and str(one.value) not in question.choices):
                continue
            marked = mark(question, written(one.value, question.form), evidence)
            assert (marked.state, bool(marked.mistake)) == ("wrong", True), (question.id, one)
            count += 1
        for choice in question.wrong:
            count += mark(question, choice, evidence).state == "wrong"
    return count


@pytest.mark.parametrize("name", NAMES)
def test_a_live_capture_that_was_changed_is_refused(name: str, of_berta: Path, tmp_path: Path) -> None:
    """Of what has been played above: an octet changed, or the capture of somebody else."""
    exercise = load(EXERCISES / name)
    folder = tmp_path / name
    shutil.copytree(of_berta / name, folder)
    path = sorted((folder / CAPTURES).glob("*.pcapng"))[0]
    octets = bytearray(path.read_bytes())
    octets[-120] ^= 1
    path.write_bytes(octets)
    assert check(exercise, folder).outcome == "refused"
    shutil.rmtree(folder / CAPTURES)
    shutil.copytree(of_berta / name / CAPTURES, folder / CAPTURES)
    sheet = (folder / "answers.toml").read_text(encoding="utf-8").replace('"berta"', '"carl"')
    (folder / "answers.toml").write_text(sheet, encoding="utf-8")
    result = check(exercise, folder)
    assert result.outcome == "refused"
    assert "carl" in result.reason or "under the name" in result.retake


def test_the_seal_of_the_prediction_is_on_the_wire(of_berta: Path, tmp_path: Path) -> None:
    exercise = load(EXERCISES / FIRST)
    folder = tmp_path / FIRST
    shutil.copytree(of_berta / FIRST, folder)
    path = folder / "predictions.json"
    told = json.loads(path.read_text())
    assert told["predictions"]["ack-with-text"] == "no"
    told["predictions"]["ack-with-text"] = "yes"
    path.write_text(json.dumps(told))
    states = {one.question.id: one.state for one in check(exercise, folder).marks}
    assert states["ack-with-text"] == "open"


def test_the_player_has_no_privilege(composed: play.Lab) -> None:
    words = ["run", "--rm", "-T", "--no-deps", "player", "sh", "-c", "id -u; grep CapEff /proc/self/status; touch /x"]
    done = composed.compose(words)
    assert done.out.split() == ["65532", "CapEff:", "0000000000000000"]
    assert "Read-only file system" in done.err
