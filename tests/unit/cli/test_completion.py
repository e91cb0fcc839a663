"""Completion: the scripts know every word, and the shells that are here run them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.cli.command import main, parser
from lab.cli.completion import SHELLS, script, subcommands
from tests.unit.cli.test_two_taps import recorded

COMPLETE = {
    "bash": """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
_echolab
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "zsh": """
compdef() { :; }
source "$1"; shift
compadd() { shift; print -l -- "$@"; }
_files() { :; }
words=("$@"); CURRENT=$#
_echolab
""",
    "fish": """
source $argv[1]
complete -C (string join -- ' ' $argv[2..-1])
""",
}
HERE = [shell for shell in SHELLS if shutil.which(shell)]
Completer = Callable[..., list[str]]


@pytest.fixture(params=HERE)
def completed(request: pytest.FixtureRequest, tmp_path: Path) -> Completer:
    """What a shell that is here offers for a line of words, the last of which is being typed."""
    shell = str(request.param)
    captures = tmp_path / "captures"
    captures.mkdir()
    recorded(captures, "server-tap", (40001, 40002))
    programs = tmp_path / "bin"
    programs.mkdir()
    echolab = programs / "echolab"
    echolab.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lab "$@"\n')
    echolab.chmod(0o755)
    (tmp_path / "script").write_text(script(shell, parser()), encoding="utf-8")
    (tmp_path / "ask").write_text(COMPLETE[shell], encoding="utf-8")
    root = str(Path(__file__).parents[3])
    environment = {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": root}
    environment["ECHO_CAPTURES"] = str(captures)

    def offered(*words: str) -> list[str]:
        bare = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        done = subprocess.run(
            [shell, *bare, str(tmp_path / "ask"), str(tmp_path / "script"), *words],
            capture_output=True, text=True, check=False, env=environment, timeout=60, cwd=tmp_path,
        )  # fmt: skip
        assert done.stderr == ""
        found = [line.split("\t")[0] for line in done.stdout.splitlines()]
        return [word for word in found if word.startswith(words[-1])]

    return offered


def test_bash_at_least_is_tested() -> None:
    assert "bash" in HERE


def test_commands_options_actions_and_sessions_are_offered(completed: Completer) -> None:
    assert completed("echolab", "lad") == ["ladder"]
    assert {"--raw", "--to-scale", "--svg"} <= set(completed("echolab", "ladder", "--"))
    assert "--raw" not in completed("echolab", "sessions", "--")
    assert {"list", "start", "check"} <= set(completed("echolab", "exercise", ""))
    assert "start" not in completed("echolab", "show", "")
    assert "--student" in completed("echolab", "exercise", "list", "--")
    names = completed("echolab", "show", "0002")
    assert len(names) == 1
    assert "40002" in names[0]
    assert completed("echolab", "follow", "la") == ["latest"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert text == script(shell, parser())
    assert all(name in text for name, _ in subcommands(parser()))
    assert main(["completion", "tcsh"]) == 2
    assert "mapfile" not in text  # macOS's bash is 3.2 and has none


def test_without_a_folder_there_is_only_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ECHO_CAPTURES", raising=False)
    assert main(["completion", "names"]) == 0
    assert capsys.readouterr().out == "latest\n"
