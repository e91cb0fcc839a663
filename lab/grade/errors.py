"""What goes wrong in an exercise, told apart by whose turn it is: the author's, the student's, or the lab's."""

from __future__ import annotations


class GradeError(Exception):
    """Something cannot be done: one sentence with the next step."""


class ManifestError(GradeError):
    """An exercise's folder is wrong: every mistake is a sentence of its own, so that an author mends all at once."""

    def __init__(self, exercise: str, mistakes: tuple[str, ...]) -> None:
        super().__init__(f"exercise {exercise}: " + "; ".join(mistakes))
        self.exercise = exercise
        self.mistakes = mistakes


class NotShownError(Exception):
    """The capture is sound, but what the question is about did not happen in it. Nobody's fault: play it again."""


class EvidenceError(Exception):
    """A capture cannot be graded. reason: why; retake: what to do. The student is not to blame."""

    def __init__(self, reason: str, retake: str) -> None:
        super().__init__(f"{reason} {retake}")
        self.reason = reason
        self.retake = retake
