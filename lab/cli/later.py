"""Commands whose work is imported only when they are called: all others start sooner without it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module


def later(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """What a command runs: ``act(name, options)`` of this module, which returns the exit status."""

    def run(options: argparse.Namespace) -> int:
        status: int = import_module(module).act(name, options)
        return status

    return run
