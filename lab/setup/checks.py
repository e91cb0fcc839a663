"""The checks before a start (``make check``): each looks at one thing and says what is wrong in one sentence with the
next step.

They change nothing but this: a missing folder for the captures is made. Checks that need Docker are left out, and
said to be, when no engine answers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from lab.setup import captures
from lab.setup.errors import FAILED, SetupError
from lab.setup.install import Setup, look
from lab.setup.network import overlap_problem
from lab.setup.ports import port_problem
from lab.setup.settings import Settings
from lab.setup.variables import problems

_BUILD_MIB = 1500  # what the lab's images and the layers they are built from take, measured, with half as much again


@dataclass(frozen=True)
class Check:
    """The result of one check: problem is None when all is well; done is False when it could not be made."""

    name: str
    good: str
    problem: SetupError | None
    done: bool = True

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        text = self.problem.sentence if self.problem else self.good
        return {
            "name": self.name,
            "ok": self.problem is None and self.done,
            "checked": self.done,
            "message": text,
            "next": self.problem.next_step if self.problem else "",
        }


def run_checks(setup: Setup, settings: Settings, *, engine: bool = True, network: bool = True) -> list[Check]:
    """All checks.

    engine: whether to look for Docker as well (``up`` has made sure of it already).
    network: whether to look at port and networks, which takes an engine that answers.
    """
    wrong = problems(settings, setup.runner)
    results = [Check("variables", "every variable has a value that makes sense", problem) for problem in wrong]
    if not wrong:
        results.append(Check("variables", "every variable has a value that makes sense", None))
    names = {problem.sentence.split("=", 1)[0] for problem in wrong}
    answering = True
    if engine:
        results.append(_engine(setup))
        answering = results[-1].problem is None
    results.append(_captures(setup, settings))
    results.append(_room(setup))
    free_port = f"port {settings.port} on 127.0.0.1 is free or the lab's own"
    if network and "ECHO_PORT" not in names:
        results.append(_with_docker("port", free_port, answering, lambda: port_problem(setup.runner, settings)))
    if network and not names & {"ECHO_NET4", "ECHO_NET6"}:
        free_net = f"nobody else uses {settings.values['ECHO_NET4']}.0/24 or {settings.values['ECHO_NET6']}::/48"
        results.append(_with_docker("network", free_net, answering, lambda: overlap_problem(setup.runner, settings)))
    return results


def raise_first(results: list[Check]) -> None:
    """Raise the first problem there is."""
    for check in results:
        if check.problem is not None:
            raise check.problem


def status_of(results: list[Check]) -> int:
    """The exit status: 0 all well, 2 when a variable is wrong, 1 for anything else."""
    found = [check.problem.status for check in results if check.problem is not None]
    return max(found, default=0) if found else (0 if all(check.done for check in results) else FAILED)


def as_json(results: list[Check]) -> str:
    """The results for programs."""
    return json.dumps({"ok": status_of(results) == 0, "checks": [check.as_dict() for check in results]}, indent=2)


def _engine(setup: Setup) -> Check:
    try:
        docker = look(setup)
    except SetupError as error:
        return Check("engine", "", error)
    return Check("engine", f"Docker Engine {docker.server} answers, Compose {docker.compose}", None)


def _captures(setup: Setup, settings: Settings) -> Check:
    folder = settings.path("ECHO_CAPTURES")
    problem = captures.make_folder(setup.runner, folder) or captures.problem(setup.runner, folder)
    return Check("captures", f"{folder} takes the captures", problem)


def _room(setup: Setup, free_mib: int | None = None) -> Check:
    """Room for the images where the engine keeps them, as far as that is a disk of this machine."""
    if free_mib is None:
        try:
            free_mib = (
                shutil.disk_usage("/var/lib/docker" if setup.runner.exists("/var/lib/docker") else "/").free >> 20
            )
        except OSError:
            return Check("disk", "the engine's disk cannot be looked at from here", None)
    problem = None
    if free_mib < _BUILD_MIB // 3:
        problem = SetupError(
            f"Only {free_mib} MiB are free on the engine's disk; the lab's images want {_BUILD_MIB} MiB.",
            "docker system prune (removes what no container uses), or make room otherwise",
        )
    return Check("disk", f"{free_mib} MiB are free on the engine's disk", problem)


def _with_docker(name: str, good: str, answering: bool, look_at: Callable[[], SetupError | None]) -> Check:
    if not answering:
        return Check(name, "cannot be looked at while no engine answers", None, done=False)
    return Check(name, good, look_at())
