"""What a killed tap left is mended at once if it is small, and by a process of its own if it is large."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.capture import mend as module
from lab.capture.mend import mend
from lab.store.digest import verify
from lab.store.recover import unfinished_octets
from tests.unit.store.scenes import Bench

KEY = b"teacher"


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The JSON of a session that a killed tap left open, beside one that was finished."""
    bench = Bench(tmp_path / "captures")
    bench.play("0001-done", 1)
    bench.play("0002-killed", 2, finish=False)
    bench.store.run.close()
    return bench.folder / "0002-killed.json"


def verdict(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))["verdict"]


def test_only_what_nobody_finished_counts(left: Path) -> None:
    captures = left.parent.parent
    assert unfinished_octets(captures) == left.with_suffix(".pcapng").stat().st_size
    mend(captures, None, print)
    assert unfinished_octets(captures) == 0


def test_a_little_is_mended_before_anything_else(left: Path) -> None:
    said: list[str] = []
    assert mend(left.parent.parent, KEY, said.append) is None
    assert verdict(left) == "cut"
    assert ["0002-killed" in sentence for sentence in said] == [True]


def test_much_is_mended_by_a_process_that_signs_it_and_says_so(
    left: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "AT_ONCE_OCTETS", 0)
    monkeypatch.setenv("ECHO_KEY", KEY.decode())
    said: list[str] = []
    process = mend(left.parent.parent, KEY, said.append)
    assert process is not None
    assert process.wait(timeout=30) == 0
    assert verdict(left) == "cut"
    assert verify(left, KEY).state == "genuine"
    assert ["meanwhile" in sentence for sentence in said] == [True]
    assert capfd.readouterr().out.startswith("tap: session 0002-killed of run ")
