"""Manifests: every mistake of an author is one clear sentence, and all of them come at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab.grade.errors import ManifestError
from lab.grade.manifest import EXERCISES, load, load_all

GOOD = "04-stream-not-messages"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good exercise to spoil."""
    return Path(shutil.copytree(EXERCISES / GOOD, tmp_path / GOOD))


def spoil(folder: Path, name: str, old: str, new: str) -> str:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {name} any more"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        load(folder)
    return str(caught.value)


def test_a_good_exercise_loads(folder: Path) -> None:
    assert load(folder).name == GOOD


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("exercise.toml", 'title = "', 'titel = "', "'titel' means nothing"),
        ("exercise.toml", "minutes = 25", "minutes = 5", "15 to 30"),
        ("exercise.toml", "minutes = 25", "minutes = ", "not TOML"),
        ("exercise.toml", 'name = "messages-in"', 'name = "mesages-in"', "no check 'mesages-in'"),
        ("exercise.toml", 'at = "first-data"', 'at = "first-date"', "at = 'first-date' is none of"),
        ("exercise.toml", 'at = "first-data"', 'where = "x"', "messages-in needs 'at'"),
        ("exercise.toml", 'form = "integer"', 'form = "number"', "form 'number' is none of"),
        ("exercise.toml", 'form = "integer"', 'form = "time"', "gives integer, not time"),
        ("exercise.toml", 'id = "pieces"', 'id = "segments-in-all"', "two questions are called segments-in-all"),
        ("exercise.toml", 'id = "pieces"', 'id = "Pieces!"', "its id must be"),
        ("exercise.toml", '    "What does TCP know about lines?",\n', "", "two hints"),
        ("exercise.toml", "prerequisites = [", "prerequisites = [3, ", "list of texts"),
        ("exercise.toml", "lines = { from = 4", "lines = { from = 9", "not smaller"),
        ("exercise.toml", "lines = {", "nonce = {", "cannot be a placeholder"),
        ("scenario.toml", "[[connection]]", "[[conection]]", "no [[connection]]"),
        ("scenario.toml", 'do = "close"', 'do = "shut"', "no step 'shut'"),
        ("scenario.toml", 'times = "{lines}"', 'time = "{lines}"', "send does not know 'time'"),
        ("scenario.toml", 'times = "{lines}"', 'times = "{rows}"', "{rows}, which is not seeded"),
        ("scenario.toml", "{nonce} {seal} {n}", "{seal} {n}", "nobody can tell whose"),
        ("scenario.toml", "{nonce} {seal} {n}", "{nonce} {n}", "must carry {seal}"),
        ("scenario.toml", 'name = "talk"', 'name = "talk 1"', "small letters"),
        ("scenario.toml", "nodelay = true", 'to = "router"', "is none of server, server6"),
        ("solution.md", "## pieces\n", "## peices\n", "no section '## pieces'"),
        ("README.md", "{lines}", "{linse}", "README.md: {linse} is not seeded"),
    ],
)
def test_a_mistake_is_one_clear_sentence(folder: Path, name: str, old: str, new: str, says: str) -> None:
    assert says in spoil(folder, name, old, new)


def test_an_exercise_that_only_asks_to_look_is_refused(folder: Path) -> None:
    path = folder / "exercise.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("thought = true\n", ""), encoding="utf-8")
    with pytest.raises(ManifestError, match="at least half of the 7 questions must need thought; 0 say so"):
        load(folder)


def test_several_mistakes_are_told_at_once(folder: Path) -> None:
    path = folder / "exercise.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("minutes = 25", "minutes = 99").replace('form = "integer"', 'form = "real"', 1))
    with pytest.raises(ManifestError) as caught:
        load(folder)
    assert len(caught.value.mistakes) >= 2


@pytest.mark.parametrize("name", ["exercise.toml", "scenario.toml", "README.md", "solution.md"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ManifestError, match=f"{name} is missing"):
        load(folder)


def test_a_stray_file_is_named(folder: Path) -> None:
    (folder / "answers.toml~").touch()
    with pytest.raises(ManifestError, match=r"answers\.toml~ does not belong there"):
        load(folder)


def test_a_prerequisite_that_comes_later_is_named(folder: Path) -> None:
    with pytest.raises(ManifestError, match="03-sequence-arithmetic"):
        load_all(folder.parent)
