"""What tshark says of every frame: its fields as rows, read from the output of ``tshark -T fields``.

One call reads many captures: they are put one behind the other with mergecap, which gives each file an interface of its
own, so that ``frame.interface_id`` tells which file a frame came from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

FIN, SYN, RST, ACK = 1, 2, 4, 16

ANALYSIS = (
    "retransmission",
    "fast_retransmission",
    "spurious_retransmission",
    "out_of_order",
    "duplicate_ack",
    "keep_alive",
    "zero_window",
    "zero_window_probe",
    "window_update",
    "lost_segment",
    "ack_lost_segment",
)
"""Wireshark's opinions of a segment: fields below ``tcp.analysis``, there or not there."""

FIELDS = (
    "frame.interface_id",
    "frame.time_epoch",
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.len",
    "tcp.flags",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.window_size_value",
    "tcp.stream",
    "tcp.completeness",
    "tcp.options.mss_val",
    "tcp.options.wscale.shift",
    "tcp.options.sack_perm",
    "tcp.options.timestamp.tsval",
    "tcp.checksum.status",
    "tcp.checksum.ffff",
    "ip.checksum.status",
    "tcp.checksum.partial",
    "tcp.analysis.initial_rtt",
    "tcp.analysis.ack_rtt",
    "tcp.analysis.bytes_in_flight",
    "icmp.type",
    "icmpv6.type",
    "frame.packet_flags_direction",
    "_ws.malformed",
    *(f"tcp.analysis.{name}" for name in ANALYSIS),
)

OPTIONS = ("-2", "-n", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
"""Two passes, or ``tcp.completeness`` would be what was known so far; checksums checked, or a damaged segment
counts."""

SOUND = "!((tcp.checksum.status == 0 && !tcp.checksum.ffff) || ip.checksum.status == 0)"
"""The display filter for frames that no checksum calls damaged. 0xffff in the place of 0x0000 is no damage: the sum
that a receiver makes comes out right with either (RFC 1624 §5), and Linux writes 0xffff."""


def arguments(path: str) -> list[str]:
    """The words of the command that reads one (merged) capture."""
    words = ["tshark", *OPTIONS, "-r", path, "-T", "fields", "-E", "occurrence=f", "-E", "separator=/t"]
    for name in FIELDS:
        words += ["-e", name]
    return words


@dataclass(frozen=True, slots=True)
class Row:
    """One frame as tshark sees it. Numbers of TCP are None where the frame is no TCP segment of its own.

    capture: which file, from 0; number: which frame of that file, from 1. marks: names of ANALYSIS. ffff_checksum: its
    TCP checksum is 0xffff where tshark would have 0x0000. ack_rtt_ns: since the segment that it acknowledges.
    in_flight: octets not acknowledged after it, SYN and FIN counted as one each.
    """

    capture: int
    number: int
    time_ns: int
    address: str
    port: int | None
    peer_port: int | None
    payload_octets: int
    flags: int
    seq: int
    ack: int
    window: int
    stream: int | None
    completeness: int
    mss: int | None
    window_scale: int | None
    sack_permitted: bool
    timestamps: bool
    bad_checksum: bool
    ffff_checksum: bool
    bad_ip_checksum: bool
    partial_checksum: bool
    initial_rtt_ns: int | None
    outgoing: bool
    malformed: bool
    marks: frozenset[str]
    ack_rtt_ns: int | None = None
    in_flight: int | None = None

    @property
    def is_tcp(self) -> bool:
        return self.port is not None

    @property
    def damaged(self) -> bool:
        """A receiver drops it unread: a checksum is wrong."""
        return self.bad_checksum or self.bad_ip_checksum


def parse(lines: Iterable[str]) -> list[list[Row]]:
    """Rows of every capture. Raises ValueError for a line with another number of fields."""
    captures: list[list[Row]] = []
    for line in lines:
        words = line.rstrip("\r\n").split("\t")
        if len(words) != len(FIELDS):
            raise ValueError(f"tshark wrote {len(words)} fields where {len(FIELDS)} were asked for: {line!r}")
        value = dict(zip(FIELDS, words, strict=True))
        capture = int(value["frame.interface_id"])
        while len(captures) <= capture:
            captures.append([])
        captures[capture].append(_row(value, capture, len(captures[capture]) + 1))
    return captures


def judged(every: list[list[Row]], sound: list[list[Row]]) -> list[list[Row]]:
    """All frames, with tshark's opinions from the reading that left damaged ones out; those have no opinion."""
    found = []
    for number, capture in enumerate(every):
        rest = iter(sound[number] if number < len(sound) else [])
        found.append(
            [
                replace(row, marks=frozenset(), completeness=0, initial_rtt_ns=None, ack_rtt_ns=None, in_flight=None)
                if row.damaged
                else replace(next(rest), number=row.number)
                for row in capture
            ]
        )
    return found


def _row(value: dict[str, str], capture: int, number: int) -> Row:
    # An ICMP error quotes a segment: tshark dissects that too, but nobody sent it.
    tcp = bool(value["tcp.srcport"]) and not value["icmp.type"] and not value["icmpv6.type"]
    return Row(
        capture=capture,
        number=number,
        time_ns=nanoseconds(value["frame.time_epoch"]),
        address=value["ip.src"] or value["ipv6.src"],
        port=int(value["tcp.srcport"]) if tcp else None,
        peer_port=int(value["tcp.dstport"]) if tcp else None,
        payload_octets=_number(value["tcp.len"]) if tcp else 0,
        flags=_number(value["tcp.flags"]) if tcp else 0,
        seq=_number(value["tcp.seq_raw"]),
        ack=_number(value["tcp.ack_raw"]),
        window=_number(value["tcp.window_size_value"]),
        stream=_maybe(value["tcp.stream"]) if tcp else None,
        completeness=_number(value["tcp.completeness"]),
        mss=_maybe(value["tcp.options.mss_val"]),
        window_scale=_maybe(value["tcp.options.wscale.shift"]),
        sack_permitted=bool(value["tcp.options.sack_perm"]),
        timestamps=bool(value["tcp.options.timestamp.tsval"]),
        bad_checksum=value["tcp.checksum.status"] == "0" and not value["tcp.checksum.ffff"],
        ffff_checksum=bool(value["tcp.checksum.ffff"]),
        bad_ip_checksum=value["ip.checksum.status"] == "0",
        partial_checksum=bool(value["tcp.checksum.partial"]),
        initial_rtt_ns=nanoseconds(value["tcp.analysis.initial_rtt"]) if value["tcp.analysis.initial_rtt"] else None,
        outgoing=_number(value["frame.packet_flags_direction"]) == 2,
        malformed=bool(value["_ws.malformed"]),
        marks=frozenset(name for name in ANALYSIS if value[f"tcp.analysis.{name}"]),
        ack_rtt_ns=nanoseconds(value["tcp.analysis.ack_rtt"]) if value["tcp.analysis.ack_rtt"] else None,
        in_flight=_maybe(value["tcp.analysis.bytes_in_flight"]),
    )


def nanoseconds(seconds: str) -> int:
    """``12.000000034`` as a whole number of nanoseconds: a float would not hold it."""
    whole, _, fraction = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


def _number(text: str) -> int:
    return int(text, 0) if text else 0


def _maybe(text: str) -> int | None:
    return int(text, 0) if text else None
