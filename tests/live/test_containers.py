"""Safe by default: who runs with which rights, what is open to whom, and that there is no way out."""

from __future__ import annotations

import socket

import pytest

from tests.live.conftest import Lab

RUNNING = ("server-host", "client-host", "server", "server-tap", "gate")


@pytest.mark.parametrize("service", RUNNING)
def test_no_container_is_privileged_or_has_the_docker_socket(lab: Lab, service: str) -> None:
    host_config = lab.container(service).attrs["HostConfig"]
    assert host_config["Privileged"] is False
    assert host_config["CapDrop"] == ["ALL"]
    assert any(option.startswith("no-new-privileges") for option in host_config["SecurityOpt"])
    assert not any("docker.sock" in mount["Source"] for mount in lab.container(service).attrs["Mounts"])


@pytest.mark.parametrize("service", RUNNING)
def test_the_root_file_system_is_read_only(lab: Lab, service: str) -> None:
    assert lab.container(service).attrs["HostConfig"]["ReadonlyRootfs"] is True
    result = lab.container(service).exec_run(["sh", "-c", "echo x > /usr/local/x"], user="0")
    assert result.exit_code != 0
    assert b"Read-only file system" in result.output


@pytest.mark.parametrize("service", RUNNING)
def test_the_main_process_has_no_capability(lab: Lab, service: str) -> None:
    status = lab.host(service).file("/proc/1/status").content_string
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (
        int(fields["CapPrm"], 16)
        == int(fields["CapEff"], 16)
        == int(fields["CapInh"], 16)
        == int(fields["CapAmb"], 16)
        == 0
    )
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", ["server-host", "client-host", "gate"])
def test_a_host_has_given_away_even_the_bounding_set(lab: Lab, service: str) -> None:
    status = lab.host(service).file("/proc/1/status").content_string
    assert "CapBnd:\t0000000000000000" in status


@pytest.mark.parametrize("service", ["server-host", "client-host", "server", "gate"])
def test_the_main_process_is_user_65532(lab: Lab, service: str) -> None:
    assert "Uid:\t65532\t65532\t65532\t65532" in lab.host(service).file("/proc/1/status").content_string


def test_the_tap_starts_with_three_capabilities_and_the_server_with_none(lab: Lab) -> None:
    # Engines from 28 on write them with their prefix.
    added = {name.removeprefix("CAP_") for name in lab.container("server-tap").attrs["HostConfig"]["CapAdd"]}
    assert added == {"NET_RAW", "SETGID", "SETUID"}
    assert not lab.container("server").attrs["HostConfig"]["CapAdd"]


def test_the_tap_runs_as_the_owner_of_the_captures(lab: Lab) -> None:
    owner = lab.captures.stat()
    status = lab.host("server-tap").file("/proc/1/status").content_string
    assert f"Uid:\t{owner.st_uid}\t" in status
    assert f"Gid:\t{owner.st_gid}\t" in status


def test_the_server_listens_on_port_7_and_on_nothing_else(lab: Lab) -> None:
    rows = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        lines = lab.host("server").file(table).content_string.splitlines()[1:]
        rows += [words for words in (line.split() for line in lines) if words[3] == "0A"]
    ports = {
        int(words[1].rsplit(":", 1)[1], 16) for words in rows if not words[1].startswith("0B00007F")
    }  # 127.0.0.11: Docker's DNS
    assert ports == {7}


@pytest.mark.parametrize("service", ["server-host", "client-host", "gate"])
def test_the_offloads_are_off(lab: Lab, service: str) -> None:
    host = lab.host(service)
    nics = [nic for nic in host.check_output("ls /sys/class/net").split() if nic != "lo"]
    assert nics
    for nic in nics:
        features = host.check_output("/usr/sbin/ethtool -k %s", nic)
        assert "tx-checksumming: off" in features
        assert "tcp-segmentation-offload: off" in features


@pytest.mark.parametrize("service", ["server-host", "client-host", "server", "server-tap"])
def test_the_health_condition_holds(lab: Lab, service: str) -> None:
    assert lab.container(service).attrs["State"]["Health"]["Status"] == "healthy"


def test_the_only_published_port_is_on_the_loopback(lab: Lab) -> None:
    published = {}
    for service in RUNNING:
        for port, bindings in (lab.container(service).attrs["NetworkSettings"]["Ports"] or {}).items():
            published[service, port] = bindings
    assert published == {("gate", "8080/tcp"): [{"HostIp": "127.0.0.1", "HostPort": str(lab.port)}]}
    with socket.create_connection(("127.0.0.1", lab.port), timeout=5):
        pass


@pytest.mark.parametrize("service", ["server-host", "client-host", "gate"])
def test_there_is_no_route_out_of_the_lab(lab: Lab, service: str) -> None:
    """Looked up in the routing tables: nothing is sent. A route for everything would have destination and mask 0."""
    host = lab.host(service)
    routes = [line.split() for line in host.file("/proc/net/route").content_string.splitlines()[1:]]
    assert routes
    assert [words for words in routes if words[1] == "00000000"] == []
    for line in host.file("/proc/net/ipv6_route").content_string.splitlines():
        destination, length, *_, interface = line.split()
        assert not (int(destination, 16) == 0 and length == "00" and interface != "lo"), line
    for address, family in (("192.88.99.1", "-4"), ("3fff::1", "-6")):
        looked_up = host.run("ip %s route get %s", family, address)
        assert looked_up.rc != 0 or "unreachable" in looked_up.stdout, "this address can be reached"


def test_the_lab_network_is_internal_and_the_gates_does_not_masquerade(lab: Lab) -> None:
    networks = {
        n.attrs["Labels"]["com.docker.compose.network"]: n.attrs
        for n in lab.docker.networks.list(names=[f"{lab.project}_"], greedy=True)
    }
    assert networks["lab"]["Internal"] is True
    assert networks["front"]["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    assert set(networks["lab"]["Containers"].keys()) == {
        lab.container(service).id for service in ("server-host", "client-host", "gate")
    }
