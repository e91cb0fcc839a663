"""The README can be typed as it stands: its commands parse; services, profiles, variables and files it names exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lab.cli.command import parser
from lab.conformance.__main__ import _parser as conformance_parser
from lab.setup.engine import COMPOSE_MINIMUM, ENGINE_MINIMUM
from lab.setup.main import parser as setup_parser
from lab.setup.variables import RULES, languages
from tests.test_compose import TEXT as COMPOSE

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVICES = set(re.findall(r"^  ([a-z-]+):", COMPOSE.split("\nservices:\n")[1].split("\nnetworks:\n")[0], re.MULTILINE))
PROFILES = set(re.findall(r"profiles: \[([a-z]+)\]", COMPOSE))
# Which words after a verb of compose are services; a command for the container may follow the first one.
VERBS = {
    "up": "all",
    "down": "all",
    "logs": "all",
    "restart": "all",
    "run": "first",
    "exec": "first",
    "version": "none",
}


def commands(beginning: str) -> list[list[str]]:
    """Every command of the README that begins so, as words: those in blocks of code, and those between backticks."""
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^ {4}(.*)$", prose, re.MULTILINE)
    between = [
        " ".join(found.split()) for found in re.findall(r"`([^`]+)`", re.sub(r"^ {4}.*$", "", prose, flags=re.M))
    ]
    found = []
    for line in (*blocks, *between):
        for part in re.split(r" \| |; ", line.split(" #")[0]):
            command = re.sub(r"^(?:[A-Z0-9_]+=\S+ )*", "", part.strip())
            found += [shlex.split(command)] if f"{command} ".startswith(f"{beginning} ") else []
    return found


def parse(words: list[str]) -> None:
    """Read a command line of echolab as the command would; one of its subcommands has a parser of its own."""
    if words[0] == "conformance":
        conformance_parser("echolab conformance").parse_args(words[1:])
    else:
        parser().parse_args(words)


def test_every_command_of_the_lab_parses() -> None:
    lines = commands("python3 -m lab")
    assert len(lines) >= 13
    for words in lines:
        parse(words[3:])
    through_compose = [words for words in commands("docker compose run") if "lab" in words]
    assert len(through_compose) >= 2
    for words in through_compose:
        parse(words[words.index("lab") + 1 :])


def test_a_command_that_is_none_would_be_found() -> None:
    with pytest.raises(Exception, match="nosuch"):
        parse(["nosuch"])


def test_every_command_of_the_set_up_and_every_target_of_make_exists() -> None:
    lines = commands("python3 -m lab.setup")
    assert len(lines) >= 3
    for words in lines:
        setup_parser().parse_args(words[3:])
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {words[1] for words in commands("make")}
    assert {"up", "test", "down", "check", "help"} <= asked <= targets


def test_every_service_and_profile_exists() -> None:
    lines = commands("docker compose")
    assert len(lines) >= 15
    for words in lines:
        rest = words[2:]
        if rest[0] == "--profile":
            assert rest[1] in PROFILES
            rest = rest[2:]
        kind = VERBS[rest[0]]
        named = [word for word in rest[1:] if not word.startswith("-")]
        if kind != "none":
            assert set(named if kind == "all" else named[:1]) <= SERVICES, words


def test_every_variable_and_language_exists() -> None:
    assert set(re.findall(r"\b(ECHO_[A-Z0-9_]+)", README)) <= set(RULES)
    named = re.search(r"languages: `SERVER=.*` \((.*?)\)", README)
    assert named
    assert named[1].split(", ") == languages(ROOT)


def test_every_file_that_is_linked_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_least_versions_are_those_that_the_set_up_asks_for() -> None:
    engine, compose = (".".join(map(str, version)) for version in (ENGINE_MINIMUM, COMPOSE_MINIMUM))
    assert f"Engine {engine} and Compose {compose} or newer" in README
    assert f"older than {compose}" in README
