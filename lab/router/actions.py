"""The parser's other half: what a rule does, one function an action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.router.octets import ECN
from lab.router.reading import Line
from lab.router.script import (
    LINK_KINDS,
    SYN,
    SYN_ACK,
    Action,
    Blackhole,
    Claim,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Flood,
    Hold,
    Inject,
    Reorder,
    Selector,
    SetField,
    Truncate,
)

MOST_COPIES = 1000
MOST_FLOOD = 20_000


def action(line: Line, selector: Selector) -> Action:
    """Read one action of a rule with this selector. Raises MistakeError."""
    word = line.take()
    reader = _READERS.get(word.text)
    if reader is None or word.kind == "string":
        raise word.wrong(f"{word.shown} is no action; there are {', '.join(_READERS)}")
    found = reader(line)
    if selector.kind in LINK_KINDS and isinstance(found, (Corrupt, Truncate, SetField, Inject, Flood, Reorder, Hold)):
        raise word.wrong(f"'{word.text}' needs a TCP segment, and this rule is about every {selector.kind}")
    if isinstance(found, SetField) and found.name == "MSS" and selector.kind not in (SYN, SYN_ACK):
        raise word.wrong("the MSS stands in SYN and SYN-ACK only (RFC 9293 §3.7.1): select one of these")
    if isinstance(found, SetField) and selector.version == 6:
        if found.name == "DF":
            raise word.wrong("IPv6 has no DF flag, and this rule is about IPv6 (RFC 8200 §4.5)")
        if found.name in ("TTL", "ECN") and not found.mend:
            raise line.last.wrong("the IPv6 header has no checksum to be wrong (RFC 8200): this rule is about IPv6")
    return found


def _drop(_line: Line) -> Drop:
    return Drop()


def _delay(line: Line) -> Delay:
    delay_ns = line.time_ns("the delay")
    return Delay(delay_ns, line.time_ns("the jitter") if line.took("jitter") else 0)


def _duplicate(line: Line) -> Duplicate:
    copies = 1
    if line.next.kind == "number":
        copies = line.number("how many copies", 1, MOST_COPIES)
        line.expect("times", "'times'")
    return Duplicate(copies, line.time_ns("the time before each copy") if line.took("after") else 0)


def _reorder(line: Line) -> Reorder:
    line.expect("by", "'by' and how many frames overtake this one")
    by = line.number("how many frames overtake this one", 1, 1000)
    return Reorder(by, line.time_ns("the longest wait")) if line.took("within") else Reorder(by)


def _corrupt(line: Line) -> Corrupt:
    bit = line.number("the bit", 0, 7) if line.took("bit") else 0
    octet = line.number("the octet", 0, 65535) if line.took("octet") else 0
    part: Any = line.one_of("a part of the packet", ("payload", "TCP", "IP")) if line.took("of") else "payload"
    return Corrupt(bit, octet, part, _mended(line, default=False))


def _truncate(line: Line) -> Truncate:
    line.expect("to", "'to' and how many octets of payload are left")
    return Truncate(line.number("the octets of payload that are left", 0, 65535), _mended(line, default=True))


def _set(line: Line) -> SetField:
    name = line.one_of("a field", ("window", "TTL", "ECN", "MSS", "DF"))
    if name == "ECN":
        value = ECN[line.one_of("an ECN codepoint", ECN)]
    elif name == "DF":
        value = int(line.one_of("the flag", ("on", "off")) == "on")
    else:
        value = line.number(f"the {name}", 1 if name == "TTL" else 0, 255 if name == "TTL" else 65535)
    return SetField(name, value, _mended(line, default=True))


def _inject(line: Line) -> Inject:
    kind = line.one_of("what to inject", ("RST", "SYN", "data"))
    text = line.string("the forged text") if kind == "data" else b""
    line.expect("from", "'from' and the side that seems to send it")
    sender = line.one_of("a side", ("client", "server"))
    ahead = 0
    if line.took("at"):
        line.expect("seq", "'seq', the next sequence number of that side")
        sign = line.next.text
        if line.took("+") or line.took("-"):
            ahead = line.number("the distance from seq", 0, 2**32 - 1) * (-1 if sign == "-" else 1)
    return Inject(kind, sender, ahead, text)


def _flood(line: Line) -> Flood:
    count = line.number("how many SYNs", 1, MOST_FLOOD)
    line.expect("SYN", "'SYN'")
    return Flood(count, line.time_ns("the time between two") if line.took("every") else 0)


def _claim(line: Line) -> Claim:
    return Claim(line.one_of("whose address", ("client", "server", "wire")))


def _hold(line: Line) -> Hold:
    line.expect("until", "'until' and an event")
    return Hold(line.event(), line.time_ns("the longest wait") if line.took("within") else None)


def _blackhole(line: Line) -> Blackhole:
    sides = line.side()
    if line.took("for"):
        return Blackhole(sides, for_ns=line.time_ns("how long"))
    if line.took("until"):
        return Blackhole(sides, until=line.event())
    line.expect("forever", "'for' and a time, 'until' and an event, or 'forever'")
    return Blackhole(sides)


def _mended(line: Line, default: bool) -> bool:
    """Whether the checksums are made to fit."""
    if not line.took("checksum"):
        return default
    return bool(line.one_of("what becomes of the checksum", ("right", "wrong")) == "right")


_READERS: dict[str, Callable[[Line], Action]] = {
    "drop": _drop,
    "delay": _delay,
    "duplicate": _duplicate,
    "reorder": _reorder,
    "corrupt": _corrupt,
    "truncate": _truncate,
    "set": _set,
    "inject": _inject,
    "flood": _flood,
    "claim": _claim,
    "hold": _hold,
    "blackhole": _blackhole,
}
