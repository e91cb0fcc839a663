"""The bench of grading, small: the class that it makes comes out as it must, and a result that must not be is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.grade.bench_grade import HOSTILE, KINDS, grade, kind_of, make_one, odd, table

COUNT = len(KINDS)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class")
    for number in range(COUNT):
        make_one(folder, number)
    return folder


def test_a_class_of_twenty_comes_out_as_it_must(room: Path) -> None:
    graded, figures = grade(room, COUNT, 2)
    assert odd(graded, COUNT) == []
    assert "| 2 |" in table([figures], COUNT)
    assert odd(graded[:-1], COUNT)
    lucky = [
        replace(one, results=graded[0].results) if kind_of(at) == "copied" else one for at, one in enumerate(graded)
    ]
    assert any("copied" in problem for problem in odd(lucky, COUNT))


@pytest.mark.parametrize("number", range(19, 20 * len(HOSTILE), 20))
def test_every_way_to_be_hostile_is_refused(tmp_path: Path, number: int) -> None:
    make_one(tmp_path, number)
    graded, _ = grade(tmp_path, 1, 1)
    assert [one.score for one in graded] == [0]
    assert "please report" not in graded[0].refused
