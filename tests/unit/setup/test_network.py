"""Overlaps of the lab's address ranges with Docker's other networks and with the machine's own routes."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.setup.network import Taken, docker_networks, first_overlap, overlap_problem, routes, wanted
from lab.setup.runner import Result
from lab.setup.settings import Settings
from tests.unit.setup.machines import FakeRunner

LAB = Settings(Path("/lab"), "echolab", {"ECHO_NET4": "192.0.2", "ECHO_NET6": "2001:db8:7"})


def network(name: str, *subnets: str, project: str = "", identifier: str = "f00f00f00f00f00f") -> dict[str, object]:
    """A network as `docker network inspect` prints it."""
    return {
        "Name": name,
        "Id": identifier,
        "IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]},
        "Labels": {"com.docker.compose.project": project} if project else {},
        "Options": {},
    }


def machine(networks: list[dict[str, object]], route4: object = (), route6: object = ()) -> FakeRunner:
    runner = FakeRunner(programs=["docker", "ip"])
    runner.on("docker network ls", Result(0, "".join(f"{n['Id']}\n" for n in networks)))
    runner.on("docker network inspect", Result(0, json.dumps(networks)))
    runner.on("ip -json -4 route show", Result(0, json.dumps(route4)))
    return runner.on("ip -json -6 route show", Result(0, json.dumps(route6)))


def test_a_lab_wants_four_ranges_that_do_not_overlap_each_other() -> None:
    ranges = wanted("192.0.2", "2001:db8:7")
    assert [str(r) for r in ranges] == ["192.0.2.0/25", "192.0.2.128/25", "2001:db8:7::/64", "2001:db8:7:f::/64"]
    assert all(first_overlap([a], [Taken(b, "x")]) is None for a in ranges for b in ranges if a != b)


def test_a_machine_with_nothing_near_is_free() -> None:
    runner = machine([network("bridge", "172.17.0.0/16")], [{"dst": "default", "dev": "eth0"}])
    assert overlap_problem(runner, LAB) is None


@pytest.mark.parametrize(
    ("subnet", "mine"),
    [
        ("192.0.2.0/24", "192.0.2.0/25"),
        ("192.0.2.200/32", "192.0.2.128/25"),
        ("192.0.0.0/16", "192.0.2.0/25"),
        ("2001:db8::/32", "2001:db8:7::/64"),
        ("2001:db8:7:f::/80", "2001:db8:7:f::/64"),
    ],
)
def test_a_docker_network_in_the_way_is_named_with_a_choice_that_is_free(subnet: str, mine: str) -> None:
    error = overlap_problem(machine([network("other_net", subnet, project="other")]), LAB)
    assert error is not None
    assert error.sentence == f'The lab\'s network {mine} overlaps {subnet}, used by the Docker network "other_net".'
    free = "ECHO_NET4=198.51.100 make up" if "." in subnet else "ECHO_NET6=2001:db8:8 make up"
    if subnet == "2001:db8::/32":  # all of the documentation range: nothing to suggest
        free = "ECHO_NET4=<three numbers>"
    assert error.next_step.startswith(free)


def test_the_labs_own_networks_are_not_in_its_way_but_another_projects_are() -> None:
    own = network("echolab_lab", "192.0.2.0/25", "2001:db8:7::/64", project="echolab")
    assert overlap_problem(machine([own]), LAB) is None
    other = network("lab2_lab", "192.0.2.0/25", project="lab2")
    assert overlap_problem(machine([own, other]), LAB) is not None


def test_the_route_of_a_docker_bridge_is_not_counted_a_second_time() -> None:
    own = network("echolab_lab", "192.0.2.0/25", project="echolab", identifier="0123456789abcdef")
    route = {"dst": "192.0.2.0/25", "dev": "br-0123456789ab"}
    assert overlap_problem(machine([own], [route]), LAB) is None
    assert overlap_problem(machine([own], [{**route, "dev": "br-ffffffffffff"}]), LAB) is not None


def test_the_machines_own_network_in_the_way_is_named_by_its_interface() -> None:
    error = overlap_problem(
        machine([], [{"dst": "192.0.2.0/24", "dev": "eth0"}, {"dst": "198.51.100.7", "dev": "tun0"}]), LAB
    )
    assert error is not None
    assert "this machine's own network on eth0" in error.sentence
    assert error.next_step.startswith("ECHO_NET4=203.0.113 make up"), "198.51.100 is taken too"


def test_when_every_documentation_range_is_taken_the_user_is_asked_to_choose() -> None:
    taken = [{"dst": f"{net}.0/24", "dev": "e"} for net in ("192.0.2", "198.51.100", "203.0.113")]
    error = overlap_problem(machine([], taken), LAB)
    assert error is not None
    assert "a range that nobody uses" in error.next_step


def test_default_routes_link_local_and_nonsense_are_no_networks() -> None:
    entries = [{"dst": d, "dev": "e"} for d in ("default", "0.0.0.0/0", "169.254.0.0/16", "unreachable", "")] + [{}]
    assert routes(machine([], entries, [{"dst": "fe80::/64", "dev": "e"}, {"dst": "ff00::/8", "dev": "e"}])) == []


def test_without_ip_the_kernels_own_tables_are_read() -> None:
    table4 = "Iface Destination Gateway Flags RefCnt Use Metric Mask\neth0 00000000 010200C0 3 0 0 0 00000000\n"
    table4 += "eth0 000200C0 00000000 1 0 0 0 00FFFFFF 0 0 0\nbroken\n"
    table6 = "20010db8000700000000000000000000 40 0 00 0 00 0 0 1 eth1\n"
    runner = FakeRunner(files={"/proc/net/route": table4, "/proc/net/ipv6_route": table6})
    assert [(str(t.network), t.bridge) for t in routes(runner)] == [
        ("192.0.2.0/24", "eth0"),
        ("2001:db8:7::/64", "eth1"),
    ]


def test_on_a_mac_the_routes_do_not_matter() -> None:
    runner = machine([], [{"dst": "192.0.2.0/24", "dev": "en0"}])
    runner.platform = "darwin"
    assert routes(runner) == []


@pytest.mark.parametrize("text", ["", "nonsense", '[{"Name": "host", "IPAM": {"Config": null}}]', '[{"IPAM": null}]'])
def test_networks_without_addresses_and_odd_answers_are_passed_over(text: str) -> None:
    runner = machine([network("x")]).on("docker network inspect", Result(0, text))
    assert docker_networks(runner) == []


@given(st.ip_addresses(), st.integers(0, 128), st.ip_addresses(), st.integers(0, 128))
def test_two_ranges_overlap_exactly_when_one_holds_the_others_first_address(
    one: ipaddress.IPv4Address | ipaddress.IPv6Address,
    length_one: int,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
    length_other: int,
) -> None:
    a = ipaddress.ip_network((one, min(length_one, one.max_prefixlen)), strict=False)
    b = ipaddress.ip_network((other, min(length_other, other.max_prefixlen)), strict=False)
    expected = a.version == b.version and (a.network_address in b or b.network_address in a)
    assert (first_overlap([a], [Taken(b, "x")]) is not None) is expected
