"""From what the machine has to an engine that answers: on each kind of machine the right decision, or the right
sentence.
"""

from __future__ import annotations

import json

import pytest

from lab.setup.errors import SetupError
from lab.setup.install import ensure, look
from lab.setup.runner import Result
from tests.unit.setup import machines
from tests.unit.setup.machines import (
    FakeRunner,
    ReplacedError,
    setup_of,
    silent_docker,
    with_candidates,
    with_docker,
    with_plugins,
)

OK = Result(0)


def refusal(runner: FakeRunner) -> SetupError:
    """The error with which ``ensure`` gives up."""
    setup, _ = setup_of(runner)
    with pytest.raises(SetupError) as caught:
        ensure(setup)
    assert caught.value.sentence[-1] in ".?"
    assert caught.value.next_step
    assert caught.value.status == 1
    return caught.value


def bare(os_release: str, **options: object) -> FakeRunner:
    """A Debian-like machine on which installing docker.io and starting it works."""
    runner = FakeRunner(os_release, programs=["apt-get", "apt-cache", "dpkg-query", "iptables"], **options)  # type: ignore[arg-type]
    with_candidates(runner, {"docker.io": "20.10.24"})

    def installed(machine: FakeRunner, argv: list[str]) -> Result:
        machine.programs |= {"docker", "dockerd"}
        silent_docker(machine, machines.NO_DAEMON, dockerd=True)
        with_plugins(machine, "", "")
        return Result(0, "Unpacking docker.io (20.10.24) ...\nSetting up docker.io (20.10.24) ...\n")

    def started(machine: FakeRunner, argv: list[str]) -> Result:
        with_docker(machine, compose="", buildx="")
        machine.files["/proc/77"] = ""
        return Result(0, "77\n")

    runner.on("apt-get install -q -y --no-install-recommends docker.io", installed)
    return runner.on("sh -c log=$1", started)


def plugins_by_apt(runner: FakeRunner, *packages: str) -> FakeRunner:
    def installed(machine: FakeRunner, argv: list[str]) -> Result:
        with_plugins(machine, "2.40.3+ds1-0ubuntu1", "0.20.1")
        return OK

    return runner.on(f"apt-get install -q -y --no-install-recommends {' '.join(packages)}", installed)


def test_an_engine_and_plugins_that_work_are_left_alone() -> None:
    runner = with_docker(FakeRunner())
    setup, said = setup_of(runner)
    assert ensure(setup).compose == "2.26.1-4"
    assert not runner.ran("apt")
    assert "20.10.24+dfsg1 answers" in said.getvalue()


def test_debian_13_gets_everything_from_its_own_packages() -> None:
    runner = bare(machines.DEBIAN_13)
    with_candidates(runner, {"docker-cli": "26.1.5", "docker-compose": "2.26.1-4", "docker-buildx": "0.13.1"})
    plugins_by_apt(runner, "docker-compose", "docker-buildx")
    setup, said = setup_of(runner)
    assert ensure(setup).compose.startswith("2.40")
    assert runner.ran("docker.io docker-cli")
    assert "no engine is installed here" in " ".join(said.getvalue().split())


@pytest.mark.parametrize("text", [machines.UBUNTU_22, machines.UBUNTU_24, machines.MINT], ids=["22", "24", "mint"])
def test_ubuntu_gets_the_package_docker_compose_v2_although_it_also_has_version_1(text: str) -> None:
    runner = bare(text)
    versions = {"docker-compose-v2": "2.40.3+ds1-0ubuntu1", "docker-compose": "1.29.2-1", "docker-buildx": "0.20.1"}
    with_candidates(runner, versions)
    plugins_by_apt(runner, "docker-compose-v2", "docker-buildx")
    setup, _ = setup_of(runner)
    assert ensure(setup).buildx == "0.20.1"
    assert not any("docker-cli" in command for command in runner.commands if " install " in command)


def test_debian_11_which_cannot_run_the_plugins_gets_a_sentence() -> None:
    runner = bare(machines.DEBIAN_11)
    with_candidates(runner, {"docker-compose": "1.25.0-1"})
    error = refusal(runner)
    assert "Compose v2 (2.20 or newer) is missing: Debian GNU/Linux 11" in error.sentence
    assert "docker-compose-plugin" in error.next_step


def test_a_foreign_docker_program_is_kept_and_only_the_engine_is_added() -> None:
    runner = bare(machines.DEBIAN_12)
    silent_docker(runner, machines.NO_DAEMON)

    def started(machine: FakeRunner, argv: list[str]) -> Result:
        with_docker(machine)
        return Result(0, "77\n")

    runner.on("sh -c log=$1", started)
    with_candidates(runner, {"docker-cli": "26.1.5"})
    setup, _ = setup_of(runner)
    ensure(setup)
    (command,) = [command for command in runner.commands if " install " in command]
    assert command.endswith("--no-install-recommends docker.io")


def test_apparmor_is_installed_where_the_kernel_wants_its_parser_and_else_not() -> None:
    for enabled in (True, False):
        files = {"/sys/module/apparmor/parameters/enabled": "Y\n" if enabled else "N\n"}
        runner = bare(machines.DEBIAN_12, files=files)
        runner.on("sh -c log=$1", lambda machine, _argv: with_docker(machine) and Result(0, "77\n"))
        setup, _ = setup_of(runner)
        ensure(setup)
        assert runner.ran("docker.io apparmor") is enabled


def test_the_lists_are_refreshed_only_when_a_package_is_not_known() -> None:
    known = bare(machines.DEBIAN_12)
    known.on("sh -c log=$1", lambda machine, _argv: with_docker(machine) and Result(0, "77\n"))
    ensure(setup_of(known)[0])
    assert not known.ran("apt-get -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold update")
    unknown = bare(machines.DEBIAN_12)
    with_candidates(unknown, {"docker.io": "(none)"})
    unknown.on("sh -c log=$1", lambda machine, _argv: with_docker(machine) and Result(0, "77\n"))
    ensure(setup_of(unknown)[0])
    assert sum(" update " in command for command in unknown.commands) == 1


def test_old_lists_are_refreshed_once_when_a_file_is_gone_and_then_apt_gives_up_with_its_words() -> None:
    runner = bare(machines.DEBIAN_12)
    runner.on("apt-get install", Result(100, "E: Failed to fetch http://mirror.test/x.deb  404  Not Found\n"))
    error = refusal(runner)
    assert "could not bring docker.io" in error.sentence
    assert any("404" in line for line in error.log)
    assert sum(" install " in command for command in runner.commands) == 2
    assert sum(" update " in command for command in runner.commands) == 1


def test_lists_that_cannot_be_refreshed_are_told_and_the_old_ones_do() -> None:
    runner = bare(machines.DEBIAN_12)
    with_candidates(runner, {"docker.io": "(none)"})
    runner.on("apt-get update", Result(100, "E: the mirror is away\n"))
    runner.on("sh -c log=$1", lambda machine, _argv: with_docker(machine) and Result(0, "77\n"))
    setup, said = setup_of(runner)
    ensure(setup)
    assert "apt-get update gave up (status 100); going on with the lists as" in said.getvalue()


def test_apt_asks_nothing_restarts_nothing_and_goes_through_the_machines_proxy() -> None:
    runner = bare(machines.DEBIAN_12, env={"http_proxy": "http://proxy.test:3128"})
    runner.on("sh -c log=$1", lambda machine, _argv: with_docker(machine) and Result(0, "77\n"))
    ensure(setup_of(runner)[0])
    (command,) = [c for c in runner.commands if " install " in c]
    for words in ("DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", "http_proxy=http://proxy.test:3128"):
        assert words in command


@pytest.mark.parametrize(
    ("text", "platform", "sentence", "next_step"),
    [
        (machines.FEDORA, "linux", "on Fedora Linux 42", "dnf install moby-engine"),
        (machines.ARCH, "linux", "on Arch Linux", "pacman -S"),
        (machines.NIXOS, "linux", "on NixOS", "Install Docker Engine"),
        ("", "darwin", "on this Mac", "Docker Desktop"),
        ("", "win32", "on this Windows machine", "WSL 2"),
    ],
)
def test_other_systems_get_a_sentence_and_their_own_command(
    text: str, platform: str, sentence: str, next_step: str
) -> None:
    error = refusal(FakeRunner(text, platform=platform))
    assert sentence in error.sentence
    assert next_step in error.next_step


def test_without_root_and_sudo_the_administrators_command_is_named() -> None:
    error = refusal(FakeRunner(machines.UBUNTU_24, uid=1000))
    assert "neither root nor allowed to use sudo" in error.sentence
    assert "apt-get install docker.io docker-compose-v2" in error.next_step


@pytest.mark.parametrize(
    ("server", "compose", "words"),
    [
        ("19.03.8", "2.26.1", "Engine 19.03.8 is too old; the lab needs 20.10"),
        ("20.10.24", "2.19.1", "Compose 2.19.1 is too old; the lab needs 2.20"),
    ],
)
def test_what_is_too_old_is_named_and_not_replaced(server: str, compose: str, words: str) -> None:
    for act in (ensure, look):
        runner = with_docker(FakeRunner(), server, compose)
        with pytest.raises(SetupError, match=words.replace(".", r"\.")):
            act(setup_of(runner)[0])
        assert not runner.ran("install")


def test_versions_that_cannot_be_read_get_the_benefit_of_the_doubt() -> None:
    assert ensure(setup_of(with_docker(FakeRunner(), "dev", "dev"))[0]).server == "dev"


def test_permission_denied_without_sudo_names_the_group() -> None:
    error = refusal(silent_docker(FakeRunner(uid=1000), machines.NO_PERMISSION, dockerd=True))
    assert "permission denied" in error.sentence
    assert 'sudo usermod -aG docker "$USER"' in error.next_step


def test_permission_denied_with_sudo_goes_on_as_a_member_of_the_group_and_only_once() -> None:
    def user(**env: str) -> FakeRunner:
        runner = FakeRunner(uid=1000, programs=["sudo"], env={"SERVER": "c", **env})
        silent_docker(runner, machines.NO_PERMISSION, dockerd=True)
        return runner.on("true", OK).on("-g docker docker version", OK)

    runner = user()
    with pytest.raises(ReplacedError):
        ensure(setup_of(runner)[0])
    assert runner.replaced_by[:4] == ["sudo", "-n", "-g", "docker"]
    assert "SERVER=c" in runner.replaced_by
    assert "lab.setup" in runner.replaced_by
    assert "permission denied" in refusal(user(ECHO_SETUP_REGROUPED="1")).sentence


def test_a_stopped_engine_is_started_and_nothing_installed() -> None:
    runner = silent_docker(FakeRunner(), machines.NO_DAEMON, dockerd=True)
    runner.on("sh -c log=$1", lambda machine, _argv: with_docker(machine) and Result(0, "77\n"))
    ensure(setup_of(runner)[0])
    assert not runner.ran("apt")


def test_a_stopped_engine_without_root_names_the_command() -> None:
    error = refusal(silent_docker(FakeRunner(machines.FEDORA, uid=1000), machines.NO_DAEMON, dockerd=True))
    assert "does not run" in error.sentence
    assert error.next_step == "sudo systemctl start docker"


def test_docker_desktop_that_is_not_running_is_not_started_by_us() -> None:
    mac = refusal(silent_docker(FakeRunner("", platform="darwin"), machines.NO_DAEMON))
    assert mac.next_step.startswith("open -a Docker")
    wsl = FakeRunner(files={"/proc/sys/kernel/osrelease": "5.15-microsoft-standard-WSL2"})
    error = refusal(silent_docker(wsl, "We recommend to activate the WSL integration in Docker Desktop settings."))
    assert "WSL integration" in error.next_step
    assert not wsl.ran("apt")


def test_another_address_that_does_not_answer_installs_nothing_here() -> None:
    runner = silent_docker(FakeRunner(env={"DOCKER_HOST": "tcp://192.0.2.9:2376"}), "Cannot connect")
    assert "192.0.2.9" in refusal(runner).sentence
    assert not runner.ran("apt")


def test_podman_is_refused_by_name() -> None:
    runner = with_plugins(FakeRunner(programs=["docker"]), "", "")
    runner.on("docker version", Result(0, json.dumps({"Client": {}}), "Emulate Docker CLI using podman."))
    assert "Podman" in refusal(runner).sentence


def test_looking_only_installs_and_starts_nothing() -> None:
    for runner in (FakeRunner(), silent_docker(FakeRunner(), machines.NO_DAEMON, dockerd=True)):
        with pytest.raises(SetupError):
            look(setup_of(runner)[0])
        assert not any(word in command for command in runner.commands for word in ("install", "dockerd", "service"))


def test_looking_tells_of_a_missing_plugin() -> None:
    with pytest.raises(SetupError, match="Compose v2"):
        look(setup_of(with_docker(FakeRunner(), compose=""))[0])
