"""``python3 -m tests.fuzz --frames 1000000 --seed 1``: as many mutated frames as wanted through everything.

Exit status 0: nothing broke. 1: something did; seed, frame number and a file that breaks it are told. With --replay
files: play what an earlier run has saved.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.hunt import FOUND, BrokenError, hunt, replay, tell_progress


def main(words: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.fuzz", description="Mutated frames through the lab.")
    parser.add_argument("--frames", type=int, default=100_000, help="mutated frames to feed (default 100000)")
    parser.add_argument("--seed", type=int, default=1, help="which stream of frames (default 1)")
    parser.add_argument("--found", type=Path, default=FOUND, help="folder for what breaks something")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result")
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="play these saved files instead")
    asked = parser.parse_args(words)
    if asked.replay:
        for path in asked.replay:
            replay(path)
            print(f"{path}: nothing breaks")
        return 0
    try:
        quiet = asked.quiet
        report = hunt(asked.seed, asked.frames, found=asked.found, tell=(lambda _: None) if quiet else tell_progress)
    except BrokenError as broken:
        traceback.print_exception(broken.__cause__)
        print(f"\n{broken}\nagain: python3 -m tests.fuzz --replay {broken.saved}", file=sys.stderr)
        return 1
    print(
        "" if quiet else "\n", "; ".join(f"{name} {count:,}" for name, count in report.ways.items()), " frames", sep=""
    )
    print(f"seed {report.seed}: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
