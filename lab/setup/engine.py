"""Is there a Docker engine, does it answer, and are it and its plugins new enough? Looking only; install.py does
something about it.

An engine can be away in several ways that look alike to a student ("docker doesn't work") and need different next
steps: no program at all, a program whose engine is not installed, an engine that is stopped, one that we may not
talk to, one that is too old, and Docker Desktop that has not been started. ``probe`` tells them apart.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum

from lab.setup.machine import System
from lab.setup.runner import NOT_FOUND, TIMED_OUT, Runner

ENGINE_MINIMUM = (20, 10)
COMPOSE_MINIMUM = (2, 20)
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


class State(Enum):
    """What the engine is doing."""

    ANSWERS = "answers"
    NO_PROGRAM = "no docker program"
    NO_ENGINE = "a docker program without an engine"
    STOPPED = "installed but stopped"
    DENIED = "permission denied"
    HANGS = "does not answer in time"
    UNREACHABLE = "another address that does not answer"
    PODMAN = "podman under docker's name"


@dataclass(frozen=True)
class Docker:
    """What was found. Versions are as the tools write them, or empty when the part is not there.

    architecture: the engine's, in Go's words (``amd64``, ``arm64``).
    said: what docker wrote when it failed.
    """

    state: State
    client: str = ""
    server: str = ""
    compose: str = ""
    buildx: str = ""
    architecture: str = ""
    said: str = ""


def parse_version(text: str) -> tuple[int, ...] | None:
    """The first version number in a text as a tuple of two or three numbers, or None (``dev``, empty, nonsense).

    Distributions add to them (``2.26.1-4``, ``20.10.24+dfsg1``, ``v2.40.3+ds1-0ubuntu1~22.04.1``): what follows is
    left out.
    """
    found = _VERSION.search(text)
    return tuple(int(part) for part in found.groups() if part is not None) if found else None


def is_older(text: str, minimum: tuple[int, ...]) -> bool:
    """Whether a version is known to be older; one that cannot be read (a developer's build) gets the benefit of the
    doubt.
    """
    version = parse_version(text)
    return version is not None and version < minimum


def probe(runner: Runner, system: System) -> Docker:
    """Look at the docker program, its engine and its plugins. Changes nothing."""
    if runner.which("docker") is None:
        return Docker(State.NO_PROGRAM)
    answer = runner.run(["docker", "version", "--format", "{{json .}}"], timeout_s=20)
    if answer.code == NOT_FOUND:
        return Docker(State.NO_PROGRAM)
    facts = _json_in(answer.out)
    about_client = facts.get("Client")
    client = str(about_client.get("Version", "")) if isinstance(about_client, dict) else ""
    if "podman" in answer.text.lower():
        return Docker(State.PODMAN, client, said=answer.text)
    server = facts.get("Server")
    if answer.ok and isinstance(server, dict) and server.get("Version"):
        compose, buildx = plugins(runner)
        return Docker(State.ANSWERS, client, str(server["Version"]), compose, buildx, str(server.get("Arch", "")))
    compose, buildx = plugins(runner)
    return Docker(
        _why_silent(runner, system, answer.code, answer.err), client, "", compose, buildx, "", answer.err.strip()
    )


def plugins(runner: Runner) -> tuple[str, str]:
    """The versions of Compose v2 and buildx, each empty when the plugin is not there."""
    compose = runner.run(["docker", "compose", "version", "--short"], timeout_s=20)
    buildx = runner.run(["docker", "buildx", "version"], timeout_s=20)
    # `docker compose` without the plugin prints docker's own help, with status 0 in some releases.
    compose_version = compose.out.strip() if compose.ok and len(compose.out.split()) == 1 else ""
    buildx_version = next((w for w in buildx.out.split() if parse_version(w) and "/" not in w), "") if buildx.ok else ""
    return compose_version, buildx_version


def answers(runner: Runner) -> bool:
    """Whether the engine answers at this moment."""
    return runner.run(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=10).ok


def is_remote(runner: Runner) -> bool:
    """Whether docker was told to talk to some other address than this machine's usual socket."""
    host = runner.env.get("DOCKER_HOST", "")
    return bool(host) and not host.startswith("unix://")


def _why_silent(runner: Runner, system: System, code: int, said: str) -> State:
    words = said.lower()
    if "permission denied" in words:
        return State.DENIED
    if runner.env.get("DOCKER_HOST") or runner.env.get("DOCKER_CONTEXT"):
        return State.UNREACHABLE
    if code == TIMED_OUT:
        return State.HANGS
    if system.kind in {"macos", "windows"} or "wsl integration" in words:
        return State.STOPPED
    return State.STOPPED if runner.which("dockerd") or _unit_is_there(runner) else State.NO_ENGINE


def _unit_is_there(runner: Runner) -> bool:
    """A docker service known to systemd, for engines whose program is not in the PATH (snap, rootless)."""
    return runner.which("systemctl") is not None and runner.run(["systemctl", "cat", "docker.service"], timeout_s=10).ok


def _json_in(text: str) -> dict[str, object]:
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except ValueError:
                return {}
            return value if isinstance(value, dict) else {}
    return {}
