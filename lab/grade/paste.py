"""Playing without Python and without Docker's command line in reach: the commands that play an exercise, as a script.

In the container of the service ``learn`` there is no Docker. So ``echolab exercise run N`` prints there what it would
do itself: a shell script for the machine that has Docker.

    docker compose run --rm -T learn exercise run 1 | sh

Each stage of it is a pipe: ``learn`` tells the player's program, the player plays it, and ``learn`` collects what the
tap has captured. What has to be remembered in between stands in run.json in the exercise's work folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.grade.errors import GradeError
from lab.grade.manifest import Exercise
from lab.grade.play import HOSTS, WIRED, Done, Lab, Run, Say
from lab.grade.progress import Work
from lab.grade.scenario import Plan, program, stages
from lab.store.index import sessions

RUN = "run.json"
_COMPOSE = "docker compose --profile exercises --profile wire"
_LEARN = "docker compose run --rm -T learn exercise"
_STEER = (("client", "server"), ("server", "client"))


@dataclass
class Beside(Lab):
    """The lab seen from a container that has its captures, and nothing else of it."""

    folder: Path = Path("/captures")

    def captures(self) -> Path:
        return self.folder

    def gate(self) -> str:
        return f"127.0.0.1 {os.environ.get('ECHO_PORT') or '8080'}"


def script(exercise: Exercise, values: Mapping[str, str | int]) -> str:
    """The shell script that plays an exercise."""
    scenario, number = exercise.scenario, exercise.number
    wired = scenario.through_wire
    lines = ["set -e", *_up("", wired)]
    if scenario.fresh_host:
        lines += [f"{_COMPOSE} rm --stop --force client-tap </dev/null"]
        lines += [f"{_COMPOSE} restart --no-deps --timeout 2 client-host </dev/null", *_up("", wired)]
    if scenario.fresh_quirks:
        lines += [f"{_COMPOSE} restart --no-deps --timeout 0 quirks </dev/null", *_up("", True)]
    lines += _steer("through") if wired else []
    for stage, (language, wire, _plans) in enumerate(stages(scenario, values), 1):
        lines += _up(language, wired) if language else []
        lines += _load(wire) if wired else []
        lines.append(
            f"{_LEARN} program {number} --stage {stage} </dev/null | {_COMPOSE} run --rm -T --no-deps player"
            f" | {_LEARN} collect {number} --stage {stage}"
        )
    if any(language for language, _wire, _plans in stages(scenario, values)):
        lines += _up("", wired)
    if wired:
        lines += [*_load(""), *_steer("direct")]
    if any(plan.by_hand for plan in scenario.plans):
        lines.append(f"{_LEARN} collect {number} --stage {len(stages(scenario, values)) + 1} </dev/null")
    return "\n".join(lines) + "\n"


def _up(language: str, wired: bool) -> list[str]:
    before = f"SERVER={language} " if language else ""
    return [
        f"{before}{_COMPOSE} up --detach --wait --quiet-pull {' '.join((*HOSTS, *(WIRED if wired else ())))} </dev/null"
    ]


def _steer(way: str) -> list[str]:
    return [f"{_COMPOSE} run --rm -T --no-deps {side}-steer {way} {peer} </dev/null" for side, peer in _STEER]


def _load(wire: str) -> list[str]:
    if not wire.strip():
        return [f"{_COMPOSE} exec -T wire wire clear </dev/null"]
    return [f"{_COMPOSE} exec -T wire wire load - --name exercise <<'END'", wire.strip("\n"), "END"]


@dataclass
class Progressing:
    """A run that goes on from one command to the next. known: the sessions from before it."""

    exercise: Exercise
    work: Work
    seal: str
    known: list[str] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.work.folder(self.exercise) / RUN

    def values(self) -> dict[str, str | int]:
        """The scenario's placeholders, with the port of this attempt."""
        return self.exercise.values(self.work.student(), self.work.progress(self.exercise).runs, self.seal)

    def program(self, stage: int, captures: Path) -> str:
        """The player's program of a stage; the first one begins the run."""
        if stage == 1:
            self.known = [str(entry.json_path) for entry in sessions(captures)]
            self._save()
        return json.dumps(program(self._plans(stage), self.values()), ensure_ascii=False)

    def collect(self, stage: int, told: str, captures: Path, say: Say) -> dict[str, Path]:
        """What the player told of a stage, and the captures that came; those of the whole run after the last one, else
        none yet. Raises GradeError."""
        self._load()
        run = Run(self.exercise, self.values(), Beside(folder=captures), say)
        known = frozenset(map(Path, self.known))
        last = len(stages(self.exercise.scenario, self.values()))
        if stage <= last:
            if not told.strip():
                raise GradeError("the player said nothing: is the lab up? ('docker compose ps' tells)")
            self.ports.update(run.heard(Done(0, told)))
            self._save()
            run.fetch(captures, known, self.ports, self._plans(stage))
        by_hand = any(plan.by_hand for plan in self.exercise.scenario.plans)
        if stage < last or (by_hand and stage == last):
            return {}
        return run.finish(captures, known, self.ports)

    def _plans(self, stage: int) -> list[Plan]:
        found = stages(self.exercise.scenario, self.values())
        if not 1 <= stage <= len(found):
            raise GradeError(f"{self.exercise.name} has {len(found)} stages; there is no stage {stage}")
        return found[stage - 1][2]

    def _save(self) -> None:
        try:
            self.path.write_text(json.dumps({"known": self.known, "ports": self.ports}) + "\n", encoding="utf-8")
        except OSError as error:
            raise GradeError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def _load(self) -> None:
        try:
            told = json.loads(self.path.read_text(encoding="utf-8"))
            self.known = [str(one) for one in told["known"]]
            self.ports = {str(name): int(port) for name, port in told["ports"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise GradeError(f"no run has begun: echolab exercise run {self.exercise.number}") from None
