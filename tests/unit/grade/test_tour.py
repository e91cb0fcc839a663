"""docs/exercises-tour.md is what the commands print: the same way is walked with a pretended lab, and compared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab.cli import main
from lab.grade.document import LIST
from tests.exercises.tour import NAME, STUDENT, Step, shape, walk
from tests.unit.grade.made import exercises, make_captures

PAGE = LIST.with_name("exercises-tour.md")


@pytest.fixture
def walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[Step]:
    monkeypatch.chdir(tmp_path)
    for name in ("ECHO_WORK", "ECHO_CAPTURES"):
        monkeypatch.delenv(name, raising=False)

    class Pretended:
        def __init__(self, *_words: object) -> None:
            pass

        def go(self) -> dict[str, Path]:
            told = json.loads((tmp_path / "work" / NAME / "predictions.json").read_text())["predictions"]
            make_captures(exercises()[NAME], STUDENT, tmp_path / "tap", told)
            return {"talk": tmp_path / "tap" / "talk.pcapng"}

    monkeypatch.setattr("lab.cli.learning.Run", Pretended)

    def do(words: list[str]) -> str:
        capsys.readouterr()
        main(words)
        out, err = capsys.readouterr()
        return out + err

    return walk(do, tmp_path)


def blocks() -> list[Step]:
    """The steps as they stand in the page."""
    found = re.findall(r"```(console|toml)\n(.*?)\n```\n", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    steps = []
    for kind, text in found:
        head, _, rest = text.partition("\n")
        words = tuple(head.removeprefix("$ echolab ").split()) if kind == "console" else ()
        steps.append(Step("", words, rest if kind == "console" else text))
    return steps


def test_the_page_shows_what_the_commands_print(walked: list[Step]) -> None:
    shown = blocks()
    assert [one.words for one in shown] == [one.words for one in walked]
    for page, real in zip(shown, walked, strict=True):
        assert shape(page) == shape(real), page.words


def test_the_way_leads_from_nothing_to_a_grade(walked: list[Step]) -> None:
    texts = {" ".join(one.words): one.shown for one in walked}
    assert "Passed." in texts["exercise watch 1"]
    assert "Hand in this file" in texts["pack"]
    assert "1 submission, 0 suspected copies." in texts[f"grade echolab-{STUDENT}.zip"]
    assert texts["learn"].startswith("1 of ")


def test_another_text_in_the_page_would_be_seen(walked: list[Step]) -> None:
    changed = Step("", walked[0].words, walked[0].shown.replace("passed", "failed"))
    assert shape(changed) != shape(walked[0])
