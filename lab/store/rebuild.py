"""The facts of a finished session whose JSON is lost, told anew from its capture.

The capture says nearly all of it: the frames, through a tracker; the section's comment, which has verdict and
certificate; the closing statistics, which have what the kernel dropped. What stands for the whole run comes from
run.json. Nothing is written: the list is made from the files each time, and the next look does the same again.

What is told anew says so (``rebuilt``) and is unsigned: nobody can tell any more whether the capture is as the tap
wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from lab.store.digest import UNSIGNED, file_sha256
from lab.store.errors import CaptureFileError
from lab.store.facts import CUT, FileFacts, RunFacts, ordinal_of, session_facts
from lab.store.files import read_json
from lab.store.reader import CaptureReader, Packet
from lab.store.retell import retell
from lab.store.run import RUN_FACTS, is_live

_TOLD = re.compile(r"Verdict: ([a-z-]+)\. Certificate(: complete;| withheld: )(.*)", re.DOTALL)
_NO_VERDICT = "The capture has no verdict in its header: it was not finished, or another program wrote it."


def is_closed(folder: Path) -> bool:
    """Whether no tap writes into this run's folder any more."""
    try:
        if read_json(folder / RUN_FACTS).get("end_ns") is not None:
            return True
    except (OSError, ValueError):
        pass
    return not is_live(folder)


def rebuilt(path: Path) -> dict[str, object]:
    """The JSON of the session in this capture. Raises CaptureFileError where it cannot be read or holds no session."""
    reader = CaptureReader(path)
    first_ns: int | None = None
    last_ns = 0

    def packets() -> Iterable[Packet]:
        nonlocal first_ns, last_ns
        for packet in reader:
            last_ns = packet.frame.time_ns
            first_ns = last_ns if first_ns is None else first_ns
            yield packet

    summary = retell(packets(), reader.names)
    if not summary:
        raise CaptureFileError(f"{path.name} holds no session")
    told = _TOLD.search(reader.sections[0].comment)
    statistics = reader.interfaces[0].statistics
    dropped = statistics.dropped or 0 if statistics else 0
    not_written = (statistics.received or 0) - (statistics.delivered or 0) if statistics else 0
    verdict: str = CUT
    reasons: tuple[str, ...] = (_NO_VERDICT,)
    if told is not None and statistics is not None:
        verdict, reasons = told[1], () if "complete" in told[2] else (told[3],)
    try:
        octets, sha256 = path.stat().st_size, file_sha256(path)
    except OSError as cause:
        raise CaptureFileError(f"{path.name} cannot be read: {cause.strerror or cause}") from cause
    facts = session_facts(
        name=path.stem,
        ordinal=ordinal_of(path.name),
        verdict=verdict,
        reasons=reasons,
        summary={**summary, "id": path.stem, "closed_because": None, "kernel_drops": dropped},
        run=path.parent.name,
        facts=_run_facts(path.parent, reader.sections[0].application),
        dropped=dropped,
        file=FileFacts(path.name, reader.parser.frames, not_written, first_ns, last_ns, octets, sha256),
    )
    return {**facts, "rebuilt": True, "digest": UNSIGNED}


def _run_facts(folder: Path, application: str) -> RunFacts:
    """What is the same for all sessions of the run; the section's application where run.json is lost, too."""
    try:
        known = read_json(folder / RUN_FACTS)
    except (OSError, ValueError):
        known = {}
    languages = known.get("languages")
    version, _, tap = application.removeprefix("Echo Lab ").partition(" ")
    return RunFacts(
        start_ns=0,
        tap=str(known.get("tap") or tap.strip("()")),
        lab_version=str(known.get("lab_version") or version),
        languages=languages if isinstance(languages, dict) else None,
    )
