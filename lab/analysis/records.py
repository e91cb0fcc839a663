"""From the tracker's frames to records: what the headers say, beside what the tracker made of it.

The tracker keeps the note of a frame but not its headers, for a tap would pay for them with memory. So each frame is
parsed once more here; that costs a few microseconds, and only the deep analysis pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.analysis.model import FrameRecord
from lab.session.events import Note, Recorded
from lab.wire.frame import Direction, Frame
from lab.wire.packet import Arp, Fragment, Icmp, Packet, Segment
from lab.wire.parse import HEADER_BYTES, parse
from lab.wire.seq import unwrap

_TOWARD = {Direction.INBOUND: "in", Direction.OUTBOUND: "out", Direction.UNKNOWN: ""}
_SYN, _FIN, _RST, _PSH = 2, 1, 4, 8


def records_of(recorded: Sequence[Recorded], file_number: Callable[[Frame], int]) -> list[FrameRecord]:
    """One record for each frame of a session, without roles (those come from the analysis).

    file_number: the number of a frame in its file, 0 if not known.
    """
    return [record_of(number, item, file_number(item.frame)) for number, item in enumerate(recorded, 1)]


def record_of(number: int, item: Recorded, file_number: int = 0) -> FrameRecord:
    """The record of one frame."""
    frame, note = item.frame, item.note
    packet = parse(frame)
    if type(packet) is Segment:
        return _segment(number, file_number, frame, note, packet)
    version, ttl, ident, dont_fragment, checksum = _ip_facts(packet, frame)
    is_tcp = isinstance(packet, Fragment) and note.seq_raw is not None  # the fragment that completes a segment
    return FrameRecord(
        number=number,
        file_number=file_number,
        time_ns=frame.time_ns,
        sender=note.sender,
        toward=_TOWARD[frame.direction],
        kind=note.kind,
        flags=note.flags,
        comment=note.comment,
        client_state=note.client_state,
        server_state=note.server_state,
        data=frame.data,
        length_bytes=frame.length_bytes,
        is_tcp=is_tcp,
        bits=_bits(note) if is_tcp else 0,
        seq_raw=note.seq_raw,
        ack_raw=note.ack_raw,
        seq_rel=note.seq_rel,
        ack_rel=note.ack_rel,
        payload_bytes=note.length_bytes,
        payload=note.payload,
        window_bytes=note.window_bytes,
        ip_version=version,
        ip_ttl=ttl,
        ip_id=ident,
        dont_fragment=dont_fragment,
        checksum="bad" if "bad-checksum" in note.trouble else checksum,
        mac_source=frame.data[6:12],
        mac_destination=frame.data[:6],
        trouble=note.trouble,
    )


def _segment(number: int, file_number: int, frame: Frame, note: Note, segment: Segment) -> FrameRecord:
    options = segment.options
    data = frame.data
    blocks: tuple[tuple[int, int], ...] = ()
    if options.sack_blocks and note.ack_rel is not None:
        base, near = (segment.ack - note.ack_rel) & 0xFFFFFFFF, note.ack_rel
        blocks = tuple((unwrap(left, base, near), unwrap(right, base, near)) for left, right in options.sack_blocks)
    return FrameRecord(
        number,
        file_number,
        frame.time_ns,
        note.sender,
        _TOWARD[frame.direction],
        note.kind,
        note.flags,
        note.comment,
        note.client_state,
        note.server_state,
        data,
        frame.length_bytes,
        True,
        int(segment.flags),
        segment.seq,
        note.ack_raw,
        note.seq_rel,
        note.ack_rel,
        segment.payload_length,
        segment.payload,
        segment.window,
        note.window_bytes,
        options,
        blocks,
        bool(blocks) and _is_d_sack(blocks, note.ack_rel or 0),
        segment.ip_version,
        segment.ttl,
        segment.identification if segment.ip_version == 4 else None,
        segment.dont_fragment if segment.ip_version == 4 else None,
        segment.checksum_status,
        segment.ip_checksum_ok,
        data[6:12],
        data[:6],
        note.trouble,
    )


def _is_d_sack(blocks: tuple[tuple[int, int], ...], ack_rel: int) -> bool:
    """RFC 2883 §4: the first block reports a duplicate if it lies below the acknowledgment or inside the second
    block."""
    left, right = blocks[0]
    if left < ack_rel:
        return True
    return len(blocks) > 1 and blocks[1][0] <= left and right <= blocks[1][1]


def _bits(note: Note) -> int:
    names = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128, "AE": 256}
    return sum(names.get(word, 0) for word in note.flags.split(", "))


def _ip_facts(packet: Packet, frame: Frame) -> tuple[int, int | None, int | None, bool | None, str]:
    """IP version, TTL, identification, DF and checksum of what is no segment."""
    data = frame.data
    if isinstance(packet, Arp):
        return 4, None, None, None, ""
    checksum = packet.checksum_status if isinstance(packet, Icmp) else ""
    if data[12:14] == b"\x08\x00" and len(data) >= HEADER_BYTES + 20:
        ident = int.from_bytes(data[18:20], "big")
        return 4, data[22], ident, bool(data[20] & 0x40), checksum
    if data[12:14] == b"\x86\xdd" and len(data) >= HEADER_BYTES + 40:
        return 6, data[21], None, None, checksum
    return 0, None, None, None, checksum
