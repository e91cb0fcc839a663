"""Rows of octets out of one long memory and into it: for NumPy, at the speed of memcpy.

To pick 74 octets from each of ten thousand places with an index for every octet costs more than everything that is
then done with them. Seen as an array of items of 74 octets, one item beginning at every octet, it is a plain choice of
items.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt8s = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


def pick_rows(memory: UInt8s, start: Ints, octets: int) -> UInt8s:
    """Copy ``octets`` octets from each place: a matrix, one row a place. All must lie inside the memory."""
    if not octets or not len(start):
        return np.empty((len(start), octets), np.uint8)
    return _items(memory, octets)[start].view(np.uint8).reshape(len(start), octets)


def put_rows(memory: UInt8s, start: Ints, rows: UInt8s) -> None:
    """Copy the rows of a matrix to these places, all inside the memory."""
    octets = rows.shape[1]
    if octets and len(start):
        _items(memory, octets)[start] = np.ascontiguousarray(rows).reshape(-1).view(f"V{octets}")


def _items(memory: UInt8s, octets: int) -> npt.NDArray[np.void]:
    count = len(memory) - octets + 1
    if count < 1:
        raise ValueError(f"rows of {octets} octets do not fit into a memory of {len(memory)}")
    items: npt.NDArray[np.void] = np.ndarray((count,), f"V{octets}", buffer=memory.data, strides=(1,))
    return items
