"""Fuzzing that is guided by coverage: ``python3 -m tests.fuzz.guided``, with Google's atheris (libFuzzer for Python).

The other way round from stream.py: here no dice decide what is mutated, but libFuzzer, which keeps every input that
reaches a line or a branch nobody reached before. Its inputs are octets; ``frames_of`` reads them as a list of small
changes to recorded conversations, so that any input means something and a small change to it is a small change to the
frames. Atheris is not among the tests' tools (35 MB, and no wheel for every Python): install it where you want to hunt.
"""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache

from lab.wire.frame import Frame
from tests.fuzz.shape import fit_checksums, fit_lengths, turned
from tests.fuzz.stream import recordings
from tests.fuzz.ways import play

_MOST_FRAMES = 40
_MS = 1_000_000
_REPAIR, _FIT, _CUT, _TURN, _AGAIN, _SKIP = 1, 2, 4, 8, 16, 32


@lru_cache(maxsize=1)
def _short() -> tuple[tuple[Frame, ...], ...]:
    """The recordings of few frames: a whole life in little work."""
    return tuple(frames for frames in recordings() if len(frames) <= _MOST_FRAMES)


def frames_of(octets: bytes) -> list[Frame]:
    """The frames that an input stands for.

    The first octet chooses a conversation. Then, for each of its frames: what is done to it (bits), the time since the
    one before, how many octets of it change, and for each of those its place and new value.
    """
    if not octets:
        return []
    source, at, result = _short()[octets[0] % len(_short())], 1, []
    time_ns = 1_800_000_000_000_000_000
    for frame in source:
        bits, pause, changes = (*octets[at : at + 3], 0, 0, 0)[:3]
        at += 3
        time_ns += pause * pause * _MS
        data = turned(frame.data) if bits & _TURN else bytearray(frame.data)
        for _ in range(changes % 8):
            place, value = (*octets[at : at + 2], 0, 0)[:2]
            at += 2
            if place < len(data):
                data[place] = value
        if bits & _CUT:
            del data[octets[at] if at < len(octets) else 0 :]
            at += 1
        if bits & _FIT:
            fit_lengths(data)
        if bits & _REPAIR:
            fit_checksums(data)
        if not bits & _SKIP:
            result += [Frame(time_ns, bytes(data), len(data))] * (2 if bits & _AGAIN else 1)
    return result


def take(octets: bytes) -> None:
    """One input through tracker and analysis. Raises what the lab raises."""
    frames = frames_of(octets)
    if frames:
        play("small", frames)
        play("analysis", frames)


def main() -> None:
    """Hunt until something breaks; libFuzzer's own options (-max_total_time=60, a folder for its inputs) are taken."""
    import atheris

    with atheris.instrument_imports(include=["lab.wire", "lab.session", "lab.analysis"], enable_loader_override=False):
        for name in [name for name in sys.modules if name.startswith(("lab.", "tests.fuzz."))]:
            del sys.modules[name]  # they were imported with this module, without the marks that atheris counts by
        guided = importlib.import_module("tests.fuzz.guided")
    atheris.Setup([*sys.argv, "-max_len=400", "-len_control=0"], guided.take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
