"""What is played: a scenario.toml with a student's own values filled in becomes the player's program.

The vocabulary of steps is the player's (``lab.grade.player.STEPS``); this module knows which words each step takes, so
that a misspelt one is a sentence when the exercise is loaded and not a riddle when a student runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from lab.grade.errors import GradeError
from lab.grade.seed import fill, placeholders

# step: (words it must have, words it may have)
STEP_WORDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "connect": (frozenset(), frozenset({"expect", "patience_ms"})),
    "send": (frozenset(), frozenset({"text", "pieces", "times", "pad_to", "one_write"})),
    "wait_acknowledged": (frozenset(), frozenset()),
    "wait_answer": (frozenset(), frozenset({"octets"})),
    "read": (frozenset(), frozenset({"lines", "text"})),
    "read_slowly": (frozenset({"octets"}), frozenset({"bite", "pause_ms"})),
    "read_end": (frozenset(), frozenset()),
    "await_reset": (frozenset(), frozenset()),
    "ttl": (frozenset({"hops"}), frozenset()),
    "pause": (frozenset({"ms"}), frozenset()),
    "half_close": (frozenset(), frozenset()),
    "close": (frozenset(), frozenset()),
    "reset": (frozenset(), frozenset()),
}
_NUMBERS = frozenset({"times", "pad_to", "octets", "bite", "pause_ms", "ms", "lines", "patience_ms", "hops"})
_OPTIONS = frozenset({"receive_buffer", "segment_size", "nodelay", "source_port", "keepalive_s"})
CONNECTION_WORDS = (
    frozenset({"name", "to", "port", "count", "verdict", "by_hand", "server", "steps", "wire", "tap"}) | _OPTIONS
)
HOSTS = ("server", "server6")
VERDICTS = ("complete", "reset", "refused", "half-open")
TAPS = ("server", "client", "both", "none")
_AT = {"client": "-at-client", "server": "-at-server"}
MOST_COUNT = 16
_FILLER = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Plan:
    """One connection, or a group that plays in step. count: how many (a number, or a placeholder); 0 for a single one.

    verdict: how its session must end to be of use. by_hand: the student makes it; its nonce identifies it.
    server: the language of the server that it talks to; empty for the one that runs. wire: the fault script that is in
    force meanwhile; tap: whose capture is kept, ``server``, ``client``, ``both`` or ``none``.
    """

    name: str
    to: str
    port: int
    steps: tuple[Mapping[str, Any], ...]
    count: str | int = 0
    verdict: str = "complete"
    by_hand: bool = False
    server: str = ""
    wire: str = ""
    tap: str = "server"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def silent(self) -> bool:
        """Whether its client sends no nonce, so that only its source port tells whose it is."""
        return not self.by_hand and not any("nonce" in placeholders(text) for text in _texts(self))

    def names(self, values: Mapping[str, str | int]) -> list[str]:
        """The connections it makes: its own name, or name-1, name-2 ... of a group."""
        if not self.count:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(1, number_of(self.count, values) + 1)]

    def captures_of(self, name: str) -> dict[str, str]:
        """The captures that one of its connections brings: part to tap. ``NAME-at-client`` where both taps count."""
        if self.tap == "both":
            return {f"{name}{suffix}": side for side, suffix in _AT.items()}
        return {} if self.tap == "none" else {name: self.tap}

    def parts(self, values: Mapping[str, str | int]) -> list[str]:
        """The names of all captures that it brings."""
        return [part for name in self.names(values) for part in self.captures_of(name)]


@dataclass(frozen=True)
class Scenario:
    """All connections, in the order in which they are played. fresh_host: the client's host starts anew before, so that
    it knows no neighbour; fresh_quirks: the quirks server does, so that its queues are empty."""

    plans: tuple[Plan, ...]
    fresh_host: bool = False
    fresh_quirks: bool = False

    @property
    def through_wire(self) -> bool:
        """Whether it is played with the wire between the hosts."""
        return any(plan.wire or plan.tap != "server" for plan in self.plans)

    @property
    def several(self) -> bool:
        """Whether there is more than one capture, so that a question must say which it means."""
        return len(self.plans) > 1 or any(plan.tap == "both" for plan in self.plans)

    def parts(self, values: Mapping[str, str | int]) -> list[str]:
        """The names of all captures that a run must bring."""
        return [part for plan in self.plans for part in plan.parts(values)]

    def plan_of(self, part: str) -> Plan | None:
        """The plan that a part comes from."""
        for plan in self.plans:
            alone = part in plan.captures_of(plan.name)
            if alone or (plan.count and part.rpartition("-")[0] == plan.name):
                return plan
        return None

    def names_used(self) -> set[str]:
        """All placeholders in it."""
        found = set()
        for plan in self.plans:
            found |= {name for text in _texts(plan) for name in placeholders(text)}
            steps = [dict(step) for step in plan.steps]
            found |= placeholders(f"{plan.count} {plan.server} {plan.wire} {list(plan.options.values())} {steps}")
        return found


def _texts(plan: Plan) -> list[str]:
    return [str(text) for step in plan.steps for text in (step.get("text", ""), *step.get("pieces", ())) if text]


def number_of(value: object, values: Mapping[str, str | int]) -> int:
    """A number that may be written as a placeholder. Raises GradeError."""
    text = fill(str(value), values)
    if not text.isdecimal() or len(text) > 9:
        raise GradeError(f"{value!r} is no number here")
    return int(text)


def stages(scenario: Scenario, values: Mapping[str, str | int]) -> list[tuple[str, str, list[Plan]]]:
    """What is played, in runs of connections with the same server and fault script: the server's language (empty: any),
    the script, and the plans."""
    played = [plan for plan in scenario.plans if not plan.by_hand]
    grouped = groupby(played, lambda plan: (fill(plan.server, values), fill(plan.wire, values)))
    return [(language, script, list(plans)) for (language, script), plans in grouped]


def program(plans: Sequence[Plan], values: Mapping[str, str | int]) -> dict[str, Any]:
    """The player's program, with everything filled in. Raises GradeError."""
    connections = []
    for plan in plans:
        if plan.by_hand:
            continue
        names = plan.names(values)
        entry: dict[str, Any] = {"names": names, "to": plan.to, "port": plan.port}
        for name, value in plan.options.items():
            entry[name] = value if isinstance(value, bool) else number_of(value, values)
        numbered = [{**values, "i": number} for number in range(1, len(names) + 1)]
        entry["steps"] = [[_step(step, own) for own in numbered] for step in plan.steps]
        connections.append(entry)
    return {"connections": connections}


def _step(step: Mapping[str, Any], values: Mapping[str, str | int]) -> dict[str, Any]:
    if step["do"] == "send":
        return {"do": "send", "pieces": _pieces(step, values)}
    filled: dict[str, Any] = {}
    for name, value in step.items():
        filled[name] = number_of(value, values) if name in _NUMBERS else fill(str(value), values)
    return filled


def _pieces(step: Mapping[str, Any], values: Mapping[str, str | int]) -> list[str]:
    """What each write sends."""
    if "pieces" in step:
        return [fill(str(piece), values) for piece in step["pieces"]]
    times = number_of(step.get("times", 1), values)
    lines = []
    for number in range(1, times + 1):
        line = fill(str(step["text"]), {**values, "n": number})
        if "pad_to" in step:
            line = _padded(line, number_of(step["pad_to"], values))
        lines.append(line)
    return ["".join(lines)] if step.get("one_write", True) else lines


def _padded(line: str, octets: int) -> str:
    """The line made so many octets long, its line end included."""
    end = "\n" if line.endswith("\n") else ""
    missing = octets - len(line.encode())
    if missing < 0:
        raise GradeError(f"pad_to = {octets} is less than the text has")
    return line[: len(line) - len(end)] + (_FILLER * (missing // len(_FILLER) + 1))[:missing] + end


def read(tables: Mapping[str, Any]) -> tuple[Scenario, list[str]]:
    """A scenario from its TOML, and what is wrong with it."""
    mistakes: list[str] = []
    plans = []
    for unknown in tables.keys() - {"connection", "fresh_host", "fresh_quirks"}:
        mistakes.append(f"scenario.toml: {unknown!r} means nothing")
    entries = tables.get("connection")
    if not isinstance(entries, list) or not entries:
        return Scenario(()), [*mistakes, "scenario.toml has no [[connection]]"]
    for number, entry in enumerate(entries, 1):
        where = f"scenario.toml, connection {entry.get('name', number)}"
        found = _mistakes(entry, where)
        mistakes += found
        if not found:
            options = {name: entry[name] for name in _OPTIONS & entry.keys()}
            steps = tuple(entry.get("steps", ()))
            plans.append(
                Plan(
                    entry["name"],
                    entry.get("to", "server"),
                    entry.get("port", 7),
                    steps,
                    entry.get("count", 0),
                    entry.get("verdict", "complete"),
                    entry.get("by_hand", False),
                    entry.get("server", ""),
                    entry.get("wire", ""),
                    entry.get("tap", "server"),
                    options,
                )
            )
    names = [plan.name for plan in plans]
    mistakes += [f"scenario.toml: two connections are called {name}" for name in set(names) if names.count(name) > 1]
    scenario = Scenario(tuple(plans), bool(tables.get("fresh_host", False)), bool(tables.get("fresh_quirks", False)))
    mistakes += [
        f"scenario.toml, connection {plan.name}: sends no {{nonce}} and binds no source_port, so nobody can tell whose"
        " capture it is"
        for plan in plans
        if plan.silent and "port" not in placeholders(str(plan.options.get("source_port", "")))
    ]
    return scenario, mistakes


def _mistakes(entry: Mapping[str, Any], where: str) -> list[str]:
    found = [f"{where}: {word!r} means nothing" for word in entry.keys() - CONNECTION_WORDS]
    name = entry.get("name")
    if not isinstance(name, str) or not name.replace("-", "").isalnum() or not name.islower() or name[-1].isdigit():
        found.append(f"{where}: its name must be of small letters, digits and '-', and not end in a digit")
    if entry.get("to", "server") not in HOSTS:
        found.append(f"{where}: to = {entry['to']!r} is none of {', '.join(HOSTS)}")
    if not isinstance(entry.get("port", 7), int) or not 1 <= entry.get("port", 7) <= 65535:
        found.append(f"{where}: port must be a number from 1 to 65535")
    if entry.get("verdict", "complete") not in VERDICTS:
        found.append(f"{where}: verdict = {entry['verdict']!r} is none of {', '.join(VERDICTS)}")
    if not isinstance(entry.get("server", ""), str):
        found.append(f'{where}: server must be a language, such as "c"')
    if not isinstance(entry.get("wire", ""), str):
        found.append(f"{where}: wire must be a fault script (docs/wire.md)")
    if entry.get("tap", "server") not in TAPS:
        found.append(f"{where}: tap = {entry['tap']!r} is none of {', '.join(TAPS)}")
    if entry.get("tap") == "both" and (entry.get("count") or entry.get("by_hand")):
        found.append(f"{where}: only a single connection that the player makes has captures of both taps")
    if entry.get("count") and "source_port" in entry:
        found.append(f"{where}: a group cannot share one source_port")
    steps = entry.get("steps", [])
    if not steps and not entry.get("by_hand"):
        found.append(f"{where}: it has no steps")
    for number, step in enumerate(steps, 1):
        found += _step_mistakes(step, f"{where}, step {number}")
    return found


def _step_mistakes(step: Mapping[str, Any], where: str) -> list[str]:
    words = STEP_WORDS.get(str(step.get("do")))
    if words is None:
        return [f"{where}: there is no step {step.get('do')!r} (there are {', '.join(STEP_WORDS)})"]
    needed, may = words
    found = [f"{where}: {step['do']} needs {word!r}" for word in sorted(needed - step.keys())]
    found += [f"{where}: {step['do']} does not know {word!r}" for word in sorted(step.keys() - needed - may - {"do"})]
    if step["do"] == "send" and ("text" in step) == ("pieces" in step):
        found.append(f"{where}: send has either text or pieces")
    return found
