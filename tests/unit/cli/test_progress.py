"""The progress bar: seen on a terminal while a long file is read, gone afterwards, and never anywhere else."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from lab.cli.command import main
from tests.golden.canonical import CAPTURES

DEMO = CAPTURES[0].parent / "demo.pcapng"


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Some pieces long, and read as if it took its time."""
    monkeypatch.setattr("lab.cli.progress._FIRST_S", -1.0)
    monkeypatch.setattr("lab.cli.progress._EVERY_S", 0.0)
    monkeypatch.setattr("lab.store.quick._CHUNK_BYTES", 1_000)
    capture = tmp_path / "long.pcapng"
    capture.write_bytes(DEMO.read_bytes())
    return str(capture)


def test_a_terminal_sees_it_grow_and_go(long_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["stats", long_file]) == 0
    shares = [int(share) for share in re.findall(r"long\.pcapng \[#* *\] +(\d+)%", terminal.getvalue())]
    assert len(shares) >= 3
    assert shares == sorted(shares)
    assert shares[-1] >= 90
    assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize("size", [None, 0])
def test_a_large_file_s_second_reading_has_one_too(
    size: int | None, long_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    if size is not None:
        monkeypatch.setattr("lab.cli.large.LARGE_BYTES", size)
    assert main(["show", long_file]) == 0
    assert ("%" in terminal.getvalue()) == (size is not None)


def test_a_pipe_sees_nothing(long_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", long_file]) == 0
    assert capsys.readouterr().err == ""


def test_a_short_reading_shows_nothing(long_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.cli.progress._FIRST_S", 60.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["stats", long_file]) == 0
    assert terminal.getvalue() == ""
