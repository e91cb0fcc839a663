"""``echolab verify``: was a capture edited after the tap wrote it? With the tap's key (ECHO_KEY) nobody can hide it.

Exit status: 0 all genuine; 1 one was edited, signed with another key or cannot be read; 3 none of that, but one is
unsigned or there is no key to check it with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lab.store.digest import verify

EDITED, UNSIGNED = 1, 3


def verify_all(json_paths: Sequence[Path], key: bytes | None, *, as_json: bool) -> int:
    """Verify sessions, print a line (or an entry) for each, and return the exit status."""
    found = [verify(path, key) for path in json_paths]
    if as_json:
        entries = [
            {"session": path.stem, "state": one.state, "sentence": one.sentence}
            for path, one in zip(json_paths, found, strict=True)
        ]
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    else:
        for one in found:
            print(f"{one.state}: {one.sentence}")
    states = {one.state for one in found}
    if states - {"genuine", "unsigned"}:
        return EDITED
    return UNSIGNED if "unsigned" in states else 0
