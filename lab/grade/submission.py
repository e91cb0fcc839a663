"""What students hand in, taken apart with tongs: a folder, a zip, or a class of them.

Whatever a submission holds, only files with the names that an exercise has are looked at, and they are written to a
fresh folder under names of *ours*; no path of a zip or of a student is ever used to write or to follow. So a path that
climbs out, a link, a device or a thousand stray files have no effect. How much is unpacked is counted while unpacking:
what a zip says about its sizes is not believed.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO

from lab.grade.errors import GradeError
from lab.grade.evidence import LARGEST_CAPTURE

MOST_OCTETS = 128 << 20
"""Of one submission, unpacked."""
LARGEST_ZIP = 64 << 20
LARGEST_CLASS = 4 << 30
"""A zip of zips, as a learning platform hands out a class."""
MOST_ENTRIES = 5_000
_DIRECTORY_OCTETS = MOST_ENTRIES * 512
_END, _END_LENGTH, _END_64 = b"PK\5\6", 22, b"PK\6\7"
_DEPTH = 4
_LARGEST = {"toml": 256 << 10, "json": 1 << 20, "pcapng": LARGEST_CAPTURE}
_KNOWN = re.compile(
    r"(?:.*/)?(?P<exercise>\d\d-[a-z0-9-]{1,60})/"
    r"(?P<name>answers\.toml|predictions\.json|captures/[a-z0-9-]{1,60}\.(?:pcapng|json))"
)


@dataclass(frozen=True)
class Submission:
    """One student's hand-in. name: what the teacher sees (a file's or folder's name). inside: of a zip in a zip."""

    name: str
    path: Path
    inside: str = ""


@dataclass
class Laid:
    """A submission laid out. exercises: the folders that hold something of an exercise. problems: what was odd."""

    folder: Path
    exercises: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    octets: int = 0
    refused: str = ""

    def note(self, problem: str) -> None:
        """Remember something odd, once, and not without end."""
        if problem not in self.problems and len(self.problems) < 20:
            self.problems.append(problem)


def find(paths: list[Path]) -> list[Submission]:
    """The submissions in these folders and zip files. Raises GradeError for a path that is not there."""
    found: list[Submission] = []
    for path in paths:
        if not path.exists():
            raise GradeError(f"{path} does not exist")
        found += _in_zip(path) if path.is_file() else _in_folder(path, _DEPTH)
    return found


def _in_folder(path: Path, depth: int) -> list[Submission]:
    """A folder with exercises in it is a submission; else each of its folders and zips may be one."""
    entries = sorted(_scan(path), key=lambda entry: entry.name)
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    if any(re.fullmatch(r"\d\d-[a-z0-9-]+", entry.name) for entry in folders):
        return [Submission(path.name or str(path.resolve().name), path)]
    found: list[Submission] = []
    for entry in entries:
        child = Path(entry.path)
        if entry.is_dir(follow_symlinks=False) and depth and not entry.name.startswith((".", "__MACOSX")):
            found += [
                Submission(f"{entry.name}/{one.name}" if one.path != child else one.name, one.path, one.inside)
                for one in _in_folder(child, depth - 1)
            ]
        elif entry.name.lower().endswith(".zip") and entry.is_file(follow_symlinks=False):
            found += _in_zip(child)
    return found


def _scan(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)[:MOST_ENTRIES]
    except OSError:
        return []


def _in_zip(path: Path) -> list[Submission]:
    """A zip is a submission, or, if it holds zips (as an LMS hands out a class), each of those is one."""
    try:
        with path.open("rb") as file:
            small = path.stat().st_size <= LARGEST_CLASS and not _too_many(file)
            names = zipfile.ZipFile(file).namelist() if small else []
        inner = [name for name in names if name.lower().endswith(".zip")]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        inner = []
    return [Submission(name, path, name) for name in inner] or [Submission(path.name, path)]


def _too_many(file: IO[bytes]) -> str:
    """Whether a zip's list of files is longer than any submission's, before it is read: the record at its end tells.
    Returns what is wrong, empty if nothing is."""
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - _END_LENGTH - 65_535))
    tail = file.read()
    file.seek(0)
    if _END_64 in tail:
        return "the zip is of a kind for more than 4 GiB"
    at = tail.find(_END)
    while at >= 0:  # a comment may hold what looks like another such record: none of them may promise too much
        if len(tail) - at >= _END_LENGTH:
            count, octets = struct.unpack_from("<HI", tail, at + 10)
            if count > MOST_ENTRIES or octets > _DIRECTORY_OCTETS:
                return f"the zip has {count} entries"
        at = tail.find(_END, at + 1)
    return ""


def lay_out(submission: Submission, target: Path, parts: Mapping[str, frozenset[str]]) -> Laid:
    """Copy what belongs to known exercises into ``target``. parts: exercise to the names that its captures may have
    (without ending). Never raises for what the submission holds."""
    laid = Laid(target)
    try:
        if submission.path.is_dir():
            for name, stream in _files(submission.path, laid):
                with stream:
                    _take(name, stream, laid, parts)
        elif submission.path.stat().st_size > (LARGEST_CLASS if submission.inside else LARGEST_ZIP):
            laid.refused = f"the zip has over {LARGEST_ZIP >> 20} MiB"
        else:
            with submission.path.open("rb") as file:
                _open(file, submission.inside, laid, parts)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError, KeyError) as wrong:
        laid.refused = laid.refused or f"the zip cannot be read ({str(wrong)[:80]})"
    except OSError as error:
        laid.refused = laid.refused or f"it cannot be read ({error.strerror or error})"
    if not laid.exercises and not laid.refused:
        laid.refused = "it holds no exercise (make it with 'echolab pack')"
    return laid


def _open(file: IO[bytes], inside: str, laid: Laid, parts: Mapping[str, frozenset[str]]) -> None:
    """Take a zip apart, or the one inside it."""
    laid.refused = _too_many(file)
    if laid.refused:
        return
    with zipfile.ZipFile(file) as archive:
        if not inside:
            _unzip(archive, laid, parts)
            return
        with archive.open(inside) as stream:
            octets = _read(stream, LARGEST_ZIP)
    if octets is None:
        laid.refused = f"the zip has over {LARGEST_ZIP >> 20} MiB"
    else:
        _open(BytesIO(octets), "", laid, parts)


def _unzip(archive: zipfile.ZipFile, laid: Laid, parts: Mapping[str, frozenset[str]]) -> None:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        laid.refused = f"the zip has {len(entries)} entries"
        return
    for entry in entries:
        if stat.S_ISLNK(entry.external_attr >> 16):
            laid.note("a link in the zip was left out")
        elif entry.flag_bits & 1:
            laid.note("an encrypted file in the zip was left out")
        elif not entry.is_dir():
            with archive.open(entry) as stream:
                _take(entry.filename, stream, laid, parts)
        if laid.refused:
            return


def _files(folder: Path, laid: Laid, prefix: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, IO[bytes]]]:
    """Every plain file below a folder; links are never followed."""
    for entry in _scan(folder):
        if entry.is_symlink():
            laid.note("a link was left out")
        elif entry.is_dir(follow_symlinks=False) and depth:
            yield from _files(Path(entry.path), laid, f"{prefix}{entry.name}/", depth - 1)
        elif entry.is_file(follow_symlinks=False):
            name = f"{folder.name}/{entry.name}" if not prefix else f"{prefix}{entry.name}"
            if _KNOWN.fullmatch(name):
                yield name, os.fdopen(os.open(entry.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")


def _take(name: str, stream: IO[bytes], laid: Laid, parts: Mapping[str, frozenset[str]]) -> None:
    """Write one file to its place, if it is one that an exercise has."""
    if "\\" in name or ".." in name.split("/"):
        laid.note("a file whose path climbs out was left out")
        return
    known = _KNOWN.fullmatch(name)
    if known is None:
        return
    if known["exercise"] not in parts:
        laid.note(f"there is no exercise {known['exercise']} here; it was left out")
        return
    own = known["name"]
    if own.startswith("captures/") and own.removeprefix("captures/").rpartition(".")[0] not in parts[known["exercise"]]:
        laid.note("a capture that no exercise asks for was left out")
        return
    target = laid.folder / known["exercise"] / own
    limit = _LARGEST[own.rpartition(".")[2]]
    if target.exists():
        laid.note(f"{known['exercise']}/{own} is there twice; the first one counts")
        return
    octets = _read(stream, min(limit, MOST_OCTETS - laid.octets))
    if octets is None:
        if MOST_OCTETS - laid.octets < limit:
            laid.refused = f"it unpacks to over {MOST_OCTETS >> 20} MiB"
        else:
            laid.note(f"{known['exercise']}/{own} is larger than {limit >> 10} KiB and was left out")
        return
    laid.octets += len(octets)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(octets)
    laid.exercises.add(known["exercise"])


def _read(stream: IO[bytes], limit: int) -> bytes | None:
    """At most so many octets; None if there are more."""
    pieces: list[bytes] = []
    left = limit + 1
    while left > 0:
        piece = stream.read(min(left, 1 << 16))
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        left -= len(piece)
    return None
