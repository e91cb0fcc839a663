"""The tap's C libraries under the compiler's sanitizers: ``python3 -m tests.fuzz.sanitized [--frames 100000]``.

They are compiled anew with address and undefined-behaviour sanitizers, which end the program at the first access out of
bounds or the first step outside of what C defines. Then come mutated frames through everything, and the unit tests of
the libraries. Needs gcc with its sanitizers (Debian's gcc has them). Exit status 0: no finding.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.unit.capture.library import SANITIZE

TESTS = ("tests/unit/capture/test_native.py", "tests/unit/capture/test_drops.py", "tests/unit/store/test_digest.py")


def main(words: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.fuzz.sanitized", description="The C libraries, sanitized.")
    parser.add_argument("--frames", type=int, default=100_000, help="mutated frames to feed (default 100000)")
    frames = str(parser.parse_args(words).frames)
    try:
        found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"gcc cannot be asked for its sanitizers ({error}): install Debian's gcc", file=sys.stderr)
        return 1
    runtime = Path(found.stdout.strip())
    if not runtime.is_absolute():
        print("this gcc has no address sanitizer: install Debian's gcc", file=sys.stderr)
        return 1
    # Python was not compiled with them: their runtime must come first, and Python's own leaks are none of ours.
    environment = {**os.environ, SANITIZE: "1", "LD_PRELOAD": str(runtime), "ASAN_OPTIONS": "detect_leaks=0"}
    commands = (
        ["-m", "tests.fuzz", "--frames", frames, "--quiet"],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
    )
    for command in commands:
        if subprocess.run([sys.executable, *command], env=environment, check=False).returncode:
            return 1
    print(f"sanitized: {int(frames):,} mutated frames and {len(TESTS)} files of tests, no finding")
    return 0


if __name__ == "__main__":
    sys.exit(main())
