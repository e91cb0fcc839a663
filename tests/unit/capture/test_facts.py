"""Facts about the host: names from a hosts file, the interface from the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.capture import facts

HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost
fe00::0\tip6-localnet
ff02::1\tip6-allnodes
192.0.2.10\tserver   # the server
192.0.2.20  client alias
2001:db8:7::10\tserver6
192.0.2.10\t5cf2c0ffee
192.0.2.99
not-an-address name
"""


def test_names_are_those_of_the_labs_hosts_and_the_first_one_stands(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(HOSTS)
    assert facts.host_names(path) == {"192.0.2.10": "server", "192.0.2.20": "client", "2001:db8:7::10": "server6"}


def test_without_a_hosts_file_there_are_no_names(tmp_path: Path) -> None:
    assert facts.host_names(tmp_path / "nowhere") == {}


def test_the_kernel_describes_the_loopback() -> None:
    found = facts.interface("lo")
    assert found.mac == "00:00:00:00:00:00"
    assert found.mtu_bytes >= 1280
    assert "127.0.0.1/8" in found.ipv4 or not found.ipv4


def test_an_interface_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="No such device"):
        facts.interface("nope0")


def test_only_offloads_that_distort_a_capture_count_as_distorting() -> None:
    offloads: dict[str, bool | None] = {"tx checksumming": False, "TCP segmentation": True, "scatter-gather": True}
    assert facts.Interface("eth0", "", 1500, (), (), offloads).distorting == ["TCP segmentation"]
    assert facts.Interface("eth0", "", 1500, (), (), {"scatter-gather": True}).distorting == []
