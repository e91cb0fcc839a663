"""Which of two processes plays which tests: see tests/conftest.py. Imported only where pytest-xdist is."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

from tests.conftest import in_the_lab


class LiveInOneProcess(LoadScopeScheduling):
    """Gives the tests in the lab to the first process that asks, and to each that asks next a file of the others."""

    def _split_scope(self, nodeid: str) -> str:
        return "the lab" if in_the_lab(nodeid) else nodeid.partition("::")[0]
