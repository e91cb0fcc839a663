"""The plugins out of Debian 13's packages, on Debian 12: fetched privately, put where docker looks, nothing else
touched.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.setup.aptsources import Mirror
from lab.setup.errors import SetupError
from lab.setup.plugins import install_plugins, private_apt
from lab.setup.runner import Result
from tests.unit.setup import machines
from tests.unit.setup.machines import BOOKWORM_SOURCES, FakeRunner, setup_of, with_candidates


def bookworm(**options: object) -> FakeRunner:
    """A Debian 12 whose own docker-compose is the old one, and on which fetching works as apt does it."""
    runner = FakeRunner(
        machines.DEBIAN_12,
        files={"/etc/apt/sources.list.d/debian.sources": BOOKWORM_SOURCES},
        **options,  # type: ignore[arg-type]
    )
    with_candidates(runner, {"docker-compose": "1.29.2-3"})
    config: list[Path] = []

    def update(machine: FakeRunner, argv: list[str]) -> Result:
        config.append(Path(argv[argv.index("-c") + 1]))
        return Result(0)

    def download(machine: FakeRunner, argv: list[str]) -> Result:
        for program in argv[argv.index("download") + 2 :]:
            (config[0].parent / f"{program}_2.26.1-4_amd64.deb").touch()
        return Result(0)

    def unpack(machine: FakeRunner, argv: list[str]) -> Result:
        folder = Path(argv[3]) / "usr/libexec/docker/cli-plugins"
        folder.mkdir(parents=True)
        (folder / Path(argv[3]).name).touch()
        return Result(0)

    runner.on("apt-get update", update).on("apt-get download", download).on("dpkg-deb -x", unpack)
    return runner.on("mkdir -p", Result(0)).on("install -m 0755", Result(0))


def test_debian_12_gets_both_programs_in_dockers_folder_for_plugins() -> None:
    runner = bookworm()
    setup, said = setup_of(runner)
    install_plugins(setup.apt, compose=True, buildx=True)
    placed = [command for command in runner.commands if command.startswith("install -m 0755")]
    assert [command.split()[-1] for command in placed] == [
        "/usr/local/lib/docker/cli-plugins/docker-compose",
        "/usr/local/lib/docker/cli-plugins/docker-buildx",
    ]
    assert not any("apt-get" in command and " install " in command for command in runner.commands)
    assert "Debian 13" in said.getvalue()


def test_a_plugin_that_is_there_is_not_fetched_again() -> None:
    runner = bookworm()
    install_plugins(setup_of(runner)[0].apt, compose=False, buildx=True)
    assert not any("docker-compose" in c for c in runner.commands if "download" in c or c.startswith("install"))


def test_a_package_that_cannot_be_fetched_is_told_with_apts_words() -> None:
    runner = bookworm().on("apt-get download", Result(100, "E: Could not resolve 'mirror.test'"))
    with pytest.raises(SetupError) as caught:
        install_plugins(setup_of(runner)[0].apt, compose=True, buildx=False)
    assert "could not bring docker-compose" in caught.value.sentence
    assert any("Could not resolve" in line for line in caught.value.log)


def test_a_package_without_the_program_is_told() -> None:
    runner = bookworm().on("dpkg-deb -x", Result(0))
    with pytest.raises(SetupError, match="holds no plugin"):
        install_plugins(setup_of(runner)[0].apt, compose=True, buildx=False)


def test_a_machine_without_a_mirror_is_told() -> None:
    runner = bookworm()
    runner.files.clear()
    runner.files["/etc/os-release"] = machines.DEBIAN_12
    with pytest.raises(SetupError, match="no Debian mirror is named"):
        install_plugins(setup_of(runner)[0].apt, compose=True, buildx=False)


def test_without_root_a_missing_compose_is_told_and_a_missing_buildx_is_no_obstacle() -> None:
    with pytest.raises(SetupError, match="neither root"):
        install_plugins(setup_of(bookworm(uid=1000))[0].apt, compose=True, buildx=True)
    runner = bookworm(uid=1000)
    install_plugins(setup_of(runner)[0].apt, compose=False, buildx=True)
    assert not runner.ran("download")


def test_another_distribution_is_told_about_compose_and_not_about_buildx() -> None:
    with pytest.raises(SetupError, match="Compose v2"):
        install_plugins(setup_of(FakeRunner(machines.FEDORA))[0].apt, compose=True, buildx=True)
    install_plugins(setup_of(FakeRunner(machines.FEDORA))[0].apt, compose=False, buildx=True)


def test_the_private_apt_has_one_source_and_keeps_its_hands_off_the_machines_own(tmp_path: Path) -> None:
    options = private_apt(tmp_path, Mirror("http://mirror.test/debian", "/k.gpg"))
    assert options == ["-c", str(tmp_path / "apt.conf")]
    assert (tmp_path / "sources.list").read_text() == "deb [signed-by=/k.gpg] http://mirror.test/debian trixie main\n"
    config = (tmp_path / "apt.conf").read_text()
    for key in (
        "Dir::State::Lists",
        "Dir::State::status",
        "Dir::Cache",
        "Dir::Etc::SourceList",
        "Dir::Etc::SourceParts",
    ):
        assert f'{key} "{tmp_path}' in config
    assert "Proxy" not in config
