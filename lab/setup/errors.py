"""What a user sees when the lab cannot be set up: one sentence, the next step, and where it helps the last lines of a
log.

No traceback reaches a student. Exit status 1 means that something failed, 2 that something was asked for wrongly (a
variable, an option), as is usual for commands.
"""

from __future__ import annotations

from collections.abc import Sequence

FAILED = 1
USAGE = 2


class SetupError(Exception):
    """Something is missing or wrong, and the user can do something about it.

    sentence: what is wrong, where, as one sentence.
    next_step: the command that fixes it, or the words that lead there; may be empty.
    log: the last lines of the output that shows why.
    status: exit status, 1 (failed) or 2 (usage).
    """

    def __init__(self, sentence: str, next_step: str = "", *, log: Sequence[str] = (), status: int = FAILED) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.next_step = next_step
        self.log = list(log)
        self.status = status


def last_lines(text: str, count: int = 15) -> list[str]:
    """The last lines of an output that are not empty."""
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]
