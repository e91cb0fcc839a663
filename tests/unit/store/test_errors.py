"""What the operating system refuses becomes one sentence with what, where and the next step."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lab.store.errors import StoreError, store_error
from lab.store.files import read_json, write_whole
from tests.unit.store.scenes import no_file_beyond


@pytest.mark.parametrize(
    ("number", "words", "next_step"),
    [
        (errno.ENOSPC, "the disk is full", "echolab prune"),
        (errno.EROFS, "the file system is read-only", "mount it writable"),
        (errno.EACCES, "permission denied", "sudo chown"),
        (errno.ENOENT, "the folder or file is gone", "mkdir -p captures"),
        (errno.ENOTDIR, "a file stands where a folder is needed", "move it away"),
        (errno.EMFILE, "too many files are open", "ulimit -n"),
        (errno.ELOOP, os.strerror(errno.ELOOP), "check the folder and its file system"),
    ],
)
def test_every_refusal_is_one_sentence_with_the_next_step(number: int, words: str, next_step: str) -> None:
    error = store_error("write the capture", Path("captures/x"), OSError(number, os.strerror(number)))
    text = str(error)
    assert text.startswith(f"cannot write the capture: {words} (captures/x): ")
    assert next_step in text
    assert "\n" not in text
    assert (error.number, error.where) == (number, "captures/x")


def test_a_refusal_without_a_number_is_told_too() -> None:
    assert str(store_error("write", "here", OSError("odd"))).startswith("cannot write: odd (here): ")


def test_a_file_that_cannot_be_replaced_keeps_what_it_said(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write_whole(path, '{"old": 1}\n')
    with no_file_beyond(5), pytest.raises(StoreError, match="cannot write"):
        write_whole(path, '{"new": "and longer than five octets"}\n')
    assert read_json(path) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["facts.json"]
    write_whole(path, '{"new": 2}\n')
    assert read_json(path) == {"new": 2}


def test_a_json_file_beyond_the_limit_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text('{"a": "' + "x" * 100 + '"}', encoding="utf-8")
    assert read_json(path, limit_bytes=200)
    with pytest.raises(ValueError, match="larger than 50 octets"):
        read_json(path, limit_bytes=50)
