"""The pages on exercises say what the engine does, and an exercise is a folder and nothing more."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from lab.cli import main
from lab.cli.command import parser
from lab.grade.classroom import Course, grade_one
from lab.grade.document import LIST, PAGE, filled, order, tables
from lab.grade.expected import MISTAKES
from lab.grade.manifest import EXERCISES, load
from lab.grade.player import STEPS
from lab.grade.scenario import STEP_WORDS
from lab.grade.submission import Submission
from lab.grade.toml import parse
from lab.grade.vocabulary import VOCABULARY
from tests.unit.grade.made import exercises, make


def test_the_tables_for_authors_are_those_of_the_engine() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text) == text, "python3 -m lab.grade.document writes the page anew"
    assert all(f"<!-- table: {name} -->" in text for name in tables())


def test_the_list_for_students_is_the_one_of_the_exercises() -> None:
    text = LIST.read_text(encoding="utf-8")
    assert order(text) == text, "python3 -m lab.grade.document writes the page anew"


def test_every_topic_of_the_table_for_teachers_names_its_exercises() -> None:
    """Every exercise stands in the table once, and each number in it is one."""
    text = LIST.read_text(encoding="utf-8").split("| topic | exercises |")[1].split("\n\n")[0]
    named = [number for line in text.splitlines()[2:] for number in re.findall(r"\b\d\d\b", line.rpartition(" | ")[2])]
    assert sorted(set(named)) == sorted(name[:2] for name in exercises())
    assert [number for number in set(named) if named.count(number) > 1] == ["07"]


def test_every_check_is_described_and_its_mistakes_have_names() -> None:
    assert len(VOCABULARY) >= 35
    for one in VOCABULARY.values():
        assert one.says.endswith((".", ")")), one.name
        assert set(one.mistakes) <= set(MISTAKES), one.name
        assert set(one.choices) <= one.all_parameters, one.name


def test_every_step_of_the_player_is_known_to_scenarios() -> None:
    assert set(STEPS) == set(STEP_WORDS)


def test_the_example_manifest_in_the_page_is_toml() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert parse(example, "the example")


def test_every_command_that_the_page_for_students_shows_exists() -> None:
    text = LIST.read_text(encoding="utf-8")
    shown = set(re.findall(r"`echolab (exercise [a-z]+|[a-z]+)", text))
    shown |= set(re.findall(r"^(?:\$ )?echolab (exercise [a-z]+|[a-z]+)", text, flags=re.MULTILINE))
    assert len(shown) > 10
    command = parser()
    for words in shown - {"ladder"}:
        more = [] if words.endswith(("learn", "list", "pack")) else ["1"]
        command.parse_args([*words.split(), *more])


def test_a_new_exercise_is_a_new_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "exercises"
    old, new = "03-sequence-arithmetic", "01-arithmetic-again"
    shutil.copytree(EXERCISES / old, folder / new)
    path = folder / new / "exercise.toml"
    path.write_text(path.read_text().replace('prerequisites = ["01-three-way-handshake"]', "prerequisites = []"))
    exercise = load(folder / new)
    assert exercise.number == 1
    handed_in = tmp_path / "berta"
    make(exercises()[old], "berta", handed_in / new)
    result = grade_one(Submission("berta", handed_in), Course(), None, folder)
    # It is another exercise, so berta has another mark in it: her old captures are not hers here.
    assert [one.exercise for one in result.results] == [new]
    assert result.results[0].outcome == "unreadable"


def test_the_help_of_every_command_is_english_and_fits(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["exercise"], ["exercise", "run"], ["grade"], ["pack"], ["learn"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
