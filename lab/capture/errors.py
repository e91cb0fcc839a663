"""The one error of the tap that its user sees: a sentence with the next step, and no traceback."""

from __future__ import annotations


class TapError(Exception):
    """The tap cannot do what it was asked. The text says what, where and what to do next."""
