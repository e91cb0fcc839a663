"""Mutations of single frames, each a small function: what a bad cable, a bad driver or a bad person would do to one.

Each takes the dice, the frame's octets and the octets of another frame, changes the first in place, and leaves what it
can't do undone. ``mutated`` chooses among them, one to three at a time, and repairs half of the results (see shape.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz.shape import ETHERNET, fit_checksums, fit_lengths, is_tcp, payload_at, shape_of, turned

LARGEST_BYTES = 14 + 65_535
"""Frames glued to glued frames would grow without end; no frame on a wire is longer than the longest packet."""

Mutation = Callable[[random.Random, bytearray, bytes], None]

# Fields by where they begin in their header and how many octets they have.
_IP4_FIELDS = ((0, 1), (1, 1), (2, 2), (4, 2), (6, 2), (8, 1), (9, 1), (10, 2), (12, 4), (16, 4))
_IP6_FIELDS = ((0, 1), (1, 3), (4, 2), (6, 1), (7, 1), (8, 16), (24, 16))
_TCP_FIELDS = ((0, 2), (2, 2), (4, 4), (8, 4), (12, 1), (13, 1), (14, 2), (16, 2), (18, 2))
_ARP_FIELDS = ((0, 2), (2, 2), (4, 1), (5, 1), (6, 2), (8, 6), (14, 4), (18, 6), (24, 4))
_ICMP_FIELDS = ((0, 1), (1, 1), (2, 2), (4, 4), (8, 1), (10, 2), (14, 2), (17, 1), (28, 2), (30, 2), (32, 4))
_OPTIONS = (
    b"\x00",
    b"\x01",
    b"\x02\x04\x05\xb4",
    b"\x02\x04\x00\x00",
    b"\x02\x04\xff\xff",
    b"\x02\x03\x05",
    b"\x03\x03\x00",
    b"\x03\x03\x0e",
    b"\x03\x03\xff",
    b"\x03\x02",
    b"\x04\x02",
    b"\x05\x0a\x00\x00\x00\x01\xff\xff\xff\xff",
    b"\x05\x0a\x80\x00\x00\x00\x7f\xff\xff\xff",
    b"\x05\x09\x00\x00\x00\x00\x00\x00\x00",
    b"\x05\x02",
    b"\x05\x22" + b"\xff" * 32,
    b"\x08\x0a" + b"\xff" * 8,
    b"\x08\x0a" + b"\x00" * 8,
    b"\x08\x00",
    b"\x08\x01",
    b"\x08\xff",
    b"\x22\x0c" + b"\xaa" * 10,
    b"\x13\x12" + b"\x55" * 16,
    b"\xfd\x04\xf9\x89",
    b"\xff\xff",
)
_NEAR = (-(1 << 31), -65536, -1461, -1460, -2, -1, 0, 1, 2, 7, 1460, 65535, 1 << 30, (1 << 31) - 1, 1 << 31)
_EXTENSIONS = (0, 43, 44, 51, 60, 135)


def flip(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """Some bits, mostly in the headers."""
    for _ in range(chance.randrange(1, 9)):
        at = chance.randrange(min(len(data), chance.choice((54, 86, 1 << 16)))) if data else 0
        if data:
            data[at] ^= 1 << chance.randrange(8)


def overwrite(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """A stretch of octets becomes noise, zeros or ones."""
    at = chance.randrange(len(data) + 1)
    count = min(len(data) - at, chance.randrange(1, 17))
    data[at : at + count] = chance.choice((b"\0" * count, b"\xff" * count, chance.randbytes(count)))


def cut(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """The frame ends early, in a header more often than not."""
    del data[chance.randrange(min(len(data), chance.choice((14, 54, 80, 1 << 16))) + 1) :]


def glue(chance: random.Random, data: bytearray, other: bytes) -> None:
    """The end of another frame, or all of it, follows; or replaces the rest from some place on."""
    if chance.random() < 0.5:
        del data[chance.randrange(len(data) + 1) :]
    data += other[chance.randrange(len(other) + 1) :] if chance.random() < 0.7 else other


def squeeze(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """Some octets vanish in the middle, or come twice."""
    at = chance.randrange(len(data) + 1)
    piece = data[at : at + chance.randrange(1, 33)]
    data[at : at + len(piece)] = piece * 2 if chance.random() < 0.5 else b""


def extreme(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """A field of a header holds the least, the most, the middle, or anything."""
    shape = shape_of(data)
    fields = [(ETHERNET + at, size) for at, size in {4: _IP4_FIELDS, 6: _IP6_FIELDS}.get(shape.version, _ARP_FIELDS)]
    if shape.version and chance.random() < 0.7:
        inner = _TCP_FIELDS if shape.protocol == 6 else _ICMP_FIELDS
        fields = [(shape.inner_at + at, size) for at, size in inner]
    at, size = chance.choice(fields)
    if at + size <= len(data):
        most = (1 << 8 * size) - 1
        value = chance.choice((0, 1, most, most - 1, most >> 1, (most >> 1) + 1, chance.getrandbits(8 * size)))
        data[at : at + size] = value.to_bytes(size, "big")


def near(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """Sequence or acknowledgment number a little, or half the circle, aside."""
    shape = shape_of(data)
    if is_tcp(data, shape):
        at = shape.inner_at + chance.choice((4, 8))
        value = int.from_bytes(data[at : at + 4], "big") + chance.choice((*_NEAR, chance.randrange(-3000, 3000)))
        data[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")


def flags(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """Other TCP flags; SYN, FIN, RST and ACK in every mixture."""
    shape = shape_of(data)
    if is_tcp(data, shape):
        data[shape.inner_at + 13] = chance.choice((chance.getrandbits(8), chance.getrandbits(5), 2, 4, 16, 17, 18, 20))


def window(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """Another window."""
    shape = shape_of(data)
    if is_tcp(data, shape):
        at = shape.inner_at + 14
        data[at : at + 2] = chance.choice((0, 0, 1, 1000, 0xFFFF)).to_bytes(2, "big")


def options(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """Other TCP options, some of them wrong; often in a SYN, where they count for the whole session."""
    shape = shape_of(data)
    if is_tcp(data, shape):
        begin = payload_at(data, shape)
        words = b"".join(chance.choice(_OPTIONS) for _ in range(chance.randrange(1, 5)))[:40]
        words += b"\0" * (-len(words) % 4)
        data[shape.inner_at + 20 : begin] = words
        data[shape.inner_at + 12] = (5 + len(words) // 4) << 4 | (data[shape.inner_at + 12] & 15)
        fit_lengths(data)


def payload(chance: random.Random, data: bytearray, other: bytes) -> None:
    """Other text: none, a line, many, what HTTP would say, or something that is no text."""
    shape = shape_of(data)
    if is_tcp(data, shape):
        del data[payload_at(data, shape) :]
        words = (b"", b"\n", b"hello\n", b"quit\r\n", b"a\nb\nc\n" * 9, b"GET / HTTP/1.1\r\n\r\n", b"\xff\0\n", other)
        data += chance.choice(words)
        fit_lengths(data)


def turn(_chance: random.Random, data: bytearray, _other: bytes) -> None:
    """As if the other end had sent it."""
    data[:] = turned(data)


def extend(chance: random.Random, data: bytearray, _other: bytes) -> None:
    """IPv6 extension headers or IPv4 options between IP and what it carries."""
    shape = shape_of(data)
    if shape.version == 6:
        for _ in range(chance.randrange(1, 4)):
            kind, size = chance.choice(_EXTENSIONS), chance.choice((0, 0, 1, 2, 255))
            content = chance.choice((b"\0", b"\x01", b"\x02")) * 6 + chance.randbytes(8 * min(size, 3))
            data[ETHERNET + 40 : ETHERNET + 40] = bytes((data[20], size)) + content
            data[20] = kind
    elif shape.version == 4 and data[14] == 0x45:
        words = chance.randrange(1, 11)
        data[ETHERNET + 20 : ETHERNET + 20] = chance.choice((b"\x01", b"\x00", b"\x83", b"\xff")) * (4 * words)
        data[14] += words
    fit_lengths(data)


MUTATIONS: tuple[Mutation, ...] = (
    flip,
    overwrite,
    cut,
    glue,
    squeeze,
    extreme,
    extreme,
    extreme,
    near,
    near,
    near,
    flags,
    flags,
    window,
    options,
    options,
    payload,
    turn,
    extend,
)
"""What may happen to a frame; what stands here more often happens more often."""


def mutated(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """A frame's octets, changed by one to three mutations; in half of the cases its checksums are right again."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(MUTATIONS)(chance, result, other)
    if chance.random() < 0.5:
        if chance.random() < 0.5:
            fit_lengths(result)
        fit_checksums(result)
    return bytes(result[:LARGEST_BYTES])
