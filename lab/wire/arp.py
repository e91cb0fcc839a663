"""ARP (RFC 826): which hardware address has this IPv4 address?"""

from __future__ import annotations

from struct import Struct

from lab.wire.frame import Frame
from lab.wire.packet import Arp, Other

#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |         Hardware type         |         Protocol type         |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |  Hw. length   | Proto. length |           Operation           |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
# |             Sender hardware address (6), protocol (4)         |
# |             Target hardware address (6), protocol (4)         |
# +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
HEADER = Struct("!HHBBH6s4s6s4s")

REQUEST = 1
REPLY = 2
_START = 14
_ETHERNET, _IP4 = 1, 0x0800


def parse(frame: Frame) -> Arp | Other:
    """Read the ARP packet of a frame. Never raises."""
    if len(frame.data) < _START + HEADER.size:
        return Other(frame, f"ARP is cut: {len(frame.data) - _START} of {HEADER.size} octets")
    hardware, protocol, hardware_length, protocol_length, operation, *addresses = HEADER.unpack_from(frame.data, _START)
    if (hardware, protocol, hardware_length, protocol_length) != (_ETHERNET, _IP4, 6, 4):
        return Other(frame, "ARP for something other than IPv4 over Ethernet")
    return Arp(frame, operation, *addresses)
