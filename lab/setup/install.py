"""From whatever the machine has to an engine that answers, with Compose v2 and buildx; installs only what is missing.

An engine or plugin that works is never replaced. ``ensure`` looks (engine.probe), and for each thing that is
missing either gets it from the distribution (Debian, Ubuntu and their descendants, as root or with sudo) or says in
one sentence what to do.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys

from lab.setup import advice
from lab.setup.apt import Apt
from lab.setup.console import Console
from lab.setup.engine import COMPOSE_MINIMUM, ENGINE_MINIMUM, Docker, State, is_older, is_remote, probe
from lab.setup.errors import SetupError
from lab.setup.machine import Privilege, System, this_system
from lab.setup.plugins import install_plugins
from lab.setup.runner import Runner
from lab.setup.starting import Starter

_AGAIN = "ECHO_SETUP_REGROUPED"  # set on the second start, so that there is never a third


@dataclasses.dataclass
class Setup:
    """The machine and the ways to change it, made once for a command."""

    runner: Runner
    console: Console
    system: System
    privilege: Privilege
    apt: Apt

    @classmethod
    def of(cls, runner: Runner, console: Console) -> Setup:
        """The set-up of the machine that the runner runs on."""
        system, privilege = this_system(runner), Privilege(runner)
        return cls(runner, console, system, privilege, Apt(runner, console, system, privilege))


def ensure(setup: Setup) -> Docker:
    """An engine that answers and is new enough, with its plugins. Returns what there is; raises SetupError when it
    can't be.
    """
    docker = probe(setup.runner, setup.system)
    if docker.state is not State.ANSWERS:
        _bring_up(setup, docker)
        docker = probe(setup.runner, setup.system)
        if docker.state is State.DENIED:
            _regroup(setup)
            raise advice.denied()
        if docker.state is not State.ANSWERS:
            raise problem(docker, setup)
    if is_older(docker.server, ENGINE_MINIMUM):
        raise advice.engine_too_old(docker, setup.system)
    if docker.compose and is_older(docker.compose, COMPOSE_MINIMUM):
        raise advice.compose_too_old(docker, setup.system)
    if not docker.compose or not docker.buildx:
        install_plugins(setup.apt, compose=not docker.compose, buildx=not docker.buildx)
        docker = probe(setup.runner, setup.system)
        if not docker.compose:
            raise advice.compose_missing(setup.system, "the plugin was installed but does not run")
    setup.console.ok(
        f"Docker Engine {docker.server} answers, Compose {docker.compose}"
        + (f", buildx {docker.buildx}" if docker.buildx else "")
    )
    return docker


def look(setup: Setup) -> Docker:
    """The engine as it is, for commands that install nothing; raises SetupError when it is of no use."""
    docker = probe(setup.runner, setup.system)
    if docker.state is State.DENIED:
        _regroup(setup)
    if docker.state is not State.ANSWERS:
        raise problem(docker, setup)
    if is_older(docker.server, ENGINE_MINIMUM):
        raise advice.engine_too_old(docker, setup.system)
    if not docker.compose:
        raise advice.compose_missing(setup.system)
    if is_older(docker.compose, COMPOSE_MINIMUM):
        raise advice.compose_too_old(docker, setup.system)
    return docker


def problem(docker: Docker, setup: Setup) -> SetupError:
    """The sentence for an engine that does not answer."""
    system = setup.system
    if docker.state is State.DENIED:
        return advice.denied()
    if docker.state is State.PODMAN:
        return advice.podman()
    if docker.state is State.HANGS:
        return advice.hangs()
    if docker.state is State.UNREACHABLE:
        env = setup.runner.env
        return advice.unreachable(env.get("DOCKER_HOST") or f"context {env.get('DOCKER_CONTEXT')}", docker.said)
    if docker.state is State.STOPPED:
        return advice.desktop_stopped(system) if _is_desktop(docker, system) else advice.stopped(system)
    return advice.no_engine(system)


def _bring_up(setup: Setup, docker: Docker) -> None:
    """Install and start the engine, or raise the sentence that says why that's not to be."""
    system = setup.system
    if docker.state is State.DENIED:
        _regroup(setup)
        raise advice.denied()
    missing = docker.state in {State.NO_PROGRAM, State.NO_ENGINE}
    startable = docker.state is State.STOPPED and not _is_desktop(docker, system)
    if not (missing and system.has_apt) and not startable:
        raise problem(docker, setup)
    if is_remote(setup.runner):
        raise advice.unreachable(setup.runner.env["DOCKER_HOST"], docker.said)
    if missing:
        if not setup.privilege.available:
            raise advice.no_root_no_engine(system)
        packages = engine_packages(setup, docker)
        setup.apt.install(packages, "containers are the lab's hosts, and no engine is installed here")
    Starter(setup.runner, setup.console, system, setup.privilege).start(installed=missing)


def engine_packages(setup: Setup, docker: Docker) -> list[str]:
    """What to install for an engine: docker.io, and what it needs here that only its recommendations would bring."""
    packages = ["docker.io"]
    setup.apt.find(packages)
    if docker.state is State.NO_PROGRAM and setup.apt.candidate("docker-cli"):
        packages.append("docker-cli")  # Debian 13 split the command off the engine
    profiles = (setup.runner.read("/sys/module/apparmor/parameters/enabled") or "").strip() == "Y"
    if profiles and setup.runner.which("apparmor_parser") is None:
        packages.append("apparmor")  # with AppArmor in the kernel and no parser, every container fails to start
    if setup.runner.which("iptables") is None:
        packages.append("iptables")  # the engine makes its networks with it
    return packages


def _is_desktop(docker: Docker, system: System) -> bool:
    return system.kind in {"macos", "windows"} or "wsl integration" in docker.said.lower()


def _regroup(setup: Setup) -> None:
    """Start this command once more as a member of group docker, through sudo, when that is possible.

    A user who is not in the group yet may do with sudo what members do. ``sudo -g docker`` keeps the user and
    changes only the group, so that all files made belong to the user and not to root. Without sudo nothing happens
    here.
    """
    runner = setup.runner
    if runner.env.get(_AGAIN) or runner.uid == 0 or not setup.privilege.available:
        return
    prefix = ["sudo", "-n", "-g", "docker"]
    if not runner.run([*prefix, "docker", "version"], timeout_s=20).ok:
        return
    setup.console.note(
        "Docker's socket is open to root and the group docker only, so this run goes on as a member of that group"
        ' (sudo -g docker). For good: sudo usermod -aG docker "$USER", then log out and in again.'
    )
    keep = [f"{key}={value}" for key, value in runner.env.items() if key not in {"SUDO_UID", "SUDO_GID", "SUDO_USER"}]
    command = [*prefix, "env", *keep, f"{_AGAIN}=1", sys.executable, "-m", "lab.setup", *sys.argv[1:]]
    runner.replace(command) if os.name == "posix" else setup.console.note(shlex.join(command))
