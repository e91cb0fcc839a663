"""One answer beside what the capture says: right or not, and two or three sentences as a good tutor would say them.

A wrong answer is not just wrong. Where it is what people arrive at by a known misunderstanding, that is named; else the
feedback says where to look. It never says the answer, nor that of another question of the same exercise: frames that
another one asks for are named by what they are, not by their number, and the display filter shows more than one frame
while the answer is wrong. Every sentence that speaks of a frame can be checked: the display filter shows it in
Wireshark.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lab.grade.answers import FORMS, UnclearError, Value, shown, understand
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Mistake
from lab.grade.manifest import Question
from lab.grade.places import PLACES
from lab.grade.vocabulary import VOCABULARY

State = Literal["right", "wrong", "unclear", "open", "not-shown", "ungraded"]
MADE = 0.5
"""What a prediction earns that was made in time and turned out otherwise: guessing well is not the point."""
_LARGE = 20
_SAME_DIGITS = 0.005
_DIGITS = re.compile(r"\d+")
_LIST = re.compile(
    r"\bframes \d+(?:, \d+)*(?: and \d+| \.\.\.)?|\b[Ff]rames \d+ to \d+|\bthe last three transmissions, frames [\d, ]+"
)
_MAC = re.compile(r"[0-9a-f]{2}([:-]?[0-9a-f]{2}){5}|[0-9a-f]{4}(\.[0-9a-f]{4}){2}")


@dataclass(frozen=True)
class Marked:
    """A question with its mark. points: 0 to 1. mistake: slug of a named one, else empty. words: the feedback.

    frames, filter, part: what it cites; the filter shows it in the capture of that part.
    """

    question: Question
    state: State
    points: float
    words: str
    given: str = ""
    mistake: str = ""
    frames: tuple[int, ...] = ()
    filter: str = ""
    part: str = ""


def mark(question: Question, given: Value | None, evidence: Evidence, others: Sequence[Question] = ()) -> Marked:
    """Mark one answer against the evidence. others: the exercise's other questions, whose answers are not told."""
    if given is None:
        words = f"Not answered yet. Expected is {FORMS[question.form]}."
        return Marked(question, "open", 0, words)
    text = shown(given)
    try:
        value = understand(given, question.form, question.choices)
    except UnclearError as unclear:
        sentence = str(unclear)
        return Marked(question, "unclear", 0, f"{sentence[0].upper()}{sentence[1:]}.", text)
    try:
        expected = VOCABULARY[question.check].function(evidence, question.parameters)
    except NotShownError as missing:
        words = f"This capture cannot answer that: {missing}. That is not your mistake; play the exercise again."
        return Marked(question, "not-shown", 0, words, text)
    part = expected.part or (str(question.parameters.get("part", "")) or next(iter(evidence.parts), ""))
    if agrees(value, expected, question):
        words = f"As you predicted. {expected.why}" if question.predict else f"Right. {expected.why}"
        return Marked(question, "right", 1, words, text, "", expected.frames, expected.filter, part)
    found = recognise(value, expected, question)
    words = found.sentence if found else expected.look
    secret = secrets(others, question, part, evidence)
    if question.form == "frame" and isinstance(value, int) and (found is None or value in secret):
        words = f"{_about(evidence, question, value)} {expected.look}"
        secret.pop(value, None)  # the student has named it
    words = _discreet(words, secret)
    shown_by = expected.wide or expected.filter
    if numbers_in(shown_by) & secret.keys():
        shown_by = "tcp"
    if question.predict:
        words = f"You predicted {text}, and it came otherwise. {words}"
    else:
        words = f"Not yet, with {text}. {words}" if found else f"{text} is not what the capture says. {words}"
    frames = () if question.form == "frame" else tuple(one for one in expected.frames if one not in secret)
    points = MADE if question.predict else 0.0
    return Marked(question, "wrong", points, words, text, found.slug if found else "", frames, shown_by, part)


def foretold(question: Question, given: Value, evidence: Evidence, came: Marked) -> Marked:
    """Mark a prediction. came: the mark of the same question answered from the capture. Before that is answered,
    nothing is said that would answer it."""
    if came.state in ("open", "unclear"):
        words = f"You predicted {shown(given)}, before the run. What came? Say so under [answers], and it counts."
        return Marked(question, "open", 0, words, shown(given))
    marked = mark(question, given, evidence)
    if came.state == "wrong" and marked.state in ("right", "wrong"):
        words = f"You predicted {shown(given)}. Find out what came; then it is said here whether you were right."
        return replace(marked, words=words, filter="", frames=())
    return marked


def secrets(others: Sequence[Question], question: Question, part: str, evidence: Evidence) -> dict[int, str]:
    """The frames of this part that other questions ask for, and what they are."""
    found: dict[int, str] = {}
    for other in others:
        if other.form != "frame" or other.id == question.id:
            continue
        try:
            expected = VOCABULARY[other.check].function(evidence, other.parameters)
        except NotShownError:
            continue
        theirs = expected.part or str(other.parameters.get("part", "")) or next(iter(evidence.parts), "")
        if theirs == part and isinstance(expected.value, int):
            at = str(other.parameters.get("at", ""))
            found[expected.value] = PLACES[at][0] if at in PLACES else "the frame that another question asks for"
    return found


def _discreet(words: str, secret: Mapping[int, str]) -> str:
    """The sentence without the numbers of those frames: each is called by what it is."""
    for number, says in secret.items():
        words = words.replace(f"{says}, frame {number}", says).replace(f"frame {number}, {says}", says)
        words = re.sub(rf" \(frame {number}\)", "", words)
        words = re.sub(rf"\bframe {number}\b", says, words)
        words = re.sub(rf"\bFrame {number}\b", says[:1].upper() + says[1:], words)
        for listed in _LIST.findall(words):
            if str(number) in _DIGITS.findall(listed):
                words = words.replace(listed, "these frames")
    return words


def numbers_in(display_filter: str) -> set[int]:
    """The frames that a display filter names by number."""
    named = re.findall(r"frame\.number (?:[=<>!]+ \d+|in \{[^}]*\})", display_filter)
    return {int(number) for clause in named for number in _DIGITS.findall(clause)}


def _about(evidence: Evidence, question: Question, number: int) -> str:
    """What the frame is that was named instead."""
    found = evidence.part(question.parameters.get("part"))
    if not 1 <= number <= len(found.frames):
        return f"The capture has {len(found.frames)} frames."
    record = found.frame(number)
    sender = f" of the {record.sender}" if record.sender else ""
    text = f" with {record.payload_bytes} octets of text" if record.payload_bytes else " without text"
    return f"Frame {number} is a frame{sender} ({record.flags}){text}."


def agrees(value: Value, expected: Expected, question: Question) -> bool:
    """Whether an understood answer is what the capture says."""
    if question.form == "time":
        return abs(float(value) - float(expected.value)) <= expected.tolerance
    if question.form == "seq":
        return value == expected.value or (
            not question.raw and expected.relative is not None and value == expected.relative
        )
    if expected.tolerance and isinstance(value, int) and isinstance(expected.value, int):
        return abs(value - expected.value) <= expected.tolerance
    return same(value, expected.value)


def same(value: Value, other: Value) -> bool:
    """Equal, where texts may be written differently: an address, or a word in another case."""
    if isinstance(value, bool) or isinstance(other, bool) or not (isinstance(value, str) and isinstance(other, str)):
        return value == other and isinstance(value, bool) == isinstance(other, bool)
    return _canonical(value) == _canonical(other)


def _canonical(text: str) -> str:
    text = " ".join(text.casefold().split())
    if _MAC.fullmatch(text):
        return re.sub(r"[^0-9a-f]", "", text)
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return text


def recognise(value: Value, expected: Expected, question: Question) -> Mistake | None:
    """The misunderstanding behind a wrong value, if it is a known one."""
    key = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    named = next((one for one in expected.mistakes if _is(value, one.value, expected, question)), None)
    if key in question.wrong:
        return Mistake(value, named.slug if named else "misread", question.wrong[key])
    if named is not None:
        return named
    if question.form == "seq" and question.raw and value == expected.relative:
        return Mistake(
            value,
            "relative-for-raw",
            "That is the relative number: Wireshark counts from each end's own SYN, which is friendlier to read. In the"
            " header stands another number; look for 'Sequence Number (raw)' or 'Acknowledgment Number (raw)'.",
        )
    if question.form in ("integer", "seq") and not isinstance(value, str):
        for right in (expected.value, expected.relative):
            # One beside a small count is no slip of counting: it means something else, and the question says what.
            slip = question.form == "seq" or (isinstance(right, int) and right >= _LARGE)
            if slip and isinstance(right, int) and abs(int(value) - right) == 1:
                return Mistake(
                    value,
                    "off-by-one",
                    f"Close: one off. Did you count both ends of the row, or one thing that belongs elsewhere?"
                    f" {expected.look}",
                )
    if question.form == "time" and float(value) and float(expected.value):
        for factor in (1e3, 1e6, 1e9):
            for scaled in (float(value) * factor, float(value) / factor):
                # The very digits, not only about so many: else a wrong pair of frames would pass for a wrong unit.
                if abs(scaled - float(expected.value)) <= abs(float(expected.value)) * _SAME_DIGITS:
                    return Mistake(
                        value,
                        "unit",
                        "The digits are right, the unit is not: Wireshark's Time column counts seconds. How many zeros"
                        " stand between the point and your digits?",
                    )
    return None


def _is(value: Value, wrong: Value, expected: Expected, question: Question) -> bool:
    """Whether the answer is this wrong value, and the wrong value is not also the right one."""
    if question.form == "time":
        return abs(float(value) - float(wrong)) <= expected.tolerance and not agrees(wrong, expected, question)
    return same(value, wrong) and not agrees(wrong, expected, question)
