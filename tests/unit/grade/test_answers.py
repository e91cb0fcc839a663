"""Answers: forms are forgiven where they are unambiguous, and asked back where they are not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.grade import toml
from lab.grade.answers import FORMS, UnclearError, Value, read, understand
from lab.grade.errors import GradeError


@pytest.mark.parametrize(
    ("written", "form", "value"),
    [
        (1460, "integer", 1460),
        ("1460", "integer", 1460),
        ("1,460", "integer", 1460),
        ("1 460", "integer", 1460),
        ("1_460", "integer", 1460),
        ("0x5B4", "integer", 1460),
        ("1460 octets", "integer", 1460),
        ("1460 Bytes", "integer", 1460),
        (1460.0, "integer", 1460),
        ("frame 7", "frame", 7),
        ("#7", "frame", 7),
        ("No. 7", "frame", 7),
        ("7", "frame", 7),
        ("0xfffffffe", "seq", 0xFFFFFFFE),
        ("9202B0C1", "seq", 0x9202B0C1),
        ("355,003,650", "seq", 355003650),
        ("1 (relative)", "seq", 1),
        ("83 us", "time", 83_000.0),
        ("83µs", "time", 83_000.0),
        ("0.083 ms", "time", 83_000.0),
        ("0,083 ms", "time", 83_000.0),
        ("0.000083 s", "time", 83_000.0),
        ("83000 ns", "time", 83_000.0),
        ("2 milliseconds", "time", 2_000_000.0),
        ("1.5 seconds", "time", 1_500_000_000.0),
        ("Yes", "boolean", True),
        (False, "boolean", False),
        ("n", "boolean", False),
        ("  Server. ", "choice", "server"),
        ("FF02::1", "text", "ff02::1"),
        ("１４６０", "integer", 1460),
    ],
)
def test_a_form_is_forgiven(written: Value, form: str, value: Value) -> None:
    assert understand(written, form, ("client", "server")) == value


@pytest.mark.parametrize(
    ("written", "form", "says"),
    [
        ("83", "time", "83"),
        (83, "time", "no unit"),
        ("soon", "time", "soon"),
        ("about ten", "integer", "not a number"),
        (True, "integer", "no number"),
        (1.5, "integer", "whole"),
        (float("inf"), "integer", "whole"),
        ("9" * 30, "integer", "not a number"),
        (10**30, "integer", "larger"),
        ("perhaps", "boolean", "neither"),
        ("gateway", "choice", "client, server"),
        ("x" * 500, "text", "500 letters"),
        ("1,46", "integer", "not a number"),
    ],
)
def test_what_is_ambiguous_is_asked_back(written: Value, form: str, says: str) -> None:
    with pytest.raises(UnclearError, match=says):
        understand(written, form, ("client", "server"))


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans()), st.sampled_from(sorted(FORMS)))
def test_anything_is_understood_or_unclear_and_nothing_else(written: Value, form: str) -> None:
    said = ""
    try:
        understand(written, form, ("client", "server"))
    except UnclearError as unclear:
        said = str(unclear)
    assert "\x1b" not in said
    assert len(said) < 400


def test_a_sheet_is_read_with_its_empty_answers_left_out(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text('student = "Anna"\n[answers]\na = ""\nb = 0x10\nc = " x "\nd = [1]\n[predict]\ne = true\n')
    sheet = read(path)
    assert (sheet.student, sheet.answers, sheet.predict) == ("Anna", {"b": 16, "c": "x", "d": "[1]"}, {"e": True})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[answers]\na = server\n", "line 2"),
        (b"answers = 3\n", "section"),
        (b"\xff\xfe", "UTF-8"),
        (b"a = " + b"[" * 5000, "not TOML"),
        (b"#" * (300 * 1024), "larger than"),
    ],
)
def test_a_broken_sheet_is_one_sentence(text: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_bytes(text)
    with pytest.raises(GradeError, match=says):
        read(path)


def test_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_bytes(b'\xef\xbb\xbfstudent = "anna"\n')
    assert read(path).student == "anna"


def test_a_python_without_a_reader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toml, "reader", None)
    path = tmp_path / "answers.toml"
    path.write_text("")
    with pytest.raises(GradeError, match="pip install tomli"):
        read(path)


def test_the_reader_is_the_standard_librarys_where_there_is_one() -> None:
    assert toml.reader.__name__ == ("tomllib" if sys.version_info >= (3, 11) else toml.reader.__name__)
    assert toml.reader.loads("a = 1") == {"a": 1}


@pytest.mark.parametrize(
    ("given", "form"), [("1460.0", "integer"), ("8.", "frame"), ("frame 8.", "frame"), ("1460.", "seq")]
)
def test_a_whole_number_may_end_in_a_point(given: str, form: str) -> None:
    assert understand(given, form) == (1460 if "1460" in given else 8)


@pytest.mark.parametrize("given", ["1460.5", "8.1", ".5", "1.2.0"])
def test_a_broken_number_is_not_rounded(given: str) -> None:
    with pytest.raises(UnclearError):
        understand(given, "integer")
