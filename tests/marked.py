"""The mark on what tests start without compose: ``python3 -m lab.setup down-all`` finds it after a broken run."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOT_LABEL = "echolab.root"
LABELS = {ROOT_LABEL: str(ROOT)}
"""For ``containers.run(labels=...)`` of Docker's library."""
MARK = ("--label", f"{ROOT_LABEL}={ROOT}")
"""For ``docker run``."""
