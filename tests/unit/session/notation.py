"""Packets in words: a trace as text, one line a segment, as in packetdrill.

    [+MS] > FLAGS SEQ [ack N] [win N] [<options>] [modifiers] ["payload"]

``>`` is from the client, ``<`` from the server. FLAGS are the letters S F R P U E W and ``.`` for ACK; ``-`` for none.
SEQ and ack are offsets from the sender's and the peer's ISN. ``+MS`` is the time since the line before, 1 ms if left
out. Options: ``mss 1460``, ``ws 7``, ``sackok``, ``sack L-R``, ``ts V E``, ``raw HEX``. Modifiers: ``bad`` (wrong
checksum), ``partial`` (checksum left to the card), ``cut N`` (only N octets captured), ``xN`` (N octets of payload),
``isn N`` (another ISN from this line on).
Other lines: ``arp who-has``, ``arp is-at``, ``ndp solicit``, ``ndp advert``, ``icmp TYPE CODE`` (a router's error about
the client's last segment). A ``#`` begins a comment.
"""

from __future__ import annotations

import re
import shlex
import struct
from dataclasses import dataclass, field

from lab.session.events import Closed, Event, Note, Opened, Recorded
from lab.session.limits import Limits
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.wire.frame import Frame

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
CLIENT_MAC, SERVER_MAC, ROUTER_MAC = b"\x02\0\0\0\0\x14", b"\x02\0\0\0\0\x0a", b"\x02\0\0\0\0\x01"
ADDRESSES = {
    4: (bytes((192, 0, 2, 20)), bytes((192, 0, 2, 10)), bytes((192, 0, 2, 1))),
    6: tuple(bytes.fromhex("20010db8000700000000000000000000")[:15] + bytes((n,)) for n in (0x20, 0x10, 0x01)),
}
NAMES = {"192.0.2.10": "server", "192.0.2.20": "client", "2001:db8:7::10": "server", "2001:db8:7::20": "client"}
BITS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128, "-": 0}


def slow_checksum(octets: bytes) -> int:
    """RFC 1071 word by word, on purpose not the way the parser does it."""
    if len(octets) % 2:
        octets += b"\0"
    total = 0
    for high, low in zip(octets[::2], octets[1::2], strict=True):
        total += high << 8 | low
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(
    source: bytes, destination: bytes, protocol: int, body: bytes, ident: int = 1, fragment: int = 0x4000
) -> bytes:
    """An IPv4 or IPv6 packet around a body."""
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + source + destination + body
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), ident, fragment, 64, protocol, 0, source, destination
    )
    return header[:10] + struct.pack("!H", slow_checksum(header)) + header[12:] + body


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """The pseudo-header that a transport checksum covers."""
    if len(source) == 16:
        return source + destination + struct.pack("!IxxxB", length, protocol)
    return source + destination + struct.pack("!xBH", protocol, length)


def ethernet(source: bytes, destination: bytes, version: int, packet: bytes) -> bytes:
    """A frame with its padding to 60 octets."""
    return (destination + source + (b"\x08\x00" if version == 4 else b"\x86\xdd") + packet).ljust(60, b"\0")


def option_octets(text: str) -> bytes:
    """TCP options from their notation, padded to whole words."""
    octets = b""
    for item in filter(None, (part.strip() for part in text.split(","))):
        word, *values = item.split()
        if word == "mss":
            octets += struct.pack("!BBH", 2, 4, int(values[0]))
        elif word == "ws":
            octets += struct.pack("!BBB", 3, 3, int(values[0]))
        elif word == "sackok":
            octets += b"\x04\x02"
        elif word == "ts":
            octets += struct.pack("!BBII", 8, 10, int(values[0]), int(values[1]))
        elif word == "sack":
            edges = [int(edge) for block in values for edge in block.split("-")]
            octets += struct.pack(f"!BB{len(edges)}I", 5, 2 + 4 * len(edges), *edges)
        elif word == "raw":
            octets += bytes.fromhex(values[0])
        else:
            raise ValueError(f"unknown option {item!r}")
    return octets + b"\x01" * (-len(octets) % 4)


@dataclass
class Wire:
    """Makes frames from lines. isns: of client and server; ports likewise."""

    version: int = 4
    isns: list[int] = field(default_factory=lambda: [1000, 5000])
    ports: tuple[int, int] = (40312, 7)
    time_ns: int = START_NS
    last_packet: bytes = b""
    ident: int = 0

    def frame(self, line: str) -> Frame | None:
        """The frame of one line; None for an empty one."""
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line:
            return None
        step = re.match(r"\+([\d.]+)\s+", line)
        self.time_ns += round(float(step.group(1)) * MS) if step else MS
        line = line[step.end() :] if step else line
        cut = None
        if line.startswith("arp "):
            data = self._arp(line)
        elif line.startswith("ndp "):
            data = self._ndp(line)
        elif line.startswith("icmp "):
            data = self._icmp(*map(int, line.split()[1:3]))
        else:
            data, cut = self._tcp(line)
        return Frame(self.time_ns, data[:cut] if cut else data, len(data))

    def _tcp(self, line: str) -> tuple[bytes, int | None]:
        options = re.search(r"<([^<>]*)>", line)
        if options:
            line = line[: options.start()] + line[options.end() :]
        arrow, flags, seq, *rest = shlex.split(line.replace("\\", "\\\\"))
        me = 0 if arrow == ">" else 1
        ack = window = cut = None
        payload, bad, partial = b"", False, False
        words = iter(rest)
        for word in words:
            if word == "ack":
                ack = int(next(words))
            elif word == "win":
                window = int(next(words))
            elif word == "cut":
                cut = int(next(words))
            elif word == "isn":
                self.isns[me] = int(next(words))
            elif word == "bad":
                bad = True
            elif word == "partial":
                partial = True
            elif re.fullmatch(r"x\d+", word):
                payload = b"x" * int(word[1:])
            else:
                payload = word.encode().decode("unicode_escape").encode("latin-1")
        opts = option_octets(options.group(1)) if options else b""
        source, destination = ADDRESSES[self.version][me], ADDRESSES[self.version][1 - me]
        bits = sum(BITS[letter] for letter in flags)
        seq_raw = (self.isns[me] + int(seq)) % 2**32
        ack_raw = (self.isns[1 - me] + ack) % 2**32 if ack is not None else 0
        header = struct.pack(
            "!HHIIHHHH",
            self.ports[me],
            self.ports[1 - me],
            seq_raw,
            ack_raw,
            (5 + len(opts) // 4) << 12 | bits,
            8192 if window is None else window,
            0,
            0,
        )
        body = header + opts + payload
        pseudo = pseudo_header(source, destination, 6, len(body))
        value = ~slow_checksum(pseudo) & 0xFFFF if partial else slow_checksum(pseudo + body)
        if bad:
            value ^= 0x0101
        body = body[:16] + struct.pack("!H", value) + body[18:]
        self.ident += 1
        packet = ip_packet(source, destination, 6, body, self.ident & 0xFFFF)
        if me == 0:
            self.last_packet = packet
        macs = (CLIENT_MAC, SERVER_MAC)
        return ethernet(macs[me], macs[1 - me], self.version, packet), cut

    def _arp(self, line: str) -> bytes:
        client, server, router = ADDRESSES[4]
        if "announce" in line:
            body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, SERVER_MAC, router, SERVER_MAC, router)
            return (b"\xff" * 6 + SERVER_MAC + b"\x08\x06" + body).ljust(60, b"\0")
        if "who-has" in line:
            body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, CLIENT_MAC, client, bytes(6), server)
            return (b"\xff" * 6 + CLIENT_MAC + b"\x08\x06" + body).ljust(60, b"\0")
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, SERVER_MAC, server, CLIENT_MAC, client)
        return (CLIENT_MAC + SERVER_MAC + b"\x08\x06" + body).ljust(60, b"\0")

    def _ndp(self, line: str) -> bytes:
        client, server, router = ADDRESSES[6]
        if "announce" in line:
            group = bytes.fromhex("ff02") + bytes(13) + b"\x01"
            body = b"\x88\0\0\0\x20\0\0\0" + router + b"\x02\x01" + SERVER_MAC
            return self._icmp6(SERVER_MAC, router, group, body)
        if "solicit" in line:
            group = bytes.fromhex("ff0200000000000000000001ff") + server[13:]
            return self._icmp6(CLIENT_MAC, client, group, b"\x87\0\0\0" + bytes(4) + server + b"\x01\x01" + CLIENT_MAC)
        return self._icmp6(SERVER_MAC, server, client, b"\x88\0\0\0\x60\0\0\0" + server + b"\x02\x01" + SERVER_MAC)

    def _icmp6(self, mac: bytes, source: bytes, destination: bytes, body: bytes) -> bytes:
        value = slow_checksum(pseudo_header(source, destination, 58, len(body)) + body)
        body = body[:2] + struct.pack("!H", value) + body[4:]
        return ethernet(mac, CLIENT_MAC, 6, ip_packet(source, destination, 58, body))

    def _icmp(self, kind: int, code: int) -> bytes:
        client, _, router = ADDRESSES[self.version]
        quote = self.last_packet[: 28 if self.version == 4 else 1232]
        body = struct.pack("!BBHI", kind, code, 0, 0) + quote
        if self.version == 6:
            return self._icmp6(ROUTER_MAC, router, client, body)
        body = body[:2] + struct.pack("!H", slow_checksum(body)) + body[4:]
        return ethernet(ROUTER_MAC, CLIENT_MAC, 4, ip_packet(router, client, 1, body))


@dataclass
class Played:
    """What came of a trace."""

    tracker: Tracker
    wire: Wire
    events: list[Event] = field(default_factory=list)

    @property
    def sessions(self) -> list[Session]:
        """All sessions, in the order of their opening."""
        return [event.session for event in self.events if isinstance(event, Opened)]

    @property
    def session(self) -> Session:
        """The only session."""
        assert len(self.sessions) == 1, f"should have had 1 session, but had {len(self.sessions)}"
        return self.sessions[0]

    @property
    def notes(self) -> list[Note]:
        """The notes of all recorded frames."""
        return [event.note for event in self.events if isinstance(event, Recorded)]

    @property
    def kinds(self) -> list[str]:
        """What each recorded frame is."""
        return [note.kind for note in self.notes]

    @property
    def rules(self) -> set[str]:
        """The rules of the findings of all sessions."""
        return {finding.rule for session in self.sessions for finding in session.findings}

    @property
    def closed(self) -> int:
        """How many Closed events there were."""
        return sum(isinstance(event, Closed) for event in self.events)

    def feed(self, trace: str) -> Played:
        """Play more lines."""
        for line in trace.splitlines():
            frame = self.wire.frame(line)
            if frame is not None:
                self.events += self.tracker.feed(frame)
        return self

    def wait(self, milliseconds: float) -> Played:
        """Let time pass."""
        self.wire.time_ns += round(milliseconds * MS)
        self.events += self.tracker.tick(self.wire.time_ns)
        return self

    def stop(self) -> Played:
        """End the tap."""
        self.events += self.tracker.stop(self.wire.time_ns)
        return self


def play(
    trace: str,
    *,
    version: int = 4,
    isns: tuple[int, int] = (1000, 5000),
    ports: tuple[int, int] = (40312, 7),
    limits: Limits | None = None,
) -> Played:
    """Feed a trace to a new tracker."""
    wire = Wire(version, list(isns), ports)
    return Played(Tracker(limits or Limits(), NAMES), wire).feed(trace)


HANDSHAKE = """
    > S  0             <mss 1460, sackok, ts 1 0, ws 7>
    < S. 0 ack 1       <mss 1460, sackok, ts 1 1, ws 7>
    > .  1 ack 1
"""
TALK = """
    > P. 1 ack 1 "hello\\n"
    < .  1 ack 7
    < P. 1 ack 7 "HELLO\\n"
    > .  7 ack 7
"""
CLOSE = """
    < F. 7 ack 7
    > .  7 ack 8
    > F. 7 ack 8
    < .  8 ack 8
"""
WHOLE = HANDSHAKE + TALK + CLOSE
