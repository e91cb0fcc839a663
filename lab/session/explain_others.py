"""The sentence for a frame that is not a TCP segment: ARP, neighbour discovery, ICMP errors, fragments and frames too
short to read.
"""

from __future__ import annotations

from lab.session.words import count
from lab.wire.icmp import SOLICITATION
from lab.wire.packet import Arp, Fragment, Icmp, Other, address_text, mac_text

_UNREACHABLE4 = {
    0: "there is no route to its network",
    1: "the host does not answer on its network",
    2: "the host doesn't speak this protocol",
    3: "nothing takes packets for that port",
    4: "it is too large for the next link and may not be fragmented",
    9: "a filter forbids that network",
    10: "a filter forbids that host",
    13: "a filter forbids it",
}
_UNREACHABLE6 = {
    0: "there is no route to it",
    1: "a filter forbids it",
    3: "the host does not answer on its network",
    4: "nothing takes packets for that port",
    5: "a filter forbids its source address",
    6: "the route to it is a reject route",
}
REFUSING = {(4, 3, 2), (4, 3, 3), (4, 3, 9), (4, 3, 10), (4, 3, 13), (6, 1, 1), (6, 1, 4), (6, 1, 5), (6, 1, 6)}
"""(IP version, type, code) of the errors that say no for good: a connection attempt so answered was refused."""


def explain_arp(arp: Arp) -> str:
    """What an ARP packet asks or says."""
    sender, target = address_text(arp.sender_address), address_text(arp.target_address)
    if arp.sender_address == arp.target_address:
        return f"ARP: {sender} announces its own hardware address, {mac_text(arp.sender_mac)} (RFC 5227)."
    if arp.operation == 1:
        return f"ARP who-has: {sender} asks which hardware address {target} has (RFC 826)."
    if arp.operation == 2:
        return (
            f"ARP is-at: {sender} answers {target} that its hardware address is {mac_text(arp.sender_mac)} (RFC 826)."
        )
    return f"ARP with operation {arp.operation}, from {sender} about {target}."


def explain_ndp(icmp: Icmp) -> str:
    """What a neighbour solicitation or advertisement asks or says."""
    source = address_text(icmp.source)
    if icmp.neighbour is None:
        return f"A neighbour discovery message of {source} that can't be read."
    target, link = address_text(icmp.neighbour.target), icmp.neighbour.link_address
    if icmp.type == SOLICITATION:
        if not any(icmp.source):
            return f"Neighbour solicitation: a host asks whether {target} is free to use (RFC 4862 §5.4)."
        return f"Neighbour solicitation: {source} asks which hardware address {target} has (RFC 4861 §4.3)."
    is_at = f"{target} has the hardware address {mac_text(link)}" if link else f"{target} is here"
    answer = "in answer to a solicitation" if icmp.neighbour.solicited else "unasked"
    return f"Neighbour advertisement: {is_at}, {answer} (RFC 4861 §4.4)."


def explain_icmp(icmp: Icmp) -> str:
    """What an ICMP error says, and about which packet."""
    quoted = icmp.quoted
    about = "a packet that it doesn't quote"
    if quoted is not None:
        number = f" with sequence number {quoted.seq}" if quoted.seq is not None else ""
        about = f"the packet from {quoted.source} to {quoted.destination}{number}"
    return f"ICMP from {address_text(icmp.source)} about {about}: {_meaning(icmp)}."


def _meaning(icmp: Icmp) -> str:
    kind, code = icmp.type, icmp.code
    mtu = f" (next link: {icmp.mtu_bytes} octets)" if icmp.mtu_bytes else ""
    if icmp.ip_version == 4:
        if kind == 3:
            return "destination unreachable, " + _UNREACHABLE4.get(code, f"code {code}") + mtu + " (RFC 792)"
        if kind == 11:
            return (
                "its time to live ran out on the way" if code == 0 else "its fragments did not all arrive in time"
            ) + " (RFC 792)"
        names = {
            4: "source quench, which is obsolete (RFC 6633)",
            5: "redirect: there is a better way (RFC 792)",
            12: "its header is faulty (RFC 792)",
        }
        return names.get(kind, f"type {kind}, code {code}")
    if kind == 1:
        return "destination unreachable, " + _UNREACHABLE6.get(code, f"code {code}") + " (RFC 4443 §3.1)"
    if kind == 2:
        return f"it is too large for the next link{mtu} (RFC 4443 §3.2)"
    if kind == 3:
        return (
            "its hop limit ran out on the way" if code == 0 else "its fragments did not all arrive in time"
        ) + " (RFC 4443 §3.3)"
    return "its header is faulty (RFC 4443 §3.4)" if kind == 4 else f"type {kind}, code {code}"


def explain_fragment(fragment: Fragment, whole: str) -> str:
    """What a fragment is a part of. whole: the comment of the reassembled segment, if this fragment completes it."""
    last = fragment.offset_bytes + fragment.payload_length - 1
    text = (
        f"IPv{fragment.ip_version} fragment: octets {fragment.offset_bytes} to {last} of packet"
        f" {fragment.identification}"
        f" ({'more follow' if fragment.more else 'the last one'};"
        f" {'RFC 791 §3.2' if fragment.ip_version == 4 else 'RFC 8200 §4.5'})."
    )
    return f"{text} It completes the packet. {whole}" if whole else text


def explain_other(other: Other) -> str:
    """Why a frame of the session could not be read."""
    captured, length = len(other.frame.data), other.frame.length_bytes
    cut = f" The capture holds {captured} of {count(length, 'octet')}." if captured < length else ""
    return f"A frame of this session that can't be read: {other.reason}.{cut}"
