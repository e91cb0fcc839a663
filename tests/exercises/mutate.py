"""Captures that were changed by somebody who knows the file format: how many are still graded, and as what. The table
of docs/exercises-mutations.md.

    python -m tests.exercises.mutate --times 24 --write docs/exercises-mutations.md

Each time one thing is changed in one capture of a passed exercise, and the capture is written anew with facts, digests
and certificate that fit: only what the frames themselves tell can give it away. A class with a key (``ECHO_KEY``)
refuses all of them.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.grade.check import CAPTURES, check
from lab.grade.manifest import Exercise
from lab.store.errors import CaptureFileError
from lab.store.reader import read_capture
from lab.wire.checksum import checksum, pseudo_sum
from lab.wire.frame import Frame
from tests.unit.grade.made import exercises, make, write_part

STUDENT = "berta"
Change = Callable[[list[Frame], random.Random], list[Frame]]


def _bit(frames: list[Frame], chance: random.Random) -> list[Frame]:
    at = chance.randrange(len(frames))
    return [*frames[:at], _flipped(frames[at], chance), *frames[at + 1 :]]


def _flipped(frame: Frame, chance: random.Random) -> Frame:
    data = bytearray(frame.data)
    data[chance.randrange(14, len(data))] ^= 1 << chance.randrange(8)
    return frame._replace(data=bytes(data))


def _mended_bit(frames: list[Frame], chance: random.Random) -> list[Frame]:
    """A bit of TCP's header or text, and the checksum made to fit."""
    at = chance.choice([number for number, frame in enumerate(frames) if _tcp_at(frame.data)] or [0])
    data = bytearray(frames[at].data)
    start = _tcp_at(data)
    if not start:
        return _bit(frames, chance)
    data[chance.randrange(start, len(data))] ^= 1 << chance.randrange(8)
    data[start + 16 : start + 18] = bytes(2)
    first, size = (26, 4) if start == 34 else (22, 16)
    source, destination = bytes(data[first : first + size]), bytes(data[first + size : first + 2 * size])
    value = checksum(bytes(data[start:]), pseudo_sum(source, destination, 6, len(data) - start))
    data[start + 16 : start + 18] = value.to_bytes(2, "big")
    return [*frames[:at], frames[at]._replace(data=bytes(data)), *frames[at + 1 :]]


def _tcp_at(data: bytes | bytearray) -> int:
    """Where TCP's header begins, 0 if there is none."""
    start = {b"\x08\x00": 34, b"\x86\xdd": 54}.get(bytes(data[12:14]), 0)
    whole = start == 34 and data[14] == 0x45 and not int.from_bytes(data[20:22], "big") & 0x3FFF and data[23] == 6
    return start if whole or (start == 54 and data[20] == 6) else 0


def _cut(frames: list[Frame], chance: random.Random) -> list[Frame]:
    at = chance.randrange(len(frames))
    return frames[:at] + frames[at + 1 :]


def _duplicate(frames: list[Frame], chance: random.Random) -> list[Frame]:
    at = chance.randrange(len(frames))
    return [*frames[: at + 1], frames[at]._replace(time_ns=frames[at].time_ns + 1_000), *frames[at + 1 :]]


def _reorder(frames: list[Frame], chance: random.Random) -> list[Frame]:
    """Two neighbours change places, and their times with them."""
    at = chance.randrange(len(frames) - 1)
    one, other = frames[at : at + 2]
    swapped = [other._replace(time_ns=one.time_ns), one._replace(time_ns=other.time_ns)]
    return [*frames[:at], *swapped, *frames[at + 2 :]]


def _time(frames: list[Frame], chance: random.Random) -> list[Frame]:
    """One frame gets a time up to a second away."""
    at = chance.randrange(len(frames))
    by_ns = chance.choice((-1, 1)) * chance.randrange(1_000_000, 1_000_000_000)
    return [*frames[:at], frames[at]._replace(time_ns=max(1, frames[at].time_ns + by_ns)), *frames[at + 1 :]]


CHANGES: Mapping[str, Change] = {
    "bit": _bit,
    "bit, checksum mended": _mended_bit,
    "cut": _cut,
    "duplicate": _duplicate,
    "reorder": _reorder,
    "time": _time,
}
SWAP = "swap"
KINDS = (*CHANGES, SWAP)


@dataclass
class Row:
    """One exercise: of each kind of change, how often what came out."""

    exercise: Exercise
    found: dict[str, Counter[str]] = field(default_factory=dict)

    def cell(self, kind: str) -> str:
        """How many were refused or did not pass, of how many."""
        counts = self.found.get(kind, Counter())
        total = sum(counts.values())
        return f"{counts['refused']} of {total}" if total else "-"


def mutated(exercise: Exercise, times: int, seed: int = 7) -> Row:
    """Change a passed exercise's captures in every way so many times, and mark each."""
    row = Row(exercise)
    with tempfile.TemporaryDirectory() as scratch:
        folder = make(exercise, STUDENT, Path(scratch))
        assert check(exercise, folder).outcome == "passed"
        paths = sorted((folder / CAPTURES).glob("*.pcapng"))
        for kind in KINDS:
            chance = random.Random(f"{seed} {exercise.name} {kind}")
            counts: Counter[str] = Counter()
            for _ in range(times if kind in CHANGES else min(times, len(paths) * (len(paths) - 1))):
                counts[_one(exercise, folder, paths, kind, chance)] += 1
            row.found[kind] = counts
    return row


def _one(exercise: Exercise, folder: Path, paths: Sequence[Path], kind: str, chance: random.Random) -> str:
    """Change one capture, mark the folder, and put everything back."""
    touched = chance.sample(list(paths), 2) if kind == SWAP else [chance.choice(list(paths))]
    kept = {path: path.read_bytes() for one in touched for path in (one, one.with_suffix(".json"))}
    try:
        if kind == SWAP:
            for suffix in (".pcapng", ".json"):
                one, other = (path.with_suffix(suffix) for path in touched)
                one.write_bytes(kept[other])
                other.write_bytes(kept[one])
        else:
            capture = read_capture(touched[0])
            language = _language(exercise, touched[0].stem)
            write_part(CHANGES[kind](list(capture.frames), chance), capture.names, touched[0], language=language)
        return check(exercise, folder).outcome
    except (StopIteration, CaptureFileError):
        return "refused"  # not even the tap's own writer takes it for a session
    finally:
        for path, octets in kept.items():
            path.write_bytes(octets)


def _language(exercise: Exercise, part: str) -> str:
    plan = exercise.scenario.plan_of(part)
    return (plan.server if plan is not None else "") or "python"


def page(rows: Sequence[Row], times: int) -> str:
    """The table as a page of the docs."""
    totals: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for row in rows:
        for kind, counts in row.found.items():
            totals[kind] += counts
    lines = [
        "# Captures that were changed",
        "",
        f"Made by `python -m tests.exercises.mutate --times {times} --write docs/exercises-mutations.md`. One"
        " thing is changed in",
        "one capture of a passed exercise, by somebody who knows the file format: facts, digests and certificate"
        " are written anew,",
        "so that only the frames can give it away. Without that, a changed file is refused because its SHA-256 is"
        " not the one",
        "in the JSON beside it. The numbers say how many were *refused*.",
        "",
        f"| exercise | {' | '.join(KINDS)} |",
        f"|---|{'---|' * len(KINDS)}",
    ]
    lines += [f"| {row.exercise.name[:2]} {row.exercise.title} | {' | '.join(map(row.cell, KINDS))} |" for row in rows]
    lines += [
        "",
        "| all exercises | changed | refused | graded, not passed | graded, passed |",
        "|---|---|---|---|---|",
    ]
    for kind, counts in totals.items():
        told = (sum(counts.values()), counts["refused"], counts["not-yet"], counts["passed"])
        lines.append(f"| {kind} | {' | '.join(map(str, told))} |")
    lines += [
        "",
        "*bit*: one bit of a frame, behind Ethernet's header. *Bit, checksum mended*: one of TCP's header or text,"
        " and the",
        "checksum made to fit. *Cut*: a frame is left out. *Duplicate*: a frame twice. *Reorder*: two neighbours"
        " change places.",
        "*Time*: a frame's time is up to a second off. *Swap*: two captures of the exercise change names.",
        "",
        "What passes is a change that no question is about and that a network could have brought about: a window",
        "or a time stamp that is another one, a bit of padding, a bare ACK less, two frames that crossed, a time.",
        "Nobody can tell that from the frames.",
        "With a key (`ECHO_KEY`, [captures.md](captures.md)) all of it is refused, because the tap has signed what"
        " it saw.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Change, mark, write. Exit status 0 if every kind of change was refused at least once in every exercise."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    reader.add_argument("--times", type=int, default=24, help="how often each kind of change")
    reader.add_argument("--only", default="", help="exercises whose name begins so, separated by commas")
    reader.add_argument("--write", type=Path, help="write the page there")
    options = reader.parse_args()
    chosen = [one for name, one in sorted(exercises().items()) if name.startswith(tuple(options.only.split(",")))]
    rows = []
    for exercise in chosen:
        rows.append(mutated(exercise, options.times))
        print(
            exercise.name, {kind: dict(counts) for kind, counts in rows[-1].found.items()}, file=sys.stderr, flush=True
        )
    if options.write:
        options.write.write_text(page(rows, options.times), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
