"""Totals that are put away: the same as those that stay in memory, in their order, and few at a time in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.analysis.stats import Statistics, stats
from lab.cli.command import main
from lab.cli.errors import RefusedError
from lab.cli.large import counted
from lab.cli.spill import Spill
from lab.wire.frame import Frame
from tests.unit.analysis.scenes import OPEN, TALK, WHOLE, frames_of
from tests.unit.cli.files import pcap


def many(sessions: int, trace: str = WHOLE) -> list[Frame]:
    """Sessions one after the other, a second apart; every fifth stays open, and every seventh uses port 40000 again."""
    found: list[Frame] = []
    for number in range(sessions):
        port = 40_000 if number % 7 == 0 else 41_000 + number
        isns = (1000 + number * 100_000, 5000 + number * 100_000)
        frames = frames_of(
            OPEN + TALK if number % 5 == 4 else trace, ports=(port, 7), isns=isns, version=4 + number % 2 * 2
        )
        found += [frame._replace(time_ns=frame.time_ns + number * 10**9) for frame in frames]
    return found


def test_what_is_put_away_is_what_would_have_stayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = many(60)
    capture = tmp_path / "many.pcap"
    capture.write_bytes(pcap(frames))
    monkeypatch.setattr("lab.analysis.stats.MOST_RUNNING", 5)
    monkeypatch.setattr("lab.cli.spill._IN_MEMORY_BYTES", 100)
    found = counted(capture)
    assert isinstance(found, Spill)
    assert list(found) == stats(frames)
    assert (len(found), found[59], found[1:3]) == (60, stats(frames)[59], stats(frames)[1:3])


def test_few_sessions_are_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.analysis.stats.MOST_RUNNING", 8)
    kept: list[int] = []
    counting = Statistics(lambda totals: kept.append(totals.ordinal))
    most = 0
    for frame in many(200, WHOLE):
        counting.take([frame[:3]])
        most = max(most, len(counting._running))
    assert most < 120  # a fifth stays open for 300 s
    assert len(kept) + len(counting.sessions()) == 200
    assert len(set(kept)) == len(kept) > 100
    assert len(counting._by_key) <= 2 * len(counting._running)


def test_the_table_and_the_json_are_the_same_either_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = tmp_path / "many.pcap"
    capture.write_bytes(pcap(many(30)))
    told = []
    for most in (10_000, 3):
        monkeypatch.setattr("lab.analysis.stats.MOST_RUNNING", most)
        for words in (["stats"], ["stats", "--json"]):
            assert main([*words, str(capture)]) == 0
            told.append(capsys.readouterr().out)
    assert told[:2] == told[2:]
    assert len(json.loads(told[1])) == 30
    assert len(told[0].splitlines()) == 61


def test_a_full_disk_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    spill = Spill()

    def full(_octets: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spill._file, "write", full)
    with pytest.raises(RefusedError, match="TMPDIR"):
        spill.put(stats(frames_of(WHOLE))[0])
