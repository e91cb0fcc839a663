"""A class: weights, deadlines, copies, and every form in which grades are handed on."""

from __future__ import annotations

import csv
import io
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lab.cli import main
from lab.grade.classroom import Course, Graded, grade_all, pairs, read_course, suspicions
from lab.grade.errors import GradeError
from lab.grade.output import as_csv, as_junit, cell, gradescope_text, table
from lab.grade.page import class_page
from lab.grade.submission import find
from tests.unit.grade.made import exercises, make

FIRST, SECOND = "01-three-way-handshake", "05-fin-and-time-wait"
KEY = b"teacher"


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Three students: berta all right, carl with mistakes in the first, dora with berta's captures in the first."""
    for student in ("berta", "carl", "dora"):
        for name in (FIRST, SECOND):
            wrong = {"server-isn": "0", "first-octet": "=1+1"} if student == "carl" and name == FIRST else {}
            make(exercises()[name], student, tmp_path / student / name, answers=wrong)
    for path in (tmp_path / "berta" / FIRST / "captures").iterdir():
        (tmp_path / "dora" / FIRST / "captures" / path.name).write_bytes(path.read_bytes())
    return tmp_path


def grades(room: Path, course: Course | None = None, jobs: int = 1) -> list[Graded]:
    return grade_all(find([room]), course, jobs=jobs)


def test_each_gets_what_is_due(room: Path) -> None:
    berta, carl, dora = grades(room)
    assert (berta.student, berta.score) == ("berta", 1)
    assert carl.score == pytest.approx((5 / 7 + 1) / 2)
    assert dora.score == pytest.approx(0.5)
    assert dora.results[0].outcome == "refused"


def test_several_processes_come_to_the_same(room: Path) -> None:
    assert grades(room, jobs=3) == grades(room)


def test_a_copied_capture_is_suspected_by_its_numbers_time_and_mark(room: Path) -> None:
    found = suspicions(grades(room))
    assert {one.submissions for one in found} == {("berta", "dora")}
    told = " ".join(one.what for one in found)
    assert "sequence numbers" in told
    assert "began at" in told
    assert "carries the mark" in told


def test_honest_students_are_not_suspected(room: Path) -> None:
    assert suspicions([one for one in grades(room) if one.student != "dora"]) == []


def test_two_attempts_of_one_student_are_no_copies(room: Path) -> None:
    shutil.copytree(room / "berta", room / "berta-again")
    found = suspicions(grades(room))
    assert {one.submissions for one in found} == {("berta", "berta-again", "dora"), ("berta-again", "dora")}
    shutil.rmtree(room / "dora")
    assert suspicions(grades(room)) == []


def test_who_shares_several_things_is_one_suspicion_and_one_pair(room: Path) -> None:
    found = suspicions(grades(room))
    assert [(one.exercise, one.submissions) for one in found] == [(FIRST, ("berta", "dora"))]
    assert pairs(found) == 1
    assert "1 suspected copy." in table(grades(room), found)


def test_a_prediction_that_turned_out_otherwise_is_no_failure(tmp_path: Path) -> None:
    make(exercises()[SECOND], "berta", tmp_path / "berta" / SECOND, predicted={"who-waits": "client"})
    (berta,) = grade_all(find([tmp_path / "berta"]))
    assert berta.results[0].outcome == "passed"
    assert berta.score == pytest.approx(6.5 / 7)
    suite = ElementTree.fromstring(as_junit([berta]).encode())[0]
    assert (suite.get("tests"), suite.get("failures")) == ("7", "0")
    told = {test["name"]: test["status"] for test in json.loads(gradescope_text([berta]))["tests"]}
    assert told[f"{SECOND} who-waits (predicted)"] == told[f"{SECOND} who-waits"] == "passed"


def test_weights_and_deadlines_count(room: Path, tmp_path: Path) -> None:
    path = tmp_path / "course.toml"
    path.write_text('late = 0.5\n[weights]\n1 = 3\n"05" = 1\n"06" = 0\n[deadlines]\n5 = 2001-01-01\n')
    course = read_course(path, list(exercises().values()))
    berta = grades(room, course)[0]
    assert berta.late == (SECOND,)
    assert berta.score == pytest.approx((3 + 1 * 0.5) / 4)
    relaxed = replace(course, deadlines={SECOND: 4_000_000_000 * 10**9})
    assert grades(room, relaxed)[0].late == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[weights]\n99 = 1\n", "no exercise"),
        ("[weights]\n1 = -1\n", "from 0 to 1000"),
        ("[weights]\n1 = true\n", "from 0 to 1000"),
        ("[deadlines]\n1 = 'soon'\n", "must be a time"),
        ("late = 2\n", "from 0 to 1"),
        ("[weight]\n", "means nothing"),
        ("late = \n", "not TOML"),
    ],
)
def test_a_course_with_a_mistake_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "course.toml"
    path.write_text(text)
    with pytest.raises(GradeError, match=says):
        read_course(path, list(exercises().values()))


def test_a_signed_class_takes_only_what_its_tap_signed(tmp_path: Path) -> None:
    make(exercises()[FIRST], "berta", tmp_path / "berta" / FIRST, key=KEY)
    make(exercises()[FIRST], "carl", tmp_path / "carl" / FIRST)
    make(exercises()[FIRST], "dora", tmp_path / "dora" / FIRST, key=b"her own")
    berta, carl, dora = grade_all(find([tmp_path]), key=KEY, jobs=1)
    assert berta.score == 1
    assert berta.results[0].signed
    assert "not signed by the class's tap" in carl.results[0].reason
    assert "another key" in dora.results[0].reason


def test_the_table_fits_80_columns(room: Path) -> None:
    found = grades(room)
    text = table(found, suspicions(found))
    assert max(map(len, text.splitlines())) <= 80
    assert "ref" in text
    assert "Look at berta, dora" in text


def hostile(found: Sequence[Graded]) -> list[Graded]:
    """The same results with names that a terminal, a spreadsheet, XML or HTML would take for something else."""
    names = ["=HYPERLINK(1)", "\x1b[2J\x07", "<script>alert(1)</script>"]
    return [
        replace(one, name=name, student=name, problems=(f"{name}\x00\ud800",))
        for one, name in zip(found, names, strict=True)
    ]


def test_a_terminal_gets_no_escape(room: Path) -> None:
    assert "\x1b" not in table(hostile(grades(room)), [])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1", "  =1", "\r=1"])
def test_a_formula_is_only_a_text_in_the_csv(text: str) -> None:
    assert cell(text).startswith("'") or not cell(text).lstrip().startswith(("=", "+", "-", "@"))


def test_the_csv_is_read_back_with_one_line_a_submission(room: Path) -> None:
    rows = list(csv.reader(io.StringIO(as_csv(hostile(grades(room))))))
    assert len(rows) == 4
    assert {len(row) for row in rows} == {7}
    assert [row[2] for row in rows[1:]] == ["100.0", "85.7", "50.0"]
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row)


def test_gradescope_gets_a_test_for_each_question(room: Path) -> None:
    found = grades(room)
    one = json.loads(gradescope_text(found[1:2]))
    assert (one["score"], one["max_score"]) == (85.71, 100)
    tests = {test["name"]: test for test in one["tests"]}
    assert tests[f"{FIRST} server-isn"]["status"] == "failed"
    assert "Wireshark" in tests[f"{FIRST} server-isn"]["output"]
    assert len(json.loads(gradescope_text(found))) == 3


def test_junit_tells_a_mistake_from_a_capture_that_cannot_be_graded(room: Path) -> None:
    suites = ElementTree.fromstring(as_junit(hostile(grades(room))).encode())
    counts = [(suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in suites]
    assert counts == [("14", "0", "0"), ("14", "2", "0"), ("8", "0", "1")]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_the_page_names_what_failed_most_and_runs_nothing(room: Path) -> None:
    found = grades(room)
    page = class_page(hostile(found), suspicions(found))
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.tags
    assert "src=" not in page
    assert "server-isn" in page
    assert "relative number instead of the raw one" in page
    assert "berta, dora" in page


def test_the_page_of_an_empty_class_is_a_page_too() -> None:
    assert "0 submissions" in class_page([], [])


def test_the_command_writes_every_form(room: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words = [str(room / name) for name in ("berta", "carl", "dora")]
    for form in ("csv", "gradescope", "junit", "html"):
        words += [f"--{form}", str(out / form)]
    assert main(["grade", *words]) == 0
    assert "3 submissions" in capsys.readouterr().out
    assert all((out / form).stat().st_size > 100 for form in ("csv", "gradescope", "junit", "html"))


@pytest.mark.parametrize("words", [["nowhere"], ["."], [".", "--jobs", "-1"], [".", "--course", "nowhere.toml"]])
def test_the_command_says_what_is_wrong(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["grade", *words]) == 1
    _, err = capsys.readouterr()
    assert err.startswith("echolab: ")
    assert len(err.splitlines()) == 1
