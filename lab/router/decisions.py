"""The decision log: one JSON line for everything that the wire did, with the time and with what makes the frame known.

``in`` is a frame that came to the wire: the tap of its sender has it, too. ``out`` is one that left: the tap of its
receiver has it. A frame is the same in a capture and here if addresses, IP identification, sequence number, length and
TCP checksum agree. Times are nanoseconds since 1970 by the clock that stamps the captures.
"""

from __future__ import annotations

from typing import Any

from lab.router.octets import addresses, places, ttl_of, version_of
from lab.router.sessions import Seen
from lab.wire.packet import address_text
from lab.wire.tcp import HEADER

Line = dict[str, Any]


def identity(data: bytes) -> Line:
    """What makes a frame known: as in the captures."""
    source, destination = map(address_text, addresses(data))
    version = version_of(data)
    found: Line = {
        "src": source,
        "dst": destination,
        "ip_id": int.from_bytes(data[18:20], "big") if version == 4 else 0,
    }
    found["ttl"] = ttl_of(data)
    place = places(data)
    if place is None:
        return {**found, "protocol": data[23] if version == 4 else data[20]}
    source_port, destination_port, seq, ack, bits, window, checksum, _urgent = HEADER.unpack_from(data, place.tcp)
    return {
        **found,
        "sport": source_port,
        "dport": destination_port,
        "seq": seq,
        "ack": ack,
        "flags": bits & 0x1FF,
        "window": window,
        "len": place.end - place.payload,
        "checksum": checksum,
    }


def place_in_session(seen: Seen | None) -> Line:
    """Session, kinds with ordinals, transmission, offset: the words of the rules, for who reads the log."""
    if seen is None:
        return {}
    kinds = [f"{kind} {mark[0]}" for kind, mark in seen.marks.items()]
    transmission = max(mark[1] for mark in seen.marks.values())
    return {"session": seen.session.number, "is": kinds, "transmission": transmission, "offset": seen.offset}
