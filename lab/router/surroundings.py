"""What the wire knows of its network: its own addresses, the two hosts', those that nobody has, and the link's MTU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.router import icmp
from lab.router.octets import version_of
from lab.router.script import Side


@dataclass(frozen=True)
class Surroundings:
    """The wire's place in the network.

    mac: our hardware address. own: our packed address by IP version (4, 6). hosts: whose address is whose.
    spare: by IP version, addresses of the lab's network that nobody has, for floods. mtu_bytes: the interface's.
    """

    mac: bytes
    own: Mapping[int, bytes]
    hosts: Mapping[bytes, Side]
    spare: Mapping[int, tuple[bytes, ...]]
    mtu_bytes: int = 1500
    allowance: icmp.Allowance = field(default_factory=icmp.Allowance)

    def too_big(self, about: bytes, mtu_bytes: int, now_ns: int) -> bytes | None:
        """The ICMP error that this packet does not fit; None when none may be sent."""
        own = self.own.get(version_of(about))
        return icmp.too_big(about, own, mtu_bytes) if own and self.allowance.take(now_ns) else None

    def expired(self, about: bytes, now_ns: int) -> bytes | None:
        """The ICMP error that this packet's TTL ran out here; None when none may be sent."""
        own = self.own.get(version_of(about))
        return icmp.time_exceeded(about, own) if own and self.allowance.take(now_ns) else None

    def no_route(self, about: bytes, now_ns: int) -> bytes | None:
        """The ICMP error that there is no way; None when none may be sent."""
        own = self.own.get(version_of(about))
        return icmp.no_route(about, own) if own and self.allowance.take(now_ns) else None

    def unreachable(self, about: bytes, now_ns: int) -> bytes | None:
        """The ICMP error that the host does not answer; None when none may be sent."""
        own = self.own.get(version_of(about))
        return icmp.host_unreachable(about, own) if own and self.allowance.take(now_ns) else None

    def address_of(self, whose: str, version: int) -> bytes | None:
        """The address of client, server or wire in this IP version."""
        if whose == "wire":
            return self.own.get(version)
        length = 4 if version == 4 else 16
        return next((address for address, side in self.hosts.items() if side == whose and len(address) == length), None)
