"""The table of what was played live: rows of what was not played again stay, those of what is gone do not."""

from __future__ import annotations

from datetime import date

import pytest

from lab.grade.manifest import load_all
from tests.exercises.soak import Row, page, todays_student

ALL = load_all()
STUDENTS = ["s0001", "s0002", "s0003"]


def row(number: int, passed: int) -> Row:
    return Row(ALL[number - 1], passed=passed, unanswered_open=3, refused_others=2, seconds=[1.0, 2.0, 3.0])


def test_a_row_that_was_not_played_again_stays_and_counts() -> None:
    before = page([row(1, 3), row(2, 2)], STUDENTS)
    assert "5 of 6 plays passed." in before
    after = page([row(2, 3)], STUDENTS, before)
    assert f"| 01 {ALL[0].title} | 3 of 3 |" in after
    assert f"| 02 {ALL[1].title} | 3 of 3 |" in after
    assert "6 of 6 plays passed." in after


def test_a_row_of_an_exercise_that_is_another_one_now_goes() -> None:
    before = page([row(1, 3)], STUDENTS).replace(ALL[0].title, "Something else")
    assert "Something else" not in page([row(2, 3)], STUDENTS, before)


def test_each_day_another_of_the_twenty_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECHO_STUDENT", raising=False)
    assert todays_student() in {f"s{number:04d}" for number in range(1, 21)}
    assert todays_student() == f"s{date.today().toordinal() % 20 + 1:04d}"
    monkeypatch.setenv("ECHO_STUDENT", "zoe")
    assert todays_student() == "zoe"
