"""The one way in which a command says no: a sentence with the next step, and the exit status."""

from __future__ import annotations

FAILED, ASKED_WRONGLY = 1, 2


class RefusedError(Exception):
    """What was asked for cannot be done: one sentence with the next step, and the exit status."""

    def __init__(self, sentence: str, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.status = status
