"""Where the wire stands: its interface's addresses, the hosts' by their names in /etc/hosts, and the addresses of the
lab's network that nobody has.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.capture import facts
from lab.router.errors import WireError
from lab.router.script import SIDES, Side
from lab.router.surroundings import Surroundings

NAMES: dict[str, Side] = {"client": "client", "client6": "client", "server": "server", "server6": "server"}
_SPARE = 31


def surroundings(interface: str, table: str | None = None) -> Surroundings:
    """Look around. table: the text of a hosts file, by default /etc/hosts. Raises WireError if something is missing."""
    try:
        found = facts.interface(interface)
    except OSError as error:
        raise WireError(
            f"there is no interface {interface!r} here ({error.strerror}): 'ip link' shows what there is"
        ) from error
    text = Path("/etc/hosts").read_text(encoding="utf-8") if table is None else table
    hosts = hosts_of(text)
    for side in SIDES:
        if side not in hosts.values():
            raise WireError(f"/etc/hosts has no name {side!r}: the wire must know whom it stands between (extra_hosts)")
    nets = [ipaddress.ip_interface(text) for text in (*found.ipv4, *found.ipv6)]
    nets = [net for net in nets if not net.ip.is_link_local]
    own: dict[int, bytes] = {net.version: net.ip.packed for net in reversed(nets)}
    if 4 not in own:
        raise WireError(f"{interface!r} has no IPv4 address: the wire stands in the lab's network")
    return Surroundings(
        mac=bytes.fromhex(found.mac.replace(":", "")),
        own=own,
        hosts=hosts,
        spare={net.version: spare(net, (*hosts, *own.values())) for net in nets},
        mtu_bytes=found.mtu_bytes,
    )


def hosts_of(text: str) -> dict[bytes, Side]:
    """Whose address is whose, from a hosts file."""
    hosts: dict[bytes, Side] = {}
    for line in text.splitlines():
        words = line.split("#")[0].split()
        for name in words[1:]:
            if name in NAMES:
                hosts[ipaddress.ip_address(words[0]).packed] = NAMES[name]
    return hosts


def spare(net: ipaddress.IPv4Interface | ipaddress.IPv6Interface, taken: Iterable[bytes]) -> tuple[bytes, ...]:
    """Addresses at the end of a network that nobody in the lab has."""
    last = int(net.network.broadcast_address)
    used = set(taken)
    octets = 4 if net.version == 4 else 16
    candidates = ((last - 1 - step).to_bytes(octets, "big") for step in range(_SPARE))
    inside = max(0, net.network.num_addresses - 3)
    return tuple(address for number, address in enumerate(candidates) if number < inside and address not in used)


def described(around: Surroundings) -> Mapping[str, object]:
    """The wire's place in words, for ``show``."""
    own = [str(ipaddress.ip_address(address)) for address in around.own.values()]
    hosts = {str(ipaddress.ip_address(address)): side for address, side in around.hosts.items()}
    return {"addresses": own, "hosts": hosts, "mtu_bytes": around.mtu_bytes}
