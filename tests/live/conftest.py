"""The composed lab, for tests: started once, under a project name, port and networks of its own, and taken down at the
end.

Tests wait on conditions with a deadline (``until``); a condition that does not come true tells what was awaited, for
how long, and what the tap and the server logged last. The oracle is tshark in a container without a network.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import docker
import pytest
import testinfra
from docker.models.containers import Container

from lab.conformance.server_program import crowded, free_port
from tests.marked import MARK

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def until(condition: Callable[[], T], what: str, deadline_s: float = 20.0, every_s: float = 0.05) -> T:
    """The first true value of ``condition``, or a failure that says what was awaited and for how long."""
    pause = threading.Event()
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"waited {deadline_s:.0f} s in vain for {what}; the last answer was {value!r}")
        pause.wait(every_s)


def allowed_s(seconds: float) -> float:
    """What takes this long on an idle machine may take longer while others want its processors."""
    return seconds * crowded()


class Lab:
    """One compose project: its settings, its containers, its captures."""

    def __init__(self, project: str, captures: Path, net4: str, net6: str, **settings: str) -> None:
        self.project = project
        self.captures = captures
        self.port = free_port()
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("ECHO_", "COMPOSE_", "SERVER", "CLIENT"))},
            "ECHO_CAPTURES": str(captures),
            "ECHO_PORT": str(self.port),
            "ECHO_NET4": net4,
            "ECHO_NET6": net6,
            **settings,
        }
        self.net4 = net4
        self.net6 = net6
        self.docker = docker.from_env()

    def compose(
        self, *args: str, check: bool = True, text_in: bytes | None = None, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """``docker compose -p PROJECT ARGS`` from the repository's root. Fails the test on an exit status other than
        0."""
        done = subprocess.run(
            ["docker", "compose", "-p", self.project, *args],
            cwd=ROOT,
            env=self.env,
            input=text_in,
            stdin=subprocess.DEVNULL if text_in is None else None,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        result = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if check and result.returncode != 0:
            pytest.fail(
                f"{result.args} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}\n{self.tail()}"
            )
        return result

    def up(self) -> None:
        """Start everything and wait until the demo client has ended; what does not come up whole is taken down."""
        try:
            self.compose("up", "--detach", "--quiet-pull")
            until(lambda: self.container("client").status == "exited", "the demo client's end")
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Containers and networks gone; the captures stay."""
        self.compose("--profile", "*", "down", "--timeout", "2", "--remove-orphans", "--volumes")

    def container(self, service: str) -> Container:
        """The service's container, freshly looked up (also when it has ended)."""
        found = self.docker.containers.list(
            all=True,
            filters={"label": [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]},
        )
        regular = [c for c in found if c.labels.get("com.docker.compose.oneoff") == "False"]
        if not regular:
            pytest.fail(f"there is no container of the service {service}\n{self.tail()}")
        return regular[0]

    def host(self, service: str) -> Any:
        """A testinfra host inside the service's container."""
        return testinfra.get_host(f"docker://{self.container(service).name}")

    def tail(self) -> str:
        """The last lines that every service logged, for a failing test's message."""
        done = subprocess.run(
            ["docker", "compose", "-p", self.project, "logs", "--no-color", "--tail", "15"],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def client(
        self, text_in: str | bytes, *args: str, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """``docker compose run --rm -T client`` with this on its standard input."""
        options = [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
        data = text_in.encode() if isinstance(text_in, str) else text_in
        return self.compose("run", "--rm", "-T", *options, "client", *args, text_in=data, check=check)

    def connect(self) -> socket.socket:
        """A connection of a program on this machine, through the published port."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def sessions(self) -> list[dict[str, Any]]:
        """Every session's JSON, oldest first, with the path of its capture under ``_path``."""
        found = []
        for path in sorted(self.captures.glob("*/*.json")):
            if path.name == "run.json":
                continue
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:  # replaced by its newer version just now
                continue
            found.append({**content, "_path": path.with_suffix(".pcapng")})
        return found

    def ended(self) -> list[dict[str, Any]]:
        """The sessions that are over."""
        return [s for s in self.sessions() if s["verdict"] != "open"]

    def new_session(self, before: int, verdict: str = "complete") -> dict[str, Any]:
        """The one session that came after the first ``before`` ones had ended; it must end with this verdict."""

        def found() -> dict[str, Any] | None:
            later = self.ended()[before:]
            return later[0] if later else None

        session = until(found, "a new session's end\n" + self.tail())
        assert session["verdict"] == verdict, (session, self.tail())
        return session


class Oracle:
    """tshark, capinfos and tcptrace in a container with no network: programs that nobody here wrote."""

    def __init__(self) -> None:
        self.run_image = "echolab/oracle"
        subprocess.run(
            ["docker", "build", "-q", "-t", self.run_image, "-f", "images/oracle/Dockerfile", "images"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )

    def run(self, folder: Path, *words: str) -> str:
        """Run a program with ``folder`` read-only as its working directory. Returns its standard output."""
        done = subprocess.run(
            [
                *("docker", "run", "--rm", *MARK, "--network", "none", "--user", "0:0", "-v", f"{folder}:/in:ro"),
                *("-w", "/in", "-e", "HOME=/tmp", "--entrypoint", words[0], self.run_image, *words[1:]),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def tshark(self, path: Path, *args: str) -> list[str]:
        """tshark in two passes on one file; its lines of output."""
        return self.run(path.parent, "tshark", "-2", "-r", path.name, *args).splitlines()

    def fields(self, path: Path, condition: str, *names: str) -> list[list[str]]:
        """The named fields of every frame that meets the display filter."""
        options = [word for name in names for word in ("-e", name)]
        checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
        return [line.split("\t") for line in self.tshark(path, *checks, "-Y", condition, "-T", "fields", *options)]

    def streams(self, path: Path) -> tuple[bytes, bytes]:
        """The octets that tshark reassembles: what the client sent, and what the server sent."""
        lines = self.run(path.parent, "tshark", "-2", "-r", path.name, "-q", "-z", "follow,tcp,raw,0").splitlines()
        rows = [line for line in lines if line.strip() and set(line.strip()) <= set("0123456789abcdef")]
        sent = b"".join(bytes.fromhex(row) for row in rows if not row.startswith("\t"))
        return sent, b"".join(bytes.fromhex(row.strip()) for row in rows if row.startswith("\t"))


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """tshark and its companions."""
    return Oracle()


@pytest.fixture(scope="session")
def images() -> None:
    """The lab's images, built from the tree as it is."""
    subprocess.run(["docker", "compose", "--profile", "*", "build", "-q"], cwd=ROOT, check=True, capture_output=True)


def private_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """A captures folder that a container's user may enter (pytest's own parents are closed to others)."""
    folder = tmp_path_factory.mktemp(name)
    for parent in (folder, *folder.parents):
        if parent.owner() == Path.home().owner() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
        if parent.name.startswith("pytest-of"):
            break
    return folder


@pytest.fixture(scope="session")
def lab(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab, up, its demo session over."""
    folder = private_folder(tmp_path_factory, "captures")
    lab = Lab("echolab-test", folder, "198.18.70", "2001:db8:70")
    lab.down()
    lab.up()
    yield lab
    lab.down()
    shutil.rmtree(folder, ignore_errors=True)
