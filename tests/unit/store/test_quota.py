"""The quota: the oldest finished sessions go first, never an open one, and it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.store.quota import MOST_AT_ONCE, Quota
from tests.unit.store.scenes import Bench, FakeSession


class Kept:
    """A bench and a quota on it. said: what the quota told."""

    def __init__(self, captures: Path, limit_bytes: int) -> None:
        self.bench = Bench(captures)
        self.said: list[str] = []
        self.quota = Quota(captures, self.bench.folder, limit_bytes, self.said.append)
        self.now_s = 0.0

    def play(self, number: int, frames: int = 20, *, finish: bool = True) -> FakeSession:
        session = self.bench.play(f"{number:04d}-a", number, frames, finish=finish)
        if finish:
            self.quota.finished(session.name)
        return session

    def look(self) -> list[str]:
        """What is left."""
        self.now_s += 2
        self.quota.look(self.now_s)
        return sorted(path.stem for path in self.bench.folder.glob("*.pcapng"))


def size_of_one(tmp_path: Path) -> int:
    kept = Kept(tmp_path / "one", 1 << 40)
    kept.play(1)
    return sum(path.stat().st_size for path in kept.bench.folder.glob("0001*"))


def test_the_oldest_go_until_it_is_enough_and_it_is_told(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "captures", 3 * size_of_one(tmp_path))
    for number in range(1, 6):
        kept.play(number)
    assert kept.look() == ["0003-a", "0004-a", "0005-a"]
    assert not list(kept.bench.folder.glob("0001*"))
    assert len(kept.said) == 1
    assert kept.said[0].startswith("quota: removed the 2 oldest sessions, 0.0 MiB, to keep within")


def test_while_it_is_not_too_much_nothing_goes(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "captures", 6 * size_of_one(tmp_path))
    for number in range(1, 6):
        kept.play(number)
    assert len(kept.look()) == 5
    assert kept.said == []


def test_an_open_session_stays_and_one_that_was_opened_again_too(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "captures", 0)
    kept.play(1, finish=False)
    again = kept.play(2)
    kept.bench.record(again, 99)  # a late frame
    kept.bench.store.flush()
    kept.play(3)
    assert kept.look() == ["0001-a", "0002-a"]
    kept.bench.later(1)
    kept.bench.end(again)
    kept.bench.later(1)
    kept.bench.store.flush()
    kept.quota.finished(again.name)
    assert kept.look() == ["0001-a"]


def test_sessions_of_earlier_runs_count_and_go_first_with_their_folder(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    old = Bench(captures)
    old.play("0001-old", 1, 20)
    old.store.close()
    kept = Kept(captures, size_of_one(tmp_path) * 3 // 2)
    kept.play(1)
    assert kept.look() == ["0001-a"]
    assert not old.folder.exists()


def test_of_an_earlier_run_the_lowest_numbers_go_first_and_a_file_of_somebody_s_own_stays(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    old = Bench(captures)
    for ordinal in (9999, 10_000):
        old.play(f"{ordinal}-old", ordinal, 20)
    old.store.close()
    (old.folder / "my own.pcapng").write_bytes(b"mine")
    kept = Kept(captures, size_of_one(tmp_path) * 5 // 2)
    kept.play(1)
    kept.look()
    assert sorted(path.name for path in old.folder.glob("*.pcapng")) == ["10000-old.pcapng", "my own.pcapng"]


def test_the_run_of_another_tap_that_lives_is_left_alone(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    other = Bench(captures)
    other.play("0001-other", 1, 20)
    kept = Kept(captures, 0)
    kept.play(1)
    assert kept.look() == []
    assert (other.folder / "0001-other.pcapng").exists()


def test_only_so_many_go_at_once_and_the_rest_a_second_later(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "captures", 0)
    for number in range(1, MOST_AT_ONCE + 6):
        kept.play(number, 1)
    assert len(kept.look()) == 5
    kept.quota.look(kept.now_s + 0.5)
    assert len(list(kept.bench.folder.glob("*.pcapng"))) == 5
    assert kept.look() == []


def test_a_session_that_ends_twice_counts_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "captures", 2 * size_of_one(tmp_path))
    for number in (1, 2):
        session = kept.play(number)
        kept.quota.finished(session.name)
    assert len(kept.look()) == 2


def test_files_that_cannot_be_removed_are_told_once_and_stay_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path / "captures", 0)
    kept.play(1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", _refused)
        assert len(kept.look()) == 1
        assert len(kept.look()) == 1
    assert len(kept.said) == 1
    assert "remove an old session" in kept.said[0]
    assert kept.look() == []


def _refused(path: Path, missing_ok: bool = False) -> None:
    raise PermissionError(13, "Permission denied", str(path))
