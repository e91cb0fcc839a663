"""Is the tap capturing? The health probe of its container, and the sign of life that the probe looks at.

The tap writes a file when its ring is bound and touches it every second from its main loop. The probe sends nothing:
it must not show up in a capture. A tap that is stopped or stuck has an old sign of life, and is unhealthy.
"""

from __future__ import annotations

import os
import sys
import time

from lab.capture.errors import TapError

PATH = "/run/tap/ready"
EVERY_S = 1.0
STALE_S = 5.0


class SignOfLife:
    """The tap's side: beat() once in a while from the main loop."""

    def __init__(self, path: str = PATH) -> None:
        self.path = path
        self._next = 0.0

    def beat(self) -> None:
        """Say that the ring is bound and its reader alive; costs a system call once a second."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_S
            try:
                with open(self.path, "w", encoding="ascii"):  # noqa: PTH123 - the probe starts faster without pathlib
                    pass
            except OSError as error:
                raise TapError(
                    f"the tap cannot say that it is alive ({self.path}: {error.strerror}): start it with a tmpfs there,"
                    " as compose.yaml does"
                ) from error

    def end(self) -> None:
        """Say that the tap captures no more."""
        if os.path.exists(self.path):  # noqa: PTH110
            os.unlink(self.path)  # noqa: PTH108


def main(path: str = PATH) -> int:
    """The probe. Returns the exit status: 0 if the tap is capturing, 1 if not (one sentence on standard output)."""
    try:
        age_s = time.time() - os.stat(path).st_mtime  # noqa: PTH116
    except FileNotFoundError:
        print("the tap has not bound its ring yet: 'docker compose logs server-tap' says why")
        return 1
    if age_s > STALE_S:
        print(f"the tap gave its last sign of life {age_s:.0f} s ago: 'docker compose restart server-tap'")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
