"""The folder for the captures: made for the user who asked, refused with a sentence, searched for sessions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lab.setup import captures
from tests.unit.setup.machines import FakeRunner

HERE = FakeRunner(uid=os.getuid())


def session(folder: Path, run: str, name: str, verdict: str) -> Path:
    (folder / run).mkdir(parents=True, exist_ok=True)
    path = folder / run / f"{name}.json"
    path.write_text(json.dumps({"verdict": verdict}))
    return path


def test_a_missing_folder_is_made_and_one_that_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "captures"
    assert captures.make_folder(HERE, folder) is None
    assert captures.problem(HERE, folder) is None
    before = folder.stat()
    assert captures.make_folder(HERE, folder) is None
    assert folder.stat().st_ctime_ns == before.st_ctime_ns


def test_under_sudo_the_folder_belongs_to_the_user_who_asked(tmp_path: Path) -> None:
    assert captures.invoking_user(FakeRunner(uid=0, env={"SUDO_UID": "1234", "SUDO_GID": "1235"})) == (1234, 1235)
    assert captures.invoking_user(FakeRunner(uid=0))[0] == 0
    assert captures.invoking_user(FakeRunner(uid=7, env={"SUDO_UID": "1234"}))[0] == 7


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = captures.make_folder(HERE, tmp_path / "file" / "captures")
    assert error is not None
    assert "cannot be made (Not a directory)" in error.sentence


def test_a_missing_folder_and_a_file_in_its_place_are_told(tmp_path: Path) -> None:
    missing = captures.problem(HERE, tmp_path / "x")
    assert missing is not None
    assert missing.next_step == f"mkdir -p {tmp_path / 'x'}"
    (tmp_path / "file").touch()
    file = captures.problem(HERE, tmp_path / "file")
    assert file is not None
    assert "is a file, not a folder" in file.sentence


def test_a_folder_that_takes_no_file_is_told() -> None:
    # /proc takes no new file, whoever asks, as a read-only disk would not.
    error = captures.problem(HERE, Path("/proc"))
    assert error is not None
    assert "not writable" in error.sentence


def test_a_folder_whose_owner_may_not_write_is_told(tmp_path: Path) -> None:
    class Folder(type(tmp_path)):  # type: ignore[misc]
        """A folder of another user, without having to be root to make one."""

        def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
            real = super().stat(follow_symlinks=follow_symlinks)
            return os.stat_result((0o040555, *real[1:4], 12345, *real[5:]))

    error = captures.problem(FakeRunner(uid=1000), Folder(tmp_path))
    assert error is not None
    assert error.next_step == f"chmod u+rwx {tmp_path}"


@pytest.mark.parametrize(("free_mib", "told"), [(0, True), (199, True), (200, False), (5000, False)])
def test_a_disk_that_is_almost_full_is_told(tmp_path: Path, free_mib: int, told: bool) -> None:
    error = captures.problem(HERE, tmp_path, free_mib << 20)
    assert (error is not None) is told
    if error:
        assert f"Only {free_mib} MiB are free" in error.sentence


def test_only_complete_sessions_that_are_new_are_found_oldest_first(tmp_path: Path) -> None:
    old = session(tmp_path, "2026-01-01T00-00-00Z", "0001", "complete")
    session(tmp_path, "2026-01-02T00-00-00Z", "0001", "reset")
    session(tmp_path, "2026-01-02T00-00-00Z", "0002", "open")
    late = session(tmp_path, "2026-01-02T00-00-00Z", "0003", "complete")
    first = session(tmp_path, "2026-01-02T00-00-00Z", "0004", "complete")
    os.utime(first, ns=(1, 1))
    (tmp_path / "2026-01-02T00-00-00Z" / "run.json").write_text("{}")
    (tmp_path / "2026-01-02T00-00-00Z" / "half.json").write_text('{"verdict": "comp')
    (tmp_path / "2026-01-02T00-00-00Z" / "list.json").write_text("[]")
    assert captures.complete_sessions(tmp_path, frozenset({old})) == [first, late]
    assert captures.complete_sessions(tmp_path / "nowhere") == []


def test_a_certificate_that_is_withheld_has_its_reasons(tmp_path: Path) -> None:
    path = tmp_path / "0001.json"
    for certificate, words in (
        ({"complete": True, "reasons": []}, ""),
        ({"complete": False, "reasons": ["a hole", "3 frames were dropped"]}, "a hole; 3 frames were dropped"),
        ({}, "no reason given"),
    ):
        path.write_text(json.dumps({"certificate": certificate}))
        assert captures.refusal(path) == words
