"""How fast is a class graded, and in how much memory?

    python -m tests.bench.grade.bench_grade [SUBMISSIONS] [EXERCISE...]

Makes that many submissions (default 1,000, each with three exercises; every seventh has mistakes, every fiftieth is a
copy of its neighbour's), zips them as students do, and grades them with one process and with one for each processor.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from lab.grade.classroom import grade_all, suspicions
from lab.grade.submission import find
from tests.unit.grade.made import exercises, make

DEFAULT = ("01-three-way-handshake", "05-fin-and-time-wait", "07-reset-four-ways")


def main() -> None:
    """Make, grade, and print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    names = tuple(sys.argv[2:]) or DEFAULT
    with tempfile.TemporaryDirectory(prefix="echolab-bench-") as scratch:
        room = Path(scratch) / "class"
        started_s = time.perf_counter()
        for number in range(count):
            _make_one(Path(scratch), room, number, names)
        print(f"{count} submissions of {len(names)} exercises made in {time.perf_counter() - started_s:.1f} s")
        print(
            f"{'processes':>9} {'seconds':>8} {'submissions/s':>14} {'CPU ms each':>12} {'peak MiB, each process':>23}"
        )
        for jobs in sorted({1, os.cpu_count() or 1}):
            started_s, before_s = time.perf_counter(), _cpu_s()
            graded = grade_all(find([room]), jobs=jobs)
            took_s = time.perf_counter() - started_s
            who = resource.RUSAGE_SELF if jobs == 1 else resource.RUSAGE_CHILDREN
            peak_mib = resource.getrusage(who).ru_maxrss / 1024
            each_ms = (_cpu_s() - before_s) / count * 1000
            print(f"{jobs:>9} {took_s:>8.1f} {count / took_s:>14.0f} {each_ms:>12.1f} {peak_mib:>23.0f}")
        found = suspicions(graded)
        perfect = sum(1 for one in graded if one.score == 1)
        copied = {one.submissions for one in found}
        refused = sum(bool(one.refused) for one in graded)
        print(f"{perfect} all right, {len(copied)} pairs suspected of copying, {refused} refused")


def _cpu_s() -> float:
    """CPU time of this process and its ended children: other work on the machine does not count."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _make_one(scratch: Path, room: Path, number: int, names: tuple[str, ...]) -> None:
    student = f"s{number:05d}"
    folder = scratch / "one"
    for name in names:
        exercise = exercises()[name]
        question = exercise.questions[-1].id
        make(exercise, student, folder / name, answers={question: "7"} if number % 7 == 0 else {})
    if number % 50 == 49:  # a neighbour's captures under the own name
        with tempfile.TemporaryDirectory() as other:
            shutil.unpack_archive(room / f"s{number - 1:05d}.zip", other)
            shutil.rmtree(folder / names[0] / "captures")
            shutil.copytree(Path(other) / names[0] / "captures", folder / names[0] / "captures")
    room.mkdir(exist_ok=True)
    shutil.make_archive(str(room / student), "zip", folder)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
