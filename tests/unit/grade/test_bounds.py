"""What a submission may take: time, memory, and a process of its own. One that takes too much costs nobody else a
grade."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from lab.grade import classroom, submission
from lab.grade.check import CAPTURES, check
from lab.grade.classroom import Course, Graded, grade_all, grade_one
from lab.grade.evidence import LARGEST_CAPTURE, MOST_FRAMES
from lab.grade.submission import Submission, find
from lab.store.reader import read_capture
from tests.unit.grade.made import exercises, make, write_part
from tests.unit.grade.test_submission import zipped

NAME = "01-three-way-handshake"
FORKS = sys.platform == "linux" and "fork" in multiprocessing.get_all_start_methods()


@pytest.fixture
def three(tmp_path: Path) -> list[Submission]:
    """Three submissions; what is odd about the second one is up to the test."""
    for student in ("berta", "carl", "dora"):
        make(exercises()[NAME], student, tmp_path / student / NAME)
    return find([tmp_path])


def odd_for_carl(monkeypatch: pytest.MonkeyPatch, odd: object) -> None:
    """Let ``odd`` be what happens while carl's submission is graded."""

    def grade(one: Submission, *more: object) -> Graded:
        if one.name == "carl":
            odd()  # type: ignore[operator]
        return grade_one(one, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(classroom, "grade_one", grade)


def outcome(found: list[Graded]) -> dict[str, object]:
    return {one.name: one.refused or one.score for one in found}


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_takes_too_long_is_given_up(three: list[Submission], monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    def for_ever() -> None:
        while True:
            try:
                signal.pause()
            except OSError:  # whoever catches too much must not catch the end of the time
                continue

    monkeypatch.setattr(classroom, "MOST_SECONDS", 1)
    odd_for_carl(monkeypatch, for_ever)
    assert outcome(grade_all(three, jobs=jobs)) == {"berta": 1, "carl": "grading it took over 1 s", "dora": 1}


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_takes_too_much_memory_is_given_up(
    three: list[Submission], monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    monkeypatch.setattr(classroom, "MOST_MEMORY", 1 << 30)
    odd_for_carl(monkeypatch, lambda: bytearray(3 << 30))
    found = outcome(grade_all(three, jobs=jobs))
    assert (found["berta"], found["dora"]) == (1, 1)
    assert "more memory" in str(found["carl"])


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_process_that_is_killed_costs_only_its_own_submission_a_grade(
    three: list[Submission], monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    odd_for_carl(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
    found = outcome(grade_all(three, jobs=jobs))
    assert (found["berta"], found["dora"]) == (1, 1)
    assert "was killed" in str(found["carl"])


def test_a_single_submission_is_graded_in_another_process(
    three: list[Submission], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FORKS, "these tests plant their trouble in a forked process"
    seen = f"{os.getpid()}"
    odd_for_carl(monkeypatch, lambda: (_ for _ in ()).throw(LookupError(seen if os.getpid() == int(seen) else "other")))
    (carl,) = grade_all(three[1:2])
    assert "LookupError" in carl.refused
    monkeypatch.setattr(classroom, "grade_one", lambda one, *_: Graded(one.name, str(os.getpid())))
    assert grade_all(three[1:2])[0].student != seen


def test_a_giant_capture_is_refused_before_it_is_analysed(tmp_path: Path) -> None:
    exercise = exercises()[NAME]
    make(exercise, "berta", tmp_path)
    path = tmp_path / CAPTURES / "talk.pcapng"
    capture = read_capture(path)
    frames = list(capture.frames)
    write_part(frames[:8] + [frames[7]] * (MOST_FRAMES + 1 - len(frames)) + frames[8:], capture.names, path)
    assert path.stat().st_size < LARGEST_CAPTURE
    result = check(exercise, tmp_path)
    assert result.outcome == "refused"
    assert "exercise make" in result.reason
    with path.open("ab") as file:
        file.truncate(LARGEST_CAPTURE + 1)
    assert "no exercise makes a capture that large" in check(exercise, tmp_path).reason


def test_a_zip_whose_text_is_damaged_is_one_sentence(tmp_path: Path) -> None:
    make(exercises()[NAME], "berta", tmp_path / "b" / NAME)
    path = zipped(tmp_path / "b", tmp_path / "c.zip")
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
    octets = bytearray(path.read_bytes())
    start = first.header_offset + 30 + len(first.filename)
    octets[start] ^= 0xFF
    octets[start + 1] ^= 0xFF
    path.write_bytes(octets)
    (result,) = grade_all(find([path]))
    assert "cannot be read" in result.refused
    assert "report" not in result.refused


@pytest.mark.parametrize("entries", [5_001, 40_000])
def test_a_long_list_of_files_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one", b"")
    octets = bytearray(path.read_bytes())
    octets[-12:-10] = struct.pack("<H", entries)
    path.write_bytes(octets)

    def never(*_words: object) -> None:
        raise AssertionError("its list was read")

    monkeypatch.setattr(submission.zipfile, "ZipFile", never)
    (one,) = find([path])
    assert f"{entries} entries" in grade_one(one, Course(), None).refused


def test_a_second_record_hidden_in_a_comment_does_not_get_past(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one", b"")
        archive.comment = b"PK\5\6" + bytes(6) + struct.pack("<HII", 60_000, 1, 0) + bytes(2)
    assert "60000 entries" in grade_one(find([path])[0], Course(), None).refused
