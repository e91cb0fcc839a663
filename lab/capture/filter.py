"""What the tap asks the kernel for: everything of the lab's hosts that matters to a TCP session, and no noise.

Kept: TCP, ARP, ICMP, ICMPv6 (errors, echo, and the neighbour discovery that is IPv6's ARP), later fragments of IPv4
(they have no TCP header, so ``tcp`` alone would lose them) and IPv6 packets whose TCP header stands behind extension
headers. Left out: UDP, router solicitations and advertisements and multicast listener reports, which hosts send by
themselves and no session needs; frames for another station and frames with a VLAN tag (NOT_OURS). The kernel runs the
filter before it copies a frame to the ring, so what is left out costs nothing and counts as no drop.

Scapy and libpcap compile it. For the lab's own expression that has been done beforehand (lab/capture/program.py,
written by ``python -m lab.capture.filter``): loading Scapy takes a quarter of a second, and the tap wants to be ready
before that.
"""

from __future__ import annotations

import ctypes

from lab.capture.errors import TapError
from lab.capture.program import PROGRAM

EXPRESSION = (
    "arp or tcp or icmp"
    " or (ip[6:2] & 0x1fff != 0)"
    " or (icmp6 and ip6[40] != 133 and ip6[40] != 134 and ip6[40] != 143)"
    " or (ip6 and ((ip6[6] == 0 and ip6[40] != 58) or ip6[6] == 43 or ip6[6] == 44 or ip6[6] == 60))"
)
"""The capture filter in libpcap's language (pcap-filter(7)); it stands in every file's interface description."""

NOT_OURS = (
    (0x30, 0, 0, 0xFFFFF004),  # A = packet type (SKF_AD_PKTTYPE)
    (0x15, 2, 0, 3),  # another station's? leave it out
    (0x30, 0, 0, 0xFFFFF030),  # A = whether it has a VLAN tag (SKF_AD_VLAN_TAG_PRESENT)
    (0x15, 1, 0, 0),  # no? go on
    (0x06, 0, 0, 0),
)
"""Instructions before the filter's own: a frame to another station's address (PACKET_OTHERHOST) is left out. A bridge
that has lost a station sends its frames to everybody; a host that is not meant throws them away, and a capture that
shows them says that something arrived which never did. So is a frame with a VLAN tag: it belongs to another network,
and as Linux takes the tag off before a packet socket sees the frame, it would look like one of this."""
LEFT_OUT_TOO = "left out: frames for another station, frames with a VLAN tag"
"""The same in words, for the interface description."""

DLT_EN10MB = 1
BPF_RET_K = 0x06


class SockFilter(ctypes.Structure):
    """One instruction of the kernel's classic packet filter (linux/filter.h, struct sock_filter)."""

    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


def compile_program(expression: str, snaplen_bytes: int) -> list[SockFilter]:
    """Compile a libpcap expression to a program for SO_ATTACH_FILTER.

    expression: in pcap-filter(7) syntax, for Ethernet.
    snaplen_bytes: how many octets of a frame to keep. A program returns the number of octets to keep, 0 for none, so
        the length to keep is written into its return instructions.
    Raises TapError if libpcap does not understand the expression.
    """
    instructions = PROGRAM if expression == EXPRESSION else compiled(expression)
    return [
        SockFilter(code, jt, jf, snaplen_bytes if code == BPF_RET_K and k else k) for code, jt, jf, k in instructions
    ]


def compiled(expression: str) -> tuple[tuple[int, int, int, int], ...]:
    """What Scapy and libpcap make of an expression: (code, jt, jf, k) of every instruction. Raises TapError."""
    try:
        from scapy.arch.common import compile_filter

        program = compile_filter(expression, linktype=DLT_EN10MB)
    except ImportError as error:
        raise TapError("libpcap is not here, and the capture filter needs it: install Debian's libpcap0.8") from error
    except Exception as error:
        raise TapError(
            f"the capture filter is not one libpcap understands: {expression!r}: correct it ({error})"
        ) from error
    found = (program.bf_insns[i] for i in range(program.bf_len))
    return tuple((i.code, i.jt, i.jf, i.k) for i in found)


def _module() -> str:
    lines = "".join(f"    ({code:#04x}, {jt}, {jf}, {k:#x}),\n" for code, jt, jf, k in compiled(EXPRESSION))
    return (
        '"""The capture filter, compiled: written by ``python -m lab.capture.filter``, do not edit."""\n\n'
        "# (code, jt, jf, k) of every instruction: struct sock_filter in linux/filter.h\n"
        f"PROGRAM: tuple[tuple[int, int, int, int], ...] = (\n{lines})\n"
    )


if __name__ == "__main__":
    print(_module(), end="")
