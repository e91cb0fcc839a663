"""How the tests are shared out when two processes run them (``pytest -n 2``, which ``make test`` does).

The live tests want the machine's containers and mostly wait for them: one process plays them all, in their order. The
others need processors and no lab: meanwhile the second process takes them, file by file. Without ``-n`` all run in one
process, as ever.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

LIVE = "tests/live"


class LiveInOneProcess(LoadScopeScheduling):
    """Gives the live tests to the first process that asks, and to each that asks next a file of the others."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return LIVE if path.startswith(f"{LIVE}/") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LiveInOneProcess:
    """Our way to share the tests out, instead of one by one to whoever is idle."""
    config.option.loadscopereorder = False  # in the order of the collection, not the file with the most tests first
    return LiveInOneProcess(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The live tests begin first: they take the longest."""
    items.sort(key=lambda item: not PurePosixPath(item.nodeid.partition("::")[0]).is_relative_to(LIVE))
