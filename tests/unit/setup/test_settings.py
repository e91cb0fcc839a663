"""The lab's variables: where a value comes from, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.setup.errors import USAGE, SetupError
from lab.setup.settings import Settings, load, parse_env_file, problems
from tests.unit.setup.machines import FakeRunner

COMPOSE = """
name: echolab
services:
  server:
    image: echolab/${SERVER:-python}
    environment: {A: "${CLIENT:-python}", B: "${ECHO_SCRIPT:-./demo.txt}"}
    networks: {N: "${ECHO_NET4:-192.0.2}", P: "${ECHO_PORT:-8080}"}
"""
GOOD = {
    "SERVER": "python",
    "CLIENT": "python",
    "ECHO_PORT": "8080",
    "ECHO_NET4": "192.0.2",
    "ECHO_NET6": "2001:db8:7",
    "ECHO_SCRIPT": "demo.txt",
    "ECHO_MAX_LINE": "1048576",
    "ECHO_RING_MIB": "32",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two languages, a folder that is none, and a script."""
    for name in ("c", "python", "host"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "Dockerfile").touch()
    for file in ("c/server.c", "c/client.c", "python/server.py", "python/client.py"):
        (tmp_path / "images" / file).touch()
    (tmp_path / "demo.txt").write_text("hello\n")
    return tmp_path


def loaded(env: dict[str, str], env_file: str = "") -> Settings:
    return load(FakeRunner(env=env, files={"/lab/compose.yaml": COMPOSE, "/lab/.env": env_file}), Path("/lab"))


def test_defaults_are_those_written_in_compose() -> None:
    settings = loaded({})
    assert settings.project == "echolab"
    assert (settings.values["SERVER"], settings.port) == ("python", 8080)


def test_the_environment_goes_before_the_env_file_and_that_before_the_default() -> None:
    settings = loaded(
        {"SERVER": "c", "ECHO_NET4": ""}, "SERVER=java\nCLIENT='cpp' \nECHO_PORT=81 # mine\nCOMPOSE_PROJECT_NAME=x\n"
    )
    assert (settings.values["SERVER"], settings.values["CLIENT"], settings.port) == ("c", "cpp", 81)
    assert settings.values["ECHO_NET4"] == "192.0.2", "an empty value counts as unset"
    assert settings.project == "x"


def test_variables_that_are_not_the_labs_are_left_out() -> None:
    assert "HOME" not in loaded({"HOME": "/root"}).values


def test_a_folder_without_a_compose_file_gets_a_sentence() -> None:
    with pytest.raises(SetupError, match=r"no compose\.yaml in /lab"):
        load(FakeRunner(), Path("/lab"))


def test_paths_start_at_the_repository() -> None:
    assert loaded({}).path("ECHO_SCRIPT") == Path("/lab/demo.txt")
    assert loaded({"ECHO_SCRIPT": "/tmp/s"}).path("ECHO_SCRIPT") == Path("/tmp/s")


def test_good_values_have_no_problem(root: Path) -> None:
    assert problems(Settings(root, "echolab", GOOD)) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SERVER", "klingon", "images/ has: c, python"),
        ("CLIENT", "../etc", "images/ has: c, python"),
        ("SERVER", "host", "SERVER=host is no language"),
        ("ECHO_PORT", "0", "from 1 to 65535"),
        ("ECHO_PORT", "65536", "from 1 to 65535"),
        ("ECHO_PORT", "-1", "from 1 to 65535"),
        ("ECHO_PORT", "http", "from 1 to 65535"),
        ("ECHO_PORT", "８０", "from 1 to 65535"),
        ("ECHO_NET4", "192.0.2.0", "first three numbers"),
        ("ECHO_NET4", "192.0", "first three numbers"),
        ("ECHO_NET4", "192.0.256", "first three numbers"),
        ("ECHO_NET6", "2001:db8:7::", "start of an IPv6 network"),
        ("ECHO_NET6", "2001:db8:7:1:2:3:4", "start of an IPv6 network"),
        ("ECHO_NET6", "x", "start of an IPv6 network"),
        ("ECHO_SCRIPT", "nowhere.txt", "does not exist"),
        ("ECHO_SCRIPT", "images", "is a folder"),
        ("ECHO_RING_MIB", "1.5", "ECHO_RING_MIB=1.5 is not a whole number"),
        ("ECHO_MAX_LINE", "0", "ECHO_MAX_LINE=0 is not a whole number"),
    ],
)
def test_a_wrong_value_gets_one_sentence_with_the_next_step(root: Path, name: str, value: str, words: str) -> None:
    (error,) = problems(Settings(root, "echolab", {**GOOD, name: value}))
    assert words in error.sentence
    assert value in error.sentence
    assert error.next_step
    assert error.status == USAGE


@given(name=st.sampled_from(sorted(GOOD)), value=st.text(st.characters(blacklist_characters="\0/")))
def test_no_value_makes_the_checks_fail(name: str, value: str) -> None:
    problems(Settings(Path("/nonexistent"), "echolab", {**GOOD, name: value}))


@given(st.text())
def test_no_env_file_makes_the_parser_fail(text: str) -> None:
    parse_env_file(text)
