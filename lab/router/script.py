"""What a fault script says, once it has been read: frozen data, no behaviour.

``grammar`` makes these from text, ``engine`` acts on them, ``docs/wire.md`` has the grammar. Times are in nanoseconds,
sizes in octets, ordinals from 1. A script without rules and settings is the empty script: the wire then forwards and
does nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Side = Literal["client", "server"]
SIDES: tuple[Side, Side] = ("client", "server")
OTHER: dict[Side, Side] = {"client": "server", "server": "client"}

SYN, SYN_ACK, HANDSHAKE_ACK, DATA, ACK, FIN, RST = "SYN", "SYN-ACK", "handshake-ACK", "data", "ACK", "FIN", "RST"
SEGMENT, ICMP, FRAME = "segment", "ICMP", "frame"
TCP_KINDS = (SYN, SYN_ACK, HANDSHAKE_ACK, DATA, ACK, FIN, RST, SEGMENT)
LINK_KINDS = (ICMP, FRAME)
KINDS = TCP_KINDS + LINK_KINDS
END = 1 << 62
"""The upper end of an open range (``5 to end``)."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from first to last, both included. every: of these, only each so-manieth."""

    first: int = 1
    last: int = END
    every: int = 1

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last and number % self.every == 0


ALL = Range(first=0)
"""Any of them; 0 is a segment sent again whose first time was before the wire began to count."""
ONCE = Range(1, 1)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which frames a rule, or an event, means.

    sides: who sent them. kind: one of KINDS. ordinals: which of them, counted for each session and side.
    transmissions: 1 is the first time, 2 the first retransmission. session: its number since the script was loaded.
    text: octets that the payload must hold. size: octets of payload. seq: sequence numbers from the ISN, of which the
    segment must cover one. port: of the server. version: of IP. chance: probability from 0 to 1, None for always.
    after: the event that must have gone before; ordinals count from there.
    """

    sides: tuple[Side, ...]
    kind: str
    ordinals: Range = ALL
    transmissions: Range = ONCE
    session: int | None = None
    text: bytes = b""
    size: Range | None = None
    seq: Range | None = None
    port: int | None = None
    version: int | None = None
    chance: float | None = None
    after: Selector | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """The frame is lost."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The frame waits so long, and up to jitter_ns more by the script's seed. Frames may overtake it."""

    delay_ns: int
    jitter_ns: int = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """So many copies follow the frame, each gap_ns after the one before."""

    copies: int = 1
    gap_ns: int = 0


@dataclass(frozen=True, slots=True)
class Reorder:
    """The frame waits until so many later ones of its session and side have gone, or until limit_ns have."""

    by: int
    limit_ns: int = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Corrupt:
    """One bit is turned over. part: counted from where: payload, TCP header or IP header. mend: the checksums are made
    to fit, so that nobody can notice."""

    bit: int = 0
    octet: int = 0
    part: Literal["payload", "TCP", "IP"] = "payload"
    mend: bool = False


@dataclass(frozen=True, slots=True)
class Truncate:
    """At most so many octets of payload are left."""

    payload_bytes: int
    mend: bool = True


@dataclass(frozen=True, slots=True)
class SetField:
    """A header field gets another value. mend: the TCP checksum is made anew (IP's always is)."""

    name: Literal["window", "TTL", "ECN", "MSS", "DF"]
    value: int
    mend: bool = True


@dataclass(frozen=True, slots=True)
class Inject:
    """A forged frame follows. kind: RST, SYN or data of the session, as if from ``sender``, ``ahead`` of the next
    sequence number that this end would use."""

    kind: Literal["RST", "SYN", "data"]
    sender: Side
    ahead: int = 0
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Flood:
    """So many SYNs to the session's server port follow, from addresses of the lab's network that nobody has."""

    count: int
    gap_ns: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A gratuitous ARP answer (or neighbour advertisement): the address of ``whose`` is said to be at a hardware
    address that nobody has."""

    whose: Literal["client", "server", "wire"]


@dataclass(frozen=True, slots=True)
class Hold:
    """The frame waits for an event, at most limit_ns (None: for good)."""

    until: Selector
    limit_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Blackhole:
    """From this frame on, it included, all frames of these sides are lost: for a time, until an event, or for good."""

    sides: tuple[Side, ...]
    for_ns: int | None = None
    until: Selector | None = None


Action = Drop | Delay | Duplicate | Reorder | Corrupt | Truncate | SetField | Inject | Flood | Claim | Hold | Blackhole


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a script. line: its number. text: as written."""

    line: int
    text: str
    selector: Selector
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Rate:
    """A slow link. queue: how much may wait, in frames or in octets by ``unit``; what finds it full is lost."""

    bits_s: int
    queue: int = 1000
    unit: Literal["frames", "octets"] = "frames"


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script. name: where it came from. rules: in the order in which they are tried.

    mtu_bytes: of the link that frames of a side go out to. silent: of which side no ICMP tells what was too big.
    hops: for how many routers the wire stands.
    """

    name: str = "empty"
    text: str = ""
    seed: int | None = None
    hops: int = 1
    mtu_bytes: dict[Side, int] = field(default_factory=dict)
    silent: frozenset[Side] = frozenset()
    rates: dict[Side, Rate] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do but to forward."""
        return not (self.rules or self.mtu_bytes or self.rates) and self.hops == 1


EMPTY = Script()
