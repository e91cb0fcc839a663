"""The base image: used, pulled, or made from the machine's own mirror; each in its turn and with its own sentence."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.setup.base import IMAGE, Recipe, build_arguments, chosen_mirror, ensure_base, recipe
from lab.setup.engine import Docker, State
from lab.setup.errors import USAGE, SetupError
from lab.setup.runner import TIMED_OUT, Result
from tests.unit.setup import machines
from tests.unit.setup.machines import BOOKWORM_SOURCES, KEYRING, FakeRunner, setup_of

ENGINE = Docker(State.ANSWERS, architecture="amd64")
OFFLINE = Result(1, "", 'Error response from daemon: Get "https://r.test/v2/": dial tcp: lookup r.test: no such host')
MAIN, UPDATES, SECURITY = (
    "deb http://mirror.test/debian trixie main",
    "deb http://mirror.test/debian trixie-updates main",
    "deb http://mirror.test/debian-security trixie-security main",
)


def machine(os_release: str = machines.DEBIAN_12, **options: object) -> FakeRunner:
    """A machine without the image, without a registry, with a mirror and with mmdebstrap."""
    files = {KEYRING: "", "/etc/apt/sources.list.d/debian.sources": BOOKWORM_SOURCES}
    runner = FakeRunner(os_release, programs=["docker", "dpkg", "mmdebstrap"], files=files, **options)  # type: ignore[arg-type]
    runner.on("docker image inspect", Result(1)).on("docker pull", OFFLINE)
    runner.on("dpkg --print-architecture", Result(0, "amd64\n"))
    return runner.on("mmdebstrap", bootstrap).on("docker import", Result(0, "sha256:1\n"))


def bootstrap(_machine: FakeRunner, argv: list[str]) -> Result:
    """mmdebstrap that works: it writes the archive."""
    Path(argv[argv.index("trixie") + 1]).write_text("tar")
    return Result(0)


def mmdebstraps(runner: FakeRunner) -> list[str]:
    return [command for command in runner.commands if "mmdebstrap " in command]


def test_an_image_that_is_there_is_used() -> None:
    runner = machine().on("docker image inspect", Result(0, "sha256:1"))
    ensure_base(setup_of(runner)[0], ENGINE)
    assert not runner.ran("pull")
    assert not mmdebstraps(runner)


def test_a_registry_that_answers_is_preferred_to_making_the_image() -> None:
    runner = machine().on("docker pull", Result(0, "trixie-slim: Pulling from library/debian\n"))
    ensure_base(setup_of(runner)[0], ENGINE)
    assert not mmdebstraps(runner)


@pytest.mark.parametrize(
    "answer", [OFFLINE, Result(TIMED_OUT, "", "no answer after 15 s"), Result(1, "", "x509: unknown")]
)
def test_without_a_registry_the_image_is_made_from_the_machines_mirror(answer: Result) -> None:
    runner = machine().on("docker pull", answer)
    setup, said = setup_of(runner)
    ensure_base(setup, ENGINE)
    (command,) = mmdebstraps(runner)
    assert "--variant=minbase" in command
    assert "--architectures=amd64" in command
    assert command.endswith(f"{MAIN} {UPDATES} {SECURITY}")
    assert any(c.startswith("docker import") and c.endswith(IMAGE) for c in runner.commands)
    assert "no registry gave" in said.getvalue()


def test_a_mirror_without_updates_and_security_is_asked_for_the_release_only() -> None:
    def picky(runner: FakeRunner, argv: list[str]) -> Result:
        return bootstrap(runner, argv) if argv[-1] == MAIN else Result(1, "", "E: trixie-updates: 404 Not Found")

    runner = machine().on("mmdebstrap", picky)
    ensure_base(setup_of(runner)[0], ENGINE)
    assert [command.count("deb http") for command in mmdebstraps(runner)] == [3, 1]


NO_KEY = Result(
    100,
    "",
    """W: GPG error: http://own.test/debian trixie InRelease: The following signatures ... NO_PUBKEY 6ED
E: The repository 'http://own.test/debian trixie InRelease' is not signed.
W: GPG error: http://own.test/security trixie-security InRelease: The following ... NO_PUBKEY BDE
""",
)


def only_with_keys(runner: FakeRunner, argv: list[str]) -> Result:
    """mmdebstrap on a machine whose own keys are too old."""
    return bootstrap(runner, argv) if any("/unpacked/" in word for word in argv) else NO_KEY


def keys_by_apt(runner: FakeRunner, *, there: bool = True) -> FakeRunner:
    """A mirror that has newer keys in Debian 11's package, or none."""
    folder: list[Path] = []

    def configured(_machine: FakeRunner, argv: list[str]) -> Result:
        folder[:] = [Path(argv[argv.index("-c") + 1]).parent]
        assert "bullseye main" in (folder[0] / "sources.list").read_text()
        return Result(0)

    def downloaded(_machine: FakeRunner, _argv: list[str]) -> Result:
        if there:
            (folder[0] / "debian-archive-keyring_2021_all.deb").touch()
        return Result(0 if there else 100, "", "" if there else "E: 404 Not Found")

    def unpacked(_machine: FakeRunner, argv: list[str]) -> Result:
        file = Path(argv[-1]) / "usr/share/keyrings/debian-archive-keyring.gpg"
        file.parent.mkdir(parents=True)
        file.touch()
        return Result(0)

    runner.on("apt-get update", configured).on("apt-get download -q debian-archive-keyring", downloaded)
    return runner.on("dpkg-deb -x", unpacked)


@pytest.mark.parametrize(
    ("os_release", "mirror"),
    [(machines.UBUNTU_22, "http://own.test/debian"), (machines.DEBIAN_12, "http://mirror.test/debian")],
)
def test_keys_that_are_too_old_for_debian_13_are_taken_from_debian_11s_package(os_release: str, mirror: str) -> None:
    runner = keys_by_apt(machine(os_release).on("mmdebstrap", only_with_keys))
    setup, said = setup_of(runner)
    ensure_base(setup, ENGINE)
    first, second = mmdebstraps(runner)
    # On Ubuntu the keys are named, as it does not trust them by itself.
    assert (f"--keyring={KEYRING} " in first) is (os_release == machines.UBUNTU_22)
    assert "/unpacked/usr/share/keyrings/debian-archive-keyring.gpg " in second
    assert f"deb {mirror} trixie main deb {mirror}" in second.replace("own.test/security", "own.test/debian")
    assert "trixie-security main" in second
    assert f"newer keys of Debian from {mirror}" in " ".join(said.getvalue().split())
    assert not runner.ran("apt-get install")


def test_where_no_newer_keys_are_to_be_had_the_sentence_is_about_keys() -> None:
    runner = keys_by_apt(machine(machines.UBUNTU_22).on("mmdebstrap", only_with_keys), there=False)
    with pytest.raises(SetupError, match=r"older than Debian 13, and http://own\.test/debian has no") as caught:
        ensure_base(setup_of(runner)[0], ENGINE)
    assert "docker save/load" in caught.value.next_step
    assert len(mmdebstraps(runner)) == 1


def test_a_mirror_that_does_not_answer_is_named_with_mmdebstraps_words() -> None:
    runner = machine().on("mmdebstrap", Result(1, "", "E: Could not resolve mirror.test"))
    with pytest.raises(SetupError) as caught:
        ensure_base(setup_of(runner)[0], ENGINE)
    assert "http://mirror.test/debian" in caught.value.sentence
    assert "ECHO_DEBIAN_MIRROR=" in caught.value.next_step
    assert any("Could not resolve" in line for line in caught.value.log)


def test_ubuntu_takes_the_named_mirror_or_mmdebstraps_own_but_never_ubuntus() -> None:
    ubuntu = machine(machines.UBUNTU_24)
    assert recipe(setup_of(ubuntu)[0], ENGINE).sources == ()
    named = machine(machines.UBUNTU_24, env={"ECHO_DEBIAN_MIRROR": "http://near.test/debian/"})
    assert recipe(setup_of(named)[0], ENGINE).sources[0] == "deb http://near.test/debian trixie main"


def test_a_mirror_that_is_no_address_is_refused_as_wrong_usage() -> None:
    with pytest.raises(SetupError) as caught:
        chosen_mirror(setup_of(machine(env={"ECHO_DEBIAN_MIRROR": "near"}))[0])
    assert caught.value.status == USAGE


def test_ubuntu_gets_debians_keys_and_the_tool_only_when_they_are_missing() -> None:
    runner = machine(machines.UBUNTU_24)
    runner.programs.remove("mmdebstrap")
    del runner.files[KEYRING]
    runner.on("apt-cache policy", Result(0, "  Candidate: 1.4\n"))

    def installed(fake: FakeRunner, _argv: list[str]) -> Result:
        fake.programs.add("mmdebstrap")
        return Result(0)

    runner.on("apt-get install -q -y --no-install-recommends mmdebstrap debian-archive-keyring", installed)
    ensure_base(setup_of(runner)[0], ENGINE)
    assert len([c for c in runner.commands if " install " in c]) == 1
    complete = machine()
    ensure_base(setup_of(complete)[0], ENGINE)
    assert not complete.ran("apt-get")


def test_a_member_of_the_docker_group_without_sudo_makes_the_image_if_the_tool_is_there() -> None:
    runner = machine(uid=1000)
    ensure_base(setup_of(runner)[0], ENGINE)
    assert mmdebstraps(runner)[0].startswith("env")
    bare = machine(uid=1000)
    bare.programs.remove("mmdebstrap")
    with pytest.raises(SetupError, match="mmdebstrap must be installed") as caught:
        ensure_base(setup_of(bare)[0], ENGINE)
    assert caught.value.next_step.endswith("apt-get install mmdebstrap")


@pytest.mark.parametrize(
    ("runner", "engine", "words"),
    [
        (machine(machines.FEDORA), ENGINE, "on Debian or Ubuntu only"),
        (machine(), Docker(State.ANSWERS, architecture="arm64"), "The engine is arm64 and this machine amd64"),
    ],
)
def test_where_the_image_cannot_be_made_docker_pull_is_named(runner: FakeRunner, engine: Docker, words: str) -> None:
    with pytest.raises(SetupError, match=words) as caught:
        ensure_base(setup_of(runner)[0], engine)
    assert f"docker pull {IMAGE}" in caught.value.next_step


def test_behind_an_https_mirror_apt_in_the_image_trusts_what_the_machine_trusts() -> None:
    with_tls = Recipe("amd64", ("deb https://m.test/debian trixie main",), https=True).command(Path("/x.tar"))
    assert "--include=ca-certificates" in with_tls
    without = Recipe("amd64", (MAIN,)).command(Path("/x.tar"))
    assert "--include=ca-certificates" not in without
    hooks = [word for word in with_tls if word.startswith("--customize-hook=rm")]
    assert subprocess.run(["sh", "-n", "-c", hooks[0].split("=", 1)[1]], check=False).returncode == 0


def test_settings_that_the_machines_mirror_needs_are_passed_on_and_proxies_are_not_baked_in() -> None:
    runner = machine()
    runner.programs.add("apt-config")
    dump = 'Acquire::Check-Valid-Until "false";\nAcquire::http::Proxy "http://proxy.test:3128";\n'
    runner.on("apt-config dump", Result(0, dump))
    ensure_base(setup_of(runner)[0], ENGINE)
    (command,) = mmdebstraps(runner)
    assert '--aptopt=Acquire::Check-Valid-Until "false"' in command
    assert command.startswith("env http_proxy=http://proxy.test:3128 mmdebstrap")
    assert "--aptopt=Acquire::http" not in command


def test_builds_get_the_proxy_of_the_environment_before_apts_and_none_without_one() -> None:
    assert build_arguments(setup_of(machine(env={"HTTP_PROXY": "http://p:1", "no_proxy": "x"}))[0]) == [
        *("--build-arg", "http_proxy=http://p:1"),
        *("--build-arg", "no_proxy=x"),
    ]
    assert build_arguments(setup_of(machine())[0]) == []
