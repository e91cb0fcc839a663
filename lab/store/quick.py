"""The reader for totals: frames as bare triples, without comments, options or objects.

It reads the same files as ``lab.store.reader`` and leaves to it everything that is not a frame. For a million frames it
matters what is done for each: here a header is unpacked, the octets are copied once, and that is all. No more than a
piece of the file is in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from lab.store.blocks import BLOCK_LIMIT_BYTES, ENHANCED_PACKET
from lab.store.errors import CaptureFileError
from lab.store.links import ETHERNET, as_ethernet
from lab.store.reader import CaptureParser, cannot_open, refuse_link
from lab.wire.frame import Frame

RawFrame = tuple[int, bytes, int]
"""Time in nanoseconds, octets, length on the wire: the first three members of a Frame."""
_CHUNK_BYTES = 1 << 20
_LENGTH_BYTES = 4


class QuickParser(CaptureParser):
    """Octets in, triples out. Feed it pieces with ``take``, then end()."""

    def take(self, octets: bytes) -> Iterator[RawFrame]:
        """Takes the next piece and yields the frames that it completes. Raises CaptureFileError."""
        self._buffer += octets
        if not self.kind and not self._recognise(final=False):
            return iter(())
        return self._quick_pcapng() if self.kind == "pcapng" else self._quick_pcap()

    def _quick_pcap(self) -> Iterator[RawFrame]:
        link_type = self.interfaces[0].link_type
        piece = bytes(self._buffer)
        unpack, tick_ns = struct.Struct(f"{self._order}IIII").unpack_from, self._tick_ns
        offset, last, frames = 0, len(piece) - 16, 0
        while offset <= last:
            seconds, ticks, captured, length_bytes = unpack(piece, offset)
            end = offset + 16 + captured
            if captured > BLOCK_LIMIT_BYTES:
                self.frames += frames
                raise self._damaged(offset, f"a frame says it is {captured} octets long")
            if end > last + 16:
                break
            frames += 1
            raw = (seconds * 1_000_000_000 + ticks * tick_ns, piece[offset + 16 : end], length_bytes)
            offset = end
            yield raw if link_type == ETHERNET else self._translated(raw, link_type)
        self.frames += frames
        self._take(offset)

    def _quick_pcapng(self) -> Iterator[RawFrame]:
        # One call reads a header, and in front of it the length that closes the block before: so that one is looked at
        # when its frame has been given away. Before the first block of a piece there is nothing, of length 0.
        piece = bytes(_LENGTH_BYTES) + self._buffer
        offset, size = _LENGTH_BYTES, len(piece)
        sections, interfaces = self._sections, self.interfaces
        unpack = struct.Struct(f"{sections.order}8I").unpack_from
        before = frames = 0
        known, plain = -1, False  # the interface of the frame before, and whether its frames can be taken as they are
        while True:
            if size - offset >= 32:
                closing, kind, length, number, high, low, captured, length_bytes = unpack(piece, offset - _LENGTH_BYTES)
                end = offset + length
                if (
                    kind == ENHANCED_PACKET
                    and captured + 32 <= length <= BLOCK_LIMIT_BYTES
                    and end <= size
                    and not length & 3
                    and (number == known or sections.first_interface + number < len(interfaces))
                    and closing == before
                ):
                    if number != known:
                        known, described = number, interfaces[sections.first_interface + number]
                        plain = described.link_type == ETHERNET and described.in_nanoseconds
                    data = piece[offset + 28 : offset + 28 + captured]
                    offset, before = end, length
                    frames += 1
                    if plain:
                        yield high << 32 | low, data, length_bytes
                        continue
                    raw = (described.time_ns(high << 32 | low), data, length_bytes)
                    yield raw if described.link_type == ETHERNET else self._translated(raw, described.link_type)
                    continue
            self.frames += frames
            frames = 0
            self._check_closing(piece, offset, before)
            # Another kind of block, or a faulty one.
            found = self._block_at(self._buffer, offset - _LENGTH_BYTES, size - _LENGTH_BYTES)
            if found is None:
                break
            before = found[0]
            offset += before
            known = -1
            unpack = struct.Struct(f"{sections.order}8I").unpack_from
            if found[1] is not None:
                self.frames += 1
                frame = found[1][0]
                link_type = interfaces[frame.interface].link_type
                yield frame[:3] if link_type == ETHERNET else self._translated(frame[:3], link_type)
        self._take(offset - _LENGTH_BYTES)

    def _check_closing(self, piece: bytes, offset: int, length: int) -> None:
        """Raises CaptureFileError if the block that ends here is not closed by its length."""
        (closing,) = struct.unpack_from(f"{self._sections.order}I", piece, offset - _LENGTH_BYTES)
        if closing != length:
            self.frames -= 1
            raise self._damaged(offset - _LENGTH_BYTES - length, "the two lengths of a block differ")

    def _translated(self, raw: RawFrame, link_type: int) -> RawFrame:
        refuse_link(self.where, link_type)
        return as_ethernet(Frame(*raw), link_type)[:3]


def quick_frames(
    path: Path, told: Callable[[int], None] | None = None, left_over: Callable[[int], None] | None = None
) -> Iterator[RawFrame]:
    """All frames of a capture file. told: is called with the octets read so far, for a progress bar. left_over: is
    called in the end with the octets of a last block that is not all there.

    A file that is cut off at its end gives its whole frames. Raises CaptureFileError for what is no capture.
    """
    # Chained in C: a frame does not go through one generator after the other.
    return chain.from_iterable(_pieces(path, told, left_over))


def _pieces(
    path: Path, told: Callable[[int], None] | None, left_over: Callable[[int], None] | None
) -> Iterator[Iterator[RawFrame]]:
    parser = QuickParser(where=path.name)
    try:
        with path.open("rb") as stream:
            while octets := stream.read(_CHUNK_BYTES):
                yield parser.take(octets)
                if told is not None:
                    told(parser.whole_bytes)
    except OSError as cause:
        raise CaptureFileError(cannot_open(path, cause)) from cause
    parser.end()
    if left_over is not None:
        left_over(parser.left_over_bytes)
