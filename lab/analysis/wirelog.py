"""What the wire did to each frame: two taps and the wire's own log, put together.

Two captures show that a frame was lost between them; the log of the wire (docs/wire.md) says by which rule. A frame is
the same in a capture and in the log if ports, sequence and acknowledgment number, flags, window, length, checksum and
IP identification agree; where several are alike, by which of them it is.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from lab.analysis.compare import Comparison, Crossing
from lab.analysis.model import FrameRecord

LogLine = Mapping[str, Any]
_HEADER = struct.Struct("!HHIIHHH")
_MEMBERS = ("sport", "dport", "seq", "ack", "flags", "window", "checksum", "len", "ip_id")
_MEANING = {
    "queue-full": "the queue was full, {queue} waiting",
    "too-big": "too big for an MTU of {mtu}",
    "expired": "its time to live ran out",
    "no-route": "there is no way to its destination",
    "released": "went on: {why}",
}


def deeds(found: Comparison, log: Iterable[LogLine]) -> tuple[str, ...]:
    """For each crossing what the wire did, in words: ``drop (line 4)``; empty where it only forwarded. Lines of the log
    that say too little are passed over."""
    told = _Told(log)
    records = {
        "client": {record.number: record for record in found.client_tap.frames},
        "server": {record.number: record for record in found.server_tap.frames},
    }
    return tuple(told.of(crossing, records) for crossing in found.crossings)


class _Told:
    """The log by frame: what it says of those that came, and of those that left and nobody had sent."""

    def __init__(self, log: Iterable[LogLine]) -> None:
        self._came: dict[object, list[str]] = defaultdict(list)
        self._made: dict[object, list[str]] = defaultdict(list)
        place: dict[object, tuple[object, int]] = {}
        for line in log:
            event, key = line.get("event"), tuple(line.get(member) for member in _MEMBERS)
            if event == "in" or event == "expired":
                place[line.get("frame")] = (key, len(self._came[key]))
                self._came[key].append(_did(line) if event == "in" else _MEANING[event])
            elif event == "out" and line.get("forged"):
                self._made[key].append(str(line["forged"]))
            elif event in _MEANING and line.get("frame") in place:
                at, index = place[line.get("frame")]
                more = _MEANING[str(event)].format_map(defaultdict(lambda: "?", line))
                before = self._came[at][index]
                self._came[at][index] = f"{before}; {more}" if before else more

    def of(self, crossing: Crossing, records: Mapping[str, Mapping[int, FrameRecord]]) -> str:
        """The words for one crossing; each of the log's words is used once."""
        other = "server" if crossing.sender == "client" else "client"
        if crossing.near is None or crossing.fate == "duplicated":
            record = records[other].get(crossing.far or 0)
            waiting = self._made.get(_key(record)) if record is not None else None
        else:
            record = records[crossing.sender].get(crossing.near)
            waiting = self._came.get(_key(record)) if record is not None else None
        return waiting.pop(0) if waiting else ""


def _did(line: LogLine) -> str:
    deeds = ", ".join(str(deed) for deed in line.get("did", ()))
    rules = ", ".join(str(rule) for rule in line.get("rules", ()))
    return f"{deeds} (line {rules})" if deeds and rules else deeds


def _key(record: FrameRecord) -> object:
    """What the log says of a frame, read from its octets."""
    start = 14 + ((record.data[14] & 15) * 4 if record.ip_version == 4 else 40)
    if not record.is_tcp or len(record.data) < start + 18:
        return None
    sport, dport, seq, ack, words, window, checksum = _HEADER.unpack_from(record.data, start)
    return (sport, dport, seq, ack, words & 0x1FF, window, checksum, record.payload_bytes, record.ip_id or 0)
