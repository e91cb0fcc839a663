"""Work folders for tests, made from recorded runs of every exercise: the same frames, but with another student's mark,
other sequence numbers, ports and times. So a thousand different submissions need no Docker.

``recorded/`` holds one run of each exercise, as the tap wrote it, of the student ``anna``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from lab.grade.check import ANSWERS, CAPTURES, PREDICTIONS
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence, Part, analysis_of
from lab.grade.expected import Expected
from lab.grade.manifest import Exercise, Question, load_all
from lab.grade.progress import sheet
from lab.grade.seed import Range, fill, seal
from lab.grade.vocabulary import VOCABULARY
from lab.session.tracker import Tracker
from lab.store.blocks import InterfaceFacts, SectionFacts
from lab.store.facts import RunFacts
from lab.store.reader import read_capture
from lab.store.sessions import SessionStore
from lab.wire.checksum import checksum, pseudo_sum
from lab.wire.frame import Frame

RECORDED = Path(__file__).parent / "recorded"
ANNA = "anna"
ANNAS_SEAL_OF = "1"  # what anna predicted everywhere when the runs were recorded
SERVER_PORTS = (7, 9, 7005, 7006)
_SECOND = 1_000_000_000


@lru_cache(maxsize=1)
def exercises() -> dict[str, Exercise]:
    """All exercises by name, everybody with anna's texts and numbers: the recorded runs are hers, and a capture with
    other lengths and counts than the seed asks for is refused."""
    return {one.name: _with_annas_numbers(one) for one in load_all()}


def _with_annas_numbers(exercise: Exercise) -> Exercise:
    drawn = exercise.seed(ANNA).drawn
    fixed = {name: Range(value, value) if isinstance(value, int) else (value,) for name, value in drawn.items()}
    return replace(exercise, seeded=fixed)


def delta(*words: str) -> int:
    """A number that belongs to these words."""
    return int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Turn:
    """How frames are turned into another student's. words: old octets to new ones of the same length. shift: added to
    each end's sequence numbers, by whether the end has the lower port (the server). later_ns: added to the times.
    port: the client's, 0 to keep it; more: added to the one kept."""

    words: Mapping[bytes, bytes]
    client_shift: int = 0
    server_shift: int = 0
    later_ns: int = 0
    port: int = 0
    more: int = 0
    streams: dict[bool, tuple[int, bytes]] = field(default_factory=dict)

    def frames(self, frames: Sequence[Frame]) -> list[Frame]:
        """All of them, turned. Fragments are turned as the one packet that they are; words are found in the stream,
        also where a segment ends in the middle of one."""
        self.streams.update(self._streams(frames))
        turned: list[Frame] = []
        pieces: list[Frame] = []
        for frame in frames:
            if _is_fragment(frame.data):
                pieces.append(frame)
                if not frame.data[20] & 0x20:  # the last one
                    turned += self._cut(pieces)
                    pieces = []
            else:
                turned.append(self.frame(frame))
        return turned

    def _streams(self, frames: Sequence[Frame]) -> dict[bool, tuple[int, bytes]]:
        """By whether the client sent it: the first number, and the text with the new words."""
        pieces: dict[bool, dict[int, bytes]] = {True: {}, False: {}}
        for frame in frames:
            start = {b"\x08\x00": 34, b"\x86\xdd": 54}.get(frame.data[12:14])
            if start is None or _is_fragment(frame.data) or frame.data[23 if start == 34 else 20] != 6:
                continue
            from_client = int.from_bytes(frame.data[start : start + 2], "big") not in SERVER_PORTS
            number = int.from_bytes(frame.data[start + 4 : start + 8], "big")
            end = int.from_bytes(frame.data[16:18], "big") + 14 if start == 34 else len(frame.data)
            payload = frame.data[start + (frame.data[start + 12] >> 4) * 4 : end]
            if payload and number not in pieces[from_client]:
                pieces[from_client][number] = payload
        found = {}
        for from_client, texts in pieces.items():
            base = min(texts, default=0)
            text = bytearray(max((number - base + len(octets) for number, octets in texts.items()), default=0))
            for number, octets in texts.items():
                text[number - base : number - base + len(octets)] = octets
            for old, new in self.words.items():
                text = text.replace(old, new).replace(old.upper(), new.upper())
            found[from_client] = (base, bytes(text))
        return found

    def _cut(self, pieces: Sequence[Frame]) -> list[Frame]:
        whole = bytearray(pieces[0].data[:34] + b"".join(piece.data[34:] for piece in pieces))
        self._segment(whole, 34)
        turned, at = [], 34
        for piece in pieces:
            size = len(piece.data) - 34
            data = piece.data[:34] + bytes(whole[at : at + size])
            turned.append(piece._replace(time_ns=piece.time_ns + self.later_ns, data=data))
            at += size
        return turned

    def frame(self, frame: Frame) -> Frame:
        """One frame, turned."""
        data = bytearray(frame.data)
        kind = data[12:14]
        start = {b"\x08\x00": 34, b"\x86\xdd": 54}.get(bytes(kind))
        if start is not None and data[23 if start == 34 else 20] == 6:
            self._segment(data, start)
        elif start == 34 and data[23] == 1:
            self._quoted(data)
        return frame._replace(time_ns=frame.time_ns + self.later_ns, data=bytes(data))

    def _quoted(self, data: bytearray) -> None:
        """The segment that an ICMP error quotes, and the message's checksum."""
        start = 34 + 8 + 20
        self._numbers(data, start)
        for old, new in self.words.items():
            data[start:] = bytes(data[start:]).replace(old, new)
        data[36:38] = bytes(2)
        data[36:38] = checksum(bytes(data[34:])).to_bytes(2, "big")

    def _numbers(self, data: bytearray, start: int) -> None:
        """Port, sequence and acknowledgment number, SACK blocks."""
        from_client = int.from_bytes(data[start : start + 2], "big") not in SERVER_PORTS
        own, peer = (self.client_shift, self.server_shift) if from_client else (self.server_shift, self.client_shift)
        port_at = start if from_client else start + 2
        port = self.port or int.from_bytes(data[port_at : port_at + 2], "big") + self.more
        data[port_at : port_at + 2] = port.to_bytes(2, "big")
        unnumbered = data[start + 13] & 4 and data[start + 4 : start + 8] == bytes(4)  # the RST of a refusal
        for at, shift in ((start + 4, 0 if unnumbered else own), (start + 8, peer if data[start + 13] & 16 else 0)):
            _add(data, at, shift)
        at, end = start + 20, start + (data[start + 12] >> 4) * 4
        while at < end and data[at]:
            if data[at] == 1:
                at += 1
                continue
            if data[at] == 5:
                for edge in range(at + 2, at + data[at + 1], 4):
                    _add(data, edge, peer)
            at += data[at + 1]

    def _segment(self, data: bytearray, start: int) -> None:
        from_client = int.from_bytes(data[start : start + 2], "big") not in SERVER_PORTS
        number = int.from_bytes(data[start + 4 : start + 8], "big")
        self._numbers(data, start)
        text = start + (data[start + 12] >> 4) * 4
        payload = bytes(data[text:])
        for old, new in self.words.items():
            payload = payload.replace(old, new)
        base, stream = self.streams.get(from_client, (0, b""))
        known = stream[number - base : number - base + len(payload)] if number >= base else b""
        data[text:] = known if len(known) == len(payload) else payload
        data[start + 16 : start + 18] = bytes(2)
        size = 4 if start == 34 else 16
        first = 26 if start == 34 else 22
        source, destination = bytes(data[first : first + size]), bytes(data[first + size : first + 2 * size])
        value = checksum(bytes(data[start:]), pseudo_sum(source, destination, 6, len(data) - start))
        data[start + 16 : start + 18] = value.to_bytes(2, "big")


def _add(data: bytearray, at: int, shift: int) -> None:
    number = int.from_bytes(data[at : at + 4], "big")
    data[at : at + 4] = ((number + shift) & 0xFFFFFFFF).to_bytes(4, "big")


def _is_fragment(data: bytes) -> bool:
    return data[12:14] == b"\x08\x00" and bool(int.from_bytes(data[20:22], "big") & 0x3FFF)


def write_part(
    frames: list[Frame],
    names: dict[str, list[str]],
    target: Path,
    key: bytes | None = None,
    language: str = "python",
) -> None:
    """Let the tap's own tracker and store write these frames as ``target`` (a .pcapng) with the JSON beside it."""
    with tempfile.TemporaryDirectory() as folder:
        start_ns = frames[0].time_ns
        store = SessionStore(
            Path(folder),
            run=RunFacts(start_ns, languages={"server": language, "client": "python"}),
            section=SectionFacts(),
            interface=InterfaceFacts("eth0"),
            names=names,
            clock_ns=lambda: start_ns,
            key=key,
        )
        tracker = Tracker(names={address: known[0] for address, known in names.items()})
        for frame in frames:
            for event in tracker.feed(frame):
                store.handle(event)
        for event in [*tracker.tick(frames[-1].time_ns + _SECOND), *tracker.stop(frames[-1].time_ns + _SECOND)]:
            store.handle(event)
        store.close()
        written = next(Path(folder).glob("*/*.pcapng"))
        target.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".pcapng", ".json"):
            shutil.copyfile(written.with_suffix(suffix), target.with_suffix(suffix))


@lru_cache(maxsize=64)
def recorded_frames(exercise: str, part: str) -> tuple[tuple[Frame, ...], dict[str, list[str]]]:
    """The frames of a recorded part. A group's further members are made from its first."""
    path = RECORDED / exercise / f"{part}.pcapng"
    if not path.exists():
        path = RECORDED / exercise / f"{part.rpartition('-')[0]}-1.pcapng"
    capture = read_capture(path)
    return tuple(capture.frames), capture.names


@lru_cache(maxsize=64)
def recorded_evidence(name: str) -> Evidence:
    """The evidence of the recorded run."""
    exercise = exercises()[name]
    values = exercise.values(ANNA)
    parts = {
        part: Part(part, RECORDED / name / f"{part}.pcapng", analysis_of(RECORDED / name / f"{part}.pcapng"))
        for part in exercise.scenario.parts(values)
    }
    return Evidence(parts, exercise.seed(ANNA), exercise.scenario, values)


def expected(question: Question, evidence: Evidence) -> Expected:
    """What the vocabulary expects."""
    return VOCABULARY[question.check].function(evidence, question.parameters)


def written(value: object, form: str) -> str:
    """A value as a student would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if form == "time":
        return f"{float(str(value)) / 1e6:.6f} ms"
    return str(value)


def solve(exercise: Exercise, evidence: Evidence, *, predictions: bool) -> dict[str, str]:
    """The right answers (or predictions) to an exercise. What was predicted is also asked again."""
    return {
        question.id: written(expected(question, evidence).value, question.form)
        for question in exercise.questions
        if question.predict or not predictions
    }


def make_captures(
    exercise: Exercise, student: str, target: Path, made: Mapping[str, str], key: bytes | None = None
) -> None:
    """Another student's captures of an exercise, with the seal of these predictions in them."""
    anna, own = exercise.seed(ANNA), exercise.seed(student)
    words = {anna.nonce.encode(): own.nonce.encode()}
    if exercise.predictions:
        old = seal({question.id: ANNAS_SEAL_OF for question in exercise.predictions})
        words[old.encode()] = seal(dict(made)).encode()
    later_ns = delta(student, exercise.name) % 86_400 * _SECOND + delta(student) % 999_983
    for number, part in enumerate(exercise.scenario.parts(exercise.values(student))):
        frames, names = recorded_frames(exercise.name, part)
        plan = exercise.scenario.plan_of(part)
        language = (fill(plan.server, exercise.values(student)) if plan is not None else "") or "python"
        connection = plan.name if plan is not None and plan.tap == "both" else part
        turn = Turn(
            words,
            delta(student, exercise.name, connection, "client"),
            delta(student, exercise.name, connection, "server"),
            later_ns,
            own.port(0) if plan is not None and "source_port" in plan.options else 0,
            number if plan is not None and plan.count else 0,
        )
        write_part(turn.frames(frames), names, target / f"{part}.pcapng", key, language)


def make(
    exercise: Exercise,
    student: str,
    folder: Path,
    *,
    answers: Mapping[str, str] | None = None,
    predicted: Mapping[str, str] | None = None,
    key: bytes | None = None,
) -> Path:
    """A student's work folder with right predictions and answers; ``answers`` and ``predicted`` replace some. Returns
    the folder."""
    made = {**solve(exercise, recorded_evidence(exercise.name), predictions=True), **(predicted or {})}
    make_captures(exercise, student, folder / CAPTURES, made, key)
    (folder / PREDICTIONS).write_text(json.dumps({"recorded_ns": 1, "predictions": made}))
    values = exercise.values(student)
    parts = {
        part: Part(part, folder / CAPTURES / f"{part}.pcapng", analysis_of(folder / CAPTURES / f"{part}.pcapng"))
        for part in exercise.scenario.parts(values)
    }
    right = solve(exercise, Evidence(parts, exercise.seed(student), exercise.scenario, values), predictions=False)
    write_answers(exercise, student, folder, {**right, **(answers or {})})
    return folder


def write_answers(exercise: Exercise, student: str, folder: Path, answers: Mapping[str, str]) -> None:
    """answers.toml as ``start`` lays it out, with these answers filled in."""
    before, head, text = sheet(exercise, student, exercise.values(student)).partition("[answers]")
    for name, value in answers.items():
        text = text.replace(f'\n{name} = ""', f"\n{name} = {json.dumps(value, ensure_ascii=False)}")
    text = before + head + text
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ANSWERS).write_text(text, encoding="utf-8")


__all__ = ["NotShownError", "expected", "make", "make_captures", "recorded_evidence", "solve", "write_answers"]
