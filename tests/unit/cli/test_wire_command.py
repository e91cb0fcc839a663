"""``echolab wire`` without a lab: what it asks the wire, and the one sentence for everything that goes wrong."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.cli.command import main
from lab.router import library
from lab.router.grammar import GRAMMAR

Engine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str]]:
    """In place of docker: takes down what it was asked, answers "done"."""
    asked: list[tuple[list[str], str]] = []

    def run(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        asked.append((command, more["input"]))
        return subprocess.CompletedProcess(command, 0, "done\n", "")

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def answers(monkeypatch: pytest.MonkeyPatch, status: int, errors: str) -> None:
    """In place of docker: fails like this."""
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, status, "", errors)
    )


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(["wire", *words]) == status
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err if status else captured.out


def test_a_scenario_is_sent_to_the_wire_with_its_name(
    engine: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "load", "lost-data") == "done\n"
    ((command, text),) = engine
    assert command[:2] == ["docker", "compose"]
    assert command[-4:] == ["load", "-", "--name", "lost-data"]
    assert "client data 5: drop" in text


def test_a_script_comes_from_standard_input(
    engine: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"client data 1: drop\n")))
    said(capsys, "load", "-")
    assert engine[0][1] == "client data 1: drop\n"


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        (("show",), ["wire", "show"]),
        (("show", "--json"), ["show", "--json"]),
        (("clear", "--log"), ["clear", "--log"]),
        (("log", "--last", "3"), ["log", "--last", "3"]),
    ],
)
def test_other_words_are_passed_on(
    engine: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], passed: list[str]
) -> None:
    said(capsys, *words)
    assert engine[0][0][-len(passed) :] == passed


def test_a_broken_script_is_told_with_line_and_column_and_not_sent(
    engine: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = tmp_path / "broken.wire"
    script.write_text("client data 1: drop\nclient data 2: dropp\n", encoding="utf-8")
    for action in ("load", "check"):
        assert "line 2, column 16: 'dropp' is no action" in said(capsys, action, str(script), status=2)
    assert engine == []


def test_check_and_scenarios_need_no_wire(
    engine: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "check", "lost-three") == "lost-three: 1 rules\n"
    listed = said(capsys, "scenarios").splitlines()
    assert [line.split()[0] for line in listed] == library.names()
    assert said(capsys, "grammar") == GRAMMAR
    assert engine == []


def test_an_unknown_script_is_one_sentence(
    engine: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "load", "no-such", status=2).count("\n") == 1


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ('service "wire" is not running', "--profile wire up"),
        ("wire: no wire answers in /run/wire (refused): do this", "echolab: no wire answers"),
        ("no configuration file provided: not found", "in the lab's folder"),
        ("Cannot connect to the Docker daemon at unix:///x", "could not reach the wire: Cannot connect"),
        ("", "it said nothing"),
    ],
)
def test_a_wire_that_cannot_be_asked_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], errors: str, sentence: str
) -> None:
    answers(monkeypatch, 1, errors)
    told = said(capsys, "show", status=1)
    assert sentence in told
    assert told.count("\n") == 1


def test_a_machine_without_docker_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object, **__: object) -> None:
        raise FileNotFoundError("docker")

    monkeypatch.setattr(subprocess, "run", run)
    assert "docker is not installed here" in said(capsys, "show", status=1)


def test_a_wire_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("docker", 30)

    monkeypatch.setattr(subprocess, "run", run)
    assert "did not answer within 30 s" in said(capsys, "clear", status=1)
