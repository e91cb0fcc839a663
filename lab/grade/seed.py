"""From a student's name to a scenario of their own: texts, counts, ports and the nonce, always the same for the same
name and exercise.

Everything comes out of SHA-256 over the exercise, the student and the thing's name: no random generator whose next
version could draw otherwise, and no order in which things have to be drawn. The nonce is made of capital letters and
digits, so it stands unchanged in the client's line *and* in the server's answer.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from base64 import b32encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.grade.errors import GradeError

_NONCE_LENGTH = 10  # 50 bits: nobody else's by chance, and short enough to type
_FIRST_PORT, _PORT_BLOCKS, TRIES = 10_000, 1_250, 16  # below the ports that kernels hand out themselves (32768 on)
_MOST_NAME = 64
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_-]*)\}", re.IGNORECASE)


def student_id(text: str) -> str:
    """A name or number as it is hashed: without case and needless space. Raises GradeError."""
    name = text
    for _ in range(3):  # each of the three may give the others something to do
        name = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    if not name or len(name) > _MOST_NAME or any(not letter.isprintable() for letter in name):
        raise GradeError(f"a student's name or id has 1 to {_MOST_NAME} printable letters: --student anna")
    return name


@dataclass(frozen=True)
class Range:
    """A number to draw: from low to high, both included, in steps."""

    low: int
    high: int
    step: int = 1


@dataclass(frozen=True)
class Seed:
    """What one student gets in one exercise. exercise: the folder's name. student: as student_id() gives it."""

    exercise: str
    student: str
    drawn: Mapping[str, str | int] = field(default_factory=dict)

    def _hash(self, name: str) -> bytes:
        words = "\n".join(("echolab-exercise-1", self.exercise, self.student, name))
        return hashlib.sha256(words.encode()).digest()

    def number(self, name: str, span: Range) -> int:
        """A number of the range."""
        count = (span.high - span.low) // span.step + 1
        return span.low + int.from_bytes(self._hash(f"number {name}")[:8], "big") % count * span.step

    def pick(self, name: str, choices: Sequence[str]) -> str:
        """One of the choices."""
        return choices[int.from_bytes(self._hash(f"pick {name}")[:8], "big") % len(choices)]

    @property
    def nonce(self) -> str:
        """Ten capital letters and digits that stand in the payload: the capture is this student's."""
        return b32encode(self._hash("nonce")).decode()[:_NONCE_LENGTH]

    def port(self, attempt: int) -> int:
        """A source port; another one for each attempt, so that no connection waits for the one before to be
        forgotten."""
        block = int.from_bytes(self._hash("port")[:8], "big") % _PORT_BLOCKS
        return _FIRST_PORT + block * TRIES + attempt % TRIES

    def owns_port(self, port: int) -> bool:
        """Whether a source port is one of this student's."""
        return port - port % TRIES == self.port(0)


def seal(predictions: Mapping[str, str]) -> str:
    """A digest of the predictions that goes over the wire: so the capture itself shows that they were made before."""
    words = "\n".join(f"{name}={predictions[name]}" for name in sorted(predictions))
    return b32encode(hashlib.sha256(f"echolab-predictions-1\n{words}".encode()).digest()).decode()[:_NONCE_LENGTH]


def draw(exercise: str, student: str, wanted: Mapping[str, Range | Sequence[str]]) -> Seed:
    """The seed with everything drawn that the exercise wants."""
    bare = Seed(exercise, student)
    drawn = {
        name: bare.number(name, span) if isinstance(span, Range) else bare.pick(name, span)
        for name, span in wanted.items()
    }
    return Seed(exercise, student, drawn)


def fill(text: str, values: Mapping[str, str | int]) -> str:
    """The text with its placeholders filled in: {nonce}, {length} ... Unknown ones stay as they are: a text may show
    braces."""
    return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[0])), text)


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return set(_PLACEHOLDER.findall(text))
