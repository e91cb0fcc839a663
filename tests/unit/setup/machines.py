"""Machines for the tests of the set-up: a Runner that answers from tables, and ready-made kinds of machine.

A rule is the beginning of a command line and what the command answers; a later rule goes before an earlier one. A
command without a rule ends with status 1 and a sentence that says so, as an unknown situation should lead to an
error, not to luck.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.setup.console import Console
from lab.setup.install import Setup
from lab.setup.runner import NOT_FOUND, Limits, Result, Runner

_NO_LIMITS = Limits()
Answer = Result | Callable[["FakeRunner", list[str]], Result]

DEBIAN_12 = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n'
DEBIAN_13 = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nVERSION_CODENAME=trixie\nID=debian\n'
DEBIAN_11 = 'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nVERSION_ID="11"\nVERSION_CODENAME=bullseye\nID=debian\n'
UBUNTU_22 = 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n'
UBUNTU_24 = 'PRETTY_NAME="Ubuntu 24.04.2 LTS"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n'
MINT = 'PRETTY_NAME="Linux Mint 22"\nID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\nUBUNTU_CODENAME=noble\n'
FEDORA = 'PRETTY_NAME="Fedora Linux 42 (Workstation Edition)"\nID=fedora\nVERSION_ID=42\n'
ARCH = 'PRETTY_NAME="Arch Linux"\nID=arch\n'
NIXOS = 'PRETTY_NAME="NixOS 25.05"\nID=nixos\n'

NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
NO_PERMISSION = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BOOKWORM_SOURCES = (
    f"Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
    f"Signed-By: {KEYRING}\n"
    "\nTypes: deb\nURIs: http://mirror.test/debian-security\nSuites: bookworm-security\nComponents: main\n"
)


class FakeRunner(Runner):
    """A machine made of tables: programs in the PATH, files, environment, and rules for commands; it records every
    command.
    """

    def __init__(
        self,
        os_release: str = DEBIAN_12,
        *,
        programs: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        uid: int = 0,
        platform: str = "linux",
        is_tty: bool = False,
    ) -> None:
        super().__init__(env or {})
        self.programs = set(programs)
        self.files = {"/etc/os-release": os_release, **(files or {})}
        self.uid = uid
        self.platform = platform
        self.is_tty = is_tty
        self.rules: list[tuple[str, Answer]] = []
        self.commands: list[str] = []
        self.replaced_by: list[str] = []
        self.clock_s = 0.0

    def on(self, beginning: str, answer: Answer) -> FakeRunner:
        """Add a rule."""
        self.rules.insert(0, (beginning, answer))
        return self

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Result:
        self.commands.append(" ".join(argv))
        line = command_of(argv)
        for beginning, answer in self.rules:
            # The beginning ends where a word ends: a rule for docker-compose is none for docker-compose-v2.
            if re.match(re.escape(beginning) + r"(?![\w.-])", line):
                return answer if isinstance(answer, Result) else answer(self, list(argv))
        if argv[0] not in self.programs and argv[0] not in {"env", "sh"}:
            return Result(NOT_FOUND, "", f"{argv[0]}: command not found")
        return Result(1, "", f"no rule for: {line}")

    def stream(
        self,
        argv: Sequence[str],
        on_line: Callable[[str], None],
        *,
        limits: Limits = _NO_LIMITS,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        terminal: bool = False,
    ) -> Result:
        done = self.run(argv, timeout_s=limits.total_s, cwd=cwd)
        for line in done.out.splitlines():
            on_line(line)
        return done

    def interactive(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
        return self.run(argv).code

    def replace(self, argv: Sequence[str]) -> None:
        self.replaced_by = list(argv)
        raise ReplacedError

    def which(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def names(self, folder: str) -> list[str]:
        inside = (path[len(folder) + 1 :] for path in self.files if path.startswith(folder + "/"))
        return sorted(name for name in inside if "/" not in name)

    def exists(self, path: str) -> bool:
        return path in self.files or any(other.startswith(path + "/") for other in self.files)

    def monotonic(self) -> float:
        return self.clock_s

    def pause(self, seconds: float) -> None:
        self.clock_s += seconds

    def ran(self, words: str) -> bool:
        """Whether a command with these words in it was run."""
        return any(words in command for command in self.commands)


class DiskRunner(FakeRunner):
    """A machine whose files, where no table has them, are the real ones."""

    def read(self, path: str) -> str | None:
        text = super().read(path)
        return text if text is not None else Runner.read(self, path)


class ReplacedError(Exception):
    """The process would have become another command here."""


def command_of(argv: Sequence[str]) -> str:
    """A command line without what only says as whom and with which variables and options it runs."""
    words = list(argv)
    while words and words[0] in {"sudo", "-n", "env"}:
        words.pop(0)
        while words and "=" in words[0] and not words[0].startswith("-"):
            words.pop(0)
    if words[:1] == ["apt-get"]:
        while len(words) > 2 and words[1] in {"-o", "-c"}:
            del words[1:3]
    return " ".join(words)


def setup_of(runner: FakeRunner) -> tuple[Setup, io.StringIO]:
    """The set-up of a machine and what it says."""
    said = io.StringIO()
    return Setup.of(runner, Console(said, live=False)), said


def with_docker(
    runner: FakeRunner, server: str = "20.10.24+dfsg1", compose: str = "2.26.1-4", buildx: str = "0.13.1+ds1"
) -> FakeRunner:
    """Give a machine an engine that answers, and plugins ('' for none)."""
    runner.programs.add("docker")
    facts = {"Client": {"Version": "28.2.2"}, "Server": {"Version": server, "Arch": "amd64"}}
    runner.on("docker version --format {{json .}}", Result(0, json.dumps(facts) + "\n"))
    runner.on("docker version --format {{.Server.Version}}", Result(0, server))
    return with_plugins(runner, compose, buildx)


def with_plugins(runner: FakeRunner, compose: str, buildx: str) -> FakeRunner:
    """Give docker its plugins, each by its version or '' for none."""
    nothing = Result(0, "Usage:  docker [OPTIONS] COMMAND\n\nA self-sufficient runtime for containers\n")
    runner.on("docker compose version", Result(0, compose + "\n") if compose else nothing)
    runner.on("docker buildx version", Result(0, f"github.com/docker/buildx {buildx} x\n") if buildx else nothing)
    return runner


def silent_docker(runner: FakeRunner, said: str, *, dockerd: bool = False) -> FakeRunner:
    """Give a machine a docker program whose engine does not answer."""
    runner.programs |= {"docker", "dockerd"} if dockerd else {"docker"}
    runner.on("docker version", Result(1, '{"Client":{"Version":"28.2.2"},"Server":null}\n', said))
    return with_plugins(runner, "2.26.1", "0.13.1")


def with_candidates(runner: FakeRunner, versions: Mapping[str, str]) -> FakeRunner:
    """What apt would install: versions by package."""
    for package, version in versions.items():
        runner.on(
            f"apt-cache policy {package}", Result(0, f"{package}:\n  Installed: (none)\n  Candidate: {version}\n")
        )
    return runner
