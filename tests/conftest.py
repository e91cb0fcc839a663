"""How the tests are shared out when two processes run them (``pytest -n 2``, which ``make test`` does).

The live tests play in composed labs and mostly wait for them: one process plays them all, in their order. The others
need processors and no lab: meanwhile the second process takes them, file by file, and first those live tests that have
enough with single containers. Without ``-n`` all run in one process, as ever; then pytest-xdist need not even be there
(in the languages' images it is not).
"""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

LIVE = "tests/live/"
WITHOUT_A_LAB = ("test_languages.py", "test_report_page.py")


def in_the_lab(nodeid: str) -> bool:
    """Whether a test plays in a composed lab."""
    path = nodeid.partition("::")[0]
    return path.startswith(LIVE) and path.removeprefix(LIVE) not in WITHOUT_A_LAB


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Our way to share the tests out, instead of one by one to whoever is idle."""
    from tests.sharing import LiveInOneProcess

    config.option.loadscopereorder = False  # in the order of the collection, not the file with the most tests first
    return LiveInOneProcess(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """A process of two ignores SIGINT, and what it starts would inherit that: programs that no Ctrl-C ends. A handler
    that does nothing is not inherited. And programs in Python find the environment that most users have, not one in
    which nothing is buffered."""
    os.environ.pop("PYTHONUNBUFFERED", None)
    if hasattr(config, "workerinput") and signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda _number, _frame: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The live tests begin first: they take the longest."""
    items.sort(key=lambda item: (not in_the_lab(item.nodeid), not item.nodeid.startswith(LIVE)))
