"""What a student wrote: answers.toml, and each answer understood in the form that its question expects.

Forms are forgiven where they are unambiguous: 0x1F or 31, "1,460" or 1460, "frame 7" or 7, 83 µs or 0.083 ms. Where
they are not (a time without a unit), the answer is not wrong but *unclear*, and the feedback says what is missing.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.grade import toml
from lab.grade.errors import GradeError

Value = int | float | str | bool
FORMS: Mapping[str, str] = {
    "integer": 'a whole number: 1460, "1,460", 0x5B4',
    "seq": "a sequence number, decimal or hexadecimal",
    "time": 'a time with its unit: "83 us", "0.083 ms", "1.2 s"',
    "choice": "one of the words given",
    "frame": "a frame's number, as in Wireshark's first column",
    "text": 'a short text in double quotes, "like this"',
    "boolean": '"yes" or "no"',
}
"""How an answer may look."""
LONGEST = 200
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "sec": 1_000_000_000}
_TIME = re.compile(r"([0-9]*\.?[0-9]+(?:e-?[0-9]{1,2})?)\s*([a-zµμ]+)\.?")
_GROUPED = re.compile(r"[0-9]{1,3}([ ,_'.’\u00a0\u202f][0-9]{3})+")
_AFTER = re.compile(r"\s*(octets?|bytes?|segments?|frames?|packets?|lines?|messages?|\(?raw\)?|\(?relative\)?)$")
_WHOLE = re.compile(r"^([0-9]+)\.0*$")  # 1460.0, or 8 at the end of a sentence
_BEFORE = re.compile(r"^(frame|no\.?|number|nr\.?|#|port|seq|ack)\s*[=:]?\s*")
_YES, _NO = {"yes", "y", "true", "ja", "oui", "si"}, {"no", "n", "false", "nein", "non"}


class UnclearError(Exception):
    """An answer that cannot be understood: one sentence on how it should look."""


@dataclass(frozen=True)
class Answers:
    """An answers.toml. answers and predict: the question's id to what was written; empty ones are left out."""

    student: str = ""
    exercise: str = ""
    answers: Mapping[str, Value] = field(default_factory=dict)
    predict: Mapping[str, Value] = field(default_factory=dict)


def read(path: Path) -> Answers:
    """Read an answers.toml. Raises GradeError."""
    tables = toml.load(path)
    return Answers(
        _text_of(tables.get("student")),
        _text_of(tables.get("exercise")),
        _filled(tables.get("answers"), path.name, "answers"),
        _filled(tables.get("predict"), path.name, "predict"),
    )


def _text_of(value: object) -> str:
    return str(value)[:LONGEST] if isinstance(value, str | int) else ""


def _filled(table: object, name: str, section: str) -> dict[str, Value]:
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise GradeError(f"{name}: [{section}] must be a section with one line for each question")
    found: dict[str, Value] = {}
    for key, value in table.items():
        if isinstance(value, bool | int | float):
            found[str(key)] = value
        elif isinstance(value, str) and value.strip():
            found[str(key)] = value.strip()[: LONGEST * 5]
        elif not isinstance(value, str):
            found[str(key)] = str(value)[:LONGEST]  # a list, a date: understood as text, and so probably unclear
    return found


def understand(given: Value, form: str, choices: tuple[str, ...] = ()) -> Value:
    """An answer as the value that its form means. Times are nanoseconds. Raises UnclearError."""
    if isinstance(given, str):
        given = unicodedata.normalize("NFKC", given).replace("−", "-")
        if len(given) > LONGEST:
            raise UnclearError(f"this answer has {len(given)} letters; {FORMS[form]} is expected")
    if form in ("integer", "seq", "frame"):
        return _number(given, form)
    if form == "time":
        return _time(given)
    if form == "boolean":
        word = str(given).strip().casefold()
        if word in _YES | _NO:
            return word in _YES
        raise UnclearError(f"{_shown(given)} is neither yes nor no")
    if form == "choice":
        word = _plain(str(given))
        for choice in choices:
            if _plain(choice) == word:
                return choice
        raise UnclearError(f"{_shown(given)} is none of the choices: {', '.join(choices)}")
    return _plain(str(given))


def _plain(text: str) -> str:
    """A text without what does not matter: case, space at the ends, quotes, a full stop."""
    return " ".join(text.casefold().split()).strip("\"'`. ")


def _number(given: Value, form: str) -> int:
    if isinstance(given, bool):
        raise UnclearError(f"{_shown(given)} is no number")
    if isinstance(given, int | float):
        if isinstance(given, float) and (not math.isfinite(given) or given != int(given)):
            raise UnclearError(f"{_shown(given)} is not a whole number")
        return _bounded(int(given), given)
    text = _AFTER.sub("", _BEFORE.sub("", given.casefold().strip()))
    text = _WHOLE.sub(r"\1", text)
    if _GROUPED.fullmatch(text):
        text = re.sub(r"[^0-9]", "", text)
    try:
        if re.fullmatch(r"[+-]?[0-9]{1,20}", text):
            return _bounded(int(text), given)
        if re.fullmatch(r"0x[0-9a-f]{1,16}", text):
            return _bounded(int(text, 16), given)
        if re.fullmatch(r"[0-9a-f]{8}", text) and form == "seq":
            return int(text, 16)  # eight hexadecimal digits, as the bytes pane shows them
    except ValueError:
        pass
    raise UnclearError(f"{_shown(given)} is not a number; expected is {FORMS[form]}")


def _bounded(number: int, given: Value) -> int:
    if abs(number) >= 1 << 64:
        raise UnclearError(f"{_shown(given)} is larger than anything in a header")
    return number


def _time(given: Value) -> float:
    if not isinstance(given, str):
        raise UnclearError(f'{_shown(given)} has no unit: write "{given} ms", or s, or us')
    text = given.casefold().strip().replace(",", ".")
    found = _TIME.fullmatch(text)
    unit = found[2].removesuffix("seconds").removesuffix("second") if found else ""
    if found and not unit:
        unit = "s"
    unit = {"milli": "ms", "micro": "us", "nano": "ns"}.get(unit, unit)
    if found is None or unit not in _UNITS:
        raise UnclearError(f"{_shown(given)} lacks something: expected is {FORMS['time']}")
    return float(found[1]) * _UNITS[unit]


def _shown(given: Value) -> str:
    """An answer in a sentence, harmless for a terminal and short."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(given))
    return f'"{text[:40]}{"…" if len(text) > 40 else ""}"'


shown = _shown
