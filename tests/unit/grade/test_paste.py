"""An exercise played by a shell outside, stage by stage: the script, the player's program, and what is collected."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest

from lab.cli import main
from lab.grade.check import CAPTURES
from lab.grade.manifest import load_all
from lab.grade.paste import script
from lab.store.run import RunFolder
from tests.unit.grade.made import exercises, make_captures
from tests.unit.grade.test_play import START_NS

NAME = "01-three-way-handshake"


@pytest.fixture
def contained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in the container of the service learn: the captures are there, Docker is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setenv("ECHO_CAPTURES", str(tmp_path / "captures"))
    (tmp_path / "captures").mkdir()
    assert main(["exercise", "start", "1", "--student", "berta"]) == 0
    sheet = tmp_path / "work" / NAME / "answers.toml"
    sheet.write_text(sheet.read_text().replace('ack-with-text = ""', 'ack-with-text = "no"', 1))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(["exercise", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_run_prints_the_script_that_plays_it(contained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "run", "1")
    assert status == 0
    assert out.splitlines()[0] == "set -e"
    assert "learn exercise program 1 --stage 1 </dev/null | docker compose" in out
    assert (contained / "work" / NAME / "predictions.json").is_file()


def test_a_stage_is_played_and_collected(
    contained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = run(capsys, "program", "1")
    assert status == 0
    assert json.loads(out)["connections"][0]["names"] == ["talk"]
    told = json.loads((contained / "work" / NAME / "predictions.json").read_text())["predictions"]
    make_captures(exercises()[NAME], "berta", contained / "ready", told)
    folder = RunFolder.create(contained / "captures", START_NS).path
    facts = json.loads((contained / "ready" / "talk.json").read_text())
    facts["client"].update(port=40001, name="client")
    (folder / "0001-x.json").write_text(json.dumps(facts))
    shutil.copyfile(contained / "ready" / "talk.pcapng", folder / "0001-x.pcapng")
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"part": "talk", "say": "connect", "local_port": 40001})))
    status, out, _ = run(capsys, "collect", "1")
    assert status == 0
    assert "talk: connect" in out
    assert (contained / "work" / NAME / CAPTURES / "talk.pcapng").is_file()


@pytest.mark.parametrize(
    ("words", "told", "says"),
    [
        (("collect", "1"), "{}", "no run has begun"),
        (("program", "1", "--stage", "2"), "", "there is no stage 2"),
    ],
)
def test_what_is_out_of_order_is_one_sentence(
    contained: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    told: str,
    says: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(told))
    status, _, err = run(capsys, *words)
    assert (status, len(err.splitlines())) == (1, 1)
    assert says in err


def test_a_player_that_could_not_play_is_told(
    contained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "program", "1")
    for told, says in (("", "the player said nothing"), ('{"problem": "talk, step 3: late"}', "step 3: late")):
        monkeypatch.setattr("sys.stdin", io.StringIO(told))
        assert says in run(capsys, "collect", "1")[2]


@pytest.mark.parametrize("exercise", load_all(), ids=lambda one: one.name)
def test_every_exercise_has_a_script_whose_commands_leave_the_shells_input_alone(exercise: object) -> None:
    text = script(exercise, exercise.values("berta"))  # type: ignore[attr-defined, arg-type]
    bare = re.sub(r"<<'END'\n.*?\nEND\n", "<<'END'\n", text, flags=re.DOTALL)
    for line in bare.splitlines()[1:]:
        assert "</dev/null" in line or line.endswith("<<'END'"), line
    assert text.count(" program ") >= 1
