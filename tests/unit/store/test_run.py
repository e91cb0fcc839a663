"""The folder of a run: its name, its lock, and the pointer to the latest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.store.errors import StoreError
from lab.store.run import RunFolder, RunLock, is_live, latest_run, run_folders, run_name, run_order
from tests.unit.store.scenes import START_NS

NAME = "2026-11-23T10-15-02Z"


def test_a_run_is_named_after_its_start_in_utc_without_colons() -> None:
    assert run_name(START_NS) == NAME


def test_three_runs_in_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    runs = [RunFolder.create(tmp_path, START_NS + number) for number in range(3)]
    assert [run.name for run in runs] == [NAME, f"{NAME}-2", f"{NAME}-3"]
    assert (tmp_path / "latest.txt").read_text(encoding="utf-8") == f"{NAME}-3\n"
    assert latest_run(tmp_path) == runs[2].path


def test_runs_are_ordered_by_time_and_then_by_number(tmp_path: Path) -> None:
    names = [f"{NAME}-10", NAME, "2026-11-23T10-15-01Z", f"{NAME}-2"]
    for name in [*names, "notes", "2026", f"{NAME}-x"]:
        (tmp_path / name).mkdir()
    (tmp_path / "2026-11-24T00-00-00Z").write_text("a file", encoding="utf-8")
    assert [path.name for path in run_folders(tmp_path)] == ["2026-11-23T10-15-01Z", NAME, f"{NAME}-2", f"{NAME}-10"]
    assert run_order("notes") is None


@pytest.mark.parametrize("pointer", [None, "", "../../etc", "2020-01-01T00-00-00Z", "\udcff\udcfe", "x" * 5000])
def test_a_lost_or_wrong_pointer_falls_back_to_the_newest_run(tmp_path: Path, pointer: str | None) -> None:
    for name in (NAME, "2025-01-01T00-00-00Z"):
        (tmp_path / name).mkdir()
    if pointer is not None:
        (tmp_path / "latest.txt").write_bytes(pointer.encode("utf-8", "surrogateescape"))
    assert latest_run(tmp_path) == tmp_path / NAME


def test_the_pointer_wins_over_the_name_when_the_clock_was_set_back(tmp_path: Path) -> None:
    (tmp_path / "2099-01-01T00-00-00Z").mkdir()
    run = RunFolder.create(tmp_path, START_NS)
    assert latest_run(tmp_path) == run.path


def test_a_second_tap_s_run_is_not_the_latest(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, START_NS)
    other = RunFolder.create(tmp_path, START_NS, is_latest=False)
    assert other.path != run.path
    assert latest_run(tmp_path) == run.path
    other.restore()
    assert latest_run(tmp_path) == run.path


def test_there_is_no_latest_run_without_a_run(tmp_path: Path) -> None:
    assert latest_run(tmp_path) is None


def test_a_run_is_live_until_it_is_closed(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, START_NS)
    assert is_live(run.path)
    run.close()
    assert not is_live(run.path)


def test_a_run_whose_process_was_killed_is_not_live(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lab.store.run import RunFolder;"
        f"run = RunFolder.create(Path(sys.argv[1]), {START_NS}); print(run.name, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as tap:
        assert tap.stdout is not None
        assert tap.stdout.readline().strip() == NAME
        assert is_live(tmp_path / NAME)
        tap.kill()
        tap.wait()
    assert not is_live(tmp_path / NAME)


def test_a_folder_that_cannot_be_opened_counts_as_live(tmp_path: Path) -> None:
    assert is_live(tmp_path / "none")


def test_a_lock_is_given_back_at_the_end_of_its_block(tmp_path: Path) -> None:
    with RunLock(tmp_path) as lock:
        assert lock.take()
        assert not RunLock(tmp_path).take()
    assert not is_live(tmp_path)


def test_a_missing_captures_folder_is_one_sentence_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot make the folder for this run: the folder or file is gone.*mkdir -p"):
        RunFolder.create(tmp_path / "captures", START_NS)
    assert not (tmp_path / "captures").exists()


def test_a_file_in_place_of_the_captures_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "captures").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        RunFolder.create(tmp_path / "captures", START_NS)
    with pytest.raises(StoreError, match="cannot list the captures"):
        run_folders(tmp_path / "captures")


def test_run_facts_are_written_only_when_they_change(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, START_NS)
    path = run.path / "run.json"
    run.write_facts({"frames": 1})
    first = path.stat().st_ino
    run.write_facts({"frames": 1})
    assert path.stat().st_ino == first
    run.write_facts({"frames": 2})
    assert path.read_text(encoding="utf-8") == '{"frames": 2}\n'


def test_a_folder_removed_under_the_run_is_made_again_and_locked(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, START_NS)
    run.path.rmdir()
    (tmp_path / "latest.txt").unlink()
    run.restore()
    assert is_live(run.path)
    assert latest_run(tmp_path) == run.path
    run.restore()
    assert is_live(run.path)


def test_a_folder_whose_lock_somebody_holds_for_a_moment_is_locked_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two taps that start together: the other one asks whether this run lives, between its making and its lock."""
    (tmp_path / run_name(START_NS)).mkdir()
    folder = tmp_path / f"{run_name(START_NS)}-2"
    asking = RunLock(folder)
    made = Path.mkdir

    def make_and_ask(path: Path) -> None:
        made(path)
        assert asking.take()

    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        asking.release()

    monkeypatch.setattr(Path, "mkdir", make_and_ask)
    monkeypatch.setattr("lab.store.run.time.sleep", pause)
    run = RunFolder.create(tmp_path, START_NS)
    assert len(pauses) == 1
    assert is_live(run.path)
    run.close()


def test_a_folder_whose_lock_is_never_given_back_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.store.run.time.sleep", lambda _seconds: None)
    run = RunFolder(tmp_path, RunLock(tmp_path))
    with RunLock(tmp_path) as other:
        assert other.take()
        with pytest.raises(StoreError, match="another process holds it"):
            run.claim()
