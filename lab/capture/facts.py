"""Facts about the host that a capture should tell: the interface, its addresses, its offloads, and the names of the
hosts.

A reader of a file, years later and elsewhere, sees from them what was captured and whether the numbers in it can be
trusted (with offloads on, they cannot). Asked of the kernel with the ioctls that need no privilege.
"""

from __future__ import annotations

import array
import fcntl
import ipaddress
import platform
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

_SIOCETHTOOL = 0x8946
_SIOCGIFMTU = 0x8921
_OFFLOADS = {
    "tx checksumming": 0x16,  # ETHTOOL_GTXCSUM
    "scatter-gather": 0x18,  # ETHTOOL_GSG
    "TCP segmentation": 0x1E,  # ETHTOOL_GTSO
    "generic segmentation": 0x23,  # ETHTOOL_GGSO
    "generic receive": 0x2B,  # ETHTOOL_GGRO
}
# These two change what the tap sees. (Generic segmentation is done in software before the frame reaches the tap only
# if the # device has no TCP segmentation of its own: with that off, the tap sees what the wire would.)
_HARMFUL = ("tx checksumming", "TCP segmentation")


@dataclass(frozen=True)
class Interface:
    """One network interface as the kernel describes it. offloads: by name, True if on, None if the kernel does not
    say."""

    name: str
    mac: str
    mtu_bytes: int
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]
    offloads: dict[str, bool | None] = field(default_factory=dict)

    @property
    def distorting(self) -> list[str]:
        """The offloads that are on and make a capture show what was never on any wire."""
        return [name for name in _HARMFUL if self.offloads.get(name)]


def interface(name: str) -> Interface:
    """Ask the kernel about an interface. Raises OSError if there is none of that name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = fcntl.ioctl(probe, _SIOCGIFMTU, struct.pack("16sI12x", name.encode(), 0))
        mtu_bytes = struct.unpack_from("I", request, 16)[0]
        offloads = {label: _offload(probe, name, command) for label, command in _OFFLOADS.items()}
    mac = Path("/sys/class/net", name, "address").read_text(encoding="ascii").strip()
    return Interface(name, mac, mtu_bytes, _ipv4(name), _ipv6(name), offloads)


def _offload(probe: socket.socket, name: str, command: int) -> bool | None:
    value = array.array("I", [command, 0])  # struct ethtool_value
    try:
        fcntl.ioctl(probe, _SIOCETHTOOL, struct.pack("16sP8x", name.encode(), value.buffer_info()[0]))
    except OSError:
        return None
    return bool(value[1])


def _ipv4(name: str) -> tuple[str, ...]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, 0x8915, struct.pack("256s", name.encode()))  # SIOCGIFADDR
            mask = fcntl.ioctl(probe, 0x891B, struct.pack("256s", name.encode()))  # SIOCGIFNETMASK
        except OSError:
            return ()
    both = f"{socket.inet_ntoa(answer[20:24])}/{socket.inet_ntoa(mask[20:24])}"
    return (ipaddress.ip_interface(both).with_prefixlen,)


def _ipv6(name: str) -> tuple[str, ...]:
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        return ()
    found = []
    for words in (line.split() for line in lines):
        if words[5] == name:
            found.append(f"{ipaddress.IPv6Address(bytes.fromhex(words[0]))}/{int(words[2], 16)}")
    return tuple(sorted(found))


def host_names(path: Path = Path("/etc/hosts")) -> dict[str, str]:
    """Names by address from a hosts file: the first name of a line; loopback, multicast and reserved ones are left
    out."""
    names: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return names
    for line in lines:
        words = line.split("#", 1)[0].split()
        try:
            address = ipaddress.ip_address(words[0])
        except (IndexError, ValueError):
            continue
        if len(words) > 1 and not (address.is_loopback or address.is_multicast or address.is_reserved):
            # The engine adds a line of its own with the container's host name: the first name seen for an address
            # stands.
            names.setdefault(str(address), words[1])
    return names


def system() -> tuple[str, str]:
    """The hardware and the operating system in words, for the file's section header."""
    return platform.machine(), f"{platform.system()} {platform.release()}"
