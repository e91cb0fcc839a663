"""A new student's first hour, command by command, as the terminal shows it: docs/exercises-tour.md.

    python -m tests.exercises.tour --write docs/exercises-tour.md

It starts a lab of its own, does what a student does (also the mistakes), and keeps every word that is printed. A unit
test walks the same way with a pretended lab and compares, so the page cannot fall behind.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.grade.check import ANSWERS, CAPTURES
from lab.grade.evidence import gather
from lab.grade.manifest import EXERCISES, load
from tests.exercises.soak import ROOT, lab_of
from tests.unit.grade.made import solve

NAME, STUDENT = "01-three-way-handshake", "berta"
WRONG = {"server-isn": "0", "handshake-complete": "4", "first-octet": "1", "round-trip": "0.04"}
Do = Callable[[list[str]], str]


@dataclass(frozen=True)
class Step:
    """One step of the way. words: of the command, none for an edit. says: what the page says before it; shown: what was
    typed or printed."""

    says: str
    words: tuple[str, ...] = ()
    shown: str = ""


def walk(do: Do, room: Path) -> list[Step]:
    """The whole way. do: runs one command in ``room`` and returns what it printed."""
    steps: list[Step] = []

    def command(says: str, *words: str) -> None:
        steps.append(Step(says, words, do(list(words))))

    def edit(says: str, answers: Mapping[str, str], section: str) -> None:
        steps.append(Step(says, (), _fill(room / "work" / NAME / ANSWERS, answers, section)))

    command("Where am I, and what comes next?", "learn")
    command(
        "The first exercise. A name is asked for once; it seeds everything.",
        "exercise",
        "start",
        "1",
        "--student",
        STUDENT,
    )
    edit("First the prediction, in `work/01-three-way-handshake/answers.toml`:", {"ack-with-text": "no"}, "predict")
    command("Then the scenario is played in the lab, and the tap's captures are fetched.", "exercise", "run", "1")
    edit("A look into the capture, and some first answers, most of them wrong:", WRONG, "answers")
    command("What does the grader say?", "exercise", "check", "1")
    command("A hint for a question, the first of two:", "exercise", "hint", "1", "handshake-complete")
    command("And the plainer one:", "exercise", "hint", "1", "handshake-complete")
    edit("With a second look the answers are:", _right(room), "answers")
    command("", "exercise", "check", "1")
    command(
        "Who likes it better leaves `watch` running in a second terminal: it checks whenever something is saved,"
        " and ends"
        " when all is right.",
        "exercise",
        "watch",
        "1",
    )
    command("Now the reasons in one place:", "exercise", "solution", "1")
    command("The zip that is handed in:", "pack")
    command("What the teacher sees, on a machine without Docker:", "grade", f"echolab-{STUDENT}.zip")
    command("And what comes next?", "learn")
    return steps


def _fill(path: Path, answers: Mapping[str, str], section: str) -> str:
    """Write answers into a section of the sheet, in place of what stands there; returns the lines."""
    before, head, after = path.read_text(encoding="utf-8").partition("[answers]")
    lines = [f"{name} = {json.dumps(value)}" for name, value in answers.items()]
    for name, line in zip(answers, lines, strict=True):
        pattern = re.compile(rf'^{name} = ".*"$', re.MULTILINE)
        if section == "predict":
            before = pattern.sub(line, before)
        else:
            after = pattern.sub(line, after)
    path.write_text(f"{before}{head}{after}", encoding="utf-8")
    return "\n".join([f"[{section}]", *lines]) + "\n"


def _right(room: Path) -> dict[str, str]:
    """The right answers, from the capture that was made."""
    exercise = load(EXERCISES / NAME)
    folder = room / "work" / NAME / CAPTURES
    evidence = gather(folder, exercise.scenario, exercise.seed(STUDENT), exercise.values(STUDENT))
    return solve(exercise, evidence, predictions=False)


def page(steps: list[Step]) -> str:
    """The page of the docs."""
    lines = [
        "# The first exercise, as a new student does it",
        "",
        "Made by `python -m tests.exercises.tour --write docs/exercises-tour.md` from a real run: every line that the",
        "terminal printed. `echolab` is `python3 -m lab` where it is not installed; with nothing but Docker it is",
        "`docker compose run --rm learn`, and `run` is piped into a shell ([exercises.md](exercises.md)).",
    ]
    for step in steps:
        lines += ["", step.says] if step.says else []
        fence = "```console\n$ echolab " + " ".join(step.words) if step.words else "```toml"
        lines += ["", fence, step.shown.rstrip("\n"), "```"]
    return "\n".join(lines) + "\n"


def shape(step: Step) -> str:
    """What stays the same from run to run: the words, without numbers, marks and line breaks. What the player tells is
    left out."""
    kept = [line for line in step.shown.splitlines() if not re.match(r"  (talk|the wire|the server|the client)", line)]
    text = re.sub(r"\b[A-Z2-7]{10}\b", "MARK", " ".join(kept))
    return re.sub(r"\s+", " ", re.sub(r"-?\d[\d.,]*", "N", text)).strip()


def main() -> int:
    """Walk, in a lab of its own."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    reader.add_argument("--write", type=Path, help="write the page there")
    reader.add_argument("--network", type=int, default=47, help="third number of the lab's network 198.18.N")
    options = reader.parse_args()
    room = Path(tempfile.mkdtemp(prefix="echolab-tour-"))
    lab = lab_of("echolab-tour", options.network, room / "captures")
    env = {**(lab.env or os.environ), "PYTHONPATH": str(ROOT)}

    def do(words: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "lab", *words], cwd=room, env=env, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    try:
        text = page(walk(do, room))
    finally:
        lab.compose(["down", "--timeout", "1", "--remove-orphans", "--volumes"])
        shutil.rmtree(room, ignore_errors=True)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
