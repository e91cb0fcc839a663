"""The writer: one pcapng file for one session, valid whenever somebody looks.

A file grows like this (the draft's names of blocks):

    opened     SHB  IDB  NRB
    flushed    SHB  IDB  NRB  EPB EPB EPB ...
    finished   SHB* IDB  NRB  EPB EPB EPB ...  ISB        * the header again, now with verdict and certificate
    late       SHB* IDB  NRB  EPB EPB EPB ...  EPB        the ISB cut off, frames added, finished once more

Frames wait in memory until flush() and then go out in one write of whole blocks: a reader, or a tap that was killed,
finds whole blocks and at most one cut block at the very end. When the disk is full, what did not fit is cut off again,
so the file stays valid; the frames are counted, and the next frame that does fit says how many are missing before it
(epb_dropcount, and in words).
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from lab.store.blocks import (
    INTERFACE_STATISTICS,
    FileHeader,
    FileStatistics,
    enhanced_packet,
    interface_statistics,
    with_drops,
)
from lab.store.errors import StoreError, store_error
from lab.store.files import DescriptorPool
from lab.wire.frame import Frame


def in_progress(path: Path) -> str:
    """The section's comment until the session has ended."""
    return f"Session {path.stem} of run {path.parent.name} is still in progress: no verdict yet."


class SessionFile:
    """One session's capture file. Nothing touches the disk before the first flush() or finish().

    length_bytes: what stands on the disk, in whole blocks, without the closing statistics.
    frames_written: frames on the disk (for a reopened file: those added since).
    frames_not_written: frames given to append() that did not fit on the disk.
    """

    __slots__ = (
        "_created",
        "_gap",
        "_gap_in_pending",
        "_header",
        "_path_text",
        "_pending",
        "_pending_frames",
        "_pool",
        "_trim",
        "frames_not_written",
        "frames_written",
        "length_bytes",
        "path",
        "pending_bytes",
    )

    def __init__(self, path: Path, header: FileHeader, pool: DescriptorPool) -> None:
        self.path = path
        self._path_text = str(path)
        self._header = header
        self._pool = pool
        self._created = False
        self._trim = False
        self._pending: list[bytes | memoryview] = []  # each one packet block or several
        self._pending_frames = 0
        self.pending_bytes = 0
        self.length_bytes = 0
        self.frames_written = 0
        self.frames_not_written = 0
        # Frames lost since the last block on disk, and how many of them the first pending block already tells of.
        self._gap = 0
        self._gap_in_pending = 0

    @classmethod
    def reopen(cls, path: Path, header: FileHeader, pool: DescriptorPool) -> SessionFile:
        """A file that exists, to add late frames: its closing statistics will be cut off at the next write.

        Raises StoreError where it is gone, or does not end in a whole block (then recover() is the one to mend it).
        """
        file = cls(path, header, pool)
        file._created = True
        try:
            handle = pool.get(file._path_text)
            size = handle.seek(0, os.SEEK_END)
            last = _last_block(handle, size)
        except OSError as cause:
            raise store_error("reopen the capture", path, cause) from cause
        if last is None:
            pool.release(file._path_text)
            raise StoreError(
                "cannot reopen the capture: it does not end in a whole block", path, "restart the tap, which mends it"
            )
        block_type, length = last
        file.length_bytes = size
        if block_type == INTERFACE_STATISTICS:
            file.length_bytes = size - length
            file._trim = True
        return file

    @property
    def created(self) -> bool:
        """Whether the file is on the disk."""
        return self._created

    def append(self, frame: Frame, comment: str = "") -> int:
        """Adds a frame with its comment to what the next flush() writes; returns its size in octets."""
        gap = self._gap
        if gap:
            before = "1 frame" if gap == 1 else f"{gap} frames"
            comment = f"[{before} before this one could not be written.] {comment}"
            self._gap_in_pending, self._gap = gap, 0
        return self._wait(enhanced_packet(frame, comment, gap), 1)

    def append_blocks(self, octets: bytes | memoryview, frames: int) -> int:
        """The same for packet blocks that are built already, one or more; returns their size in octets."""
        if self._gap:
            first = struct.unpack_from("<I", octets, 4)[0]
            octets = with_drops(bytes(octets[:first]), self._gap) + bytes(octets[first:])
            self._gap_in_pending, self._gap = self._gap, 0
        return self._wait(octets, frames)

    def write_blocks(self, octets: bytes | memoryview, frames: int) -> bool:
        """The same, and written at once, if nothing is in the way of that. Returns whether it was."""
        if not self._created or self._trim or self._gap or self._pending:
            return False
        try:
            descriptor = self._pool.get(self._path_text).fileno()
            if not os.fstat(descriptor).st_nlink or os.pwrite(descriptor, octets, self.length_bytes) < len(octets):
                return False  # append_blocks() and flush() find out why, and write over what was written
        except OSError:
            return False
        self.length_bytes += len(octets)
        self.frames_written += frames
        return True

    def _wait(self, octets: bytes | memoryview, frames: int) -> int:
        self._pending.append(octets)
        self._pending_frames += frames
        size = len(octets)
        self.pending_bytes += size
        return size

    def flush(self) -> None:
        """Writes what waits. Raises StoreError; the file then holds what fitted, in whole blocks."""
        if self._pending or not self._created:
            self._put(b"", in_progress(self.path))

    def finish(
        self, *, start_ns: int, end_ns: int, received: int, dropped: int = 0, comment: str = "", words: str = ""
    ) -> None:
        """Writes what waits and the closing statistics, and puts the comment into the section header.

        received: frames of the session, also those not written. dropped: by the kernel, meanwhile.
        comment: verdict and certificate. words: a sentence for the statistics block.
        Raises StoreError; finish() can be called again when there is room.
        """
        created = self._created
        statistics = FileStatistics(start_ns, end_ns, received, dropped, self.frames_not_written, words)
        self._put(interface_statistics(statistics), comment)
        self._trim = True
        if created:
            try:
                handle = self._pool.get(self._path_text)
                handle.seek(0)
                # The same length as before and inside the file: takes no room, and one write replaces it whole.
                handle.write(self._header.section_block(comment))
            except OSError as cause:
                raise store_error("write the capture's header", self.path, cause) from cause
        self._pool.release(self._path_text)

    def release(self) -> None:
        """Gives the descriptor back; the next write takes one again."""
        self._pool.release(self._path_text)

    def _put(self, suffix: bytes, section_comment: str) -> None:
        """One write: the header if the file is new, the pending frames, the closing statistics if any."""
        head = b"" if self._created else self._header.section_block(section_comment) + self._header.interface_blocks
        alone = not head and not suffix and len(self._pending) == 1
        octets = self._pending[0] if alone else b"".join((head, *self._pending, suffix))
        written = 0
        handle: FileIO | None = None
        try:
            handle = self._pool.get(self._path_text, create=not self._created)
            # A file that somebody deleted takes every write and keeps none: the link count tells.
            if os.fstat(handle.fileno()).st_nlink == 0:
                self._pool.release(self._path_text)
                handle = None
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if self._trim:
                handle.truncate(self.length_bytes)
                self._trim = False
            handle.seek(self.length_bytes)
            while written < len(octets):
                # The second turn comes only after a short write, and only to learn why it was short.
                written += handle.write(memoryview(octets)[written:])
        except OSError as cause:
            if cause.errno == errno.ENOENT and self._created:
                self._start_over()
            self._keep_whole_blocks(handle, written, len(head))
            raise store_error("write the capture", self.path, cause) from cause
        self._created = True
        self.length_bytes += len(octets) - len(suffix)
        self.frames_written += self._pending_frames
        self._forget_pending()
        self._gap_in_pending = 0

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._pending_frames = self.pending_bytes = 0

    def _block_sizes(self) -> Iterator[int]:
        """The sizes of the packet blocks that wait, in order."""
        for octets in self._pending:
            at = 0
            while at < len(octets):
                (size,) = struct.unpack_from("<I", octets, at + 4)
                yield size
                at += size

    def _start_over(self) -> None:
        """The file is gone: what it held is lost, and the next write makes a new one."""
        self._created = False
        self._trim = False
        self.length_bytes = 0
        self.frames_not_written += self.frames_written
        self._gap_in_pending += self.frames_written
        self.frames_written = 0

    def _keep_whole_blocks(self, handle: FileIO | None, written: int, head_bytes: int) -> None:
        """After a failed write: cut the file back to its last whole block, and count the frames that are lost."""
        fitted = 0
        if written >= head_bytes and handle is not None:
            self._created = True
            self.length_bytes += head_bytes
            written -= head_bytes
            for size in self._block_sizes():
                if size > written:
                    break
                written -= size
                self.length_bytes += size
                fitted += 1
        lost = self._pending_frames - fitted
        self.frames_written += fitted
        self.frames_not_written += lost
        self._gap = lost + (0 if fitted else self._gap_in_pending + self._gap)
        self._gap_in_pending = 0
        self._forget_pending()
        if handle is not None:
            with contextlib.suppress(OSError):
                handle.truncate(self.length_bytes)
        if not self._created:
            # Not even the header fitted: a file without one is not a capture.
            self._pool.release(self._path_text)
            if handle is not None:
                with contextlib.suppress(OSError):
                    self.path.unlink()


def _last_block(handle: FileIO, size: int) -> tuple[int, int] | None:
    """Type and length of the block that ends the file; None if its two lengths don't agree."""
    if size < 12:
        return None
    handle.seek(size - 4)
    (length,) = struct.unpack("<I", handle.read(4))
    if not 12 <= length <= size:
        return None
    handle.seek(size - length)
    block_type, first_length = struct.unpack("<II", handle.read(8))
    return (block_type, length) if first_length == length else None
