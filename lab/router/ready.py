"""Is the wire forwarding? The health probe of its container. It looks at the wire's sign of life and sends nothing: a
probe must not show up in a capture.
"""

from __future__ import annotations

import os
import sys
import time

from lab.capture.ready import STALE_S

PATH = "/run/wire/ready"


def main(path: str = PATH) -> int:
    """Returns the exit status: 0 if the wire is forwarding, 1 if not (one sentence on standard output)."""
    try:
        age_s = time.time() - os.stat(path).st_mtime  # noqa: PTH116 - the probe starts faster without pathlib
    except FileNotFoundError:
        print("the wire has not opened its port yet: 'docker compose logs wire' says why")
        return 1
    if age_s > STALE_S:
        print(f"the wire gave its last sign of life {age_s:.0f} s ago: 'docker compose restart wire'")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
