"""TCP (RFC 9293 §3.1): the header, its options, its checksum. This is the path of nearly every frame, so it is kept
short.
"""

from __future__ import annotations

from struct import Struct

from lab.wire.checksum import UNKNOWN, pseudo_sum, status
from lab.wire.frame import Frame
from lab.wire.packet import NO_OPTIONS, Endpoint, Flags, Other, Segment, TcpOptions, Timestamps

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |          Source Port          |       Destination Port        |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |                        Sequence Number                        |
# |                    Acknowledgment Number                      |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# | Data  |     |A|C|E|U|A|P|R|S|F|                               |
# |Offset |Resvd|E|W|C|R|C|S|S|Y|I|            Window             |
# |       |     | |R|E|G|K|H|T|N|N|                               |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |           Checksum            |         Urgent Pointer        |
# |                           [Options]                           |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
HEADER = Struct("!HHIIHHHH")
PROTOCOL = 6

_FLAGS = tuple(Flags(bits) for bits in range(512))
_TIMESTAMPS_ONLY = b"\x01\x01\x08\x0a"  # what Linux puts on every segment after the handshake: NOP, NOP, timestamps
_TWO_WORDS = Struct("!II")
_END, _NOP, _MSS, _SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8


def parse(
    frame: Frame,
    start: int,
    end: int,
    source: bytes,
    destination: bytes,
    ip_version: int,
    ttl: int,
    identification: int,
    dont_fragment: bool,
    ip_checksum_ok: bool,
) -> Segment | Other:
    """Read the TCP segment that stands in ``frame.data[start:end]``; ``end`` is by the IP length and may be past
    the capture.
    """
    data = frame.data
    captured_end = min(end, len(data))
    if captured_end < start + 20:
        return _cut(frame, start, captured_end, source, destination)
    source_port, destination_port, seq, ack, offset_flags, window, field, urgent = HEADER.unpack_from(data, start)
    payload_start = start + (offset_flags >> 12) * 4
    problem = ""
    if payload_start < start + 20:
        return Other(
            frame,
            f"the TCP data offset is {offset_flags >> 12}: a header has at least 5 words",
            Endpoint(source, source_port),
            Endpoint(destination, destination_port),
        )
    if payload_start > end:
        problem = "the TCP data offset points past the end of the packet"
        payload_start = end
    if payload_start == start + 20:
        options = NO_OPTIONS
    elif (
        payload_start == start + 32 and data[start + 20 : start + 24] == _TIMESTAMPS_ONLY and captured_end >= start + 32
    ):
        options = TcpOptions(timestamps=Timestamps(*_TWO_WORDS.unpack_from(data, start + 24)))
    else:
        options = parse_options(data[start + 20 : min(payload_start, captured_end)])
        if payload_start > captured_end:
            problem = "the TCP options are cut by the capture"
    if captured_end < end:
        checksum_status = UNKNOWN
    else:
        pseudo = pseudo_sum(source, destination, PROTOCOL, end - start)
        checksum_status = status(memoryview(data)[start:end], field, pseudo)
    return Segment(
        frame,
        Endpoint(source, source_port),
        Endpoint(destination, destination_port),
        ip_version,
        ttl,
        identification,
        dont_fragment,
        ip_checksum_ok,
        seq,
        ack,
        _FLAGS[offset_flags & 0x1FF],
        window,
        checksum_status,
        urgent,
        options,
        data[payload_start:captured_end],
        end - payload_start,
        problem,
    )


def parse_options(octets: bytes) -> TcpOptions:
    """Read an option list (RFC 9293 §3.1). A malformed one gives what stood before the fault, and says the problem."""
    mss_bytes = window_scale = timestamps = None
    sack_permitted = False
    blocks: tuple[tuple[int, int], ...] = ()
    unknown: list[tuple[int, bytes]] = []
    problem = ""
    at, end = 0, len(octets)
    while at < end:
        kind = octets[at]
        if kind == _END:
            break
        if kind == _NOP:
            at += 1
            continue
        if at + 1 >= end:
            problem = f"TCP option {kind} has no length"
            break
        length = octets[at + 1]
        if length < 2 or at + length > end:
            problem = f"TCP option {kind} says it has {length} octets, which does not fit"
            break
        value = octets[at + 2 : at + length]
        if kind == _MSS and length == 4:
            mss_bytes = int.from_bytes(value, "big")
        elif kind == _SCALE and length == 3:
            window_scale = value[0]
        elif kind == _SACK_PERMITTED and length == 2:
            sack_permitted = True
        elif kind == _SACK and length > 2 and (length - 2) % 8 == 0:
            blocks = tuple(_TWO_WORDS.iter_unpack(value))
        elif kind == _TIMESTAMPS and length == 10:
            timestamps = Timestamps(*_TWO_WORDS.unpack(value))
        else:
            unknown.append((kind, value))
        at += length
    return TcpOptions(mss_bytes, window_scale, sack_permitted, blocks, timestamps, tuple(unknown), problem)


def ports(octets: bytes) -> tuple[int, int] | tuple[None, None]:
    """Source and destination port of a TCP header, however little of it there is: (None, None) under 4 octets."""
    if len(octets) < 4:
        return None, None
    return int.from_bytes(octets[0:2], "big"), int.from_bytes(octets[2:4], "big")


def _cut(frame: Frame, start: int, captured_end: int, source: bytes, destination: bytes) -> Other:
    """Too little of a header for a segment; but where the ports are there, the frame can still be put to its
    session.
    """
    here = frame.data[start:captured_end] if captured_end > start else b""
    source_port, destination_port = ports(here)
    reason = f"the TCP header has {len(here)} of at least {HEADER.size} octets"
    return Other(frame, reason, Endpoint(source, source_port or 0), Endpoint(destination, destination_port or 0))
