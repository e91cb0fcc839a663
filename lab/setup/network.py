"""Is the lab's address range free on this machine? Compared with Docker's other networks and with the machine's own
routes.

Two networks with the same addresses on one machine are a nasty trap: Docker refuses its own duplicates with a
riddle, and does not look at the machine's routes at all, so that a lab laid over the classroom's network would cut
the machine off. The lab's ranges are for documentation (RFC 5737, RFC 3849), where nothing should be; but "should"
is not "is".
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.setup.errors import SetupError
from lab.setup.runner import Runner
from lab.setup.settings import Settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_CHOICES4 = ("192.0.2", "198.51.100", "203.0.113")  # TEST-NET-1, -2, -3 of RFC 5737
_CHOICES6 = ("2001:db8:7", "2001:db8:8", "2001:db8:9")
_PROJECT_LABEL = "com.docker.compose.project"


@dataclass(frozen=True)
class Taken:
    """A range of addresses in use; owner: who uses it, in words for a message. project: of compose, or empty."""

    network: Network
    owner: str
    project: str = ""
    bridge: str = ""


def wanted(net4: str, net6: str) -> list[Network]:
    """The ranges of a lab: its own network and the gate's, IPv4 and IPv6, as compose.yaml lays them out."""
    return [
        ipaddress.IPv4Network(f"{net4}.0/25"),
        ipaddress.IPv4Network(f"{net4}.128/25"),
        ipaddress.IPv6Network(f"{net6}::/64"),
        ipaddress.IPv6Network(f"{net6}:f::/64"),
    ]


def first_overlap(mine: Sequence[Network], others: Iterable[Taken]) -> tuple[Network, Taken] | None:
    """The first of the ranges in use that shares an address with one of ours."""
    for taken in others:
        for network in mine:
            if _overlap(network, taken.network):
                return network, taken
    return None


def _overlap(one: Network, other: Network) -> bool:
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.overlaps(other)
    return isinstance(other, ipaddress.IPv6Network) and one.overlaps(other)


def docker_networks(runner: Runner) -> list[Taken]:
    """The ranges of all of Docker's networks."""
    names = runner.run(["docker", "network", "ls", "--quiet", "--no-trunc"]).out.split()
    if not names:
        return []
    # A network that goes away meanwhile fails the command, which still prints those that are left.
    text = runner.run(["docker", "network", "inspect", *names]).out
    try:
        entries = json.loads(text or "[]")
    except ValueError:
        return []
    return [taken for entry in entries for taken in _ranges(entry)]


def _ranges(entry: dict[str, object]) -> list[Taken]:
    ipam = entry.get("IPAM")
    configured = ipam.get("Config") if isinstance(ipam, dict) else None
    labels = entry.get("Labels")
    project = str(labels.get(_PROJECT_LABEL, "")) if isinstance(labels, dict) else ""
    options = entry.get("Options")
    named = str(options.get("com.docker.network.bridge.name", "")) if isinstance(options, dict) else ""
    bridge = named or f"br-{str(entry.get('Id', ''))[:12]}"
    owner = f'the Docker network "{entry.get("Name", "")}"'
    found = []
    for part in configured or []:
        network = _network(str(part.get("Subnet", "")))
        if network is not None:
            found.append(Taken(network, owner, project, bridge))
    return found


def routes(runner: Runner) -> list[Taken]:
    """The ranges that this machine reaches through its own interfaces, without the default routes.

    From ``ip`` where it is there, else from the kernel's own tables. On macOS and Windows the engine has a machine
    of its own and these routes don't matter.
    """
    if runner.platform != "linux":
        return []
    found: list[Taken] = []
    for family in ("-4", "-6"):
        done = runner.run(["ip", "-json", family, "route", "show"]) if runner.which("ip") else None
        if done is not None and done.ok:
            found += _from_ip(done.out)
        else:
            found += _from_proc(runner, family)
    return found


def _from_ip(text: str) -> list[Taken]:
    try:
        entries = json.loads(text or "[]")
    except ValueError:
        return []
    pairs = ((_network(str(entry.get("dst", ""))), str(entry.get("dev", "?"))) for entry in entries)
    return [_route(network, device) for network, device in pairs if network is not None]


def _from_proc(runner: Runner, family: str) -> list[Taken]:
    found = []
    if family == "-4":
        # Columns: interface, destination and (seventh further) mask, each as a little-endian hexadecimal number.
        for line in (runner.read("/proc/net/route") or "").splitlines()[1:]:
            words = line.split()
            if len(words) > 7:
                address, mask = (bytes.fromhex(words[i])[::-1] for i in (1, 7))
                network = _network(f"{ipaddress.IPv4Address(address)}/{ipaddress.IPv4Address(mask)}")
                found += [_route(network, words[0])] if network is not None else []
    else:
        # Columns: destination, prefix length (both hexadecimal), ..., interface last.
        for line in (runner.read("/proc/net/ipv6_route") or "").splitlines():
            words = line.split()
            if len(words) > 9:
                network = _network(f"{ipaddress.IPv6Address(bytes.fromhex(words[0]))}/{int(words[1], 16)}")
                found += [_route(network, words[-1])] if network is not None else []
    return found


def _route(network: Network, device: str) -> Taken:
    return Taken(network, f"this machine's own network on {device}", bridge=device)


def _network(text: str) -> Network | None:
    """An address range, or None for what is none (``default``) or says nothing (everything, link-local, multicast)."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return None if network.prefixlen == 0 or network.is_link_local or network.is_multicast else network


def overlap_problem(runner: Runner, settings: Settings) -> SetupError | None:
    """Whether the lab's ranges collide with a network that is not the lab's own; the sentence names it.

    The variables must be well-formed (variables.problems).
    """
    mine = wanted(settings.values["ECHO_NET4"], settings.values["ECHO_NET6"])
    docker = docker_networks(runner)
    # The kernel has a route for each of Docker's bridges as well: those are known already, with better names.
    bridges = {taken.bridge for taken in docker}
    foreign = [taken for taken in docker if taken.project != settings.project]
    foreign += [taken for taken in routes(runner) if taken.bridge not in bridges]
    found = first_overlap(mine, foreign)
    if found is None:
        return None
    network, taken = found
    return SetupError(
        f"The lab's network {network} overlaps {taken.network}, used by {taken.owner}.", _free_choice(settings, foreign)
    )


def _free_choice(settings: Settings, foreign: Sequence[Taken]) -> str:
    """A pair of values with which nothing overlaps, as the command to type."""
    for net4, net6 in (
        (a, b) for a in (settings.values["ECHO_NET4"], *_CHOICES4) for b in (settings.values["ECHO_NET6"], *_CHOICES6)
    ):
        if first_overlap(wanted(net4, net6), foreign) is None:
            chosen = {"ECHO_NET4": net4, "ECHO_NET6": net6}
            changed = [f"{name}={value}" for name, value in chosen.items() if value != settings.values[name]]
            return f"{' '.join(changed)} make up   (or the same in a file .env, for good)"
    return "ECHO_NET4=<three numbers> ECHO_NET6=<three groups> make up, with a range that nobody uses here"
