"""The evidence: the student's captures of one exercise, read, found fit to be graded, and analysed.

Fit means: everything of the session is in the file (the certificate, reckoned anew from the frames, so that editing the
JSON gains nothing), the kernel dropped nothing meanwhile, the file is the one that its JSON was written for, nothing
stands in it that the lab's network does not do (damaged frames, copies, a clock that runs backwards, the other tap's
view), and the student's own nonce or source port stands in it. What is not fit is refused with the reason and how to
take it again; a capture that misses frames is no fault of the student.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.analysis import analyse
from lab.analysis.model import Analysis
from lab.grade.asked import compare
from lab.grade.errors import EvidenceError
from lab.grade.likely import damaged, unlikely
from lab.grade.scenario import Plan, Scenario
from lab.grade.seed import Seed
from lab.store.digest import verify
from lab.store.errors import CaptureFileError
from lab.store.files import read_json
from lab.store.reader import CaptureReader
from lab.wire.frame import Frame

LARGEST_CAPTURE = 16 << 20
MOST_FRAMES = 60_000
_LARGEST_FACTS = 1 << 20
_NO_HANDSHAKE = ("There was no handshake", "The server's SYN-ACK is not in the capture")
"""Reasons that the tracker has against a refused connection, which is just what some exercises want."""


@dataclass(frozen=True)
class Part:
    """One connection of the exercise. digest: what the check of the keyed digest said. sha256: of the capture."""

    name: str
    path: Path
    analysis: Analysis
    digest: str = "unsigned"
    languages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """All parts of an exercise by name, with the student's seed and the scenario that they come from."""

    parts: Mapping[str, Part]
    seed: Seed
    scenario: Scenario
    values: Mapping[str, str | int] = field(default_factory=dict)

    def part(self, name: str | None = None) -> Analysis:
        """The analysis of a part; without a name, of the only one (or the first)."""
        if name is None:
            name = next(iter(self.parts))
        if name not in self.parts:
            raise EvidenceError(f"There is no capture of the connection {name}.", "Play the exercise again.")
        return self.parts[name].analysis

    def name_of(self, name: str | None) -> str:
        """The part's name, also where none was said."""
        return name if name is not None else next(iter(self.parts))

    def group(self, name: str) -> dict[str, Analysis]:
        """All parts of a group (or the single part) by name, in their order."""
        found = {
            part: self.parts[part].analysis
            for plan in self.scenario.plans
            if plan.name == name
            for part in plan.parts(self.values)
            if part in self.parts
        }
        if not found:
            raise EvidenceError(f"There is no capture of the connection {name}.", "Play the exercise again.")
        return found


def gather(
    folder: Path, scenario: Scenario, seed: Seed, values: Mapping[str, str | int], key: bytes | None = None
) -> Evidence:
    """Read the captures in a folder, one for each part, named after it. Raises EvidenceError for the first that is not
    fit."""
    parts = {}
    for plan in scenario.plans:
        for name in plan.parts(values):
            part = read_part(name, folder / f"{name}.pcapng", plan, seed, key)
            compare(name, part.analysis, plan, seed, values, part.languages.get("server", ""))
            parts[name] = part
    return Evidence(parts, seed, scenario, values)


def read_part(name: str, path: Path, plan: Plan, seed: Seed, key: bytes | None = None) -> Part:
    """One capture, if it is fit. Raises EvidenceError."""
    facts = _facts(name, path)
    analysis = analysis_of(path)
    _refuse(name, damaged(analysis, plan))
    _certified(name, analysis, facts, plan)
    checked = verify(path.with_suffix(".json"), key)
    if checked.state in ("edited", "other-key", "unreadable"):
        raise EvidenceError(
            f"The capture of {name} is not as the tap wrote it ({checked.sentence}).",
            "If you saved it from Wireshark or moved files by hand, that is enough to change it: play the exercise"
            " again, and leave the files as they come.",
        )
    if key and checked.state != "genuine":
        raise EvidenceError(
            f"The capture of {name} is not signed by the class's tap.",
            "Play the exercise on the lab that the teacher named, not on one of your own.",
        )
    _owned(name, analysis, plan, seed)
    _refuse(name, unlikely(name, analysis, plan))
    languages = facts.get("languages")
    spoken = {str(k): str(v) for k, v in languages.items()} if isinstance(languages, dict) else {}
    return Part(name, path, analysis, checked.state, spoken)


def _refuse(name: str, odd: str) -> None:
    """Raises EvidenceError if there is something odd."""
    if odd:
        raise EvidenceError(
            f"The capture of {name} is not as a tap of the lab sees a connection: {odd}.",
            "Play the exercise again, and leave the files as they come.",
        )


def analysis_of(path: Path) -> Analysis:
    """The one session of a capture file. Raises EvidenceError."""
    again = "Play the exercise again: 'echolab exercise run' makes it anew."
    if path.is_symlink() or not path.is_file():
        raise EvidenceError(f"There is no capture {path.name}.", again)
    if path.stat().st_size > LARGEST_CAPTURE:
        raise EvidenceError(
            f"{path.name} has {path.stat().st_size >> 20} MiB; no exercise makes a capture that large.", again
        )
    reader = CaptureReader(path)
    frames: list[Frame] = []
    try:
        for packet in reader:
            frames.append(packet.frame)
            if len(frames) > MOST_FRAMES:
                raise EvidenceError(f"{path.name} has over {MOST_FRAMES} frames; no exercise makes so many.", again)
    except CaptureFileError as wrong:
        raise EvidenceError(f"{wrong}.", again) from wrong
    if reader.truncated:
        raise EvidenceError(f"{path.name} stops in the middle of a block: the tap was still writing it.", again)
    names = {address: known[0] for address, known in reader.names.items() if known}
    found = analyse(frames, names=names)
    if len(found) != 1:
        raise EvidenceError(
            f"{path.name} holds {len(found)} sessions; a capture of the lab's tap holds one.",
            "Hand in the files as the tap wrote them.",
        )
    return found[0]


def _facts(name: str, path: Path) -> dict[str, object]:
    json_path = path.with_suffix(".json")
    again = "Play the exercise again: 'echolab exercise run' brings both files."
    if json_path.is_symlink() or not json_path.is_file():
        raise EvidenceError(f"The facts beside the capture of {name} ({json_path.name}) are missing.", again)
    try:
        return read_json(json_path, _LARGEST_FACTS)
    except (OSError, ValueError, RecursionError) as wrong:
        raise EvidenceError(f"{json_path.name} cannot be read: {str(wrong)[:120]}.", again) from wrong


def _certified(name: str, analysis: Analysis, facts: Mapping[str, object], plan: Plan) -> None:
    """Whether all of the session is in the capture."""
    retake = "That is not your doing. Play the exercise again; if it comes back, restart the lab first (make up)."
    dropped = facts.get("kernel_drops")
    if isinstance(dropped, int) and dropped:
        raise EvidenceError(
            f"The tap lost {dropped} frames while {name} ran, so nobody can be sure what was in them.", retake
        )
    for told in (analysis.summary.get("certificate"), facts.get("certificate")):
        reasons = told.get("reasons") if isinstance(told, dict) else None
        if not isinstance(told, dict) or not isinstance(reasons, list):
            raise EvidenceError(f"The facts of {name} hold no certificate.", retake)
        against = [str(reason)[:300] for reason in reasons]
        if plan.verdict in ("refused", "half-open"):
            against = [reason for reason in against if not reason.startswith(_NO_HANDSHAKE)]
        if against:
            raise EvidenceError(f"The capture of {name} has no certificate: {against[0]}", retake)
    # A file ends where a half-open session was given up; read by itself, that looks as if it had been cut.
    unanswered = analysis.verdict == "cut" and not analysis.handshake.complete
    verdict = "half-open" if unanswered else analysis.verdict
    if verdict != plan.verdict:
        raise EvidenceError(
            f"The connection {name} ended as '{verdict}', and the exercise needs '{plan.verdict}'.",
            "Something else happened than was planned: play the exercise again.",
        )


def _owned(name: str, analysis: Analysis, plan: Plan, seed: Seed) -> None:
    """Whether it is this student's."""
    if plan.silent:
        port = _port(analysis)
        if seed.owns_port(port):
            return
        raise EvidenceError(
            f"The capture of {name} comes from port {port}, which is not one of those that belong to '{seed.student}'.",
            "Each student has a scenario of their own: play the exercise under your own name.",
        )
    if seed.nonce.encode() not in _text(analysis):
        raise EvidenceError(
            f"The mark {seed.nonce} of '{seed.student}' does not stand in the capture of {name}.",
            "Each student has a scenario of their own: play the exercise under the name that stands in answers.toml.",
        )


def _port(analysis: Analysis) -> int:
    return int(analysis.client.address.rpartition(":")[2])


def _text(analysis: Analysis) -> bytes:
    """What the client sent, in order."""
    return b"".join(message.octets for message in analysis.client.messages)
