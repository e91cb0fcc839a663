"""The index: which sessions there are. It is never stored; it is read from the JSON files each time.

A list that lies beside the files goes wrong the day somebody deletes, copies or edits one. Reading a few thousand
small files takes less than a second. A file that cannot be read is listed too, with its problem, so that nothing
silently vanishes. Where a JSON is lost or spoiled and its run is over, its facts are told anew from the capture
(lab.store.rebuild), and the problem says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.store.errors import CaptureFileError
from lab.store.facts import OPEN, count, ordinal_of
from lab.store.files import read_json
from lab.store.run import RUN_FACTS, latest_run, run_folders, run_order


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """One session on disk.

    verdict: from its JSON, empty when that cannot be read. octets: of the capture file, 0 where it is missing.
    facts: the whole JSON. problem: one sentence, empty when all is well.
    """

    run: str
    name: str
    pcapng_path: Path
    json_path: Path
    ordinal: int = 0
    verdict: str = ""
    octets: int = 0
    problem: str = ""
    facts: dict[str, object] = field(default_factory=dict, compare=False)

    @property
    def is_open(self) -> bool:
        """Whether a tap is (or was, until recover()) still writing it."""
        return self.verdict == OPEN

    @property
    def certified(self) -> bool:
        """Whether its certificate is complete."""
        certificate = self.facts.get("certificate")
        return isinstance(certificate, dict) and certificate.get("complete") is True

    @property
    def start_ns(self) -> int:
        """The moment of its first frame; 0 where the JSON does not say."""
        return count(self.facts, "file", "first_frame_ns")


def sessions(captures: Path) -> list[SessionEntry]:
    """Every session in captures/, oldest run first and within a run by ordinal. Raises StoreError if there is no
    folder.
    """
    return [entry for folder in run_folders(captures) for entry in run_sessions(folder)]


def run_sessions(folder: Path) -> list[SessionEntry]:
    """The sessions of one run by ordinal. A folder that vanishes meanwhile has none."""
    sizes: dict[str, int | None] = {}
    described = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, _dot, suffix = entry.name.rpartition(".")
                if suffix == "pcapng":
                    sizes[stem] = _size(entry)
                elif suffix == "json" and entry.name != RUN_FACTS:
                    described.add(stem)
    except OSError:
        return []
    found = [_entry(folder, stem, stem in described, sizes) for stem in described | sizes.keys()]
    lost = [number for number, entry in enumerate(found) if not entry.facts and entry.octets]
    if lost:
        _tell_anew(folder, found, lost)
    return sorted(found, key=lambda entry: (entry.ordinal, entry.name))


def _tell_anew(folder: Path, found: list[SessionEntry], lost: list[int]) -> None:
    from lab.store.rebuild import is_closed  # and with it a tracker, which is seldom needed here

    if is_closed(folder):
        for number in lost:
            found[number] = _told_anew(found[number])


def _told_anew(entry: SessionEntry) -> SessionEntry:
    from lab.store.rebuild import rebuilt

    try:
        facts = rebuilt(entry.pcapng_path)
    except CaptureFileError:
        return entry
    problem = f"{entry.problem}; told anew from its frames, unsigned"
    return replace(entry, verdict=str(facts["verdict"]), problem=problem, facts=facts)


def unreadable_runs(captures: Path) -> list[str]:
    """A sentence for each run whose folder may not be read: its sessions are in no list. Raises StoreError."""
    return [
        f"{folder} cannot be read, so its sessions are not listed: make it yours, 'sudo chown -R $USER {captures}'"
        for folder in run_folders(captures)
        if not os.access(folder, os.R_OK | os.X_OK)
    ]


def _size(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat().st_size if entry.is_file() else None
    except OSError:
        return None


def _entry(folder: Path, stem: str, described: bool, sizes: dict[str, int | None]) -> SessionEntry:
    json_path = folder / f"{stem}.json"
    pcapng_path = folder / f"{stem}.pcapng"
    facts: dict[str, object] = {}
    problem = ""
    size = sizes.get(stem)
    if stem not in sizes:
        problem = f"{pcapng_path.name} is missing"
    elif size is None:
        problem = f"{pcapng_path.name} is not a file"
    elif size == 0:
        problem = f"{pcapng_path.name} is empty"
    if not described:
        problem = problem or f"{json_path.name} is missing"
    else:
        try:
            facts = read_json(json_path)
        except OSError as cause:
            problem = problem or f"{json_path.name} cannot be read: {cause.strerror or cause}"
        except ValueError as cause:
            problem = problem or f"{json_path.name} cannot be read: {cause}"
    verdict = facts.get("verdict")
    if facts and not isinstance(verdict, str):
        problem = problem or f"{json_path.name} has no verdict: not one of the lab's, or edited"
    told = count(facts, "file", "octets")
    if not problem and verdict != OPEN and told and size != told:
        problem = f"{pcapng_path.name} has {size} octets, not the {told} that were written: cut or changed"
    ordinal = facts.get("ordinal")
    if not isinstance(ordinal, int) or isinstance(ordinal, bool):
        ordinal = ordinal_of(stem)
    return SessionEntry(
        run=folder.name,
        name=stem,
        pcapng_path=pcapng_path,
        json_path=json_path,
        ordinal=ordinal,
        verdict=verdict if isinstance(verdict, str) else "",
        octets=size or 0,
        problem=problem,
        facts=facts,
    )


def lookup(captures: Path, wanted: str) -> SessionEntry:
    """The one session that somebody means.

    wanted: ``latest``; a session's ordinal (``3``: of the latest run) or the beginning of its name; or a run, a
        slash and
    either, where the run may be shortened to its beginning too: ``2026-11-23T10-15-02Z/3``.
    Raises CaptureFileError with one sentence when none or several fit, StoreError when there is no folder.
    """
    wanted = wanted.strip().replace("\\", "/").strip("/")
    run_wanted, _slash, session_wanted = wanted.rpartition("/")
    newest = latest_run(captures)
    if newest is None:
        raise CaptureFileError(f"there is no session in {captures} yet: 'docker compose up' makes one")
    if not run_wanted and run_order(wanted) is not None:
        run_wanted, session_wanted = wanted, "latest"
    if run_wanted and run_wanted != "latest":
        folders = [folder for folder in run_folders(captures) if folder.name == run_wanted] or [
            folder for folder in run_folders(captures) if folder.name.startswith(run_wanted)
        ]
        if not folders:
            raise CaptureFileError(f"there is no run {run_wanted!r} in {captures}: 'echolab sessions' lists them")
    elif session_wanted in ("latest", ""):
        # A tap that has just started has no session yet: then the last one of the run before is meant.
        older = [folder for folder in run_folders(captures) if folder != newest]
        folders = [next((folder for folder in (newest, *reversed(older)) if run_sessions(folder)), newest)]
    else:
        folders = [newest]
    found = [entry for folder in folders for entry in run_sessions(folder)]
    if session_wanted in ("latest", ""):
        if found:
            return found[-1]
        raise CaptureFileError(f"there is no session in {folders[-1]} yet: 'docker compose run --rm client' makes one")
    fitting = _fitting(found, session_wanted)
    if not fitting and not run_wanted:
        # A name says its session in any run, an ordinal only in the latest.
        fitting = [] if session_wanted.isdecimal() else _fitting(sessions(captures), session_wanted)
    if not fitting:
        raise CaptureFileError(f"there is no session {wanted!r} in {captures}: 'echolab sessions' lists them")
    if len(fitting) > 1:
        names = ", ".join(f"{entry.run}/{entry.name}" for entry in fitting[:4])
        more = f" and {len(fitting) - 4} more" if len(fitting) > 4 else ""
        raise CaptureFileError(f"{wanted!r} fits {len(fitting)} sessions: {names}{more}; write more of the name")
    return fitting[0]


def _fitting(entries: list[SessionEntry], wanted: str) -> list[SessionEntry]:
    wanted = wanted.removesuffix(".pcapng").removesuffix(".json")
    exact = [entry for entry in entries if entry.name == wanted]
    if exact:
        return exact
    if wanted.isdecimal() and len(wanted) < 10:
        numbered = [entry for entry in entries if entry.ordinal == int(wanted)]
        if numbered:
            return numbered
    return [entry for entry in entries if entry.name.startswith(wanted)]
