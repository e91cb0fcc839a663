"""Checks below TCP: hardware addresses, ARP, neighbour discovery, and who is meant by a frame."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from lab.analysis.model import FrameRecord
from lab.grade.checks_numbers import AT
from lab.grade.checks_opening import one
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Mistake, Parameters, check, mistake, named
from lab.grade.places import PLACES, place
from lab.wire.packet import mac_text

_WHICH = {"which": ("source", "destination")}
_BROADCAST = b"\xff" * 6


@check("hardware", "text", needs="at which", mistakes="hardware-for-ip wrong-end", choices={**AT, **_WHICH})
def hardware(evidence: Evidence, told: Parameters) -> Expected:
    """The hardware (MAC) address from or to which the frame at a place goes."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    right = record.mac_source if told["which"] == "source" else record.mac_destination
    other = record.mac_destination if told["which"] == "source" else record.mac_source
    return Expected(
        mac_text(right),
        (record.number,),
        f"It stands in the first 14 octets of frame {record.number}, in Ethernet's header.",
        f"Ethernet II is the first header of frame {record.number}: destination, then source.",
        one(record.number),
        mistakes=(
            *mistake(
                mac_text(other),
                "wrong-end",
                f"Frame {record.number} has two such addresses, and that is the other one. The question is about the"
                f" {told['which']}.",
            ),
            *_of_others(found.frames, record, right),
            *(
                Mistake(text, "hardware-for-ip", "That is an IP address. Ethernet knows only hardware addresses.")
                for text in _ips(record)
            ),
        ),
    )


def _of_others(frames: tuple[FrameRecord, ...], record: FrameRecord, right: bytes) -> tuple[Mistake, ...]:
    seen = {mac for frame in frames for mac in (frame.mac_source, frame.mac_destination)} - {right, b""}
    return tuple(
        Mistake(
            mac_text(mac),
            "hardware-for-ip",
            f"That address occurs in this capture, but not in that place of frame {record.number}.",
        )
        for mac in sorted(seen)
    )


def _ips(record: FrameRecord) -> list[str]:
    pair = _ip_pair(record)
    return [str(address) for address in pair] if pair else []


def _ip_pair(record: FrameRecord) -> tuple[object, object] | None:
    """Source and destination IP address of a frame: of ARP, sender and target."""
    data = record.data
    kind = int.from_bytes(data[12:14], "big")
    if kind == 0x0800 and len(data) >= 34:
        return IPv4Address(data[26:30]), IPv4Address(data[30:34])
    if kind == 0x86DD and len(data) >= 54:
        return IPv6Address(data[22:38]), IPv6Address(data[38:54])
    if kind == 0x0806 and len(data) >= 42:
        return IPv4Address(data[28:32]), IPv4Address(data[38:42])
    return None


@check("ip-address", "text", needs="at which", mistakes="wrong-end hardware-for-ip", choices={**AT, **_WHICH})
def ip_address(evidence: Evidence, told: Parameters) -> Expected:
    """The IP address from or to which the frame at a place goes (of ARP: the sender's, the target's)."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    pair = _ip_pair(record)
    if pair is None:
        raise NotShownError(f"frame {record.number} has no IP address")
    right, other = pair if told["which"] == "source" else (pair[1], pair[0])
    asks = record.kind == "arp"
    return Expected(
        str(right),
        (record.number,),
        f"It stands in {'ARP' if asks else 'IP'}'s own header, in frame {record.number}.",
        f"Open frame {record.number}, {PLACES[told['at']][0]}, one layer above Ethernet: "
        + (
            "ARP's header names who asks ('Sender') and who is asked for ('Target')."
            if asks
            else "'Source', 'Destination'."
        ),
        one(record.number),
        mistakes=(
            *mistake(
                str(other),
                "wrong-end",
                f"Frame {record.number} has two such addresses, and that is the other one. "
                + (
                    "Who asks is the sender; whom it asks for is the target ('Who has ...? Tell ...')."
                    if asks
                    else f"The question is about the {told['which']}."
                ),
            ),
            *(
                Mistake(
                    mac_text(mac),
                    "hardware-for-ip",
                    "That is a hardware address: Ethernet's own. IP has addresses of its own.",
                )
                for mac in (record.mac_source, record.mac_destination)
            ),
        ),
    )


@check("reaches", "choice", needs="at", mistakes="misread", choices=AT)
def reaches(evidence: Evidence, told: Parameters) -> Expected:
    """Whom the frame at a place is for: one (a station), group (multicast) or all (broadcast)."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    target = record.mac_destination
    value = "all" if target == _BROADCAST else "group" if target and target[0] & 1 else "one"
    sentences = {
        "all": f"Frame {record.number} goes to {mac_text(target)}, which every station on the LAN takes in.",
        "group": f"Frame {record.number} goes to {mac_text(target)}: the lowest bit of the first octet marks a group.",
        "one": f"Frame {record.number} goes to {mac_text(target)}, which is the address of one station.",
    }
    return Expected(
        value,
        (record.number,),
        sentences[value],
        f"Look at the destination of frame {record.number} in Ethernet's header. ff:ff:ff:ff:ff:ff is everybody; a"
        " group's first octet is odd; all others are single stations.",
        one(record.number),
    )


@check("neighbour-frames", "integer", may="part", mistakes="misread")
def neighbour_frames(evidence: Evidence, told: Parameters) -> Expected:
    """How many ARP or neighbour discovery frames went before the SYN."""
    found = evidence.part(told.get("part"))
    syn = place(found, "syn").number
    frames = tuple(f.number for f in found.frames if f.kind in ("arp", "ndp") and f.number < syn)
    return Expected(
        len(frames),
        frames or (syn,),
        f"Before the SYN, frame {syn}, came {len(frames)}: "
        + (f"{named(frames)}." if frames else "the address was known already."),
        f"What stands in the capture before the SYN, frame {syn}?",
        "arp || icmpv6",
        mistakes=mistake(
            0 if frames else None,
            "misread",
            "Without any, nobody would know to which hardware address the SYN must go.",
        ),
    )


@check("wireshark-says", "choice", needs="at", mistakes="flags-at-their-word", choices=AT)
def wireshark_says(evidence: Evidence, told: Parameters) -> Expected:
    """What the frame at a place really is, where Wireshark labels it otherwise: probe, keep-alive, data ..."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    differs = [f for f in found.findings_of("wireshark-differs") if record.number in f.frames]
    kinds = {"zero-window-probe": "probe", "keep-alive": "keep-alive", "retransmission": "retransmission"}
    value = next((name for role, name in kinds.items() if role in record.roles), "something else")
    said = str(differs[0].facts.get("wireshark")) if differs else ""
    wrong = {"tcp.analysis.keep_alive": "keep-alive", "tcp.analysis.retransmission": "retransmission"}.get(said)
    why = f"It is {differs[0].facts.get('ours')}: {differs[0].facts.get('why')}." if differs else record.comment
    return Expected(
        value,
        (record.number,),
        f"Frame {record.number}. {why}",
        f"Frame {record.number}: what was the last window that its receiver had announced?",
        f"frame.number <= {record.number} && tcp",
        mistakes=mistake(
            wrong if wrong != value else None,
            "flags-at-their-word",
            f"So Wireshark labels frame {record.number}. Its guess looks at the number alone; look at the window that"
            " the other end announced last.",
        ),
    )
