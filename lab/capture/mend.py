"""What killed taps left behind is mended before this one begins; or beside it, where that would take long.

A capture that nobody finished is read through once, frame by frame, so that its JSON fits it. That takes a second for
some ten thousand frames. A tap that was killed under load may have left a million of them, and the next one shall be
ready at once: then a process of its own does it, with a low priority, while the tap goes on. Nothing else changes: it
holds the lock of each run while it works there, and says what it has done.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lab.store.errors import StoreError
from lab.store.recover import recover, unfinished_octets

AT_ONCE_OCTETS = 2 << 20
"""Captures of at most so many octets together are mended before the tap begins."""
_NICE = 10


def mend(captures: Path, key: bytes | None, say: Callable[[str], None]) -> subprocess.Popen[bytes] | None:
    """Mend now, or start a process that does. Returns the process. say: gets a sentence for each session.

    Raises StoreError if the folder cannot be listed.
    """
    if unfinished_octets(captures) <= AT_ONCE_OCTETS:
        _mend(captures, key, say)
        return None
    say("a tap before this one was killed and left large captures: they are mended meanwhile")
    return subprocess.Popen([sys.executable, "-m", "lab.capture.mend", str(captures)])


def _mend(captures: Path, key: bytes | None, say: Callable[[str], None]) -> None:
    # What cannot be mended of an older run stays as it is; the tap can go on.
    for mended in recover(captures, key=key, tell=lambda error: say(str(error))):
        say(str(mended))


def main() -> int:
    """The process: ``python3 -m lab.capture.mend CAPTURES``, with the key in ECHO_KEY."""
    os.nice(_NICE)

    def say(sentence: str) -> None:
        print(f"tap: {sentence}", flush=True)

    try:
        _mend(Path(sys.argv[1]), os.environ.get("ECHO_KEY", "").encode() or None, say)
    except StoreError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
