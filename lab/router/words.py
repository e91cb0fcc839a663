"""From the text of a script to its words: each with its line and column, so that a mistake can be pointed at."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.router.errors import Fault

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)
      | (?P<comment>\#.*)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<open>".*)
      | (?P<speed>[A-Za-z]*bit/s)
      | (?P<number>[0-9]+(?:\.[0-9]+)?)
      | (?P<word>[A-Za-zµ]+[0-9]*(?:-[A-Za-z]+)*)
      | (?P<sign>[:,%+-])
      | (?P<other>.)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_NO_TEXT = re.compile("[\ud800-\udfff]")
"""What Python makes of octets that are no UTF-8 (surrogateescape), and what no text has."""

MOST_DIGITS = 20
MOST_SHOWN = 40


class MistakeError(Exception):
    """A mistake at one place; the parser turns it into its line's fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line. kind: string, speed, number, word, sign, or end for the line's end."""

    kind: str
    text: str
    line: int
    column: int

    def wrong(self, sentence: str) -> MistakeError:
        """The mistake that stands at this word."""
        return MistakeError(Fault(self.line, self.column, sentence))

    @property
    def shown(self) -> str:
        """How a message calls this word."""
        if self.kind == "end":
            return "the end of the line"
        return f"'{self.text}'" if len(self.text) <= MOST_SHOWN else f"'{self.text[:MOST_SHOWN]}...'"


def words(text: str, line: int) -> list[Word]:
    """The words of one line, its end last. Raises MistakeError for characters that no word has."""
    broken = _NO_TEXT.search(text)
    if broken:
        raise Word("other", "", line, broken.start() + 1).wrong("an octet here is no UTF-8: save the script as UTF-8")
    found = []
    for match in _TOKEN.finditer(text):
        kind, column = match.lastgroup or "other", match.start() + 1
        if kind in ("space", "comment"):
            continue
        word = Word(kind, match.group(), line, column)
        if kind == "open":
            raise word.wrong('a text begins here with " and does not end on this line')
        if kind == "other":
            raise word.wrong(
                f"{word.text!r} means nothing here; a comment begins with #, a text stands in double quotes"
            )
        if kind == "number" and len(word.text) > MOST_DIGITS:
            raise word.wrong(f"this number has {len(word.text)} digits; at most {MOST_DIGITS} are taken")
        found.append(word)
    found.append(Word("end", "", line, len(text.rstrip()) + 1))
    return found


def octets_of(word: Word) -> bytes:
    r"""The octets of a quoted text: UTF-8, with \n, \r, \t, \", \\ and \x00 to \xff."""
    result = b""
    inner, at = word.text[1:-1], 0
    for match in _ESCAPE.finditer(inner):
        result += inner[at : match.start()].encode()
        code = match.group(1)
        if code[0] == "x" and len(code) == 3:
            result += bytes((int(code[1:], 16),))
        elif code in _ESCAPES:
            result += _ESCAPES[code].encode()
        else:
            place = Word("string", word.text, word.line, word.column + 1 + match.start())
            raise place.wrong(rf"\{code} is unknown; there are \n, \r, \t, \", \\ and \x00 to \xff")
        at = match.end()
    return result + inner[at:].encode()
