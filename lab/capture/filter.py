"""What the tap asks the kernel for: everything of the lab's hosts that matters to a TCP session, and no noise.

Kept: TCP, ARP, ICMP, ICMPv6 (errors, echo, and the neighbour discovery that is IPv6's ARP), later fragments of IPv4
(they have no TCP header, so ``tcp`` alone would lose them) and IPv6 packets whose TCP header stands behind extension
headers. Left out: UDP, router solicitations and advertisements and multicast listener reports, which hosts send by
themselves and no session needs. The kernel runs the filter before it copies a frame to the ring, so what is left out
costs nothing and counts as no drop.
"""

from __future__ import annotations

import ctypes

from scapy.arch.common import compile_filter

from lab.capture.errors import TapError

EXPRESSION = (
    "arp or tcp or icmp"
    " or (ip[6:2] & 0x1fff != 0)"
    " or (icmp6 and ip6[40] != 133 and ip6[40] != 134 and ip6[40] != 143)"
    " or (ip6 and ((ip6[6] == 0 and ip6[40] != 58) or ip6[6] == 43 or ip6[6] == 44 or ip6[6] == 60))"
)
"""The capture filter in libpcap's language (pcap-filter(7)); it stands in every file's interface description."""

DLT_EN10MB = 1
BPF_RET_K = 0x06


class SockFilter(ctypes.Structure):
    """One instruction of the kernel's classic packet filter (linux/filter.h, struct sock_filter)."""

    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


def compile_program(expression: str, snaplen_bytes: int) -> list[SockFilter]:
    """Compile a libpcap expression to a program for SO_ATTACH_FILTER, with Scapy and libpcap.

    expression: in pcap-filter(7) syntax, for Ethernet.
    snaplen_bytes: how many octets of a frame to keep. A program returns the number of octets to keep, 0 for none, so
    the
        length to keep is written into its return instructions.
    Raises TapError if libpcap does not understand the expression.
    """
    try:
        program = compile_filter(expression, linktype=DLT_EN10MB)
    except ImportError as error:
        raise TapError("libpcap is not here, and the capture filter needs it: install Debian's libpcap0.8") from error
    except Exception as error:
        raise TapError(
            f"the capture filter is not one libpcap understands: {expression!r}: correct it ({error})"
        ) from error
    result = []
    for i in range(program.bf_len):
        instruction = program.bf_insns[i]
        k = snaplen_bytes if instruction.code == BPF_RET_K and instruction.k else instruction.k
        result.append(SockFilter(instruction.code, instruction.jt, instruction.jf, k))
    return result
