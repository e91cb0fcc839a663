"""The lab's variables: where a value comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.setup.errors import SetupError
from lab.setup.settings import Settings, load, parse_env_file
from tests.unit.setup.machines import FakeRunner

COMPOSE = """
name: echolab
services:
  server:
    image: echolab/${SERVER:-python}
    environment: {A: "${CLIENT:-python}", B: "${ECHO_SCRIPT:-./demo.txt}"}
    networks: {N: "${ECHO_NET4:-192.0.2}", P: "${ECHO_PORT:-8080}"}
"""


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


def test_variables_that_are_not_the_labs_are_left_out_and_those_that_look_like_it_are_kept_apart() -> None:
    settings = loaded({"HOME": "/root", "ECHO_PROT": "1"}, "ECHO_NETS=x\n")
    assert "HOME" not in {**settings.values, **settings.unknown}
    assert settings.unknown == {"ECHO_PROT": "1", "ECHO_NETS": "x"}


def test_a_folder_without_a_compose_file_gets_a_sentence() -> None:
    with pytest.raises(SetupError, match=r"no compose\.yaml in /lab"):
        load(FakeRunner(), Path("/lab"))


def test_paths_start_at_the_repository() -> None:
    assert loaded({}).path("ECHO_SCRIPT") == Path("/lab/demo.txt")
    assert loaded({"ECHO_SCRIPT": "/tmp/s"}).path("ECHO_SCRIPT") == Path("/tmp/s")


@given(st.text())
def test_no_env_file_makes_the_parser_fail(text: str) -> None:
    parse_env_file(text)
