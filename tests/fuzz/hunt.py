"""The hunt: so many mutated frames of a seed through all ways; and what is done when one of them breaks something.

The ways go on from the first frame to the last, as a tap does for days: only so would be seen what grows. The price is
that a frame that breaks something may need those before it. So the last frames are kept; when something breaks, they
are played anew and shortened for as long as it still breaks, and what is left is saved: often one frame.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.store.reader import read_capture
from lab.wire.frame import Frame
from tests.fuzz.files import file_octets
from tests.fuzz.stream import stream
from tests.fuzz.ways import WAYS, capture_octets, play, read_octets

FOUND = Path(__file__).parent / "found"
ANALYSIS_EVERY = 20
"""The deep analysis takes a tenth of a millisecond a frame and more: one in so many hundreds of frames goes there."""
_HUNDRED = 100
_KEPT_FRAMES = 12_000
_MOST_TRIES = 400
_TAILS = (1, 4, 16, 50, 100, 400, 1_600, 6_400)


class BrokenError(Exception):
    """Something broke. seed, number: which frame (or file) of the stream did it. saved: where what breaks it lies."""

    def __init__(self, way: str, seed: int, number: int, cause: Exception, saved: Path, frames: int) -> None:
        self.way, self.seed, self.number, self.saved = way, seed, number, saved
        what = f"file {number}" if way == "readers" else f"frame {number}"
        kept = "the file" if way == "readers" else f"{frames} frame{'s' * (frames != 1)} that break it"
        super().__init__(
            f"{what} of seed {seed} broke the way '{way}': {place_of(cause)}: {type(cause).__name__}: {cause}\n"
            f"{kept}: {saved}"
        )


@dataclass
class Report:
    """What a hunt did. mutated, frames: how many frames were mutated, and fed in all. peak_kib: resident memory."""

    seed: int
    mutated: int = 0
    frames: int = 0
    files: int = 0
    seconds: float = 0.0
    first_kib: int = 0
    peak_kib: int = 0
    ways: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        rate = self.mutated / self.seconds if self.seconds else 0.0
        return (
            f"{self.mutated:,} mutated frames ({self.frames:,} with those between) and {self.files:,} files"
            f" in {self.seconds:.0f} s: {rate:,.0f} a second; peak memory {self.peak_kib / 1024:.0f} MiB"
            f" ({self.first_kib / 1024:.0f} MiB after a twentieth)"
        )


def peak_kib() -> int:
    """The most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def place_of(error: BaseException) -> str:
    """File and line where an exception was raised, from the repository's root."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{'/'.join(Path(last.filename).parts[-3:])}:{last.lineno}"


def hunt(
    seed: int,
    frames: int,
    *,
    found: Path = FOUND,
    tell: Callable[[Report], None] = lambda _report: None,
    files_every: int = 200,
) -> Report:
    """Feed this many mutated frames of a seed, and a mutated file for every so many of them.

    found: where to save what breaks something. tell: gets the report so far, now and then. Raises BrokenError.
    """
    report, begun = Report(seed), time.perf_counter()
    running = {name: make() for name, make in WAYS.items()}
    kept: deque[Frame] = deque(maxlen=_KEPT_FRAMES)
    for one in stream(seed):
        kept.append(one.frame)
        for name, way in running.items():
            if name == "analysis" and report.frames // _HUNDRED % ANALYSIS_EVERY:
                continue
            try:
                way.take(one.frame)
            except Exception as cause:
                _broken(name, seed, report.frames, cause, list(kept), found)
            report.ways[name] = report.ways.get(name, 0) + 1
        report.frames += 1
        report.mutated += one.changed
        if report.mutated >= frames:
            break
        if report.frames % files_every == 0:
            _read_file(seed, report.files, found)
            report.files += 1
        if report.frames % 10_000 == 0:
            _measure(report, begun, frames)
            tell(report)
    for name, way in running.items():
        try:
            way.close()
        except Exception as cause:
            _broken(name, seed, report.frames - 1, cause, list(kept), found)
    _measure(report, begun, frames)
    return report


def _measure(report: Report, begun: float, frames: int) -> None:
    report.seconds, report.peak_kib = time.perf_counter() - begun, peak_kib()
    if not report.first_kib and report.mutated >= frames // 20:
        report.first_kib = report.peak_kib


def _read_file(seed: int, number: int, found: Path) -> None:
    octets = file_octets(seed, number)
    try:
        read_octets(octets, random.Random(number))
    except Exception as cause:
        found.mkdir(parents=True, exist_ok=True)
        saved = found / f"readers-seed{seed}-file{number}.octets"
        saved.write_bytes(octets)
        raise BrokenError("readers", seed, number, cause, saved, 0) from cause


def _broken(way: str, seed: int, number: int, cause: Exception, frames: list[Frame], found: Path) -> None:
    """Save as few frames as still break it, and raise BrokenError."""
    left = shortened(way, frames, cause)
    found.mkdir(parents=True, exist_ok=True)
    saved = found / f"{way}-seed{seed}-frame{number}.pcapng"
    saved.write_bytes(capture_octets(left))
    raise BrokenError(way, seed, number, cause, saved, len(left)) from cause


def shortened(way: str, frames: list[Frame], cause: Exception) -> list[Frame]:
    """The same frames without those that are not needed to break it; all of them where they don't break it anew."""
    wanted, tries = (type(cause), place_of(cause)), 0

    def breaks(some: Sequence[Frame]) -> bool:
        nonlocal tries
        tries += 1
        try:
            play(way, list(some))
        except Exception as error:
            return (type(error), place_of(error)) == wanted
        return False

    left = next((frames[-size:] for size in _TAILS if size < len(frames) and breaks(frames[-size:])), frames)
    step = len(left) // 2
    while step and tries < _MOST_TRIES:
        at = 0
        while at < len(left) and tries < _MOST_TRIES:
            shorter = left[:at] + left[at + step :]
            if shorter and breaks(shorter):
                left = shorter
            else:
                at += step
        step //= 2
    return left


def replay(path: Path) -> None:
    """Play what a hunt has saved: frames in every way, a file through the readers. Raises what the lab raises."""
    if path.suffix == ".octets":
        for number in range(5):  # in pieces of several sizes
            read_octets(path.read_bytes(), random.Random(number))
        return
    frames = read_capture(path).frames
    for way in WAYS:
        play(way, frames)


def tell_progress(report: Report) -> None:
    """One line on the terminal's own line."""
    print(f"\r{report}", end="", file=sys.stderr, flush=True)
