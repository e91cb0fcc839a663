"""Retention: the oldest finished sessions go first, open ones never."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.store.index import sessions
from lab.store.prune import prune
from tests.unit.store.scenes import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path / "captures")
    bench.play("0001-open", 1, finish=False)
    for ordinal in range(2, 6):
        bench.play(f"{ordinal:04}-done", ordinal)
    return bench


def names(bench: Bench) -> list[str]:
    return [entry.name for entry in sessions(bench.captures)]


def test_the_oldest_finished_sessions_go_and_the_open_one_stays(bench: Bench) -> None:
    removed = prune(bench.captures, keep=3)
    assert [one.name for one in removed] == ["0002-done", "0003-done"]
    assert all(one.run == bench.folder.name and one.octets > 0 for one in removed)
    assert names(bench) == ["0001-open", "0004-done", "0005-done"]
    assert not list(bench.folder.glob("0002*"))


def test_nothing_goes_when_the_limits_hold(bench: Bench) -> None:
    assert prune(bench.captures, keep=5, max_bytes=10**9) == []
    assert prune(bench.captures) == []
    assert len(names(bench)) == 5


def test_keep_none_removes_all_but_the_open_one(bench: Bench) -> None:
    assert len(prune(bench.captures, keep=0)) == 4
    assert names(bench) == ["0001-open"]


def test_a_quota_removes_until_it_fits(bench: Bench) -> None:
    files = [path for path in bench.folder.iterdir() if path.name != "run.json"]
    total = sum(path.stat().st_size for path in files)
    removed = prune(bench.captures, max_bytes=total - 1)
    assert [one.name for one in removed] == ["0002-done"]
    left = sum(path.stat().st_size for path in bench.folder.iterdir() if path.name != "run.json")
    assert left == total - removed[0].octets


def test_a_quota_smaller_than_the_open_sessions_leaves_only_them(bench: Bench) -> None:
    prune(bench.captures, max_bytes=0)
    assert names(bench) == ["0001-open"]


def test_a_dry_run_says_the_same_and_removes_nothing(bench: Bench) -> None:
    told = prune(bench.captures, keep=2, dry_run=True)
    assert len(names(bench)) == 5
    assert prune(bench.captures, keep=2) == told


def test_older_runs_go_first_and_their_empty_folders_with_them(bench: Bench) -> None:
    bench.store.close()
    for path in bench.folder.glob("0001-open*"):
        path.unlink()
    again = Bench(bench.captures)
    again.play("0001-new", 1)
    prune(bench.captures, keep=1)
    assert not bench.folder.exists()
    assert names(again) == ["0001-new"]
    prune(bench.captures, keep=0)
    assert again.folder.exists()


def test_a_folder_with_something_of_somebody_else_is_kept(bench: Bench) -> None:
    bench.store.close()
    (bench.folder / "notes.txt").write_text("mine", encoding="utf-8")
    Bench(bench.captures)
    prune(bench.captures, keep=0)
    assert (bench.folder / "notes.txt").exists()


def test_a_capture_whose_json_is_still_to_come_is_not_taken_from_a_living_tap(bench: Bench) -> None:
    (bench.folder / "0001-open.json").unlink()
    prune(bench.captures, keep=0)
    assert names(bench) == ["0001-open"]
    bench.store.run.close()
    prune(bench.captures, keep=0)
    assert names(bench) == []


@pytest.mark.parametrize("limits", [{"keep": -1}, {"max_bytes": -1}])
def test_a_negative_limit_is_refused(bench: Bench, limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        prune(bench.captures, **limits)  # type: ignore[arg-type]
    assert len(names(bench)) == 5
