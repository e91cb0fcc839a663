"""Playing a scenario: the lab is up, the player does the steps, the tap's captures are fetched by the ports that the
player tells.

Everything that touches Docker goes through ``Lab``, which a test replaces. Waiting is always for something that can be
looked at, with a deadline and a sentence that says what was awaited.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.grade.errors import GradeError
from lab.grade.manifest import EXERCISES, Exercise
from lab.grade.scenario import Plan, by_server, program
from lab.store.index import SessionEntry, sessions

ROOT = EXERCISES.parents[1]
HOSTS = ("server", "server-tap", "client-host")
_UP_S, _PLAY_S, _CAPTURE_S, _BY_HAND_S = 300, 120, 30.0, 900.0
_LOOK_EVERY_S = 0.1
Say = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """A command's end: exit status and what it wrote."""

    code: int
    out: str
    err: str = ""


@dataclass
class Lab:
    """The composed lab, reached with docker compose from the repository's folder. env: of its commands (None: ours)."""

    root: Path = ROOT
    env: Mapping[str, str] | None = None

    def compose(
        self, words: Sequence[str], text: str = "", timeout_s: float = _PLAY_S, more: Mapping[str, str] | None = None
    ) -> Done:
        """``docker compose WORDS`` with this on its standard input and more variables. Raises GradeError if that cannot
        be run at all."""
        try:
            done = subprocess.run(
                ["docker", "compose", "--profile", "exercises", *words],
                cwd=self.root,
                env={**(os.environ if self.env is None else self.env), **(more or {})},
                input=text,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except FileNotFoundError:
            raise GradeError("docker is not installed here: 'make up' sets the lab up") from None
        except subprocess.TimeoutExpired:
            raise GradeError(f"docker compose {words[0]} did not end within {timeout_s:.0f} s: try 'make up'") from None
        return Done(done.returncode, done.stdout, done.stderr)

    def captures(self) -> Path:
        """The folder that the tap writes to, as compose sees it."""
        done = self.compose(["config", "--format", "json"])
        try:
            volumes = json.loads(done.out)["services"]["server-tap"]["volumes"]
            return Path(next(volume["source"] for volume in volumes if volume["target"] == "/captures"))
        except (ValueError, KeyError, TypeError, StopIteration):
            raise GradeError(f"docker compose does not say where the captures are: {_last(done.err)}") from None

    def up(self, language: str = "") -> None:
        """Server (in this language, if one is named), tap and the client's host running and healthy; does nothing where
        they are."""
        words = ["up", "--detach", "--wait", "--quiet-pull", *HOSTS]
        done = self.compose(words, timeout_s=_UP_S, more={"SERVER": language} if language else None)
        if done.code:
            raise GradeError(f"the lab does not start ('make up' tells more): {_last(done.err)}")

    def fresh_host(self) -> None:
        """The client's host starts anew: it knows no neighbour then."""
        done = self.compose(["restart", "--no-deps", "--timeout", "2", "client-host"])
        if done.code:
            raise GradeError(f"the client's host could not be restarted: {_last(done.err)}")
        self.up()

    def play(self, told: Mapping[str, Any]) -> Done:
        """Run the player with this program."""
        return self.compose(["run", "--rm", "-T", "--no-deps", "player"], json.dumps(told, ensure_ascii=False))


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


@dataclass
class Run:
    """One run of an exercise: what it needs, and the captures that it brought (part to .pcapng)."""

    exercise: Exercise
    values: Mapping[str, str | int]
    lab: Lab
    say: Say
    clock_s: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    captures: dict[str, Path] = field(default_factory=dict)

    def go(self) -> dict[str, Path]:
        """Play everything and fetch the captures. Raises GradeError."""
        runs = by_server(self.exercise.scenario, self.values)
        self.lab.up()
        if self.exercise.scenario.fresh_host:
            self.say("the client's host starts anew")
            self.lab.fresh_host()
        folder = self.lab.captures()
        known = frozenset(entry.json_path for entry in sessions(folder))
        for language, plans in runs:
            if language:
                self.say(f"the server is written in {language} now")
                self.lab.up(language)
            self._fetch(folder, known, self._play(program(plans, self.values)))
        if any(language for language, _ in runs):
            self.lab.up()
        for plan in self.exercise.scenario.plans:
            if plan.by_hand:
                self._await_hand(folder, known, plan)
        return self.captures

    def _play(self, told: Mapping[str, Any]) -> dict[str, int]:
        """Let the player play; returns the source port of each part."""
        done = self.lab.play(told)
        ports: dict[str, int] = {}
        problem = ""
        for line in done.out.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if not isinstance(event, dict):
                continue
            problem = problem or str(event.get("problem", ""))
            if "local_port" in event:
                ports[str(event.get("part"))] = int(event["local_port"])
            if "say" in event:
                self.say(f"{event.get('part')}: {event['say']}")
        if done.code:
            raise GradeError(f"the scenario could not be played: {problem or _last(done.err)}; run it again")
        return ports

    def _fetch(self, folder: Path, known: frozenset[Path], ports: Mapping[str, int]) -> None:
        """Wait until the tap has finished the capture of each part."""
        wanted = list(ports)
        end_s = self.clock_s() + _CAPTURE_S
        while True:
            found = _by_port(folder, known, ports)
            open_ones = [part for part in wanted if part not in found or found[part].is_open]
            if not open_ones:
                break
            if self.clock_s() > end_s:
                raise GradeError(
                    f"the tap has not finished the capture of {', '.join(open_ones)} after {_CAPTURE_S:.0f} s:"
                    " is it running? ('docker compose ps')"
                )
            self.pause(_LOOK_EVERY_S)
        self.captures.update({part: entry.pcapng_path for part, entry in found.items()})

    def _await_hand(self, folder: Path, known: frozenset[Path], plan: Plan) -> None:
        """Wait until the student has made the session: the newest finished one that has the nonce in it."""
        nonce = str(self.values["nonce"])
        self.say(f"{plan.name}: now it is your turn (see README.md); waiting for a session with {nonce} in it")
        end_s = self.clock_s() + _BY_HAND_S
        while self.clock_s() < end_s:
            fresh = [e for e in sessions(folder) if e.json_path not in known and e.verdict == plan.verdict]
            for entry in reversed(fresh):
                if nonce.encode() in entry.pcapng_path.read_bytes():
                    self.captures[plan.name] = entry.pcapng_path
                    return
            self.pause(_LOOK_EVERY_S * 5)
        raise GradeError(f"no session with {nonce} in it came within {_BY_HAND_S / 60:.0f} minutes")


def _by_port(folder: Path, known: frozenset[Path], ports: Mapping[str, int]) -> dict[str, SessionEntry]:
    """The new sessions by part. Parts that share a port (one after the other) take its sessions in order."""
    fresh: dict[int, list[SessionEntry]] = {}
    for entry in sessions(folder):
        client = entry.facts.get("client")
        port = client.get("port") if isinstance(client, dict) else None
        ours = isinstance(client, dict) and str(client.get("name")).startswith("client")
        if entry.json_path not in known and ours and isinstance(port, int):
            fresh.setdefault(port, []).append(entry)
    found = {}
    for part, port in ports.items():
        waiting = fresh.get(port)
        if waiting:
            found[part] = waiting.pop(0)
    return found
