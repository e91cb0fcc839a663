"""From a file to analyses: whose word the certificate is, and which file it is for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lab.cli.command import main
from tests.golden.canonical import CAPTURES

DEMO = CAPTURES[0].parent / "demo.pcapng"


def written(folder: Path, *, complete: bool = True, reasons: tuple[str, ...] = ()) -> Path:
    """The demo with its JSON beside it, as the tap leaves them."""
    capture = folder / "demo.pcapng"
    octets = DEMO.read_bytes()
    capture.write_bytes(octets)
    facts = {
        "certificate": {"complete": complete, "reasons": list(reasons)},
        "file": {"sha256": hashlib.sha256(octets).hexdigest(), "frames": 20},
    }
    capture.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")
    return capture


def told(capture: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What show and report say of it, blanks made one."""
    text = []
    for command in (("show", str(capture)), ("report", str(capture), "-o", "-")):
        assert main(command) == 0
        text.append(" ".join(capsys.readouterr().out.split()))
    assert ("Certified by the tap" in text[0]) == ("Certified by the tap" in text[1])
    return text[0]


def test_the_tap_s_word_holds_for_the_file_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Certified by the tap: every frame of this session is here." in told(written(tmp_path), capsys)
    not_all = written(tmp_path, complete=False, reasons=("The SYN is missing.", "So is the end."))
    assert "Not certified by the tap: The SYN is missing; So is the end." in told(not_all, capsys)


@pytest.mark.parametrize("octets", [1, 100])
def test_a_cut_file_is_not_certified_by_the_json_beside_it(
    octets: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = written(tmp_path)
    capture.write_bytes(capture.read_bytes()[:-octets])
    text = told(capture, capsys)
    assert "Certified by the tap" not in text
    assert "cut or edited since (it ends in the middle of a block)" in text


def test_an_edited_file_is_not_certified_by_the_json_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = written(tmp_path)
    octets = capture.read_bytes()
    assert b"hello" in octets
    capture.write_bytes(octets.replace(b"hello", b"jello"))
    text = told(capture, capsys)
    assert "Certified by the tap" not in text
    assert "cut or edited since (its octets are others)" in text
    capture.write_bytes((DEMO.parent / "quit-v6.pcapng").read_bytes())
    assert "(the tap wrote 20 frames, here are 10)" in told(capture, capsys)


@pytest.mark.parametrize("words", ["", "[]", '{"certificate": 1}', '{"certificate": {"complete": true}}', "\x00"])
def test_any_other_json_beside_a_file_certifies_nothing(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = written(tmp_path)
    capture.with_suffix(".json").write_text(words, encoding="utf-8")
    assert "As far as these frames tell, the capture is complete." in told(capture, capsys)
