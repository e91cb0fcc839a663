"""Sequence numbers: 32 bits that wrap, and the offsets that don't.

A TCP header counts octets modulo 2**32, from an initial number (ISN) that each end picks at random (RFC 9293 §3.4).
Two numbers of a header can't be compared with ``<``: after 4294967295 comes 0. So this module has two types. A
``Seq`` is the raw number as it stands in the header. An ``Offset`` is how far that is from the ISN, unwrapped: SYN
is 0, the first octet of data is 1, and it goes on counting past 2**32. Offsets are plain integers in every respect;
they may be negative for octets before the first one that the capture knows.
"""

from __future__ import annotations

from typing import NewType

Seq = NewType("Seq", int)
"""A raw sequence or acknowledgment number of a TCP header: 0 to 2**32 - 1."""

Offset = NewType("Offset", int)
"""Distance from the ISN in sequence numbers, unwrapped: SYN is 0, the first data octet is 1."""

MODULUS = 1 << 32
MASK = MODULUS - 1
HALF = 1 << 31


def wrap(offset: int, isn: int) -> Seq:
    """The raw number that stands in the header for this offset.

    offset: distance from the ISN, any integer.
    isn: the initial sequence number, raw.
    """
    return Seq((isn + offset) & MASK)


def unwrap(seq: int, isn: int, checkpoint: int) -> Offset:
    """The offset that this raw number means: of all that fit, the one nearest to ``checkpoint``.

    seq, isn: raw 32-bit numbers.
    checkpoint: an offset known to be near, such as the next one expected.
    A number exactly 2**31 away could be meant either way; it is taken as the earlier one.
    """
    distance = (seq - isn - checkpoint) & MASK
    return Offset(checkpoint + (distance if distance < HALF else distance - MODULUS))


def distance(start: int, end: int) -> int:
    """How far ``end`` is after ``start`` on the circle, both raw: from -2**31 to 2**31 - 1."""
    step = (end - start) & MASK
    return step if step < HALF else step - MODULUS


def precedes(first: int, second: int) -> bool:
    """Whether raw number ``first`` comes before ``second`` (RFC 9293 §3.4: comparison modulo 2**32)."""
    return distance(first, second) > 0
