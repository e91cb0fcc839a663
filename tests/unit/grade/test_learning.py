"""The commands of a student, from the first ``learn`` to the zip; the lab itself is only pretended here."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from lab.cli import main
from lab.cli.learning import _stamp
from lab.grade.check import CAPTURES
from tests.unit.grade.made import exercises, make_captures, recorded_evidence, solve, write_answers

NAME = "01-three-way-handshake"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty work folder, and a lab that brings berta's captures whenever something is played."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ECHO_WORK", raising=False)

    class Pretended:
        def __init__(self, exercise: object, values: dict[str, object], lab: object, say: object) -> None:
            self.values = values

        def go(self) -> dict[str, Path]:
            exercise = exercises()[NAME]
            told = json.loads((tmp_path / "work" / NAME / "predictions.json").read_text())["predictions"]
            make_captures(exercise, "berta", tmp_path / "tap", told)
            return {"talk": tmp_path / "tap" / "talk.pcapng"}

    monkeypatch.setattr("lab.cli.learning.Run", Pretended)
    return tmp_path / "work"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(words)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def started(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "exercise", "start", "1", "--student", "Berta")[0] == 0


def predicted(work: Path) -> None:
    path = work / NAME / "answers.toml"
    path.write_text(path.read_text().replace('ack-with-text = ""', 'ack-with-text = "no"'))


def solved(work: Path) -> None:
    right = solve(exercises()[NAME], recorded_evidence(NAME), predictions=False)
    path = work / NAME / "answers.toml"
    path.unlink()
    write_answers(exercises()[NAME], "berta", work / NAME, right)


def test_learn_tells_where_to_begin(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "learn")
    assert status == 0
    assert out.splitlines()[0].startswith("0 of ")
    assert out.splitlines()[-1] == "echolab exercise start 1 --student YOURNAME"
    assert max(map(len, out.splitlines())) <= 80


def test_start_needs_to_know_who_you_are(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "exercise", "start", "1")
    assert status == 1
    assert "--student" in err


def test_start_lays_out_and_never_overwrites(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    predicted(work)
    before = (work / NAME / "answers.toml").read_text()
    started(capsys)
    assert (work / NAME / "answers.toml").read_text() == before
    assert "{nonce}" not in (work / NAME / "README.md").read_text()


def test_another_student_does_not_get_into_this_work(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    status, _, err = run(capsys, "exercise", "start", "2", "--student", "carl")
    assert status == 1
    assert "'berta'" in err


def test_run_wants_the_prediction_first(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    status, _, err = run(capsys, "exercise", "run", "1")
    assert status == 1
    assert "ack-with-text" in err
    assert not (work / NAME / "predictions.json").exists()


def test_a_prediction_that_nobody_understands_is_not_recorded(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    path = work / NAME / "answers.toml"
    path.write_text(path.read_text().replace('ack-with-text = ""', 'ack-with-text = "maybe"'))
    assert "neither yes nor no" in run(capsys, "exercise", "run", "1")[2]
    assert not (work / NAME / "predictions.json").exists()


def test_a_recorded_prediction_stands(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    predicted(work)
    assert run(capsys, "exercise", "run", "1")[0] == 0
    recorded = (work / NAME / "predictions.json").read_text()
    path = work / NAME / "answers.toml"
    path.write_text(path.read_text().replace('"no"', '"yes"'))
    assert run(capsys, "exercise", "run", "1")[0] == 0
    assert (work / NAME / "predictions.json").read_text() == recorded


def test_from_start_to_passed_and_packed(work: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    started(capsys)
    predicted(work)
    run(capsys, "exercise", "run", "1")
    status, out, _ = run(capsys, "exercise", "check", "1")
    assert status == 1
    assert "Not answered yet" in out
    assert run(capsys, "exercise", "solution", "1")[0] == 1
    # The recorded numbers are anna's; berta's own come from her capture.
    from lab.grade.check import check
    from lab.grade.evidence import gather

    exercise = exercises()[NAME]
    evidence = gather(work / NAME / CAPTURES, exercise.scenario, exercise.seed("berta"), exercise.values("berta"))
    (work / NAME / "answers.toml").unlink()
    write_answers(exercise, "berta", work / NAME, solve(exercise, evidence, predictions=False))
    assert check(exercise, work / NAME).outcome == "passed"
    status, out, _ = run(capsys, "exercise", "check", "1")
    assert status == 0
    assert "Passed." in out
    assert max(map(len, out.splitlines())) <= 80
    assert "## server-isn" in run(capsys, "exercise", "solution", "1")[1]
    assert "passed" in run(capsys, "exercise", "list")[1]
    assert "start 2" in run(capsys, "learn")[1]
    assert run(capsys, "pack")[0] == 0
    with zipfile.ZipFile("echolab-berta.zip") as archive:
        assert set(archive.namelist()) == {
            "student.toml",
            f"{NAME}/answers.toml",
            f"{NAME}/predictions.json",
            f"{NAME}/captures/talk.pcapng",
            f"{NAME}/captures/talk.json",
        }
    assert run(capsys, "grade", "echolab-berta.zip")[1].splitlines()[1].split()[:2] == ["berta", "100%"]


def test_watch_checks_and_ends_when_all_is_right(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started(capsys)
    predicted(work)
    run(capsys, "exercise", "run", "1")
    waits = []

    def save_the_right_answers(_seconds: float) -> None:
        from lab.grade.evidence import gather

        waits.append(1)
        exercise = exercises()[NAME]
        evidence = gather(work / NAME / CAPTURES, exercise.scenario, exercise.seed("berta"), exercise.values("berta"))
        write_answers(exercise, "berta", work / NAME, solve(exercise, evidence, predictions=False))

    monkeypatch.setattr("lab.cli.learning.time.sleep", save_the_right_answers)
    status, out, _ = run(capsys, "exercise", "watch", "1")
    assert (status, len(waits)) == (0, 1)
    assert out.count("Three-way handshake") == 2


def test_hints_get_plainer(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    first = run(capsys, "exercise", "hint", "1", "server-isn")[1]
    second = run(capsys, "exercise", "hint", "1", "server-isn")[1]
    third = run(capsys, "exercise", "hint", "1", "server-isn")[1]
    assert "hint 1 of 2" in first
    assert "hint 2 of 2" in second
    assert second == third


def test_reset_forgets_everything(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    assert run(capsys, "exercise", "reset", "1")[0] == 0
    assert not (work / NAME).exists()
    assert run(capsys, "exercise", "reset", "1")[0] == 0


def test_reset_does_not_follow_a_link(work: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    started(capsys)
    shutil.move(work / NAME, tmp_path / "mine")
    (work / NAME).symlink_to(tmp_path / "mine")
    assert run(capsys, "exercise", "reset", "1")[0] == 1
    assert (tmp_path / "mine" / "answers.toml").exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["exercise", "start", "99", "--student", "b"], 1),
        (["exercise", "start", "\x1b[2J", "--student", "b"], 1),
        (["exercise", "start", "0", "--student", "b"], 1),
        (["exercise", "check", "1", "--student", "b"], 1),
        (["exercise", "hint", "1", "nothing", "--student", "b"], 1),
        (["exercise", "start", "1", "--student", ""], 1),
        (["exercise", "solution", "1"], 1),
        (["exercise", "fly", "1"], 2),
        (["exercise"], 2),
        (["pack", "--student", "b"], 1),
        (["pack", "1", "--student", "b"], 1),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(
    work: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int
) -> None:
    found, _, err = run(capsys, *words)
    assert found == status
    assert err.startswith("echolab: ")
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err


def test_a_teacher_sees_the_solution_without_passing(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "exercise", "solution", "2", "--teacher")
    assert status == 0
    assert "## client-mss" in out


def test_a_broken_sheet_is_told_with_its_line(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    (work / NAME / "answers.toml").write_text("student = berta\n")
    status, out, _ = run(capsys, "exercise", "check", "1")
    assert status == 1
    assert "line 1" in out


def test_check_before_the_first_run_says_so(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    status, out, err = run(capsys, "exercise", "check", "1")
    assert (status, out) == (1, "")
    assert "not played yet" in err
    assert "exercise run 1" in err


def test_a_pack_without_captures_is_made_and_warned_of(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(capsys)
    status, out, err = run(capsys, "pack")
    assert status == 0
    assert "Hand in this file" in out
    assert "not played yet" in err


def test_a_pack_goes_into_the_work_folder_where_nothing_else_may_be_written(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started(capsys)
    monkeypatch.setattr("lab.grade.pack.os.access", lambda *_words: False)
    assert run(capsys, "pack")[0] == 0
    assert (work / "echolab-berta.zip").is_file()


def test_watch_looks_at_everything_that_a_run_brings(tmp_path: Path) -> None:
    (tmp_path / CAPTURES).mkdir()
    seen = set()
    for name in ("answers.toml", "predictions.json", "captures/talk.pcapng", "captures/talk.json"):
        (tmp_path / name).write_text("")
        seen.add(_stamp(tmp_path))
    assert len(seen) == 4
