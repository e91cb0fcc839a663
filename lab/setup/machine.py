"""What kind of machine this is: the system, the distribution, and whether we may change something on it.

Installing is offered on Debian and its descendants only, where one package manager brings everything. For the
others this module has the sentence that says what to do by hand.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.setup.errors import SetupError
from lab.setup.runner import Limits, Result, Runner

# The first release of each distribution whose libc (2.34) runs the plugin binaries of Debian 13.
_DEBIAN_WITH_LIBC_2_34 = 12


@dataclass(frozen=True)
class System:
    """A system: kind is ``debian``, ``ubuntu`` (with their descendants), ``linux``, ``macos`` or ``windows``.

    name: for messages, as the system calls itself. codename: the release in apt's words, may be empty.
    """

    kind: str
    name: str
    codename: str = ""
    version: str = ""
    identifier: str = ""
    wsl: bool = False

    @property
    def has_apt(self) -> bool:
        """Whether packages come from Debian or Ubuntu."""
        return self.kind in {"debian", "ubuntu"}

    @property
    def runs_trixie_binaries(self) -> bool:
        """Whether programs of Debian 13 run here (they need libc 2.34)."""
        major = re.match(r"\d+", self.version)
        return self.kind == "debian" and (major is None or int(major.group()) >= _DEBIAN_WITH_LIBC_2_34)


def parse_os_release(text: str) -> dict[str, str]:
    """/etc/os-release as a dictionary; the format is that of shell assignments, os-release(5)."""
    values = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or key.startswith("#"):
            continue
        try:
            values[key] = " ".join(shlex.split(value))
        except ValueError:
            values[key] = value.strip("\"'")
    return values


def system_of(platform: str, os_release: Mapping[str, str], kernel: str = "") -> System:
    """Which system this is, from Python's platform word, /etc/os-release and the kernel's name."""
    if platform == "darwin":
        return System("macos", "macOS")
    if platform in {"win32", "cygwin"}:
        return System("windows", "Windows")
    identifier = os_release.get("ID", "").lower()
    family = [identifier, *os_release.get("ID_LIKE", "").lower().split()]
    # Ubuntu's descendants name "ubuntu debian": the nearer one decides which packages there are.
    kind = next((word for word in family if word in {"debian", "ubuntu"}), "linux")
    codename = os_release.get("VERSION_CODENAME", "")
    if kind == "ubuntu":
        codename = os_release.get("UBUNTU_CODENAME", codename)
    elif identifier != "debian":
        codename = os_release.get("DEBIAN_CODENAME", codename)
    return System(
        kind,
        os_release.get("PRETTY_NAME") or os_release.get("NAME") or "this Linux",
        codename,
        os_release.get("VERSION_ID", "") if identifier in {"debian", "ubuntu"} else "",
        identifier,
        "microsoft" in kernel.lower(),
    )


def this_system(runner: Runner) -> System:
    """The system that the runner runs on."""
    text = runner.read("/etc/os-release") or runner.read("/usr/lib/os-release") or ""
    return system_of(runner.platform, parse_os_release(text), runner.read("/proc/sys/kernel/osrelease") or "")


@dataclass
class Privilege:
    """The way to do something as root: nothing to add when we are root, else sudo, else not at all."""

    runner: Runner
    _sudo: list[str] | None = field(default=None, init=False)
    _asked: bool = field(default=False, init=False)

    @property
    def available(self) -> bool:
        """Whether something can be done as root; asks sudo for its password at most once, and only on a terminal."""
        return self.prefix() is not None

    def prefix(self) -> list[str] | None:
        """What to write before a command that needs root: [] for root, sudo's words, or None when there is no way."""
        if self.runner.uid == 0:
            return []
        if not self._asked:
            self._asked = True
            self._sudo = self._find_sudo()
        return self._sudo

    def run(self, argv: Sequence[str], *, timeout_s: float = 60.0) -> Result:
        """Run a command as root."""
        return self.runner.run([*self._need(argv), *argv], timeout_s=timeout_s)

    def stream(self, argv: Sequence[str], on_line: Callable[[str], None], *, total_s: float = 600.0) -> Result:
        """Run a long command as root, line by line."""
        return self.runner.stream([*self._need(argv), *argv], on_line, limits=Limits(total_s))

    def _need(self, argv: Sequence[str]) -> list[str]:
        prefix = self.prefix()
        if prefix is None:
            raise SetupError(
                "This step needs root, and sudo is not there or refuses.", f"run as root: {shlex.join(list(argv))}"
            )
        return prefix

    def _find_sudo(self) -> list[str] | None:
        if self.runner.which("sudo") is None:
            return None
        if self.runner.run(["sudo", "-n", "true"], timeout_s=10).ok:
            return ["sudo", "-n"]
        # -v asks on the terminal and remembers the answer for some minutes.
        if self.runner.is_tty and self.runner.interactive(["sudo", "-v"]) == 0:
            return ["sudo", "-n"]
        return None
