"""A lab with its profile wire, as a test bench: started under a project name and networks of its own, with an agent
beside the client, beside the server and beside the wire (``tests.wire.agent``).

A few agents that live as long as the lab cost less than a ``docker exec`` for every question: a play takes a fraction
of a second then, and hundreds of them a few minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lab.conformance.server_program import free_port
from tests.wire import agent

ROOT = Path(__file__).resolve().parents[2]
HOSTS = ("client", "server")
SHORT = """services: {server-host: {sysctls: {net.ipv4.tcp_synack_retries: "1"}}}"""
"""So that half-open sessions that a flood leaves behind are gone after three seconds, not after a minute."""

SERVICES = ("server", "quirks", "gate", "client-tap", "server-tap", "wire", "client-steer", "server-steer")
T = TypeVar("T")


class StandError(Exception):
    """The bench itself does not work: what was awaited, and what came."""


def until(condition: Callable[[], T], what: str, deadline_s: float = 20.0, every_s: float = 0.03) -> T:
    """The first true value of ``condition``. Raises StandError that says what was awaited and for how long."""
    pause = threading.Event()
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise StandError(f"waited {deadline_s:.0f} s in vain for {what}; the last answer was {value!r}")
        pause.wait(every_s)


def started_ns(path: Path) -> int:
    """When a capture's first frame came, by its JSON; 0 while that is not written."""
    try:
        facts: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0
    return int(facts["file"].get("first_frame_ns") or 0)


class Agent:
    """One process in a container that answers questions."""

    def __init__(self, container: str) -> None:
        text = Path(agent.__file__).read_text(encoding="utf-8")
        self._process = subprocess.Popen(
            ["docker", "exec", "-i", container, "python3", "-u", "-c", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """The answer to a request. Raises StandError if the agent is gone."""
        self.begin(do, **more)
        return self.answer()

    def begin(self, do: str, **more: Any) -> None:
        """Make a request, and do something else meanwhile."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise StandError(f"the agent does not take {do!r}: {error}") from error

    def answer(self) -> dict[str, Any]:
        """The answer to the request that was begun."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise StandError("the agent ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Stand:
    """A composed lab with the wire. number: the third number of its IPv4 network, 198.18.NUMBER.

    settings: environment of docker compose. files: more compose files, each as text.
    """

    def __init__(
        self, project: str, number: int, captures: Path, files: Sequence[str] = (SHORT,), **settings: str
    ) -> None:
        self.project = project
        self.captures = captures
        self.settings = settings
        self.net4, self.net6 = f"198.18.{number}", f"2001:db8:{number}:"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ECHO_", "COMPOSE_", "SERVER", "CLIENT"))}
        lab = {"ECHO_NET4": self.net4, "ECHO_NET6": self.net6.rstrip(":"), "ECHO_PORT": str(free_port())}
        self.env = {**kept, **lab, "ECHO_CAPTURES": str(captures), "ECHO_LADDER": "off", **settings}
        self._more: list[Path] = []
        for index, text in enumerate(files):
            path = captures.parent / f"{project}-{index}.yaml"
            path.write_text(text, encoding="utf-8")
            self._more.append(path)
        self._agents: dict[str, Agent] = {}

    def compose(self, *words: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """``docker compose ... WORDS`` in the repository, with this on its standard input."""
        files: list[str] = []
        if self._more:  # named files replace the usual ones, so these are named as well
            usual = [ROOT / name for name in ("compose.yaml", "compose.override.yaml")]
            files = [word for path in (*usual, *self._more) if path.exists() for word in ("-f", str(path))]
        done = subprocess.run(
            ["docker", "compose", *files, "-p", self.project, "--profile", "wire", *words],
            cwd=ROOT,
            env=self.env,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=180,
            check=False,
        )
        if check and done.returncode:
            raise StandError(f"docker compose {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done

    def up(self) -> None:
        """Start everything and wait until it is ready, or leave nothing behind; nobody plays the demo."""
        self.down()
        self.captures.mkdir(exist_ok=True)
        try:
            self.compose("up", "--detach", "--wait", "--quiet-pull", *SERVICES[:6])
            for side in HOSTS:
                self.steer(side)
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Containers and networks gone; the captures stay."""
        for one in self._agents.values():
            one.close()
        self._agents.clear()
        self.compose("down", "--timeout", "1", "--remove-orphans", "--volumes", check=False)

    def steer(self, side: str) -> None:
        """Set the route of a host through the wire anew: what it has learnt about the path is gone."""
        self.compose("run", "--rm", "--no-deps", "-T", f"{side}-steer")

    def agent(self, service: str, what: str = "") -> Agent:
        """The agent in this service's container; by another word (what), another one."""
        if service + what not in self._agents:
            self._agents[service + what] = Agent(f"{self.project}-{service}-1")
        return self._agents[service + what]

    def forget(self, service: str, what: str = "") -> None:
        """Let this agent go: it has done its work, or its container is another one now."""
        gone = self._agents.pop(service + what, None)
        if gone is not None:
            gone.close()

    def beside(self, side: str) -> Agent:
        """The agent in a host's network namespace (it lives in the tap's container)."""
        return self.agent(f"{side}-tap")

    def address(self, side: str, version: int) -> str:
        """A host's or the wire's address."""
        last = {"server": "10", "client": "20", "wire": "40"}[side]
        return f"{self.net4}.{last}" if version == 4 else f"{self.net6}:{last}"

    def counters(self) -> dict[str, dict[str, int]]:
        """The kernel's counters of both hosts."""
        return {side: self.beside(side).ask("counters") for side in HOSTS}

    @property
    def wire_mac(self) -> bytes:
        """The wire's hardware address."""
        return bytes.fromhex(self.agent("wire").ask("card")["mac"].replace(":", ""))

    def load(self, name: str, text: str) -> dict[str, Any]:
        """An empty log and this script."""
        self.agent("wire").ask("load", request={"do": "clear", "log": True})
        return self.agent("wire").ask("load", request={"do": "load", "name": name, "text": text})

    def log(self) -> list[dict[str, Any]]:
        """Every line of the wire's log since the script was loaded."""
        lines: list[dict[str, Any]] = self.agent("wire").ask("log")["lines"]
        return lines

    def quiet(self, deadline_s: float = 30.0) -> None:
        """Wait until no session is open on either host."""
        for side in HOSTS:
            until(lambda side=side: not self.beside(side).ask("sockets")["busy"], f"{side}: no session", deadline_s)  # type: ignore[misc]

    def run_of(self, side: str) -> Path:
        """The newest folder of a host's tap."""

        def found() -> Path | None:
            mine = []
            for path in self.captures.glob("*/run.json"):
                facts: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                if facts["tap"] == f"{side}-tap":
                    mine.append((int(facts["start_ns"]), path.parent))
            return max(mine)[1] if mine else None

        return until(found, f"the folder of the {side}'s tap")

    def captures_of(self, side: str, pattern: str, since_ns: int) -> list[Path]:
        """The captures of a tap whose names fit, begun since then, in order."""
        return [path for path in sorted(self.run_of(side).glob(pattern)) if started_ns(path) >= since_ns]
