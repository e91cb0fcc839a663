"""Compose v2 and buildx: the distribution's own packages where it has them, else the two programs out of Debian 13's.

Debian 12 has only Compose 1.29. The plugins of Debian 13 are single programs that need nothing but libc 2.34, which
Debian 12 has. They are fetched with apt from the machine's own mirror (so signatures are checked as always),
through lists and settings in a folder of their own that is thrown away: the machine's sources stay as they are, and
no package of Debian 13 is ever installed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab.setup.advice import compose_missing, no_packages, no_root
from lab.setup.apt import Apt
from lab.setup.aptsources import Mirror, debian_mirror, machine_sources, one_line
from lab.setup.console import Console
from lab.setup.engine import COMPOSE_MINIMUM, parse_version
from lab.setup.errors import SetupError, last_lines
from lab.setup.machine import System
from lab.setup.runner import Limits, Runner

RELEASE = "trixie"
FOLDER = "/usr/local/lib/docker/cli-plugins"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Package names by distribution, the first that is known and new enough is taken.
_COMPOSE = ("docker-compose-v2", "docker-compose", "docker-compose-plugin")
_BUILDX = ("docker-buildx", "docker-buildx-plugin")
_FETCH_S = 300.0


def install_plugins(apt: Apt, *, compose: bool, buildx: bool) -> None:
    """Install the plugins that are missing (True); raises SetupError when Compose cannot be had. Lack of buildx is
    only told.
    """
    if not apt.system.has_apt:
        if compose:
            raise compose_missing(apt.system)
        return
    if not compose and not apt.privilege.available:
        return  # the classic builder does without buildx: nothing to ask an administrator for
    if not apt.privilege.available:
        raise no_root("Docker Compose v2 is missing", [_COMPOSE[0] if apt.system.kind == "ubuntu" else _COMPOSE[1]])
    packages, programs = _plan(apt, compose=compose, buildx=buildx)
    if packages:
        apt.install(packages, "the lab is described in a compose file, and this plugin of docker's is missing")
    if programs:
        if not apt.system.runs_trixie_binaries:
            if compose:
                raise compose_missing(apt.system, f"{apt.system.name} has no package of it")
            return
        fetch_programs(apt, programs)


def _plan(apt: Apt, *, compose: bool, buildx: bool) -> tuple[list[str], list[str]]:
    """Which packages of the distribution to install, and which programs to take out of Debian 13's packages."""
    packages: list[str] = []
    programs: list[str] = []
    if compose:
        apt.find(_COMPOSE)
        chosen = next((p for p in _COMPOSE if _new_enough(apt.candidate(p))), "")
        (packages if chosen else programs).append(chosen or "docker-compose")
    if buildx:
        chosen = next((p for p in _BUILDX if apt.candidate(p)), "")
        (packages if chosen else programs).append(chosen or "docker-buildx")
    return packages, programs


def _new_enough(candidate: str) -> bool:
    version = parse_version(candidate.split(":", 1)[-1])
    return version is not None and version >= COMPOSE_MINIMUM


def fetch_programs(apt: Apt, programs: list[str], folder: str = FOLDER) -> None:
    """Take plugin programs out of Debian 13's packages and put them into docker's folder for plugins.

    programs: package names, which are also the programs' names. folder: where they go.
    """
    names = " and ".join(programs)
    apt.console.doing(
        f"taking {names} out of Debian 13's packages",
        f"{apt.system.name} has none that is new enough; they run here as they are",
    )
    mirror = debian_mirror(machine_sources(apt.runner), apt.system.codename, apt.runner)
    if mirror is None:
        raise compose_missing(apt.system, "no Debian mirror is named in /etc/apt/sources.list*")
    with tempfile.TemporaryDirectory(prefix="echolab-apt-") as name:
        Path(name).chmod(0o755)  # apt fetches as its own user _apt
        fetched = fetch(apt.runner, apt.console, apt.system, mirror, programs, Path(name))
        apt.privilege.run(["mkdir", "-p", folder])
        for program, path in fetched.items():
            done = apt.privilege.run(["install", "-m", "0755", str(path), f"{folder}/{program}"])
            if not done.ok:
                raise SetupError(
                    f"{program} could not be written to {folder}.", f"ls -ld {folder}", log=last_lines(done.text)
                )
    apt.console.ok(f"{names} installed in {folder}")


def private_apt(folder: Path, mirror: Mirror, release: str = RELEASE) -> list[str]:
    """Give apt its own lists, cache and one source in a folder, its other settings (proxies) as they are; returns its
    options.
    """
    for part in ("lists/partial", "cache/archives/partial", "sources.list.d", "preferences.d"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    sources = folder / "sources.list"
    sources.write_text(one_line(mirror.uri, release, mirror.signed_by or _KEYRING) + "\n", encoding="utf-8")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": folder / "sources.list.d",
        "Dir::Etc::Preferences": folder / "preferences",
        "Dir::Etc::PreferencesParts": folder / "preferences.d",
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    lines = [f'{key} "{value}";' for key, value in settings.items()]
    # Scripts that the machine runs after each update (desktop indexes) have no business with these lists.
    lines += [f"#clear {key};" for key in ("APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")]
    config = folder / "apt.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["-c", str(config)]


def fetch(
    runner: Runner, console: Console, system: System, mirror: Mirror, programs: list[str], folder: Path
) -> dict[str, Path]:
    """Fetch packages of Debian 13 into a folder and unpack them; returns where each program lies."""
    options = private_apt(folder, mirror)
    with console.step(f"fetching {' '.join(programs)} from {mirror.uri}"):
        update = runner.run(["apt-get", *options, "update", "-q"], timeout_s=_FETCH_S)
        load = runner.stream(
            ["apt-get", *options, "download", "-q", *programs], lambda _line: None, limits=Limits(_FETCH_S), cwd=folder
        )
    found = {}
    for program in programs:
        package = next(iter(sorted(folder.glob(f"{program}_*.deb"))), None)
        if package is None:
            raise no_packages(system, program, last_lines(update.err + "\n" + load.text, 6))
        target = folder / "unpacked" / program
        target.mkdir(parents=True)
        runner.run(["dpkg-deb", "-x", str(package), str(target)], timeout_s=60)
        path = next((p for p in sorted(target.rglob(program)) if p.parent.name == "cli-plugins"), None)
        if path is None:
            raise SetupError(
                f"Debian's package {program} holds no plugin of that name.", "sudo apt-get update, then run this again"
            )
        found[program] = path
    return found
