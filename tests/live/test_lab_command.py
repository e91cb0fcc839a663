"""``docker compose run --rm lab ...``: the command for whoever has nothing but Docker says what it says on the host."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.live.conftest import ROOT, Lab

ASKED = [("show",), ("ladder", "--width", "80"), ("stats",), ("explain", "3"), ("follow",), ("report", "-o", "-")]


@pytest.mark.parametrize("words", [*ASKED, ("compare", "NAME")], ids="-".join)
def test_it_says_the_same_as_on_the_host(lab: Lab, words: tuple[str, ...]) -> None:
    session = lab.ended()[0]["_path"]
    name = f"{session.parent.name}/{session.stem}"
    words = tuple(word.replace("NAME", name) for word in words)
    inside = lab.compose("run", "--rm", "-T", "lab", *words, name)
    here = subprocess.run(
        [sys.executable, "-m", "lab", words[0], "--captures", str(lab.captures), *words[1:], name],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert inside.stdout == here.stdout
    assert "Traceback" not in inside.stderr


def test_it_has_no_network_and_cannot_write_captures(lab: Lab) -> None:
    try_both = "import socket, pathlib; print(socket.if_nameindex()); pathlib.Path('/captures/x').write_text('x')"
    done = lab.compose("run", "--rm", "-T", "--entrypoint", "python3", "lab", "-c", try_both, check=False)
    assert "[(1, 'lo')]" in done.stdout
    assert "Read-only file system" in done.stderr


def test_what_it_cannot_do_there_it_says_how_to_do(lab: Lab) -> None:
    report = lab.compose("run", "--rm", "-T", "lab", "report", "latest", check=False)
    assert report.returncode == 1
    assert "docker compose run --rm -T lab report ... -o - > " in report.stderr
    assert "Traceback" not in report.stderr
    opening = lab.compose("run", "--rm", "-T", "lab", "open", "latest", check=False)
    assert opening.returncode == 1
    assert "Wireshark is not installed here" in opening.stderr


def test_what_is_not_there_is_one_sentence(lab: Lab) -> None:
    done = lab.compose("run", "--rm", "-T", "lab", "show", "nosuch", check=False)
    assert done.returncode == 1
    assert "echolab: there is no session 'nosuch'" in done.stderr
