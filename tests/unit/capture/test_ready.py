"""Readiness: healthy while the sign of life is fresh, unhealthy before the first, after the last and when it is old."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab.capture.errors import TapError
from lab.capture.ready import STALE_S, SignOfLife, main


def test_before_the_first_beat_the_tap_is_not_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(str(tmp_path / "ready")) == 1
    assert "has not bound its ring" in capsys.readouterr().out


def test_after_a_beat_the_tap_is_ready(tmp_path: Path) -> None:
    path = str(tmp_path / "ready")
    SignOfLife(path).beat()
    assert main(path) == 0


def test_a_tap_without_a_place_for_its_sign_says_so_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TapError, match=r"cannot say that it is alive .*No such file.*: start it with a tmpfs there"):
        SignOfLife(str(tmp_path / "gone" / "ready")).beat()


def test_an_old_sign_of_life_is_unhealthy_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "ready")
    SignOfLife(path).beat()
    old = time.time() - STALE_S - 1
    os.utime(path, (old, old))
    assert main(path) == 1
    assert "restart server-tap" in capsys.readouterr().out


def test_after_the_end_the_tap_is_not_ready(tmp_path: Path) -> None:
    path = str(tmp_path / "ready")
    sign = SignOfLife(path)
    sign.beat()
    sign.end()
    assert main(path) == 1


def test_many_beats_in_one_second_write_once(tmp_path: Path) -> None:
    path = tmp_path / "ready"
    sign = SignOfLife(str(path))
    sign.beat()
    path.unlink()
    sign.beat()
    assert not path.exists()
