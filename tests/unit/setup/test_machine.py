"""Which system is this, and may we change something on it?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.setup.errors import SetupError
from lab.setup.machine import Privilege, parse_os_release, system_of, this_system
from lab.setup.runner import Result
from tests.unit.setup import machines
from tests.unit.setup.machines import FakeRunner


@pytest.mark.parametrize(
    ("text", "kind", "codename", "trixie_binaries"),
    [
        (machines.DEBIAN_11, "debian", "bullseye", False),
        (machines.DEBIAN_12, "debian", "bookworm", True),
        (machines.DEBIAN_13, "debian", "trixie", True),
        (machines.UBUNTU_22, "ubuntu", "jammy", False),
        (machines.UBUNTU_24, "ubuntu", "noble", False),
        (machines.MINT, "ubuntu", "noble", False),
        ("ID=raspbian\nID_LIKE=debian\nVERSION_CODENAME=bookworm\n", "debian", "bookworm", True),
        (machines.FEDORA, "linux", "", False),
        (machines.ARCH, "linux", "", False),
        ("", "linux", "", False),
    ],
)
def test_the_distribution_and_its_family_are_recognised(
    text: str, kind: str, codename: str, trixie_binaries: bool
) -> None:
    system = this_system(FakeRunner(text))
    assert (system.kind, system.codename, system.runs_trixie_binaries) == (kind, codename, trixie_binaries)
    assert system.has_apt == (kind in {"debian", "ubuntu"})


@pytest.mark.parametrize(("platform", "kind"), [("darwin", "macos"), ("win32", "windows"), ("cygwin", "windows")])
def test_other_systems_are_recognised_by_pythons_word(platform: str, kind: str) -> None:
    assert system_of(platform, {}).kind == kind


def test_wsl_is_told_by_the_kernels_name_and_a_plain_kernel_is_not_wsl() -> None:
    assert system_of("linux", {"ID": "debian"}, "5.15.167.4-microsoft-standard-WSL2").wsl
    assert not system_of("linux", {"ID": "debian"}, "6.12.0-amd64").wsl


def test_quotes_and_comments_in_os_release_are_understood() -> None:
    parsed = parse_os_release('# comment\nNAME=\'Pop!_OS\'\nPRETTY_NAME="A \\"B\\""\nID=pop\nBROKEN=\'x\n\nnothing\n')
    assert parsed["NAME"] == "Pop!_OS"
    assert parsed["PRETTY_NAME"] == 'A "B"'
    assert parsed["BROKEN"] == "x"
    assert "nothing" not in parsed


@given(st.text())
def test_no_text_makes_the_os_release_parser_fail(text: str) -> None:
    system_of("linux", parse_os_release(text))


def test_root_needs_no_prefix() -> None:
    assert Privilege(FakeRunner(uid=0)).prefix() == []


def test_sudo_without_a_password_is_used() -> None:
    runner = FakeRunner(uid=1000, programs=["sudo"]).on("true", Result(0))
    assert Privilege(runner).prefix() == ["sudo", "-n"]


def test_sudo_asks_for_a_password_on_a_terminal_only_and_only_once() -> None:
    asking = FakeRunner(uid=1000, programs=["sudo"], is_tty=True).on("true", Result(1)).on("-v", Result(0))
    privilege = Privilege(asking)
    assert privilege.prefix() == privilege.prefix() == ["sudo", "-n"]
    assert asking.commands.count("sudo -v") == 1
    silent = FakeRunner(uid=1000, programs=["sudo"], is_tty=False).on("true", Result(1)).on("-v", Result(0))
    assert Privilege(silent).prefix() is None
    assert not silent.ran("sudo -v")


def test_a_command_that_needs_root_is_named_when_there_is_no_way_to_be_root() -> None:
    with pytest.raises(SetupError) as caught:
        Privilege(FakeRunner(uid=1000)).run(["service", "docker", "start"])
    assert caught.value.next_step == "run as root: service docker start"
