"""The one way in which a command says no: a sentence with the next step, and the exit status. And what is said of a cut
file, which is read all the same."""

from __future__ import annotations

FAILED, ASKED_WRONGLY = 1, 2


def cut_sentence(name: str, left_over_bytes: int) -> str:
    """What is said of a capture file whose last block is not all there: its writer was stopped, or it was cut."""
    return (
        f"{name} ends in the middle of a block: {left_over_bytes} octets at its end could not be read, everything"
        " before them was"
    )


class RefusedError(Exception):
    """What was asked for cannot be done: one sentence with the next step, and the exit status."""

    def __init__(self, sentence: str, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.status = status
