"""The grader's expected answers beside a golden table that was worked out from tshark's fields, without our own code
(tests/exercises/golden.py): the solution test alone would ask the same vocabulary that marks."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from lab.grade.feedback import agrees
from tests.exercises import golden, tshark
from tests.unit.grade.made import exercises, expected, recorded_evidence

TABLE = json.loads(golden.TABLE.read_text(encoding="utf-8"))
QUESTIONS = [(name, question.id) for name, one in sorted(exercises().items()) for question in one.questions]


def test_the_table_was_made_from_these_very_captures() -> None:
    assert golden.digests() == TABLE["captures"], f"record it anew: {TABLE['made by']}"


def test_every_question_has_a_formula_and_no_formula_is_left_over() -> None:
    asked = {f"{name[:2]}/{question}" for name, question in QUESTIONS}
    assert asked == set(golden.ANSWERS) == set(TABLE["answers"])


def test_the_table_is_made_without_the_code_that_it_checks() -> None:
    imported = set()
    for module in (golden, tshark):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    ours = {name for name in imported if name and name.startswith(("lab", "tests"))}
    assert ours == {"tests.exercises.tshark", "tests.marked"}  # the second only names what Docker starts


@pytest.mark.parametrize(("name", "question"), QUESTIONS)
def test_the_expected_answer_is_the_one_of_tshark(name: str, question: str) -> None:
    asked = next(one for one in exercises()[name].questions if one.id == question)
    told = expected(asked, recorded_evidence(name))
    value = TABLE["answers"][f"{name[:2]}/{question}"]
    assert isinstance(value, bool) == isinstance(told.value, bool)
    if asked.form == "time":
        assert abs(value - float(told.value)) <= float(told.value) * 0.01
    else:
        assert agrees(value, told, asked), (value, told.value)


def test_a_wrong_table_would_be_seen() -> None:
    asked = next(one for one in exercises()["01-three-way-handshake"].questions if one.id == "server-isn")
    told = expected(asked, recorded_evidence("01-three-way-handshake"))
    assert not agrees(TABLE["answers"]["01/syn-ack-acknowledges"], told, asked)
