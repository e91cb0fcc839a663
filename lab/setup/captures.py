"""The folder for the captures: there, writable by its owner, with room; and which session files are in it.

The tap drops root and becomes the owner of this folder, so that students own their files. A folder that Docker had
made would belong to root, and a ``sudo make up`` must not change that: it is made here, for the user who asked.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from lab.setup.errors import USAGE, SetupError
from lab.setup.runner import Runner

ROOM_MIB = 200
_MIB = 1 << 20


def invoking_user(runner: Runner) -> tuple[int, int]:
    """The user who asked, also under sudo, as (uid, gid)."""
    if runner.uid == 0 and runner.env.get("SUDO_UID", "").isdigit():
        return int(runner.env["SUDO_UID"]), int(runner.env.get("SUDO_GID", "0") or 0)
    return (runner.uid, os.getgid()) if hasattr(os, "getgid") else (runner.uid, -1)


def make_folder(runner: Runner, folder: Path) -> SetupError | None:
    """Make the folder if it is missing, for the user who asked; returns what is wrong when that can't be."""
    if folder.exists():
        return None
    try:
        folder.mkdir(parents=True)
        if runner.uid == 0:
            os.chown(folder, *invoking_user(runner))
    except OSError as error:
        return SetupError(
            f"The folder for the captures, {folder}, cannot be made ({error.strerror}).",
            "ECHO_CAPTURES=~/captures make up",
        )
    return None


def problem(runner: Runner, folder: Path, free_bytes: int | None = None) -> SetupError | None:
    """What is wrong with the folder for the captures, or None.

    free_bytes: room on its disk, for tests; by default it is measured.
    """
    if not folder.exists():
        return SetupError(f"The folder for the captures, {folder}, does not exist.", f"mkdir -p {folder}")
    if not folder.is_dir():
        return SetupError(
            f"ECHO_CAPTURES={folder} is a file, not a folder.", "unset ECHO_CAPTURES (to use captures/)", status=USAGE
        )
    about = folder.stat()
    # The tap writes as the folder's owner, so the owner's own permission is what counts (root needs none).
    if about.st_uid != 0 and not (about.st_mode & stat.S_IWUSR and about.st_mode & stat.S_IXUSR):
        return SetupError(
            f"The folder for the captures, {folder}, is not writable for its owner.", f"chmod u+rwx {folder}"
        )
    if not _takes_a_file(folder, runner.uid, about.st_uid):
        return SetupError(
            f"The folder for the captures, {folder}, is not writable (read-only disk, or no room for one more file).",
            "ECHO_CAPTURES=~/captures make up",
        )
    room = shutil.disk_usage(folder).free if free_bytes is None else free_bytes
    if room < ROOM_MIB * _MIB:
        return SetupError(
            f"Only {room // _MIB} MiB are free on the disk of {folder}; the lab wants {ROOM_MIB} MiB for its captures.",
            "make room, or ECHO_CAPTURES=<folder on another disk> make up",
        )
    return None


def _takes_a_file(folder: Path, uid: int, owner: int) -> bool:
    """Whether a file can be made in it; somebody else's folder is not ours to try (the tap does it as its owner)."""
    if uid not in {0, owner}:
        return True
    probe = folder / f".echolab-probe-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def session_files(folder: Path) -> list[Path]:
    """The JSON files of all sessions of all runs, oldest run first."""
    return sorted(folder.glob("*/*.json"))


def facts_of(path: Path) -> dict[str, Any]:
    """What a JSON file of the tap says; nothing when it is not (yet) readable."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entry if isinstance(entry, dict) else {}


def refusal(session: Path) -> str:
    """Why a session has no certificate, in words; '' when it has one."""
    certificate = facts_of(session).get("certificate", {})
    if certificate.get("complete"):
        return ""
    return "; ".join(str(reason) for reason in certificate.get("reasons", [])) or "no reason given"


def is_of_lab(run: Path, net4: str) -> bool:
    """Whether a run is that of a living tap beside the server of the lab with these addresses.

    A folder may hold the runs of several labs, of earlier ones and of a second tap beside the client.
    """
    facts = facts_of(run / "run.json")
    addresses = (facts.get("interface") or {}).get("ipv4", [])
    of_server = any(str(address).startswith(f"{net4}.10/") for address in addresses)
    return facts.get("tap") == "server-tap" and facts.get("end_ns") is None and of_server


def complete_sessions(folder: Path, known: frozenset[Path] = frozenset()) -> list[Path]:
    """The session files with the verdict ``complete`` that are not among the known ones, oldest first."""
    new = (path for path in session_files(folder) if path not in known)
    found = [path for path in new if facts_of(path).get("verdict") == "complete"]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)
