"""Many frames at once: the headers of plain TCP segments as columns of numbers.

Python needs microseconds to look at one frame; NumPy needs nanoseconds when it looks at ten thousand together. So this
module reads the header fields of a whole batch into arrays, one row a frame, and says which rows are *plain*: TCP over
IPv4 without IP options or fragments, or over IPv6 without extension headers, complete, with good checksums, and with
no TCP option but timestamps. Whatever is not plain (and whatever the session finds odd about a plain one) goes to
``lab.wire.parse``, frame by frame: there is one place that understands everything, and this one, which must never be
wrong about what it calls plain.

With lab.wire.rows the only module of ``wire`` that needs NumPy; nothing else in ``wire`` imports them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lab.wire.rows import pick_rows

UInt8s = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_HALVES = 37
"""Halfwords (16 bits) of a frame that are looked at: 14 octets of Ethernet, 40 of IPv6, 20 of TCP."""
_TIMESTAMP_OPTION = (0x0101, 0x080A)
_TAIL = 2 * _HALVES + 8
"""Octets that must follow the start of the last frame, for the look at its header not to leave the memory."""
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio: spreads sums over all bits
_SIXTY_FOUR_BITS = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Columns:
    """One row a frame. Rows whose ``keyed`` is False have no meaning in the other columns.

    keyed: a TCP segment whose ends are known. plain: one with nothing unusual about it, see above.
    version: 4 or 6. source, destination: the address as a number (for IPv6 a 64-bit mix of it) times 2**16, plus the
        port.
    seq, ack: raw 32-bit numbers. flags: the low eight flag bits. window: as it stands in the header.
    payload_at: where the payload starts, counted from the start of the frame. payload_bytes: its length.
    """

    keyed: Bools
    plain: Bools
    version: UInt8s
    source: npt.NDArray[np.uint64]
    destination: npt.NDArray[np.uint64]
    seq: Ints
    ack: Ints
    flags: Ints
    window: Ints
    payload_at: Ints
    payload_bytes: Ints


def columns(memory: UInt8s, start: Ints, captured: Ints, length: Ints) -> Columns:
    """Read the headers of many frames.

    memory: the octets in which the frames lie. start: where each begins. captured: how many octets of
    each are there. length: how many there were on the wire.
    Frames within the last few octets of the memory are not plain: their headers could not be read without leaving it.
    """
    safe = np.minimum(start, max(0, len(memory) - _TAIL))
    words = pick_rows(memory, safe, 2 * _HALVES).view(">u2")

    def word(number: int) -> Ints:
        """A halfword of every frame, as a number."""
        widened: Ints = words[:, number].astype(np.int64)
        return widened

    ethertype, first, fragment, protocol = word(6), word(7), word(10), word(11)
    four = (ethertype == 0x0800) & (first >> 8 == 0x45) & (fragment & 0x3FFF == 0) & (protocol & 0xFF == 6)
    six = (ethertype == 0x86DD) & (first >> 12 == 6) & (fragment >> 8 == 6)
    some_six, all_six = bool(six.any()), bool(six.all())

    def field(offset: int) -> Ints:
        """A halfword of the TCP header, counted from its start."""
        if not some_six:
            return word(17 + offset)
        return word(27 + offset) if all_six else np.where(six, word(27 + offset), word(17 + offset))

    keyed = (four | six) & (safe == start) & (captured >= np.where(six, 74, 54))
    offset_flags = field(6)
    header = (offset_flags >> 12) << 2
    ip_bytes = np.where(six, word(9) + 40, word(8)) if some_six else word(8)
    tcp_bytes = ip_bytes - np.where(six, 40, 20)
    payload = tcp_bytes - header
    timestamps = four & (word(27) == _TIMESTAMP_OPTION[0]) & (word(28) == _TIMESTAMP_OPTION[1])
    if some_six:
        timestamps |= six & _six_timestamps(memory, safe)
    plain = keyed & (captured == length) & ((header == 20) | ((header == 32) & timestamps))
    plain &= (payload >= 0) & (ip_bytes + 14 <= captured) & (offset_flags & 0x0F00 == 0)
    plain &= _checksums_good(memory, start, tcp_bytes, six, word, plain)

    source, destination = word(13) << 16 | word(14), word(15) << 16 | word(16)
    if some_six:
        source = np.where(six, _mixed(word, 11), source)
        destination = np.where(six, _mixed(word, 19), destination)
    return Columns(
        keyed,
        plain,
        np.where(six, 6, 4).astype(np.uint8),
        (source << 16 | field(0)).astype(np.uint64),
        (destination << 16 | field(1)).astype(np.uint64),
        field(2) << 16 | field(3),
        field(4) << 16 | field(5),
        offset_flags & 0xFF,
        field(7),
        np.where(six, 54, 34) + header,
        payload,
    )


def _six_timestamps(memory: UInt8s, start: Ints) -> Bools:
    options = pick_rows(memory, start + 74, 4).view(">u2")
    found: Bools = (options[:, 0] == _TIMESTAMP_OPTION[0]) & (options[:, 1] == _TIMESTAMP_OPTION[1])
    return found


def _mixed(word: Callable[[int], Ints], first: int) -> Ints:
    """An IPv6 address as 47 bits: equal addresses give equal numbers. That different ones do is as good as impossible
    in one capture, and would only mix up two sessions' comments: the tracker looks at the addresses themselves.
    """
    total = word(first).astype(np.uint64)
    for number in range(first + 1, first + 8):
        total = (total * _MIX) ^ word(number).astype(np.uint64)
    total *= _MIX
    mixed: Ints = (total >> np.uint64(17)).astype(np.int64)
    return mixed


def key_of(address: bytes, port: int) -> int:
    """The number by which the columns know this end: as in ``Columns.source`` and ``Columns.destination``."""
    number = int.from_bytes(address, "big")
    if len(address) == 16:
        words = [int.from_bytes(address[at : at + 2], "big") for at in range(0, 16, 2)]
        number = words[0]
        for word in words[1:]:
            number = (number * int(_MIX) & _SIXTY_FOUR_BITS) ^ word
        number = (number * int(_MIX) & _SIXTY_FOUR_BITS) >> 17
    return number << 16 | port


def _checksums_good(
    memory: UInt8s, start: Ints, tcp_bytes: Ints, six: Bools, word: Callable[[int], Ints], plain: Bools
) -> Bools:
    """Whether the IPv4 header's and TCP's checksum are right (RFC 1071: with the checksum included, all words add up
    to 0xFFFF)."""
    good = np.zeros(len(start), np.bool_)
    rows = np.flatnonzero(plain)
    if not len(rows):
        return good
    addresses = _added(word, 13, 17)
    ip4 = _added(word, 7, 13) + addresses
    if six.any():
        addresses = np.where(six, _added(word, 11, 27), addresses)
    total = addresses + 6 + tcp_bytes
    begin = start + np.where(six, 54, 34)
    whole = len(rows) == len(start)
    if not whole:
        total, begin, tcp_bytes, ip4, six = total[rows], begin[rows], tcp_bytes[rows], ip4[rows], six[rows]
    even = (tcp_bytes >> 1) << 1
    total = total + _sums(memory, begin, even)
    odd = tcp_bytes & 1 == 1
    if odd.any():
        total += np.where(odd, memory[np.minimum(begin + even, len(memory) - 1)].astype(np.int64) << 8, 0)
    fine: Bools = (_folded(total) == 0xFFFF) & (six | (_folded(ip4) == 0xFFFF))
    if whole:
        return fine
    good[rows] = fine
    return good


def _added(word: Callable[[int], Ints], first: int, end: int) -> Ints:
    total = word(first)
    for number in range(first + 1, end):
        total += word(number)
    return total


def _sums(memory: UInt8s, begin: Ints, octets: Ints) -> Ints:
    """The sum of the big-endian halfwords in each [begin, begin + octets), folded; octets are even."""
    if len(octets) and (octets == octets[0]).all():  # the usual case in a bulk transfer: one shape for all
        size = int(octets[0])
        # Two halfwords at a time: their sum folds to the same (RFC 1071 §2 C). As floats, which hold integers up to
        # 2**53 exactly, because that sum is NumPy's quickest.
        quads = pick_rows(memory, begin, size & ~3).view(np.uint32)
        total = (quads.astype(np.float64) @ np.ones(quads.shape[1])).astype(np.int64)
        if size & 2:
            total += pick_rows(memory, begin + size - 2, 2).view(np.uint16)[:, 0]
    else:
        total = np.empty(len(octets), np.int64)
        for size in np.unique(octets).tolist():
            rows = np.flatnonzero(octets == size)
            total[rows] = pick_rows(memory, begin[rows], size).view(np.uint16).sum(axis=1, dtype=np.int64)
    # Summing the halves as they lie and swapping the folded sum is the same as summing swapped halves (RFC 1071 §2 B).
    folded = _folded(total)
    return (folded >> 8) | ((folded & 0xFF) << 8)


def _folded(total: Ints) -> Ints:
    for _ in range(4):  # sums of 32-bit words may have 42 bits
        total = (total & 0xFFFF) + (total >> 16)
    return total
