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
from lab.grade.scenario import Plan, program, stages
from lab.store.facts import SERVER_TAP
from lab.store.files import read_json
from lab.store.index import SessionEntry, sessions
from lab.store.run import RUN_FACTS

ROOT = EXERCISES.parents[1]
HOSTS = ("server", "server-tap", "client-host")
WIRED = ("wire", "client-tap", "quirks")
SIDES = ("client", "server")
_BUILD_S = 1200.0
_UP_S, _PLAY_S, _CAPTURE_S, _BY_HAND_S = 300, 120, 30.0, 900.0
_LOOK_EVERY_S = 0.1
BY_HAND = "docker compose exec client-host socat - TCP:server:{port}"
"""How a student speaks TCP by hand from the client's host, with nothing but Docker."""
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
                ["docker", "compose", "--profile", "exercises", "--profile", "wire", *words],
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

    def gate(self) -> str:
        """Where a program on this machine finds the server: ``127.0.0.1 8080``, or as .env and the like have it."""
        host, _, port = self.compose(["port", "gate", "8080"]).out.strip().rpartition(":")
        return f"{host} {port}" if port.isdecimal() else "127.0.0.1 8080"

    def up(self, language: str = "", *, wired: bool = False) -> None:
        """Server (in this language, if one is named), tap and the client's host running and healthy; does nothing where
        they are. wired: also the wire, the tap beside the client and the quirks server."""
        words = ["up", "--detach", "--wait", "--quiet-pull", *HOSTS, *(WIRED if wired else ())]
        more, timeout_s = ({"SERVER": language}, _BUILD_S) if language else (None, _UP_S)
        done = self.compose(words, timeout_s=timeout_s, more=more)
        if done.code:
            raise GradeError(f"the lab does not start ('make up' tells more): {_last(done.err)}")

    def fresh_host(self) -> None:
        """The client's host starts anew: it knows no neighbour then. A tap beside it would stay behind in the network
        namespace that is gone, so it goes, too."""
        self.compose(["rm", "--stop", "--force", "client-tap"])
        done = self.compose(["restart", "--no-deps", "--timeout", "2", "client-host"])
        if done.code:
            raise GradeError(f"the client's host could not be restarted: {_last(done.err)}")
        self.up()

    def fresh_quirks(self) -> None:
        """The quirks server starts anew: nobody waits in its queues."""
        done = self.compose(["restart", "--no-deps", "--timeout", "0", "quirks"])
        if done.code:
            raise GradeError(f"the quirks server could not be restarted: {_last(done.err)}")
        self.up(wired=True)

    def wire_runs(self) -> bool:
        """Whether packets may go through the wire just now."""
        return bool(self.compose(["ps", "--quiet", "--status", "running", "wire"]).out.strip())

    def steer(self, way: str) -> None:
        """The hosts' packets go ``through`` the wire, or ``direct``; what they knew about the path is forgotten."""
        for side in SIDES:
            peer = "server" if side == "client" else "client"
            done = self.compose(["run", "--rm", "-T", "--no-deps", f"{side}-steer", way, peer])
            if done.code:
                raise GradeError(f"the {side}'s route could not be set: {_last(done.err)}")

    def script(self, text: str) -> None:
        """This fault script is in force from now on; none if it is empty."""
        words = ["load", "-", "--name", "exercise"] if text.strip() else ["clear"]
        done = self.compose(["exec", "-T", "wire", "wire", *words], text)
        if done.code:
            raise GradeError(f"the wire does not take the exercise's script: {_last(done.err)}")

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
        played = stages(self.exercise.scenario, self.values)
        wired = self.exercise.scenario.through_wire
        self._prepare(wired)
        folder = self.lab.captures()
        known = frozenset(entry.json_path for entry in sessions(folder))
        ports: dict[str, int] = {}
        for language, script, plans in played:
            if language:
                self.say(f"the server is written in {language} now (its image is built first if it is not there yet)")
                self.lab.up(language)
            if wired:
                self.lab.script(script)
                for line in script.split("\n") if script.strip() else ():
                    self.say(f"the wire: {line}" if line.strip() else "")
            ports.update(self.heard(self.lab.play(program(plans, self.values))))
            self.fetch(folder, known, ports, plans)
        if any(language for language, _script, _plans in played):
            self.lab.up()
        if wired:
            self.lab.script("")
            self.lab.steer("direct")
        return self.finish(folder, known, ports)

    def fetch(self, folder: Path, known: frozenset[Path], ports: Mapping[str, int], plans: Sequence[Plan]) -> None:
        """Wait for the captures of one stage. A half-open session is finished by the SYN that takes its ports over,
        which may be of a later one."""
        self._fetch(folder, known, ports, [plan for plan in plans if plan.verdict != "half-open"])

    def finish(self, folder: Path, known: frozenset[Path], ports: Mapping[str, int]) -> dict[str, Path]:
        """Wait for what is still missing when all stages are played, and for the student's own hand."""
        self._fetch(folder, known, ports, [plan for plan in self.exercise.scenario.plans if not plan.by_hand])
        for plan in self.exercise.scenario.plans:
            if plan.by_hand:
                self._await_hand(folder, known, plan)
        return self.captures

    def _prepare(self, wired: bool) -> None:
        """The lab as the scenario wants it: with the wire between the hosts, or without."""
        self.lab.up(wired=True) if wired else self.lab.up()
        if self.exercise.scenario.fresh_host:
            self.say("the client's host starts anew")
            self.lab.fresh_host()
        if self.exercise.scenario.fresh_quirks:
            self.say("the quirks server starts anew")
            self.lab.fresh_quirks()
        if wired:
            self.lab.steer("through")
        elif self.lab.wire_runs():
            self.lab.script("")
            self.lab.steer("direct")

    def heard(self, done: Done) -> dict[str, int]:
        """What the player has told: passes it on, and returns the source port of each part. Raises GradeError."""
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
        if done.code or problem:
            raise GradeError(f"the scenario could not be played: {problem or _last(done.err)}; run it again")
        return ports

    def _fetch(self, folder: Path, known: frozenset[Path], ports: Mapping[str, int], plans: Sequence[Plan]) -> None:
        """Wait until the taps have finished the captures of these plans. ports: of all connections so far, since those
        that share a port are told apart by their order."""
        every = self.exercise.scenario.plans
        taps = {name: plan.captures_of(name) for plan in every for name in plan.names(self.values)}
        wanted = [part for plan in plans for name in plan.names(self.values) if name in ports for part in taps[name]]
        end_s = self.clock_s() + _CAPTURE_S
        while True:
            found: dict[str, SessionEntry] = {}
            for side in SIDES:
                entries = _by_port(folder, known, ports, f"{side}-tap")
                for name, entry in entries.items():
                    found.update({part: entry for part, tap in taps[name].items() if tap == side})
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
        """Wait until the student has made the session: the newest finished one that has the nonce in it and that the
        player has not made."""
        nonce = str(self.values["nonce"])
        self.say(f"{plan.name}: now it is your turn (README.md says what to type). In another terminal, one of:")
        self.say(f"{plan.name}:   {BY_HAND.format(port=plan.port)}")
        self.say(f"{plan.name}:   nc {self.lab.gate()}")
        self.say(f"{plan.name}: waiting for a session with {nonce} in it ...")
        end_s = self.clock_s() + _BY_HAND_S
        while self.clock_s() < end_s:
            played = set(self.captures.values())
            fresh = [
                entry
                for entry in sessions(folder)
                if entry.json_path not in known and entry.pcapng_path not in played and entry.verdict == plan.verdict
            ]
            for entry in reversed(fresh):
                if nonce.encode() in entry.pcapng_path.read_bytes():
                    self.captures[plan.name] = entry.pcapng_path
                    return
            self.pause(_LOOK_EVERY_S * 5)
        raise GradeError(f"no session with {nonce} in it came within {_BY_HAND_S / 60:.0f} minutes")


def _by_port(folder: Path, known: frozenset[Path], ports: Mapping[str, int], tap: str) -> dict[str, SessionEntry]:
    """The new sessions of a tap by connection. Those that share a port (one after the other) take its sessions in
    order."""
    fresh: dict[int, list[SessionEntry]] = {}
    taps: dict[Path, str] = {}
    for entry in sessions(folder):
        client = entry.facts.get("client")
        port = client.get("port") if isinstance(client, dict) else None
        ours = isinstance(client, dict) and str(client.get("name")).startswith("client")
        if entry.json_path not in known and ours and isinstance(port, int) and _tap_of(entry, taps) == tap:
            fresh.setdefault(port, []).append(entry)
    found = {}
    for part, port in ports.items():
        waiting = fresh.get(port)
        if waiting:
            found[part] = waiting.pop(0)
    return found


def _tap_of(entry: SessionEntry, known: dict[Path, str]) -> str:
    """The name of the tap that wrote a session, as its run.json tells; the server's where it does not say."""
    folder = entry.json_path.parent
    if folder not in known:
        try:
            known[folder] = str(read_json(folder / RUN_FACTS).get("tap", SERVER_TAP))
        except (OSError, ValueError):
            known[folder] = SERVER_TAP
    return known[folder]
