"""The JSON beside a capture: what the tracker knows of a session, and what only the store knows of its file.

The same function writes it when a session opens, when it ends and when a later tap mends it, so that every JSON has the
same members in the same order. docs/captures.md explains each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lab.store.blocks import InterfaceFacts

RUN_SCHEMA = 1
OPEN = "open"
CUT = "cut"
SERVER_TAP = "server-tap"
"""The name of the tap beside the server, which every lab has; \"latest\" means its sessions."""

STILL_OPEN = "The session is still open: wait until it has ended."


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is the same for all sessions of a run.

    start_ns: when the tap began, UTC. tap: which one, ``server-tap``. lab_version: of this package.
    languages: what the two programs are written in, ``{"server": "python", "client": "c"}``. ring_bytes: the kernel's
    buffer for the tap; None where there is no ring. offloads: the NIC's offload state in words.
    """

    start_ns: int
    tap: str = SERVER_TAP
    lab_version: str = ""
    languages: Mapping[str, str] | None = None
    ring_bytes: int | None = None
    offloads: str = ""


class Certificate(Protocol):
    """Whether the capture is whole, and if not, why."""

    @property
    def complete(self) -> bool: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...


class SessionFacts(Protocol):
    """What the store needs of a session: lab.session.session.Session has it."""

    @property
    def name(self) -> str: ...
    @property
    def ordinal(self) -> int: ...
    @property
    def verdict(self) -> str: ...
    @property
    def certificate(self) -> Certificate: ...
    def summary(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the store knows of a file.

    frames: on the disk. first_frame_ns, last_frame_ns: None before the first one. octets and sha256: None while open.
    """

    name: str
    frames: int = 0
    frames_not_written: int = 0
    first_frame_ns: int | None = None
    last_frame_ns: int | None = None
    octets: int | None = None
    sha256: str | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "frames": self.frames,
            "frames_not_written": self.frames_not_written,
            "first_frame_ns": self.first_frame_ns,
            "last_frame_ns": self.last_frame_ns,
            "octets": self.octets,
            "sha256": self.sha256,
        }


def session_facts(
    *,
    name: str,
    ordinal: int,
    verdict: str,
    reasons: Sequence[str],
    summary: Mapping[str, object],
    run: str,
    facts: RunFacts,
    dropped: int,
    file: FileFacts,
) -> dict[str, object]:
    """The members of a session's JSON, without its digest. reasons: why the certificate is withheld; none is
    complete.
    """
    return {
        "name": name,
        "ordinal": ordinal,
        "run": run,
        "verdict": verdict,
        "certificate": {"complete": not reasons, "reasons": list(reasons)},
        **{key: value for key, value in summary.items() if key not in _OURS},
        "languages": dict(facts.languages or {}),
        "lab_version": facts.lab_version,
        "tap": {"name": facts.tap, "frames_dropped": dropped},
        "file": file.as_json(),
    }


_OURS = frozenset(
    ("name", "ordinal", "run", "verdict", "certificate", "languages", "lab_version", "tap", "file", "digest")
)


def withheld(certificate: Certificate, not_written: int) -> tuple[str, ...]:
    """Why a finished session is not certified: the tracker's reasons and the disk's. Empty when it is."""
    reasons = tuple(certificate.reasons)
    if not certificate.complete and not reasons:
        reasons = ("The tracker withheld it without a reason.",)
    if not_written:
        reasons += (f"{frames(not_written)} could not be written to the disk: make room and take the session again.",)
    return reasons


def section_comment(name: str, run: str, verdict: str, reasons: Sequence[str]) -> str:
    """Which session it is, verdict and certificate in words, for the section header: Wireshark shows it under Capture
    File Properties.
    """
    told = f"Session {name} of run {run}. Verdict: {verdict}."
    if not reasons:
        return f"{told} Certificate: complete; every frame of this session is in this file."
    return f"{told} Certificate withheld: {' '.join(reasons)}"


def statistics_comment(received: int, dropped: int, not_written: int) -> str:
    """The closing statistics in words."""
    words = f"{frames(received)} of this session reached the tap; the kernel dropped {dropped} meanwhile"
    return words + (f"; {not_written} could not be written to the disk." if not_written else ".")


@dataclass(slots=True)
class Totals:
    """What run.json counts. frames_dropped: by the kernel, over the whole run."""

    sessions: int = 0
    sessions_finished: int = 0
    frames: int = 0
    frames_not_written: int = 0
    frames_dropped: int = 0


def run_facts(
    name: str,
    facts: RunFacts,
    interface: InterfaceFacts,
    names: Mapping[str, Sequence[str]],
    totals: Totals,
    end_ns: int | None,
) -> dict[str, object]:
    """The members of run.json. end_ns: None while the tap lives; a run with an end needs no mending."""
    return {
        "schema": RUN_SCHEMA,
        "run": name,
        "start_ns": facts.start_ns,
        "end_ns": end_ns,
        "tap": facts.tap,
        "lab_version": facts.lab_version,
        "languages": dict(facts.languages or {}),
        "interface": {
            "name": interface.name,
            "description": interface.description,
            "mac": interface.mac.hex(":"),
            "ipv4": [str(address) for address in interface.ipv4],
            "ipv6": [str(address) for address in interface.ipv6],
            "offloads": facts.offloads,
        },
        "filter": interface.filter,
        "ring_bytes": facts.ring_bytes,
        "names": {address: list(hosts) for address, hosts in names.items()},
        "sessions": totals.sessions,
        "sessions_finished": totals.sessions_finished,
        "frames": totals.frames,
        "frames_not_written": totals.frames_not_written,
        "frames_dropped": totals.frames_dropped,
    }


def count(facts: Mapping[str, object], member: str, name: str) -> int:
    """A number inside a JSON that anybody may have edited: 0 where it is none."""
    inner = facts.get(member)
    value = inner.get(name) if isinstance(inner, dict) else None
    return value if isinstance(value, int) and value >= 0 else 0


def ordinal_of(name: str) -> int:
    """The number that a session's name begins with; 0 if it is not one of the lab's."""
    digits = re.match(r"(\d{1,9})-", name)
    return int(digits[1]) if digits else 0


def frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
