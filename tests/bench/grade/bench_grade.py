"""How fast is a class graded, and in how much memory?

    python -m tests.bench.grade.bench_grade [SUBMISSIONS] [--write docs/exercises.md]

Makes that many submissions (1,000 if nothing is said) of three exercises each, every one with the numbers that this
student's name gets, zips them as students do, and grades them with one process and with one for each processor. Of
twenty, fourteen are right, three have wrong answers, one answered nothing, one hands in a neighbour's captures, and one
is hostile in one of six ways. What must come out is known, and exit status 1 says that something else did.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lab.grade.check import CAPTURES, PREDICTIONS
from lab.grade.classroom import Graded, grade_all, pairs, suspicions
from lab.grade.evidence import gather
from lab.grade.manifest import Exercise, load_all
from lab.grade.seed import seal
from lab.grade.submission import find
from tests.unit.grade.made import solve, write_answers, write_part
from tests.unit.grade.talk import NAMES, speak

CHOSEN = ("02-options-and-mss", "03-sequence-arithmetic", "06-half-close")
KINDS = ("right",) * 14 + ("wrong",) * 3 + ("open", "copied", "hostile")
HOSTILE = ("bomb", "climbs", "many", "no zip", "damaged", "garbage")
START, END = "<!-- bench: grade -->", "<!-- end: grade -->"


@dataclass(frozen=True)
class Figures:
    """One run over all submissions."""

    jobs: int
    seconds: float
    cpu_ms_each: float
    peak_mib: float


@lru_cache(maxsize=1)
def exercises() -> dict[str, Exercise]:
    """The exercises as they are, with every student's own numbers."""
    return {one.name: one for one in load_all()}


def student(number: int) -> str:
    """A name of the class."""
    return f"s{number:05d}"


def kind_of(number: int) -> str:
    """What this submission is."""
    return KINDS[number % len(KINDS)]


def make_one(room: Path, number: int) -> None:
    """One submission as a zip in ``room``."""
    kind, name = kind_of(number), student(number)
    target = room / f"{name}.zip"
    if kind == "hostile":
        _hostile(target, HOSTILE[number // len(KINDS) % len(HOSTILE)])
        return
    with tempfile.TemporaryDirectory() as scratch:
        for exercise in CHOSEN:
            _play(exercises()[exercise], name, Path(scratch) / exercise, kind)
        if kind == "copied":  # the neighbour's captures of one exercise, under the own name
            _play(exercises()[CHOSEN[0]], student(number - 2), Path(scratch) / "other", "right")
            shutil.rmtree(Path(scratch) / CHOSEN[0] / CAPTURES)
            (Path(scratch) / "other" / CAPTURES).rename(Path(scratch) / CHOSEN[0] / CAPTURES)
            shutil.rmtree(Path(scratch) / "other")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(scratch).rglob("*")):
                if path.is_file():
                    archive.write(path, str(path.relative_to(scratch)))


def _play(exercise: Exercise, name: str, folder: Path, kind: str) -> None:
    """A work folder, spoken with this student's numbers and answered as the kind of submission says."""
    made = {one.id: one.choices[0] if one.choices else "3" for one in exercise.predictions}
    values = exercise.values(name, 0, seal(made))
    for part, frames in speak(exercise, values, random.Random(f"{name} {exercise.name}")).items():
        write_part(frames, NAMES, folder / CAPTURES / f"{part}.pcapng")
    (folder / PREDICTIONS).write_text(json.dumps({"predictions": made}))
    evidence = gather(folder / CAPTURES, exercise.scenario, exercise.seed(name), exercise.values(name))
    answers = {} if kind == "open" else solve(exercise, evidence, predictions=False)
    if kind == "wrong":
        answers[exercise.questions[-1].id] = "7" if exercise.questions[-1].form != "choice" else "nobody"
    write_answers(exercise, name, folder, answers)


def _hostile(path: Path, how: str) -> None:
    """A zip that wants to do harm."""
    inside = f"{CHOSEN[0]}/answers.toml"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if how == "bomb":
            for exercise, part in zip(CHOSEN, ("long", "talk", "half"), strict=True):
                archive.writestr(f"{exercise}/captures/{part}.pcapng", bytes(48 << 20))
        elif how == "climbs":
            archive.writestr(f"../../{inside}", 'student = "mallory"')
        elif how == "many":
            for number in range(6_000):
                archive.writestr(str(number), b"")
        elif how == "garbage":
            archive.writestr(inside, os.urandom(100_000))
            archive.writestr(f"{CHOSEN[0]}/captures/long.pcapng", os.urandom(1_000_000))
        else:
            archive.writestr(inside, 'student = "mallory"\n' * 200)
    octets = bytearray(path.read_bytes())
    if how == "damaged":
        at = 30 + len(inside)
        octets[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(b"no zip at all" if how == "no zip" else octets)


def odd(graded: Sequence[Graded], count: int) -> list[str]:
    """What came out otherwise than it must."""
    found = []
    for number, one in enumerate(sorted(graded, key=lambda each: each.name)):
        kind = kind_of(number)
        outcomes = Counter(result.outcome for result in one.results)
        states = {mark.state for result in one.results for mark in result.marks if not mark.question.predict}
        fine = {
            "right": states == {"right"} and len(one.results) == len(CHOSEN),
            "wrong": states == {"right", "wrong"} and outcomes == {"not-yet": len(CHOSEN)},
            "open": states == {"open"},
            "copied": outcomes["refused"] == 1 and len(one.results) == len(CHOSEN),
            "hostile": one.score == 0 and "please report" not in one.refused,
        }[kind]
        if not fine:
            found.append(f"{one.name} ({kind}): {one.refused} {dict(outcomes)} {states} {one.problems}")
    if len(graded) != count:
        found.append(f"{len(graded)} of {count} submissions were graded")
    copied = sum(kind_of(number) == "copied" for number in range(count))
    told = pairs(suspicions(graded))
    return found if told == copied else [*found, f"{told} pairs suspected, and {copied} copied"]


def grade(room: Path, count: int, jobs: int) -> tuple[list[Graded], Figures]:
    """Grade all with so many processes."""
    started_s, before_s = time.perf_counter(), _cpu_s()
    graded = grade_all(find([room]), jobs=jobs)
    took_s = time.perf_counter() - started_s
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return graded, Figures(jobs, took_s, (_cpu_s() - before_s) / count * 1000, peak_mib)


def _cpu_s() -> float:
    """CPU time of this process and its ended children: other work on the machine does not count."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def table(figures: Sequence[Figures], count: int) -> str:
    """The figures for the docs."""
    kinds = Counter(kind_of(number) for number in range(count))
    mix = ", ".join(f"{kinds[kind]:,} {kind}" for kind in dict.fromkeys(KINDS))
    lines = [
        f"`python -m tests.bench.grade.bench_grade {count}` made {count:,} submissions of {len(CHOSEN)} exercises"
        f" ({mix}), each with the",
        "numbers of its student's name, and graded them:",
        "",
        "| processes | seconds | submissions a second | a second of CPU | CPU for each, ms | most memory of a process,"
        " MiB |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.jobs} | {one.seconds:.1f} | {count / one.seconds:.0f} | {1000 / one.cpu_ms_each:.0f}"
        f" | {one.cpu_ms_each:.1f} | {one.peak_mib:.0f} |"
        for one in figures
    ]
    lines += [
        "",
        "The CPU time is that of grading alone; the seconds are also those of whatever else the machine did meanwhile.",
    ]
    return "\n".join(lines)


def main() -> int:
    """Make, grade, compare, print. Exit status 1 if something came out that must not."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    reader.add_argument("count", type=int, nargs="?", default=1000)
    reader.add_argument("--write", type=Path, help="write the figures into this page")
    options = reader.parse_args()
    with tempfile.TemporaryDirectory(prefix="echolab-bench-") as scratch:
        room = Path(scratch)
        for number in range(options.count):
            make_one(room, number)
        figures, wrong = [], []
        for jobs in sorted({1, os.cpu_count() or 1}):
            graded, found = grade(room, options.count, jobs)
            figures.append(found)
            wrong += odd(graded, options.count)
    told = table(figures, options.count)
    print(told)
    for problem in wrong[:20]:
        print(problem, file=sys.stderr)
    if options.write and not wrong:
        page = options.write.read_text(encoding="utf-8")
        before, _, rest = page.partition(START)
        options.write.write_text(f"{before}{START}\n{told}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
