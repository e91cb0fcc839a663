"""Packages from the machine's own distribution: is there one, which version, install it without disturbing anything
else.

Nothing is upgraded, nothing recommended is pulled in, no question is asked and no other service is restarted. The
lists are refreshed (``apt-get update``) only when a package that should exist cannot be found or fetched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.setup.advice import no_packages, no_root
from lab.setup.aptsources import parse_apt_config
from lab.setup.console import Console, Step
from lab.setup.errors import last_lines
from lab.setup.machine import Privilege, System
from lab.setup.runner import Runner

_QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_MODE": "l",  # Ubuntu's needrestart would restart other services afterwards; "l" only lists them
    "NEEDRESTART_SUSPEND": "1",
}
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_INSTALL_S = 600.0
_LOCK_S = "120"  # another apt (unattended-upgrades) may hold the lock: wait for it that long


@dataclass
class Apt:
    """apt on this machine.

    refreshed: whether the lists have been updated by us already, so that it is done once at most.
    """

    runner: Runner
    console: Console
    system: System
    privilege: Privilege
    refreshed: bool = field(default=False)

    def candidate(self, package: str) -> str:
        """The version that apt would install, or '' when it knows none."""
        found = re.search(
            r"^\s*Candidate:\s*(\S+)", self.runner.run(["apt-cache", "policy", package]).out, re.MULTILINE
        )
        return "" if found is None or found.group(1) == "(none)" else found.group(1)

    def is_installed(self, package: str) -> bool:
        """Whether a package is installed."""
        answer = self.runner.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package])
        return answer.ok and answer.out.strip() == "installed"

    def refresh(self, why: str) -> None:
        """Update the lists, once; a mirror that fails is not yet an error, as the old lists may do."""
        if self.refreshed:
            return
        self.refreshed = True
        with self.console.step(f"apt-get update ({why})") as step:
            code, _ = self._apt_get(["update", "-q"], step)
            if code != 0:
                step.fail(f"apt-get update gave up (status {code}); going on with the lists as they are")

    def find(self, packages: Sequence[str]) -> str:
        """The first of these packages that apt knows, updating the lists if it knows none; '' when there is none."""
        for attempt in (1, 2):
            for package in packages:
                if self.candidate(package):
                    return package
            if attempt == 1 and not self.refreshed and self.privilege.available:
                self.refresh(f"the lists here know no {packages[0]}")
            else:
                break
        return ""

    def install(self, packages: Sequence[str], why: str) -> None:
        """Install packages; raises when apt cannot.

        why: the reason, told to the user.
        """
        names = " ".join(packages)
        if not self.privilege.available:
            raise no_root(f"{names} must be installed ({why})", packages)
        self.find(packages[:1])
        self.console.doing(f"installing {names} with apt", why)
        code, output = self._install(packages)
        if code != 0 and not self.refreshed:
            # Old lists name package files that the mirror no longer has (404): fresh lists help.
            self.refresh("the lists here are out of date")
            code, output = self._install(packages)
        if code != 0:
            raise no_packages(self.system, names, last_lines(output, 6))

    def _install(self, packages: Sequence[str]) -> tuple[int, str]:
        with self.console.step(f"apt-get install {' '.join(packages)}") as step:
            code, output = self._apt_get(["install", "-q", "-y", "--no-install-recommends", *packages], step)
            if code != 0:
                step.fail(f"apt-get install gave up (status {code})")
        return code, output

    def _apt_get(self, words: Sequence[str], step: Step) -> tuple[int, str]:
        variables = {**_QUIET, **{k: self.runner.env[k] for k in _PROXIES if k in self.runner.env}}
        command = [
            "env",
            *(f"{key}={value}" for key, value in variables.items()),
            "apt-get",
            "-o",
            f"DPkg::Lock::Timeout={_LOCK_S}",
            "-o",
            "Dpkg::Options::=--force-confold",
            *words,
        ]
        done = self.privilege.stream(command, lambda line: _progress(line, step), total_s=_INSTALL_S)
        return done.code, done.text


def _progress(line: str, step: Step) -> None:
    """Lines of apt that say how far it is; the rest is kept for a failure only."""
    if line.startswith(("Unpacking ", "Setting up ")):
        step.note(" ".join(line.split()[:3]).split(" (")[0])


def proxies(runner: Runner) -> dict[str, str]:
    """The proxies that fetching packages needs here: from the environment, else from apt's own settings."""
    config = parse_apt_config(runner.run(["apt-config", "dump"]).out) if runner.which("apt-config") else {}
    found = {}
    for scheme in ("http", "https"):
        name = f"{scheme}_proxy"
        value = runner.env.get(name) or runner.env.get(name.upper()) or config.get(f"Acquire::{scheme}::Proxy", "")
        if value and value != "DIRECT":
            found[name] = value
    without = runner.env.get("no_proxy") or runner.env.get("NO_PROXY", "")
    return {**found, "no_proxy": without} if found and without else found


def kept_settings(runner: Runner) -> dict[str, str]:
    """Settings of the machine's apt that its mirror may need to be accepted at all (a frozen snapshot, say)."""
    if not runner.which("apt-config"):
        return {}
    config = parse_apt_config(runner.run(["apt-config", "dump"]).out)
    wanted = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
    return {key: config[key] for key in wanted if config.get(key)}
