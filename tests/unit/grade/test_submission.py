"""Hostile and clumsy submissions: none does harm, and each gets a result of its own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import struct
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.grade.check import check
from lab.grade.classroom import Course, Graded, grade_all, grade_one
from lab.grade.errors import GradeError
from lab.grade.submission import Submission, find
from lab.grade.tell import report
from tests.unit.grade.made import exercises, make

NAME = "01-three-way-handshake"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A folder with one right exercise of berta's."""
    make(exercises()[NAME], "berta", tmp_path / "berta" / NAME)
    return tmp_path / "berta"


def zipped(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + str(file.relative_to(folder)))
    return path


def graded(path: Path) -> Graded:
    found = find([path])
    assert len(found) == 1
    return grade_one(found[0], Course(), None)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_folder_and_its_zip_are_graded_alike(good: Path, tmp_path: Path) -> None:
    by_folder = graded(good)
    by_zip = graded(zipped(good, tmp_path / "b.zip", "some/folders/above/"))
    assert by_folder.score == by_zip.score == 1
    assert by_folder.student == by_zip.student == "berta"


def test_one_exercise_alone_may_be_handed_in_too(good: Path) -> None:
    assert graded(good.parent / "berta").score == 1


def test_a_class_is_found_in_folders_zips_and_a_zip_of_zips(good: Path, tmp_path: Path) -> None:
    room = tmp_path / "class"
    (room / "Anna_123_file").mkdir(parents=True)
    inner = zipped(good, room / "Anna_123_file" / "echolab-anna.zip")
    with zipfile.ZipFile(room / "all.zip", "w") as archive:
        archive.write(inner, "one/a.zip")
        archive.write(inner, "two/b.zip")
    (room / "notes.txt").write_text("hello")
    (room / "carl").mkdir()
    (good / NAME).rename(room / "carl" / NAME)
    found = find([room])
    assert sorted(one.name for one in found) == ["Anna_123_file/echolab-anna.zip", "carl", "one/a.zip", "two/b.zip"]
    assert [one.score for one in grade_all(found, jobs=2)] == [1, 1, 1, 1]


def test_a_path_that_climbs_out_writes_nothing(good: Path, tmp_path: Path) -> None:
    path = zipped(good, tmp_path / "evil.zip")
    before = files_below(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        for name in (f"../../{NAME}/answers.toml", f"/etc/{NAME}/answers.toml", f"..\\..\\{NAME}\\answers.toml"):
            archive.writestr(name, "student = 'mallory'")
    result = graded(path)
    assert result.student == "berta"
    assert files_below(tmp_path) == before
    assert any("climbs out" in problem for problem in result.problems)


def test_a_link_in_a_zip_is_left_out(good: Path, tmp_path: Path) -> None:
    (good / NAME / "answers.toml").unlink()
    path = zipped(good, tmp_path / "link.zip")
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo(f"{NAME}/answers.toml")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    result = graded(path)
    assert "a link in the zip was left out" in result.problems
    assert result.results[0].outcome == "unreadable"
    assert "root:" not in str(result)


@pytest.mark.parametrize("what", ["answers.toml", "captures"])
def test_a_link_in_a_folder_is_not_followed(good: Path, tmp_path: Path, what: str) -> None:
    target = good / NAME / what
    elsewhere = tmp_path / "elsewhere"
    target.rename(elsewhere)
    target.symlink_to(elsewhere)
    result = graded(good)
    assert "a link was left out" in result.problems
    assert result.score == 0


def test_a_pipe_in_a_folder_does_not_block(good: Path) -> None:
    (good / NAME / "answers.toml").unlink()
    os.mkfifo(good / NAME / "answers.toml")
    assert graded(good).results[0].outcome == "unreadable"


def test_a_zip_bomb_is_not_unpacked(good: Path, tmp_path: Path) -> None:
    path = zipped(good, tmp_path / "bomb.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        nothing = bytes(1 << 20)
        for number in range(12):
            with archive.open(f"{NAME[:-1]}{number}/captures/talk.pcapng", "w") as entry:
                for _ in range(20):
                    entry.write(nothing)
        with archive.open("02-options-and-mss/captures/long.pcapng", "w") as entry:
            for _ in range(40):
                entry.write(nothing)
    result = graded(path)
    assert result.student == "berta"
    assert any("larger than" in problem for problem in result.problems)


def test_a_zip_that_lies_about_its_sizes_is_caught(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}/answers.toml", "x" * 5_000_000)
    octets = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = octets.index(signature) + at
        octets[start : start + 4] = struct.pack("<I", 10)
    path.write_bytes(octets)
    assert graded(path).score == 0


def test_an_exercise_that_is_unknown_here_is_told(good: Path) -> None:
    (good / "77-from-elsewhere").mkdir()
    (good / "77-from-elsewhere" / "answers.toml").write_text("")
    result = graded(good)
    assert result.score == 1
    assert any("77-from-elsewhere" in problem for problem in result.problems)


def test_many_entries_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(5_100):
            archive.writestr(f"{number}", b"")
    assert "5100 entries" in graded(path).refused


@pytest.mark.parametrize(
    "octets",
    [b"", b"PK", b"PK\x03\x04" + bytes(100), b"not a zip at all", b"PK\x05\x06" + b"\xff" * 18],
)
def test_what_is_no_zip_is_one_sentence(octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(octets)
    result = graded(path)
    assert result.refused
    assert "\n" not in result.refused


def test_a_cut_zip_is_one_sentence(good: Path, tmp_path: Path) -> None:
    path = zipped(good, tmp_path / "cut.zip")
    octets = path.read_bytes()
    for keep in range(0, len(octets), max(1, len(octets) // 40)):
        path.write_bytes(octets[:keep])
        assert graded(path).refused


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x0a\x0d\x0d\x0a" + b"\xff" * 200,
        b"\xd4\xc3\xb2\xa1" + bytes(20) + struct.pack("<IIII", 1, 1, 0xFFFFFFF0, 1),
        b"{}",
        bytes(1 << 20),
    ],
)
def test_a_malformed_capture_is_refused_without_a_traceback(good: Path, octets: bytes) -> None:
    (good / NAME / "captures" / "talk.pcapng").write_bytes(octets)
    result = graded(good).results[0]
    assert result.outcome == "refused"
    assert result.retake


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "{", '{"certificate": 3}', "[" * 100_000, '{"certificate": {"complete": true, "reasons": 3}}'],
)
def test_malformed_facts_are_refused_without_a_traceback(good: Path, text: str) -> None:
    (good / NAME / "captures" / "talk.json").write_text(text)
    assert graded(good).results[0].outcome == "refused"


@pytest.mark.parametrize("text", ["", "{}", "[" * 50_000, '{"predictions": 3}', '{"predictions": {"a": [1]}}'])
def test_malformed_predictions_count_as_none(good: Path, text: str) -> None:
    (good / NAME / "predictions.json").write_text(text)
    states = [one.state for one in graded(good).results[0].marks if one.question.predict]
    assert states == ["open"]


@pytest.mark.parametrize("student", ["", "a\x1b]0;x\x07b", "x" * 500])
def test_a_student_without_a_name_is_unreadable(good: Path, student: str) -> None:
    path = good / NAME / "answers.toml"
    text = path.read_text().replace(
        '"berta"', '"' + student.replace("\x1b", "\\u001b").replace("\x07", "\\u0007") + '"'
    )
    path.write_text(text)
    result = graded(good).results[0]
    assert result.outcome == "unreadable"
    assert "\x1b" not in result.reason


def test_a_path_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GradeError, match="does not exist"):
        find([tmp_path / "nowhere"])


def test_an_encrypted_file_is_left_out(good: Path, tmp_path: Path) -> None:
    path = zipped(good, tmp_path / "secret.zip")
    octets = bytearray(path.read_bytes())
    at = octets.index(b"PK\x01\x02")
    octets[at + 8] |= 1
    path.write_bytes(octets)
    assert "an encrypted file in the zip was left out" in graded(path).problems


def test_the_grader_survives_whatever_a_submission_brings(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lab.grade.classroom.check", explode)
    result = grade_all([Submission("x", good)])
    assert "please report this" in result[0].refused


def test_reading_a_zip_twice_gives_the_same(good: Path, tmp_path: Path) -> None:
    path = zipped(good, tmp_path / "b.zip")
    assert graded(path) == graded(path)
    assert io.BytesIO(path.read_bytes()).read(2) == b"PK"


@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=12), data=st.data()
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_in_a_capture_there_is_a_result(changes: list[tuple[int, int]], data: st.DataObject) -> None:
    """The facts are made to fit the changed file, so that the frames themselves are looked at."""
    name = data.draw(st.sampled_from(["01-three-way-handshake", "12-arp-and-the-lan", "11-zero-window"]))
    folder = whole(name)
    part = next(iter(exercises()[name].scenario.plans)).name
    path = folder / "captures" / f"{part}.pcapng"
    before, facts = path.read_bytes(), path.with_suffix(".json").read_text()
    octets = bytearray(before)
    for at, value in changes:
        octets[at % len(octets)] = value
    told = json.loads(facts)
    told["file"]["sha256"] = hashlib.sha256(octets).hexdigest()
    try:
        path.write_bytes(octets)
        path.with_suffix(".json").write_text(json.dumps(told))
        result = check(exercises()[name], folder)
        assert result.outcome in ("passed", "not-yet", "refused")
        assert result.outcome != "refused" or result.retake
        assert report(exercises()[name], result)
    finally:
        path.write_bytes(before)
        path.with_suffix(".json").write_text(facts)


@lru_cache(maxsize=8)
def whole(name: str) -> Path:
    """A right work folder, made once and kept for all examples."""
    return make(exercises()[name], "berta", Path(tempfile.mkdtemp()))
