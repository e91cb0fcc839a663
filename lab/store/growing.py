"""The captures of a run while the tap is writing them: which packet blocks are new since the last look.

The tap writes whole blocks, appends only, and puts the closing statistics last; a late frame takes their place. So a
reader may keep its place in each file, take every whole packet block behind it, and stop before the statistics. Files
are looked at by their sizes, which costs microseconds each; only those that have grown are opened.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Callable, MutableSequence
from pathlib import Path

_ENHANCED_PACKET, _STATISTICS, _SECTION = 6, 5, 0x0A0D0D0A
_LARGEST_BLOCK_BYTES = 16 << 20
_READ_BYTES = 8 << 20
_BLOCK = struct.Struct("<II")
_TIME = struct.Struct("<II")
_GIVEN_UP = -1


class GrowingRun:
    """New packet blocks of all captures of one run's folder.

    from_start: whether blocks count that are there at the first look. wanted: which files, by their names.
    """

    def __init__(self, folder: Path, *, from_start: bool, wanted: Callable[[str], bool] = lambda _name: True) -> None:
        self.folder = folder
        self._wanted = wanted
        self._sizes: dict[str, int] = {}
        self._places: dict[str, int] = {}
        if not from_start:
            for name, size in self._files():
                self._sizes[name] = size
                self._places[name] = self._end(folder / name, size)

    def look(self) -> list[tuple[int, bytes]]:
        """The packet blocks that have come since the last look, each with its time in nanoseconds, in order of time."""
        found: list[tuple[int, bytes]] = []
        for name, size in self._files():
            if self._sizes.get(name) == size:
                continue
            self._sizes[name] = size
            place = self._places.get(name, 0)
            if place != _GIVEN_UP:
                self._places[name] = self._read(self.folder / name, place, found)
        found.sort(key=lambda block: block[0])
        return found

    def _files(self) -> list[tuple[str, int]]:
        try:
            with os.scandir(self.folder) as entries:
                return [
                    (entry.name, entry.stat().st_size)
                    for entry in entries
                    if entry.name.endswith(".pcapng") and self._wanted(entry.name)
                ]
        except OSError:
            return []  # removed under us: there is nothing new

    @classmethod
    def _end(cls, path: Path, size: int) -> int:
        """Where the packet blocks of a file end.

        A long write shows while it goes on, so the file may end within a block; then it is walked from its start.
        """
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(max(0, size - 4))
                length: int = struct.unpack("<I", file.read(4))[0]
                if 12 <= length <= size:
                    file.seek(size - length)
                    kind, same = _BLOCK.unpack(file.read(8))
                    if same == length and kind in (_STATISTICS, _ENHANCED_PACKET):
                        return size - length if kind == _STATISTICS else size
        except (OSError, struct.error):
            return 0
        return cls._read(path, 0, deque(maxlen=0))

    @staticmethod
    def _read(path: Path, place: int, found: MutableSequence[tuple[int, bytes]]) -> int:
        """Take the whole packet blocks from a place on; returns the place behind the last one."""
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(place)
                octets = b""
                while True:
                    piece = file.read(_READ_BYTES)
                    octets += piece
                    used, over = _blocks(octets, first=place == 0, found=found)
                    place += used
                    octets = octets[used:]
                    if over == _GIVEN_UP:
                        return _GIVEN_UP
                    if over or not piece:
                        return place
        except OSError:
            return place  # gone, or not to be read just now


def _blocks(octets: bytes, *, first: bool, found: MutableSequence[tuple[int, bytes]]) -> tuple[int, int]:
    """Walk over blocks. Returns how many octets were whole blocks, and 1 if the statistics follow, _GIVEN_UP if this is
    no capture of the lab's."""
    at, size = 0, len(octets)
    while size - at >= _BLOCK.size:
        kind, length = _BLOCK.unpack_from(octets, at)
        if first and at == 0 and kind != _SECTION:
            return at, _GIVEN_UP
        if length < 12 or length % 4 or length > _LARGEST_BLOCK_BYTES:
            return at, _GIVEN_UP
        if kind == _STATISTICS:
            return at, 1
        if size - at < length:
            break
        if kind == _ENHANCED_PACKET and length >= 32:
            high, low = _TIME.unpack_from(octets, at + 12)
            found.append((high << 32 | low, octets[at : at + length]))
        at += length
    return at, 0
