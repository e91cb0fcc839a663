"""Which of two processes plays which tests: see tests/conftest.py. Imported only where pytest-xdist is."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

LIVE = "tests/live"


class LiveInOneProcess(LoadScopeScheduling):
    """Gives the live tests to the first process that asks, and to each that asks next a file of the others."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return LIVE if path.startswith(f"{LIVE}/") else path
