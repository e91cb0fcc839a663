"""Enhanced packet blocks by the ten thousand: what blocks.enhanced_packet makes of one frame, made of many at once.

A bulk transfer has few shapes of frames: so many octets captured, this form of comment. All rows of one shape are
built as one matrix, a column of the block at a time, and put where they belong in the output. The octets are the same
as those of ``enhanced_packet`` with the same comment; a test holds the two together.

Needs NumPy; only the tap imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lab.store.blocks import ENHANCED_PACKET, OPT_COMMENT

Ints = npt.NDArray[np.int64]
UInt8s = npt.NDArray[np.uint8]

NUMBER = "{:>12}"
"""How a number stands in a comment's form: twelve columns, so that all comments of one form have one length."""
LARGEST_NUMBER = 10**12 - 1
MOST_SHAPES = 64
"""Shapes for which building by columns pays. A batch with more of them is not a bulk transfer."""

_HEAD_BYTES = 28
_TAIL_BYTES = 16
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Form:
    """A comment's text with places for numbers, each written ``NUMBER``."""

    text: str

    def pieces(self) -> tuple[bytes, list[int]]:
        """The text with spaces for the numbers, and where each number stands."""
        parts = [part.encode() for part in self.text.split(NUMBER)]
        places, out = [], parts[0]
        for part in parts[1:]:
            places.append(len(out))
            out += b" " * _DIGITS + part
        return out, places

    def fill(self, numbers: Sequence[int]) -> str:
        """The comment of one frame."""
        return self.text.format(*numbers)


@dataclass(frozen=True, slots=True)
class Packets:
    """Frames as columns, in the order in which their blocks shall stand.

    memory: the octets in which the frames lie. start: where each begins, an even offset; captured, length: octets
        there, and on the wire.
    time_ns: since the epoch. direction: pcapng's (1 in, 2 out). form: which of the forms is its comment.
    numbers: for each place of the forms, a column (forms with fewer places leave the rest unused).
    """

    memory: UInt8s
    start: Ints
    captured: Ints
    length: Ints
    time_ns: Ints
    direction: Ints
    form: Ints
    numbers: tuple[Ints, ...]


def packet_blocks(packets: Packets, forms: Sequence[Form]) -> tuple[UInt8s, Ints]:
    """Build the blocks.

    Returns the octets of all blocks one after the other, and n + 1 offsets: block i is octets[offsets[i]:offsets[i +
    1]].
    """
    count = len(packets.start)
    text_bytes = np.array([len(form.pieces()[0]) for form in forms], np.int64)
    padded = (packets.captured + 3) & ~3
    total = _HEAD_BYTES + padded + 4 + ((text_bytes[packets.form] + 3) & ~3) + _TAIL_BYTES
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(total, out=offsets[1:])
    shape = packets.captured << 32 | text_bytes[packets.form]
    first = shape[0] if count else 0
    if (shape == first).all():
        return _matrix(packets, forms, slice(0, count)).reshape(-1), offsets
    octets = np.empty(int(offsets[-1]), np.uint8)
    words = octets.view(np.uint32)
    for kind in np.unique(shape):
        rows = np.flatnonzero(shape == kind)
        matrix = _matrix(packets, forms, rows).view(np.uint32)
        words[(offsets[rows] >> 2)[:, None] + np.arange(matrix.shape[1])] = matrix
    return octets, offsets


def shapes(packets: Packets) -> int:
    """How many shapes these frames have: above MOST_SHAPES, build them one by one."""
    return len(np.unique(packets.captured << 8 | packets.form))


def _matrix(packets: Packets, forms: Sequence[Form], rows: slice | Ints) -> UInt8s:
    """The blocks of rows that all have one shape, one row a block."""
    start, form = packets.start[rows], packets.form[rows]
    count, captured = len(start), int(packets.captured[rows][0]) if len(start) else 0
    pieces = [f.pieces() for f in forms]
    text_bytes = len(pieces[int(form[0])][0]) if count else 0
    data_end = _HEAD_BYTES + captured
    note_at = (data_end + 3) & ~3
    text_at = note_at + 4
    tail_at = (text_at + text_bytes + 3) & ~3
    size = tail_at + _TAIL_BYTES
    matrix = np.empty((count, size), np.uint8)
    words = matrix.view(np.uint32)
    time_ns = packets.time_ns[rows]
    words[:, 0], words[:, 1], words[:, 2] = ENHANCED_PACKET, size, 0
    words[:, 3], words[:, 4] = time_ns >> 32, time_ns & 0xFFFFFFFF
    words[:, 5], words[:, 6] = captured, packets.length[rows]
    halves = packets.memory[: len(packets.memory) // 2 * 2].view(np.uint16)
    pairs = (captured + 1) // 2
    matrix.view(np.uint16)[:, 14 : 14 + pairs] = halves[(start >> 1)[:, None] + np.arange(pairs)]
    matrix[:, data_end:note_at] = 0
    words[:, note_at >> 2] = OPT_COMMENT | text_bytes << 16
    _texts(matrix[:, text_at : text_at + text_bytes], pieces, form, [column[rows] for column in packets.numbers])
    matrix[:, text_at + text_bytes : tail_at] = 0
    tail = tail_at >> 2
    words[:, tail], words[:, tail + 1] = 2 | 4 << 16, packets.direction[rows]
    words[:, tail + 2], words[:, tail + 3] = 0, size
    return matrix


def _texts(out: UInt8s, pieces: list[tuple[bytes, list[int]]], form: Ints, numbers: list[Ints]) -> None:
    """Write the comments: the form's text, then its numbers into their places."""
    same = [i for i, (text, _places) in enumerate(pieces) if len(text) == out.shape[1]]
    for i in same:
        text, places = pieces[i]
        mine = form == i
        if not mine.any():
            continue
        rows: slice | npt.NDArray[np.bool_] = slice(None) if mine.all() else mine
        out[rows] = np.frombuffer(text, np.uint8)
        for place, column in zip(places, numbers, strict=False):
            out[rows, place : place + _DIGITS] = _digits(column[rows])


def _digits(values: Ints) -> UInt8s:
    """Each number as twelve ASCII characters, right-aligned: three look-ups of four digits, a 32-bit word each."""
    if len(values) and values.max() < _FOUR * _FOUR:
        upper, low = np.divmod(values.astype(np.uint32), np.uint32(_FOUR))
        high = np.zeros_like(upper)
    else:
        high, rest = np.divmod(values, _FOUR * _FOUR)
        upper, low = np.divmod(rest, _FOUR)
    out = np.empty((len(values), 3), np.uint32)
    out[:, 0] = _SPACED[high]
    out[:, 1] = np.where(high > 0, _PADDED[upper], _SPACED[upper])
    out[:, 2] = np.where((upper > 0) | (high > 0), _PADDED[low], _SPACED[low])
    octets = out.view(np.uint8)
    octets[values == 0, -1] = ord("0")
    return octets


_FOUR = 10_000


def _tables() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    numbers = np.arange(_FOUR)
    powers = 10 ** np.arange(3, -1, -1)
    padded = (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)
    spaced = np.where(numbers[:, None] < powers, ord(" "), padded).astype(np.uint8)
    return padded.view(np.uint32)[:, 0].copy(), spaced.view(np.uint32)[:, 0].copy()


_PADDED, _SPACED = _tables()
