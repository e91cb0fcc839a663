"""The sentences for machines that cannot be set up by themselves: what is missing, and the command or page that helps.

Kept apart from the code that decides, so that they can be read and corrected together.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.setup.engine import COMPOSE_MINIMUM, ENGINE_MINIMUM, Docker
from lab.setup.errors import SetupError
from lab.setup.machine import System

_DESKTOP = "install Docker Desktop (its manual: 'Install Docker Desktop on {}'), start it, then run this again"
_BY_HAND = {
    "fedora": "sudo dnf install moby-engine docker-compose docker-buildx && sudo systemctl enable --now docker",
    "arch": "sudo pacman -S --needed docker docker-compose docker-buildx && sudo systemctl enable --now docker",
    "alpine": "sudo apk add docker docker-cli-compose docker-cli-buildx && sudo rc-service docker start",
    "opensuse": "sudo zypper install docker docker-compose docker-buildx && sudo systemctl enable --now docker",
}
_ALIASES = {
    "manjaro": "arch",
    "endeavouros": "arch",
    "opensuse-leap": "opensuse",
    "opensuse-tumbleweed": "opensuse",
    "sles": "opensuse",
}
_PAGE = "follow the page 'Install Docker Engine' of Docker's manual for your system, then run this again"


def no_engine(system: System) -> SetupError:
    """There is no engine, and this command or this system is none with which we install one."""
    if system.kind == "macos":
        return SetupError("Docker is not installed on this Mac.", _DESKTOP.format("Mac"))
    if system.kind == "windows":
        return SetupError(
            "Docker is not installed on this Windows machine.",
            "install WSL 2 with Debian or Ubuntu ('wsl --install -d Debian') and run make up in there",
        )
    if system.has_apt:  # asked by a command that only looks
        return SetupError("Docker is not installed.", "make up (installs it, as root or with sudo)")
    word = _ALIASES.get(system.identifier, system.identifier)
    return SetupError(
        f"Docker is not installed, and on {system.name} this set-up does not install it by itself.",
        _BY_HAND.get(word, _PAGE),
    )


def no_root(what: str, packages: Sequence[str]) -> SetupError:
    """Something has to be installed, and we are neither root nor may we use sudo."""
    return SetupError(
        f"{what}, and this user is neither root nor allowed to use sudo.",
        f"ask an administrator to run: apt-get install {' '.join(packages)}",
    )


def no_root_no_engine(system: System) -> SetupError:
    """The same for the engine; the user has to become a member of its group as well."""
    plugins = {"ubuntu": "docker-compose-v2 docker-buildx"}.get(system.kind, "docker-compose docker-buildx")
    return no_root("Docker is not installed", ["docker.io", plugins, '&& usermod -aG docker "$USER"'])


def denied() -> SetupError:
    """The engine runs, but its socket belongs to root and the group docker."""
    return SetupError(
        "Docker runs, but this user may not talk to it (permission denied on its socket).",
        'sudo usermod -aG docker "$USER", then log out and in again; or just once: sudo make up',
    )


def desktop_stopped(system: System) -> SetupError:
    """Docker Desktop is there and has not been started (or has no integration with this WSL distribution)."""
    if system.wsl:
        return SetupError(
            "Docker Desktop is not running, or not switched on for this WSL distribution.",
            "start Docker Desktop on Windows; switch this one on in its Settings > Resources > WSL integration",
        )
    start = "open -a Docker" if system.kind == "macos" else "start 'Docker Desktop' from the Start menu"
    return SetupError("Docker is installed but Docker Desktop is not running.", f"{start}, wait for it, run this again")


def stopped(system: System) -> SetupError:
    """An engine that is installed does not run, and we cannot start it."""
    return SetupError(
        f"Docker is installed on {system.name} but does not run, and it takes root or sudo to start it.",
        "sudo systemctl start docker",
    )


def unreachable(address: str, said: str) -> SetupError:
    """DOCKER_HOST or DOCKER_CONTEXT points to an engine that does not answer."""
    return SetupError(
        f"No Docker engine answers at {address}.",
        "unset DOCKER_HOST DOCKER_CONTEXT (to use this machine's own), or start that engine",
        log=said.splitlines()[-3:],
    )


def hangs() -> SetupError:
    """The engine took the connection and gave no answer."""
    return SetupError("Docker does not answer within 20 s; its engine seems to hang.", "sudo systemctl restart docker")


def podman() -> SetupError:
    """The command docker is Podman's."""
    return SetupError(
        "The command docker on this machine is Podman, which lacks the shared network namespaces the lab stands on.",
        "remove the package podman-docker, then run this again",
    )


def engine_too_old(docker: Docker, system: System) -> SetupError:
    """The engine answers but lacks what the lab needs."""
    upgrade = "sudo apt-get install --only-upgrade docker.io docker-ce" if system.has_apt else _PAGE
    return SetupError(f"Docker Engine {docker.server} is too old; the lab needs {_dotted(ENGINE_MINIMUM)}.", upgrade)


def compose_too_old(docker: Docker, system: System) -> SetupError:
    """A Compose plugin of the user's is there, and is never replaced by us."""
    return SetupError(
        f"Docker Compose {docker.compose} is too old; the lab needs {_dotted(COMPOSE_MINIMUM)}.",
        _compose_upgrade(system),
    )


def compose_missing(system: System, why: str = "") -> SetupError:
    """No Compose plugin, and none that we could install."""
    return SetupError(
        f"Docker Compose v2 ({_dotted(COMPOSE_MINIMUM)} or newer) is missing" + (f": {why}." if why else "."),
        _compose_upgrade(system),
    )


def no_packages(system: System, what: str, log: list[str]) -> SetupError:
    """apt could not bring what was asked for."""
    return SetupError(
        f"apt on {system.name} could not bring {what}; is its package mirror reachable?",
        "sudo apt-get update (look at its errors), then run this again",
        log=log,
    )


def _compose_upgrade(system: System) -> str:
    if system.kind == "ubuntu":
        return "sudo apt-get update && sudo apt-get install docker-compose-v2"
    if system.kind == "debian":
        return "sudo apt-get update && sudo apt-get install docker-compose-plugin (from Docker's own repository)"
    if system.kind in {"macos", "windows"}:
        return "update Docker Desktop"
    return "follow the page 'Install the Docker Compose plugin' of Docker's manual, then run this again"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
