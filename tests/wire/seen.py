"""What two captures of one session say: every frame with the wire's name for it, and every way in which the two differ.

This is a judge of the wire, so it shares no code with it: frames are dissected, counted and matched here from octets. A
frame is known again at the other tap by what a router does not touch; whatever is not the same afterwards is told in a
few words (``client data 5 lost``), which a scenario's expectation names one by one.
"""

from __future__ import annotations

import heapq
import itertools
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from lab.store.reader import read_capture

SIDES = ("client", "server")
FIN, SYN, RST, ACK = 1, 2, 4, 16
NOBODY = bytes.fromhex("02005e0053ff")
Identity = tuple[object, ...]


@dataclass
class Seen:
    """One frame of a capture. number: in its file, from 1. name: what the wire's rules would call it."""

    number: int
    time_ns: int
    data: bytes
    to_mac: bytes = b""
    source: str = ""
    target: str = ""
    kind: str = "other"  # tcp, fragment, icmp, arp, other
    ip_id: int = 0
    ttl: int = 0
    protocol: int = 0
    offset_octets: int = 0
    more: bool = False
    sport: int = 0
    dport: int = 0
    seq: int = 0
    ack: int = 0
    flags: int = 0
    window: int = 0
    checksum: int = 0
    options: bytes = b""
    payload: bytes = b""
    sound: bool = True
    pieces: int = 1
    name: str = ""

    @property
    def identity(self) -> Identity:
        """What the wire's log says of a frame, in the same order."""
        ends = (self.source, self.target, self.ip_id, self.ttl)
        if self.kind == "tcp":
            tcp = (self.sport, self.dport, self.seq, self.ack, self.flags, self.window, len(self.payload))
            return (*ends, *tcp, self.checksum)
        return (*ends, self.protocol)

    @property
    def key(self) -> Identity:
        """What a router does not touch."""
        return (self.ip_id, self.seq, self.ack, self.flags, self.window, self.options, self.payload)


def folded(octets: bytes, start: int = 0) -> int:
    """The Internet checksum's sum of these octets: 0xffff if a checksum in them fits (RFC 1071)."""
    padded = octets + b"\0" * (len(octets) % 2)
    total = start + sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def dissect(number: int, time_ns: int, data: bytes) -> Seen:
    """A frame of a capture."""
    seen = Seen(number, time_ns, data, to_mac=data[:6])
    kind = data[12:14]
    if kind == b"\x08\x06":
        seen.kind = "arp"
        return seen
    if kind == b"\x08\x00":
        start, end = 14 + (data[14] & 15) * 4, 14 + int.from_bytes(data[16:18], "big")
        addresses = data[26:30], data[30:34]
        fragment = int.from_bytes(data[20:22], "big")
        seen.ip_id, seen.ttl, seen.protocol = int.from_bytes(data[18:20], "big"), data[22], data[23]
        seen.offset_octets, seen.more = (fragment & 0x1FFF) * 8, bool(fragment & 0x2000)
    elif kind == b"\x86\xdd":
        start, end = 54, 54 + int.from_bytes(data[18:20], "big")
        addresses = data[22:38], data[38:54]
        seen.ttl, seen.protocol = data[21], data[20]
    else:
        return seen
    seen.source, seen.target = (str(ip_address(address)) for address in addresses)
    if seen.protocol in (1, 58):
        seen.kind = "icmp"
    elif seen.protocol == 6 and not seen.offset_octets:
        take_tcp(seen, data[start:end], b"".join(addresses))
    elif seen.protocol == 6:
        seen.kind, seen.payload = "fragment", data[start:end]
    return seen


def take_tcp(seen: Seen, segment: bytes, addresses: bytes) -> None:
    """The TCP header's fields."""
    seen.kind = "tcp"
    seen.sport, seen.dport, seen.seq, seen.ack, words, seen.window, seen.checksum, _ = struct.unpack(
        "!HHIIHHHH", segment[:20]
    )
    seen.flags = words & 0x1FF
    header = (words >> 12) * 4
    seen.options, seen.payload = segment[20:header], segment[header:]
    seen.sound = folded(segment, folded(addresses) + 6 + len(segment)) == 0xFFFF


def frames_of(path: Path) -> list[Seen]:
    """Every frame of a capture file."""
    return [dissect(number, frame.time_ns, frame.data) for number, frame in enumerate(read_capture(path).frames, 1)]


def whole(frames: Iterable[Seen]) -> list[Seen]:
    """TCP segments alone; fragments are put together, in the place of the first."""
    found: list[Seen] = []
    first: dict[tuple[str, int], Seen] = {}
    for frame in frames:
        if frame.kind == "tcp" and not frame.more:
            found.append(frame)
        elif frame.kind == "tcp":
            one = dissect(frame.number, frame.time_ns, frame.data)
            one.sound = True  # its checksum is about the whole
            first[frame.source, frame.ip_id] = one
            found.append(one)
        elif frame.kind == "fragment" and (frame.source, frame.ip_id) in first:
            one = first[frame.source, frame.ip_id]
            one.payload += frame.payload
            one.pieces += 1
    return found


@dataclass
class End:
    """One side's numbers, as its own tap has them."""

    isn: int = 0
    next: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    starts: list[tuple[int, str]] = field(default_factory=list)


class Story:
    """One session at two taps. client, server: all frames of either file. ends: their addresses.

    near: of either side, the segments it sent, as its own tap has them. far: the same beside the other host.
    times_ns, came_ns, ways_ms: by name, when a segment was sent each time, when the first of these that arrived did,
    and how long that took.
    came: when the wire got each frame, by its log. Two processors of one host may send two frames at the same moment,
    and tap and wire then see them in either order: the wire's order is the one that it has to keep.
    """

    def __init__(
        self,
        client: list[Seen],
        server: list[Seen],
        ends: dict[str, str],
        came: Mapping[Identity, Sequence[int]] | None = None,
    ) -> None:
        self.frames = {"client": client, "server": server}
        self.ends = ends
        self.near: dict[str, list[Seen]] = {}
        self.far: dict[str, list[Seen]] = {}
        for side, other in (SIDES, SIDES[::-1]):
            self.near[side] = [one for one in whole(self.frames[side]) if one.source == ends[side]]
            self.far[side] = [one for one in whole(self.frames[other]) if one.source == ends[side]]
        self._in_order(came or {})
        self._name_all()
        self.differences: Counter[str] = Counter()
        self.times_ns: dict[str, list[int]] = defaultdict(list)
        self.came_ns: dict[str, int] = {}
        self.ways_ms: dict[str, float] = {}
        for side in SIDES:
            self._differ(side)
        self._others()

    def _in_order(self, came: Mapping[Identity, Sequence[int]]) -> None:
        """Sort what was sent by the wire's clock; what never came to it stays by the tap's."""
        left = {identity: list(times) for identity, times in came.items()}
        for side in SIDES:
            moments = []
            for one in self.near[side]:
                times = left.get(one.identity)
                moments.append(times.pop(0) if times else one.time_ns)
            pairs = sorted(zip(moments, self.near[side], strict=True), key=lambda pair: pair[0])
            self.near[side] = [one for _, one in pairs]

    def _name_all(self) -> None:
        """Names in the order of time, so that each side's count knows what the other has sent."""
        numbers = {side: End() for side in SIDES}
        order = heapq.merge(*([(one.time_ns, side, one) for one in self.near[side]] for side in SIDES), key=moment)
        for _, side, one in order:
            other = numbers["server" if side == "client" else "client"]
            one.name = f"{side} {name_of(one, numbers[side], other)}"

    def _differ(self, side: str) -> None:
        """Match what one side sent with what arrived of it."""
        near, far = self.near[side], self.far[side]
        sent = Counter(one.name for one in near)
        for one in near:
            self.times_ns[one.name].append(one.time_ns)
        self._tell({f"{name} sent": count for name, count in sent.items() if count > 1})
        waiting: dict[Identity, list[int]] = defaultdict(list)
        for index, one in enumerate(near):
            waiting[one.key].append(index)
        place: dict[int, int] = {}
        left: list[int] = []
        for index, one in enumerate(far):
            if waiting[one.key]:
                place[waiting[one.key].pop(0)] = index
            else:
                left.append(index)
        lost = [index for index in range(len(near)) if index not in place]
        found: Counter[str] = Counter()
        for index in left:
            one = far[index]
            copied = next((other for other in near if other.key == one.key), None)
            changed = next((at for at in lost if alike(near[at], one)), None)
            if copied is not None:
                one.name = copied.name
                found[f"{copied.name} copied"] += 1
            elif changed is not None:
                lost.remove(changed)
                place[changed] = index
                found[f"{near[changed].name} changed: {changes(near[changed], one)}"] += 1
            else:
                one.name = f"{side} forged {word_of(one)}"
                found[f"{one.name}{self._ahead(side, one)}"] += 1
        for at, index in place.items():
            far[index].name = near[at].name
            self.came_ns.setdefault(near[at].name, far[index].time_ns)
            self.ways_ms.setdefault(near[at].name, (far[index].time_ns - near[at].time_ns) / 1e6)
            if far[index].pieces > 1:
                found[f"{near[at].name} in {far[index].pieces} pieces"] += 1
            overtaken = sum(1 for other, there in place.items() if other > at and there < index)
            if overtaken:
                found[f"{near[at].name} overtaken by {overtaken}"] += 1
        for at in lost:
            found[f"{near[at].name} lost"] += 1
        self._tell(found)

    def round_trip_ms(self, name: str) -> float | None:
        """From a segment's first transmission to the first segment that acknowledges all of it, at the sender's tap."""
        side, other = SIDES if name.startswith("client") else SIDES[::-1]
        sent = next((one for one in self.near[side] if one.name == name), None)
        if sent is None:
            return None
        end = sent.seq + len(sent.payload) + bool(sent.flags & (SYN | FIN))
        for one in self.far[other]:
            if one.time_ns > sent.time_ns and one.flags & ACK and (one.ack - end) & 0xFFFFFFFF < 1 << 31:
                return round((one.time_ns - sent.time_ns) / 1e6, 1)
        return None

    def longest_silence_ms(self) -> float:
        """The longest time in which nothing arrived at either host, between the first arrival and the last."""
        times = sorted(one.time_ns for far in self.far.values() for one in far)
        return max((later - sooner) / 1e6 for sooner, later in itertools.pairwise(times))

    def most_in_flight(self, side: str) -> int:
        """The most octets that a side had sent and not seen acknowledged, at its own tap."""
        acked, most = 0, 0
        other = "server" if side == "client" else "client"
        for one in sorted([*self.near[side], *self.far[other]], key=lambda one: one.time_ns):
            if one.source == self.ends[side]:
                if acked:
                    most = max(most, (one.seq + len(one.payload) - acked) & 0xFFFFFFFF)
            elif one.flags & ACK:
                acked = one.ack
        return most

    def _ahead(self, side: str, forged: Seen) -> str:
        """How far a forged segment is from the number that its receiver expects: by its latest ACK before."""
        other = "server" if side == "client" else "client"
        before = [one for one in self.near[other] if one.flags & ACK and one.time_ns <= forged.time_ns]
        if not before or forged.flags & SYN:
            return ""
        distance = (forged.seq - before[-1].ack) & 0xFFFFFFFF
        return f" at {distance if distance < 1 << 31 else distance - (1 << 32):+d}"

    def _others(self) -> None:
        """ICMP errors and false claims of an address."""
        found: Counter[str] = Counter()
        for side in SIDES:
            for one in self.frames[side]:
                if one.kind == "icmp":
                    found[f"{icmp_words(one)} at the {side}"] += 1
                if one.data[6:12] == NOBODY:
                    found[f"claim of an address at the {side}"] += 1
        self._tell(found)

    def _tell(self, found: dict[str, int]) -> None:
        """``again`` and counts as words: ``client data 5 sent 2 times``."""
        for words, count in found.items():
            self.differences[f"{words} {count} times" if count > 1 else words] += 1


def moment(row: tuple[int, str, Seen]) -> int:
    """What rows are sorted by."""
    return row[0]


def name_of(one: Seen, own: End, other: End) -> str:
    """The wire's name of a segment, and the side's numbers one segment on."""
    if one.flags & RST:
        return numbered(own, "RST")
    if one.flags & SYN:
        own.isn, own.next = one.seq, max(own.next, 1)
        return "SYN-ACK" if one.flags & ACK else "SYN"
    offset = (one.seq - own.isn) & 0xFFFFFFFF
    length = len(one.payload)
    if length:
        if offset >= own.next:
            own.counts["data"] += 1
            own.starts.append((offset, f"data {own.counts['data']}"))
        own.next = max(own.next, offset + length + bool(one.flags & FIN))
        return next((name for start, name in reversed(own.starts) if start <= offset), "data 0")
    if one.flags & FIN:
        own.next = max(own.next, offset + 1)
        return "FIN"
    acked = (one.ack - other.isn) & 0xFFFFFFFF
    if not own.starts and other.next == 1 and acked == 1 and not other.starts:
        return "handshake-ACK"
    if offset == own.next - 1 and offset:
        return "probe"
    return numbered(own, "ACK")


def numbered(own: End, kind: str) -> str:
    """The next of a kind."""
    own.counts[kind] += 1
    return f"{kind} {own.counts[kind]}"


def word_of(one: Seen) -> str:
    """What a forged segment is."""
    for flag, word in ((RST, "RST"), (SYN, "SYN"), (FIN, "FIN")):
        if one.flags & flag:
            return word
    return "data" if one.payload else "ACK"


def alike(near: Seen, far: Seen) -> bool:
    """Whether a segment is the other one, changed on its way."""
    same = near.seq == far.seq and near.flags == far.flags and near.ip_id == far.ip_id
    return same and (near.ack == far.ack or near.payload != far.payload)


def changes(near: Seen, far: Seen) -> str:
    """What is not the same any more."""
    found = [name for name in ("window", "options", "payload", "ack") if getattr(near, name) != getattr(far, name)]
    return ", ".join(found) + ("" if far.sound else ", checksum wrong")


def icmp_words(one: Seen) -> str:
    """An ICMP error in words."""
    four = one.protocol == 1
    start = 34 if four else 54
    kind, code = one.data[start], one.data[start + 1]
    if (one.protocol, kind, code) == (1, 3, 4):
        return f"ICMP too big, MTU {int.from_bytes(one.data[start + 6 : start + 8], 'big')}"
    if (one.protocol, kind) == (58, 2):
        return f"ICMP too big, MTU {int.from_bytes(one.data[start + 4 : start + 8], 'big')}"
    if (one.protocol, kind) in ((1, 11), (58, 3)):
        return "ICMP time exceeded"
    if (one.protocol, kind) in ((1, 3), (58, 1)):
        return "ICMP unreachable"
    if one.protocol == 58 and kind in (135, 136):
        return f"neighbour {'asks' if kind == 135 else 'answers'}"
    return f"ICMP {kind}/{code}"
