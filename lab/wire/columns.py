"""Many frames at once: the headers of plain TCP segments as columns of numbers.

Python needs microseconds to look at one frame; NumPy needs nanoseconds when it looks at ten thousand together. So this
module reads the header fields of a whole batch into arrays, one row a frame, and says which rows are *plain*: TCP over
IPv4 without IP options or fragments, or over IPv6 without extension headers, complete, with good checksums, and with
no TCP option but timestamps. Whatever is not plain (and whatever the session finds odd about a plain one) goes to
``lab.wire.parse``, frame by frame: there is one place that understands everything, and this one, which must never be
wrong about what it calls plain.

The only module of ``wire`` that needs NumPy; nothing else in ``wire`` imports it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UInt8s = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_HALVES = 37
"""Halfwords (16 bits) of a frame that are looked at: 14 octets of Ethernet, 40 of IPv6, 20 of TCP."""
_TIMESTAMP_OPTION = (0x0101, 0x080A)
_TAIL = 2 * _HALVES + 8
"""Octets that must follow the start of the last frame, for the look at its header not to leave the memory."""
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio: spreads sums over all bits


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

    memory: the octets in which the frames lie. start: where each begins (an even offset). captured: how many octets of
    each are there. length: how many there were on the wire.
    Frames within the last few octets of the memory are not plain: their headers could not be read without leaving it.
    """
    halves = memory[: len(memory) // 2 * 2].view(np.uint16)
    safe = np.minimum(start, max(0, len(memory) - _TAIL))
    gathered = halves[(safe >> 1)[:, None] + np.arange(_HALVES)]
    # One row a halfword of the header: then a field of all frames lies together in memory.
    words = np.ascontiguousarray(gathered.T).byteswap()

    def word(number: int) -> Ints:
        widened: Ints = words[number].astype(np.int64)
        return widened

    ethertype, first, fragment, protocol = words[6], words[7], words[10], words[11]
    four = (ethertype == 0x0800) & (first >> 8 == 0x45) & (fragment & 0x3FFF == 0) & (protocol & 0xFF == 6)
    six = (ethertype == 0x86DD) & (first >> 12 == 6) & (fragment >> 8 == 6)
    some_six, all_six = bool(six.any()), bool(six.all())

    def field(offset: int) -> Ints:
        """A halfword of the TCP header, counted from its start."""
        if not some_six:
            return word(17 + offset)
        return word(27 + offset) if all_six else np.where(six, word(27 + offset), word(17 + offset))

    keyed = (four | six) & (safe == start) & (start & 1 == 0) & (captured >= np.where(six, 74, 54))
    offset_flags = field(6)
    header = (offset_flags >> 12) << 2
    ip_bytes = np.where(six, word(9) + 40, word(8)) if some_six else word(8)
    tcp_bytes = ip_bytes - np.where(six, 40, 20)
    payload = tcp_bytes - header
    timestamps = four & (words[27] == _TIMESTAMP_OPTION[0]) & (words[28] == _TIMESTAMP_OPTION[1])
    if some_six:
        timestamps |= six & _six_timestamps(halves, safe)
    plain = keyed & (captured == length) & ((header == 20) | ((header == 32) & timestamps))
    plain &= (payload >= 0) & (ip_bytes + 14 <= captured) & (offset_flags & 0x0F00 == 0)
    plain &= _checksums_good(memory, start, tcp_bytes, six, words, plain)

    source, destination = word(13) << 16 | word(14), word(15) << 16 | word(16)
    if some_six:
        source = np.where(six, _mixed(words, 11), source)
        destination = np.where(six, _mixed(words, 19), destination)
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


def _six_timestamps(halves: npt.NDArray[np.uint16], start: Ints) -> Bools:
    at = np.minimum((start >> 1) + 37, len(halves) - 2)
    found: Bools = (halves[at].byteswap() == _TIMESTAMP_OPTION[0]) & (halves[at + 1].byteswap() == _TIMESTAMP_OPTION[1])
    return found


def _mixed(words: npt.NDArray[np.uint16], first: int) -> Ints:
    """An IPv6 address as 47 bits: equal addresses give equal numbers. That different ones do is as good as impossible
    in one capture, and would only mix up two sessions' comments: the tracker looks at the addresses themselves.
    """
    total = np.zeros(words.shape[1], np.uint64)
    for row in range(first, first + 8):
        total = (total ^ words[row]) * _MIX
    mixed: Ints = (total >> np.uint64(17)).astype(np.int64)
    return mixed


def _checksums_good(
    memory: UInt8s, start: Ints, tcp_bytes: Ints, six: Bools, words: npt.NDArray[np.uint16], plain: Bools
) -> Bools:
    """Whether the IPv4 header's and TCP's checksum are right (RFC 1071: with the checksum included, all words add up
    to 0xFFFF)."""
    good = np.zeros(len(start), np.bool_)
    rows = np.flatnonzero(plain)
    if not len(rows):
        return good
    four_addresses = words[13:17].sum(axis=0, dtype=np.int64)
    addresses = np.where(six, words[11:27].sum(axis=0, dtype=np.int64), four_addresses) if six.any() else four_addresses
    ip4 = words[7:13].sum(axis=0, dtype=np.int64) + four_addresses
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


def _sums(memory: UInt8s, begin: Ints, octets: Ints) -> Ints:
    """The sum of the big-endian halfwords in each [begin, begin + octets); both are even."""
    halves = memory[: len(memory) // 2 * 2].view(np.uint16)
    first, count = begin >> 1, octets >> 1
    if len(count) and (count == count[0]).all():  # the usual case in a bulk transfer: one shape for all
        if not (begin & 3).any() and len(memory) % 4 == 0:
            # Two halfwords at a time: their sum folds to the same (RFC 1071 §2 C).
            quads = memory.view(np.uint32)[(begin >> 2)[:, None] + np.arange(count[0] >> 1)]
            total = quads.sum(axis=1, dtype=np.int64)
            if count[0] & 1:
                total += halves[first + count - 1]
        else:
            total = halves[first[:, None] + np.arange(count[0])].sum(axis=1, dtype=np.int64)
    else:
        edges = np.empty(2 * len(first), np.int64)
        edges[0::2], edges[1::2] = first, np.minimum(first + count, len(halves) - 1)
        total = np.add.reduceat(halves, edges, dtype=np.int64)[0::2]
        total[count == 0] = 0
    # Summing the halves as they lie and swapping the folded sum is the same as summing swapped halves (RFC 1071 §2 B).
    folded = _folded(total)
    return (folded >> 8) | ((folded & 0xFF) << 8)


def _folded(total: Ints) -> Ints:
    for _ in range(4):  # sums of 32-bit words may have 42 bits
        total = (total & 0xFFFF) + (total >> 16)
    return total
