"""Mends what a killed tap left behind: the next tap calls recover() before it begins.

A tap that is killed, or whose machine loses power, cannot finish its files. Their JSON still says "open", their end
may be half a block. Here each such file is cut back to its last whole block and given its closing statistics; its
JSON gets the verdict ``cut`` with the reason, and so no certificate. Runs of a tap that is still alive are left
alone (it holds a lock, see run.py), and so is all that was finished.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.store.blocks import FileHeader, InterfaceFacts, SectionFacts
from lab.store.digest import file_sha256, sign
from lab.store.errors import CaptureFileError, StoreError, store_error
from lab.store.facts import (
    CUT,
    OPEN,
    FileFacts,
    count,
    frames,
    ordinal_of,
    section_comment,
    statistics_comment,
)
from lab.store.files import TEMPORARY_SUFFIX, DescriptorPool, json_text, read_json, write_whole
from lab.store.pcapng import SessionFile
from lab.store.reader import CaptureReader, Packet
from lab.store.retell import retell
from lab.store.run import RUN_FACTS, RunLock, is_live, run_folders

_KEPT = ("name", "id", "ordinal", "run")
"""What a mended session keeps, whatever its frames say."""

Summarise = Callable[[Iterable[Packet], Mapping[str, Sequence[str]]], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Recovered:
    """One session that was marked as cut. reason: in words, as the JSON has it too."""

    run: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"session {self.name} of run {self.run} is marked as cut: {self.reason}"


@dataclass(slots=True)
class _Found:
    """What a file holds that nobody finished."""

    frames: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    whole_bytes: int = 0
    left_over_bytes: int = 0
    section: SectionFacts | None = None
    summary: Mapping[str, object] | None = None
    problem: str = ""


def recover(
    captures: Path,
    *,
    now_ns: int | None = None,
    key: bytes | None = None,
    summarise: Summarise | None = retell,
    tell: Callable[[StoreError], None] | None = None,
) -> list[Recovered]:
    """Mends the unfinished sessions of every run that has no living tap.

    now_ns: when, UTC; None is now. key: for the digest. summarise: makes the tracker's summary anew from the frames
    that are left, so that the counts in the JSON fit the file; None keeps what the JSON said when it was last
    written. tell: gets what cannot be mended for want of room or permission, and all the rest is mended; without it
    the first such StoreError is raised. What was mended stays so.
    """
    mended: list[Recovered] = []
    ended_ns = time.time_ns() if now_ns is None else now_ns

    def attempt(work: Callable[[], None]) -> bool:
        try:
            work()
        except StoreError as error:
            if tell is None:
                raise
            tell(error)
            return False
        return True

    def mend_run(folder: Path) -> None:
        facts = _json_or_empty(folder / RUN_FACTS)
        if facts.get("end_ns") is not None:
            return
        try:
            with RunLock(folder) as lock:
                if lock.take():
                    done = [
                        attempt(lambda name=name: mended.append(_mend(folder, name, key, summarise)))  # type: ignore[misc]
                        for name in _unfinished(folder)
                    ]
                    if all(done):  # else the next start tries again
                        write_whole(folder / RUN_FACTS, json_text({**facts, "end_ns": ended_ns, "recovered": True}))
        except OSError as cause:
            raise store_error("look into an earlier run", folder, cause) from cause

    for folder in run_folders(captures):
        attempt(lambda folder=folder: mend_run(folder))  # type: ignore[misc]
    return mended


def unfinished_octets(captures: Path) -> int:
    """How much recover() would have to read: the captures of killed taps. Raises StoreError."""
    total = 0
    for folder in run_folders(captures):
        if _json_or_empty(folder / RUN_FACTS).get("end_ns") is None and not is_live(folder):
            for name in _unfinished(folder):
                with contextlib.suppress(OSError):
                    total += (folder / f"{name}.pcapng").stat().st_size
    return total


def _json_or_empty(path: Path) -> dict[str, object]:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def _unfinished(folder: Path) -> list[str]:
    """The sessions without a final JSON, oldest first; leftovers of writing are removed on the way."""
    names = set()
    for entry in os.scandir(folder):
        path = Path(entry.path)
        if entry.name.endswith(TEMPORARY_SUFFIX):
            with contextlib.suppress(OSError):
                path.unlink()
        elif path.suffix == ".pcapng":
            if not path.with_suffix(".json").exists():
                names.add(path.stem)
        elif path.suffix == ".json" and entry.name != RUN_FACTS and _json_or_empty(path).get("verdict") == OPEN:
            names.add(path.stem)
    return sorted(names, key=lambda name: (ordinal_of(name), name))


def _mend(folder: Path, name: str, key: bytes | None, summarise: Summarise | None) -> Recovered:
    path = folder / f"{name}.pcapng"
    found = _look(path, summarise)
    known = _json_or_empty(path.with_suffix(".json"))
    not_written = count(known, "file", "frames_not_written")
    dropped = count(known, "tap", "frames_dropped")
    reason = (
        f"The tap ended before the session did (killed, or the power was cut): {frames(found.frames)} had been written"
    )
    if found.left_over_bytes and found.section is not None:
        reason += f", and {found.left_over_bytes} octets of a cut block at the end were removed"
    reason += "."
    reasons = (reason, f"{found.problem}.") if found.problem else (reason,)
    if found.section is not None:
        header = FileHeader(found.section, InterfaceFacts(""))
        _close_file(path, header, found, section_comment(name, folder.name, CUT, reasons), dropped, not_written)
    octets, sha256 = None, None
    with contextlib.suppress(OSError):
        octets, sha256 = path.stat().st_size, file_sha256(path)
    facts: dict[str, object] = {
        "name": name,
        "ordinal": ordinal_of(name),
        "run": folder.name,
        **known,
        **{member: value for member, value in (found.summary or {}).items() if member not in _KEPT},
        "closed_because": CUT,
        "verdict": CUT,
        "certificate": {"complete": False, "reasons": list(reasons)},
        "file": FileFacts(
            path.name, found.frames, not_written, found.first_ns, found.last_ns, octets, sha256
        ).as_json(),
    }
    facts["digest"] = sign(key, sha256 or "", facts)
    write_whole(path.with_suffix(".json"), json_text(facts))
    return Recovered(folder.name, name, " ".join(reasons))


def _look(path: Path, summarise: Summarise | None) -> _Found:
    """Reads the file through once. section stays None where there is nothing that could be mended."""
    found = _Found()
    if path.exists() and (path.is_symlink() or not path.is_file()):
        found.problem = f"{path.name} is not a file of the lab's (a link or a folder, perhaps) and is left as it is"
        return found
    reader = CaptureReader(path)

    def packets() -> Iterable[Packet]:
        try:
            for packet in reader:
                found.frames += 1
                found.last_ns = packet.frame.time_ns
                if found.first_ns is None:
                    found.first_ns = found.last_ns
                yield packet
        except CaptureFileError as error:
            found.problem = str(error)

    stream = packets()
    if summarise is not None:
        found.summary = summarise(stream, reader.names)
    for _packet in stream:
        pass
    found.whole_bytes = reader.parser.whole_bytes
    found.left_over_bytes = reader.left_over_bytes
    if found.problem:
        return found
    if not reader.sections:
        found.problem = "the file ends within its first header: no frame was written"
    elif len(reader.sections) > 1 or len(reader.interfaces) != 1:
        found.problem = "the file was changed by another program and is left as it is"
    else:
        first = reader.sections[0]
        section = SectionFacts(first.hardware, first.os, first.application)
        with path.open("rb") as file:
            room = int.from_bytes(file.read(8)[4:], "little")
        if room == len(FileHeader(section, InterfaceFacts("")).section_block("")):
            found.section = section
        else:
            found.problem = "the file's header was written by another program and is left as it is"
    return found


def _close_file(path: Path, header: FileHeader, found: _Found, comment: str, dropped: int, not_written: int) -> None:
    """Cuts the file back to whole blocks, adds the closing statistics and the verdict. Raises StoreError."""
    pool = DescriptorPool(1)
    try:
        with path.open("r+b") as file:
            file.truncate(found.whole_bytes)
        mended = SessionFile.reopen(path, header, pool)
        mended.frames_not_written = not_written
        mended.finish(
            start_ns=found.first_ns or 0,
            end_ns=found.last_ns or 0,
            received=found.frames + not_written,
            dropped=dropped,
            comment=comment,
            words=statistics_comment(found.frames + not_written, dropped, not_written),
        )
    except OSError as cause:
        raise store_error("mend the capture", path, cause) from cause
    finally:
        pool.close()
