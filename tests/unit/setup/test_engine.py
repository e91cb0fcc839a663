"""Looking at Docker: is it there, does it answer, is it new enough?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.setup.engine import COMPOSE_MINIMUM, ENGINE_MINIMUM, State, is_older, parse_version, probe
from lab.setup.machine import this_system
from lab.setup.runner import TIMED_OUT, Result
from tests.unit.setup import machines
from tests.unit.setup.machines import FakeRunner, silent_docker, with_docker, with_plugins


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("v2.40.3+ds1-0ubuntu1~22.04.1", (2, 40, 3)),
        ("2.26.1-4", (2, 26, 1)),
        ("2.27.0-desktop.2", (2, 27, 0)),
        ("v2.20", (2, 20)),
        ("docker-compose version 1.29.2, build unknown", (1, 29, 2)),
        ("dev", None),
        ("", None),
        ("unknown", None),
        ("7", None),
    ],
)
def test_versions_as_distributions_write_them(text: str, expected: tuple[int, ...] | None) -> None:
    assert parse_version(text) == expected


@given(st.text())
def test_no_text_makes_the_version_parser_fail(text: str) -> None:
    assert is_older(text, COMPOSE_MINIMUM) in {True, False}


@pytest.mark.parametrize(
    ("text", "minimum", "older"),
    [
        ("19.03.15", ENGINE_MINIMUM, True),
        ("20.9.9", ENGINE_MINIMUM, True),
        ("20.10.0", ENGINE_MINIMUM, False),
        ("28.2.2", ENGINE_MINIMUM, False),
        ("2.19.1", COMPOSE_MINIMUM, True),
        ("2.20.0", COMPOSE_MINIMUM, False),
        ("dev", COMPOSE_MINIMUM, False),
    ],
)
def test_the_limits_are_where_they_are_said_to_be(text: str, minimum: tuple[int, ...], older: bool) -> None:
    assert is_older(text, minimum) is older


def state_of(runner: FakeRunner) -> State:
    return probe(runner, this_system(runner)).state


def test_an_engine_that_answers_is_described() -> None:
    docker = probe(runner := with_docker(FakeRunner()), this_system(runner))
    assert docker.state is State.ANSWERS
    assert (docker.server, docker.compose, docker.buildx) == ("20.10.24+dfsg1", "2.26.1-4", "0.13.1+ds1")
    assert docker.architecture == "amd64"


def test_plugins_that_are_not_there_are_not_taken_from_dockers_help() -> None:
    docker = probe(runner := with_docker(FakeRunner(), compose="", buildx=""), this_system(runner))
    assert (docker.compose, docker.buildx) == ("", "")


def test_no_docker_at_all() -> None:
    assert state_of(FakeRunner()) is State.NO_PROGRAM


def test_a_program_without_an_engine_differs_from_a_stopped_engine() -> None:
    assert state_of(silent_docker(FakeRunner(), machines.NO_DAEMON)) is State.NO_ENGINE
    assert state_of(silent_docker(FakeRunner(), machines.NO_DAEMON, dockerd=True)) is State.STOPPED


def test_an_engine_known_to_systemd_only_is_stopped_not_missing() -> None:
    runner = silent_docker(FakeRunner(programs=["systemctl"]), machines.NO_DAEMON)
    assert state_of(runner.on("systemctl cat docker.service", Result(0, "[Unit]"))) is State.STOPPED


def test_permission_denied_is_recognised() -> None:
    assert state_of(silent_docker(FakeRunner(uid=1000), machines.NO_PERMISSION, dockerd=True)) is State.DENIED


def test_another_address_that_does_not_answer_is_not_this_machines_engine() -> None:
    runner = silent_docker(FakeRunner(env={"DOCKER_HOST": "tcp://192.0.2.9:2376"}), "Cannot connect", dockerd=True)
    assert state_of(runner) is State.UNREACHABLE


def test_an_engine_that_hangs_is_recognised() -> None:
    runner = FakeRunner(programs=["docker", "dockerd"]).on("docker", Result(TIMED_OUT, "", "no end after 20 s"))
    assert state_of(runner) is State.HANGS


def test_docker_desktop_that_is_not_started_is_stopped() -> None:
    assert state_of(silent_docker(FakeRunner("", platform="darwin"), machines.NO_DAEMON)) is State.STOPPED
    stub = (
        "The command 'docker' could not be found in this WSL 2 distro.\nActivate the WSL integration in Docker Desktop."
    )
    assert state_of(silent_docker(FakeRunner(), stub)) is State.STOPPED


def test_podman_under_dockers_name_is_recognised() -> None:
    said = "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg."
    runner = with_plugins(FakeRunner(programs=["docker"]), "", "").on(
        "docker version", Result(0, '{"Client":{}}', said)
    )
    assert state_of(runner) is State.PODMAN


def test_an_answer_that_is_not_json_is_not_taken_for_an_engine() -> None:
    runner = with_plugins(FakeRunner(programs=["docker"]), "", "").on("docker version", Result(0, "{broken\n[1]\n"))
    assert state_of(runner) is State.NO_ENGINE
