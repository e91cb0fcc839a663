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

from lab.store.blocks import enhanced_packet
from lab.store.forms import DIGITS, Form
from lab.wire.frame import Direction, Frame
from lab.wire.rows import pick_rows, put_rows

Ints = npt.NDArray[np.int64]
UInt8s = npt.NDArray[np.uint8]

MOST_SHAPES = 64
"""Shapes for which building by columns pays. A batch with more of them is not a bulk transfer."""

_HEAD_BYTES = 28
_TAIL_BYTES = 16


@dataclass(frozen=True, slots=True)
class Packets:
    """Frames as columns, in the order in which their blocks shall stand.

    memory: the octets in which the frames lie. start: where each begins; captured, length: octets
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
    for kind in np.unique(shape):
        rows = np.flatnonzero(shape == kind)
        put_rows(octets, offsets[rows], _matrix(packets, forms, rows))
    return octets, offsets


def shapes(packets: Packets) -> int:
    """How many shapes these frames have: above MOST_SHAPES, build them one by one."""
    return len(np.unique(packets.captured << 8 | packets.form))


def _matrix(packets: Packets, forms: Sequence[Form], rows: slice | Ints) -> UInt8s:
    """The blocks of rows that all have one shape, one row a block: a template for each, and what differs written
    over."""
    start, form = packets.start[rows], packets.form[rows]
    if not len(start):
        return np.empty((0, 0), np.uint8)
    captured = int(packets.captured[rows][0])
    used = np.unique(form).tolist()
    pieces = [forms[number].pieces() for number in used]
    text_at = ((_HEAD_BYTES + captured + 3) & ~3) + 4
    templates = np.stack([_template(captured, text) for text, _places in pieces])
    size = templates.shape[1]
    which = np.searchsorted(used, form)
    matrix = pick_rows(templates.reshape(-1), which * size, size)
    words = matrix.view(np.uint32)
    time_ns = packets.time_ns[rows]
    words[:, 3], words[:, 4] = time_ns >> 32, time_ns & 0xFFFFFFFF
    words[:, 6] = packets.length[rows]
    matrix[:, _HEAD_BYTES : _HEAD_BYTES + captured] = pick_rows(packets.memory, start, captured)
    words[:, (size - _TAIL_BYTES >> 2) + 1] = packets.direction[rows]
    for number, column in enumerate(packets.numbers):
        places = [spots[number] if number < len(spots) else None for _text, spots in pieces]
        if not any(places):
            break
        digits = _digits(column[rows])
        for i, place in enumerate(places):
            if place is not None:
                at = text_at + place
                if places.count(place) == len(places):
                    matrix[:, at : at + DIGITS] = digits
                    break
                mine = which == i
                matrix[mine, at : at + DIGITS] = digits[mine]
    return matrix


def _template(captured: int, text: bytes) -> UInt8s:
    """A block of that many octets with that comment; time, length, data, direction and the numbers are still
    missing."""
    frame = Frame(0, bytes(captured), 0, 0, Direction.UNKNOWN)
    return np.frombuffer(enhanced_packet(frame, text.decode()), np.uint8)


def _digits(values: Ints) -> UInt8s:
    """Each number as twelve ASCII characters, right-aligned: three look-ups of four digits, a 32-bit word each."""
    if len(values) and np.max(values) < _FOUR * _FOUR:
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
