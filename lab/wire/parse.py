"""From octets to a packet: Ethernet on top, and the choice of what comes inside.

``parse`` takes any frame whatever and always returns a packet; it never raises. The lab's network is plain
Ethernet, so a VLAN tag or another EtherType is an ``Other``.
"""

from __future__ import annotations

from lab.wire import arp, ip4, ip6
from lab.wire.frame import Frame
from lab.wire.packet import Other, Packet

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |                      Destination address                      |
# +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |                               |                               |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+     Source address            +
# |                                                               |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |           EtherType           |     Payload, padding to 46    |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
HEADER_BYTES = 14

IP4 = b"\x08\x00"
ARP = b"\x08\x06"
IP6 = b"\x86\xdd"
VLAN = (b"\x81\x00", b"\x88\xa8")


def parse(frame: Frame) -> Packet:
    """Read one Ethernet frame.

    Returns a Segment, Arp, Icmp or Fragment, or an Other that says why it is none of these. Never raises.
    """
    ethertype = frame.data[12:14]
    if ethertype == IP4:
        return ip4.parse(frame)
    if ethertype == IP6:
        return ip6.parse(frame)
    if ethertype == ARP:
        return arp.parse(frame)
    if len(frame.data) < HEADER_BYTES:
        return Other(frame, f"the frame has {len(frame.data)} octets, an Ethernet header needs {HEADER_BYTES}")
    if ethertype in VLAN:
        return Other(frame, "the frame has a VLAN tag (IEEE 802.1Q), which this lab's network doesn't use")
    return Other(frame, f"EtherType 0x{ethertype.hex()} is neither IPv4, IPv6 nor ARP")


def macs(frame: Frame) -> tuple[bytes, bytes]:
    """Source and destination hardware address of a frame (as far as it was captured)."""
    return frame.data[6:12], frame.data[0:6]
