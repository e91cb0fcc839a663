"""IP fragments on their way to become a packet again (RFC 791 §3.2, RFC 8200 §4.5).

Only the first fragment carries the TCP header, so only it says which session the others belong to; and only when
all are there can the segment be read. Until then they are kept, within bounds. The reassembled packet is written as
a frame that was never on the wire, and parsed like any other.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from lab.wire.checksum import checksum
from lab.wire.frame import Frame
from lab.wire.packet import Endpoint, Fragment, Segment
from lab.wire.parse import HEADER_BYTES, parse

if TYPE_CHECKING:
    from lab.session.limits import Limits

_MAX_PACKET = 65_535
_Key = tuple[bytes, bytes, int, int]


class Datagram:
    """The fragments of one packet so far, and the ends that its TCP header names."""

    __slots__ = ("ends", "pieces", "untold")

    def __init__(self) -> None:
        self.pieces: dict[int, Fragment] = {}
        self.ends: tuple[Endpoint, Endpoint] | None = None
        self.untold: list[Fragment] = []  # came before the first one, so their session was not known

    def add(self, fragment: Fragment) -> None:
        """Take one more piece. A piece that comes twice counts once; the first copy stays."""
        self.pieces.setdefault(fragment.offset_bytes, fragment)
        if fragment.source_port is not None and fragment.destination_port is not None:
            self.ends = (
                Endpoint(fragment.source, fragment.source_port),
                Endpoint(fragment.destination, fragment.destination_port),
            )

    def octets(self) -> bytes | None:
        """The content of the packet; None while pieces are missing, overlap, or were cut by the capture."""
        whole = bytearray()
        for offset, piece in sorted(self.pieces.items()):
            if offset != len(whole) or len(piece.payload) < piece.payload_length:
                return None
            whole += piece.payload
            if not piece.more:
                return bytes(whole) if len(whole) <= _MAX_PACKET - 20 else None
        return None


class Fragments:
    """All fragmented packets under way; the oldest is given up when there are too many."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_key: OrderedDict[_Key, Datagram] = OrderedDict()

    def take(self, fragment: Fragment) -> Datagram:
        """Put a fragment to its packet, and return that."""
        key = (fragment.source, fragment.destination, fragment.protocol, fragment.identification)
        datagram = self._by_key.get(key)
        if datagram is None or len(datagram.pieces) >= self._limits.max_fragments:
            datagram = self._by_key[key] = Datagram()
            if len(self._by_key) > self._limits.max_datagrams:
                self._by_key.popitem(last=False)
        datagram.add(fragment)
        if datagram.ends is None and len(datagram.untold) < self._limits.max_fragments:
            datagram.untold.append(fragment)
        return datagram

    def whole(self, fragment: Fragment, datagram: Datagram) -> Segment | None:
        """The segment that the fragments make up, if this one completes it."""
        octets = datagram.octets()
        if octets is None:
            return None
        self._by_key.pop((fragment.source, fragment.destination, fragment.protocol, fragment.identification), None)
        packet = parse(_as_frame(fragment, octets))
        return packet if isinstance(packet, Segment) else None

    def __len__(self) -> int:
        return sum(len(datagram.pieces) for datagram in self._by_key.values())


def _as_frame(fragment: Fragment, octets: bytes) -> Frame:
    """The packet as a frame: the Ethernet header of the last fragment, a new IP header, the octets of all."""
    ethernet = fragment.frame.data[:HEADER_BYTES]
    protocol = fragment.protocol
    if fragment.ip_version == 4:
        old = fragment.frame.data[HEADER_BYTES : HEADER_BYTES + 20]
        header = bytearray(b"\x45" + old[1:2] + (20 + len(octets)).to_bytes(2, "big") + old[4:6] + b"\0\0" + old[8:9])
        header += bytes((protocol,)) + b"\0\0" + fragment.source + fragment.destination
        header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    else:
        old = fragment.frame.data[HEADER_BYTES : HEADER_BYTES + 40]
        header = bytearray(old[:4] + len(octets).to_bytes(2, "big") + bytes((protocol,)) + old[7:8])
        header += fragment.source + fragment.destination
    data = ethernet + bytes(header) + octets
    return fragment.frame._replace(data=data, length_bytes=len(data))
