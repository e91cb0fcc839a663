"""ICMP errors: what a router or host says about packets of this session, and whether their sender listened.

An error quotes the packet that it is about (RFC 792, RFC 4443 §2.4): its sequence number says which frame that was. The
one that matters most to TCP is "too big": path MTU discovery lives from it (RFC 1191, RFC 8201).
"""

from __future__ import annotations

from lab.analysis.kinds import finding
from lab.analysis.model import Finding, FrameRecord, IcmpError, Role
from lab.session.explain_others import REFUSING, explain_icmp
from lab.session.session import Session
from lab.wire.frame import Frame
from lab.wire.packet import Icmp, address_text
from lab.wire.parse import HEADER_BYTES, parse

_TTL4, _TTL6 = 11, 3
_UNDER_WAY_NS = 10_000_000
_PORT = {(4, 3, 3), (6, 1, 4)}
_TOO_BIG = {(4, 3, 4), (6, 2, 0)}


def icmp_errors_of(session: Session, records: list[FrameRecord]) -> list[tuple[IcmpError, Icmp]]:
    """The ICMP errors among the frames, with the message itself."""
    found = []
    for record in records:
        if record.kind != "icmp":
            continue
        packet = parse(Frame(record.time_ns, record.data, record.length_bytes))
        if isinstance(packet, Icmp) and packet.quoted is not None:
            found.append((_error(session, records, record, packet), packet))
    return found


def _error(session: Session, records: list[FrameRecord], record: FrameRecord, icmp: Icmp) -> IcmpError:
    quoted = icmp.quoted
    assert quoted is not None
    side: Role | None = None
    if quoted.source == session.client:
        side = "client"
    elif quoted.source == session.server:
        side = "server"
    about = None
    for earlier in reversed(records[: record.number - 1]):
        if quoted.seq is not None and earlier.sender == side and earlier.is_tcp and earlier.seq_raw == quoted.seq:
            about = earlier.number
            break
    return IcmpError(
        record.number, address_text(icmp.source), icmp.type, icmp.code, _meaning(icmp), about, side, icmp.mtu_bytes
    )


def _meaning(icmp: Icmp) -> str:
    key = (icmp.ip_version, icmp.type, icmp.code)
    if key in _TOO_BIG:
        return "too-big"
    if (icmp.ip_version, icmp.type) in ((4, _TTL4), (6, _TTL6)) and icmp.code == 0:
        return "ttl-exceeded"
    if key in _PORT:
        return "port-unreachable"
    if key in REFUSING:
        return "filtered"
    if (icmp.ip_version, icmp.type) in ((4, 3), (6, 1)):
        return "host-unreachable"
    return "other"


def icmp_findings(records: list[FrameRecord], errors: list[tuple[IcmpError, Icmp]]) -> list[Finding]:
    """What is to be said of the errors, and of the packet sizes that came after a "too big"."""
    found: list[Finding] = []
    for error, icmp in errors:
        frames = (error.about, error.frame)
        if error.meaning == "too-big":
            found += _path_mtu(records, error, icmp)
        elif error.meaning == "ttl-exceeded":
            rfc = "RFC 1122 §3.2.2.4" if icmp.ip_version == 4 else "RFC 4443 §3.3"
            found.append(
                finding("ttl-exceeded", frames, error.side, rfc=rfc, source=error.source, icmp=error.frame,
                        about=error.about)
            )  # fmt: skip
        elif error.meaning == "other":
            found.append(finding("icmp", frames, error.side, said=explain_icmp(icmp), about=error.about))
        else:
            why = explain_icmp(icmp).split("destination unreachable, ")[-1].split(" (RFC")[0]
            found.append(
                finding("unreachable", frames, error.side, source=error.source, why=why, about=error.about,
                        meaning=error.meaning)
            )  # fmt: skip
    return found


def _path_mtu(records: list[FrameRecord], error: IcmpError, icmp: Icmp) -> list[Finding]:
    four = icmp.ip_version == 4
    frames = (error.about, error.frame)
    what = f"frame {error.about}" if error.about is not None else "a packet"
    rfc = "RFC 1191 §4" if four else "RFC 8201 §4"
    mtu_bytes = error.mtu_bytes or 0
    told = {"about": error.about, "what": what, "source": error.source}
    if not mtu_bytes:
        return [finding("path-mtu-unsaid", frames, error.side, told)]
    found = [finding("path-mtu", frames, error.side, told, rfc=rfc, mtu_bytes=mtu_bytes)]
    after = [
        record
        for record in records[error.frame :]
        if record.sender == error.side
        and record.payload_bytes
        and record.time_ns - records[error.frame - 1].time_ns >= 0
        and (record.time_ns - records[error.frame - 1].time_ns >= _UNDER_WAY_NS or "retransmission" in record.trouble)
    ]
    if not after:
        return found
    largest = max(after, key=packet_bytes)
    facts = {"mtu_bytes": mtu_bytes, "largest_bytes": packet_bytes(largest), "frame": largest.number}
    slug = "path-mtu-obeyed" if packet_bytes(largest) <= mtu_bytes else "path-mtu-ignored"
    rfc = "RFC 1191 §3" if four else "RFC 8201 §4"
    found.append(finding(slug, (error.frame, largest.number), error.side, facts, rfc=rfc))
    return found


def packet_bytes(record: FrameRecord) -> int:
    """The length of its IP packet, as the header says."""
    data = record.data
    if record.ip_version == 6:
        return 40 + int.from_bytes(data[HEADER_BYTES + 4 : HEADER_BYTES + 6], "big")
    return int.from_bytes(data[HEADER_BYTES + 2 : HEADER_BYTES + 4], "big")
