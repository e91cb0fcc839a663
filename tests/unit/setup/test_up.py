"""``make up`` as a whole on a machine made of tables, and each way in which it can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.setup import up as up_module
from lab.setup.compose import Compose
from lab.setup.errors import USAGE, SetupError
from lab.setup.machine import System
from lab.setup.runner import Result
from lab.setup.settings import Settings
from lab.setup.up import opening_lines, start_failure, up
from tests.unit.setup.machines import FakeRunner, setup_of, with_docker

COMPOSE = "docker compose --project-name echolab"


class Bench:
    """A repository, an engine, and a client that leaves one session in the captures whenever the lab is started."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        for name in ("images/python", "lab", "captures"):
            (root / name).mkdir(parents=True)
        for name in ("Dockerfile", "server.py", "client.py"):
            (root / "images/python" / name).touch()
        self.settings = Settings(
            root, "echolab", {"SERVER": "python", "CLIENT": "python", "ECHO_CAPTURES": "captures", "ECHO_PORT": "0"}
        )
        self.values(ECHO_NET4="192.0.2", ECHO_NET6="2001:db8:7", ECHO_PORT="64999")
        self.sessions = 0
        self.verdict = "complete"
        self.certificate = {"complete": True, "reasons": list[str]()}
        self.run = {"tap": "server-tap", "end_ns": None, "interface": {"ipv4": ["192.0.2.10/25"]}}
        self.runner = with_docker(FakeRunner(env={"HOME": str(root / "home")}))
        config = {"services": {"server": {"image": "echolab/x", "build": {}}}}
        self.runner.on(f"{COMPOSE} --profile * config", Result(0, json.dumps(config)))
        self.runner.on("docker image inspect", Result(0, 'sha256:1 ["echolab/x:latest"]\n'))
        for quiet in (
            "docker network",
            "docker ps",
            f"{COMPOSE} ps",
            f"{COMPOSE} --progress plain build",
            f"{COMPOSE} logs",
        ):
            self.runner.on(quiet, Result(0))
        self.runner.on(f"{COMPOSE} --progress plain up", self._up)
        monkeypatch.setattr(up_module, "drawing", lambda capture, *_: f"LADDER OF {capture.name}")

    def values(self, **changes: str) -> None:
        self.settings = Settings(self.root, "echolab", {**self.settings.values, **changes})

    def _up(self, _machine: FakeRunner, _argv: list[str]) -> Result:
        self.sessions += 1
        run = self.root / "captures" / "2026-01-01T00-00-00Z"
        run.mkdir(exist_ok=True)
        (run / "run.json").write_text(json.dumps(self.run))
        session = {"verdict": self.verdict, "certificate": self.certificate}
        (run / f"{self.sessions:04}.json").write_text(json.dumps(session))
        return Result(0)

    def up(self) -> str:
        setup, said = setup_of(self.runner)
        up(setup, self.settings)
        return said.getvalue()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_up_ends_with_the_ladder_the_file_and_the_line_that_opens_it(bench: Bench) -> None:
    said = bench.up()
    assert "LADDER OF 0001.pcapng" in said
    path = bench.root / "captures/2026-01-01T00-00-00Z/0001.pcapng"
    assert f"wireshark -r {path}" in said
    assert "make down" in said


def test_variables_given_for_this_command_only_are_repeated_in_the_line_for_the_next_one(bench: Bench) -> None:
    assert "   docker compose run --rm client" in bench.up()
    bench.runner.env["ECHO_NET4"] = "192.0.2"
    assert "   ECHO_NET4=192.0.2 docker compose run --rm client" in bench.up()


def test_up_again_shows_a_fresh_session_and_not_the_old_one(bench: Bench) -> None:
    bench.up()
    bench.runner.on(f"{COMPOSE} ps", Result(0, "abc\n"))
    said = bench.up()
    assert "once more" in said
    assert "LADDER OF 0002.pcapng" in said


def test_what_the_user_set_wrongly_is_told_before_anything_is_touched(bench: Bench) -> None:
    bench.values(SERVER="klingon")
    with pytest.raises(SetupError) as caught:
        bench.up()
    assert caught.value.status == USAGE
    assert bench.runner.commands == []


def test_a_missing_folder_for_captures_is_made(bench: Bench) -> None:
    (bench.root / "captures").rmdir()
    assert "LADDER" in bench.up()


def test_a_network_in_the_way_stops_it_before_anything_is_built(bench: Bench) -> None:
    bench.runner.on("docker network ls", Result(0, "f00\n"))
    net = [{"Name": "other", "Id": "f00", "IPAM": {"Config": [{"Subnet": "192.0.2.0/24"}]}, "Labels": None}]
    bench.runner.on("docker network inspect", Result(0, json.dumps(net)))
    with pytest.raises(SetupError, match='"other"'):
        bench.up()
    assert not bench.runner.ran("plain build")


def test_a_session_that_does_not_come_is_told_with_the_logs_end(bench: Bench) -> None:
    bench.verdict = "reset"
    bench.runner.on(f"{COMPOSE} logs", Result(0, "client-1  | connection reset\n"))
    with pytest.raises(SetupError, match=r"no complete session came into .* within 45 s") as caught:
        bench.up()
    assert caught.value.log == ["client-1  | connection reset"]


def test_a_session_without_a_certificate_is_not_shown_but_told_with_the_reason(bench: Bench) -> None:
    bench.certificate = {"complete": False, "reasons": ["3 frames were dropped"]}
    with pytest.raises(SetupError, match="0001 was recorded but not certified: 3 frames were dropped"):
        bench.up()


@pytest.mark.parametrize(
    "other",
    [
        {"tap": "client-tap"},
        {"end_ns": 1},
        {"interface": {"ipv4": ["198.51.100.10/25"]}},
        {"interface": {"ipv4": ["192.0.2.1/25"]}},
        {"interface": None},
    ],
    ids=["another tap", "an ended run", "another lab", "another host", "no address"],
)
def test_only_a_session_of_this_labs_running_tap_counts(bench: Bench, other: dict[str, object]) -> None:
    bench.run |= other
    with pytest.raises(SetupError, match="no complete session"):
        bench.up()


@pytest.mark.parametrize(
    ("output", "words", "next_step"),
    [
        (
            "Bind for 127.0.0.1:64999 failed: port is already allocated",
            "Port 64999 on 127.0.0.1 is taken",
            "ECHO_PORT=65000",
        ),
        ("Pool overlaps with other one on this address space", "collides", "make down"),
        ("Network x needs to be recreated - option has changed", "other addresses", "make down, then make up"),
        (
            "Invalid address 1.2.3.4: It does not belong to any of this network's subnets",
            "other addresses",
            "make down",
        ),
        ("dependency failed to start: container x is unhealthy", "did not get ready", "logs"),
        ("something new", "could not be started", "up"),
    ],
)
def test_a_start_that_fails_is_one_sentence_below_dockers_own_words(
    bench: Bench, output: str, words: str, next_step: str
) -> None:
    error = start_failure(output, Compose(bench.runner, bench.settings))
    assert words in error.sentence
    assert next_step in error.next_step
    assert error.log[0] == output
    bench.runner.on(f"{COMPOSE} --progress plain up", Result(1, output))
    with pytest.raises(SetupError, match=words):
        bench.up()


def test_each_system_gets_its_own_line_to_open_a_capture(tmp_path: Path) -> None:
    (tmp_path / "wireshark" / "EchoLab").mkdir(parents=True)
    runner = FakeRunner(env={"HOME": str(tmp_path)})
    setup, _ = setup_of(runner)
    plain = opening_lines(setup, tmp_path, "a b.pcapng")
    assert plain[0].endswith("wireshark -r 'a b.pcapng'")
    assert any("cp -r" in line for line in plain), "the profile is not installed yet"
    (tmp_path / ".config/wireshark/profiles/EchoLab").mkdir(parents=True)
    assert opening_lines(setup, tmp_path, "x")[0].endswith("wireshark -C EchoLab -r x")
    assert len(opening_lines(setup, tmp_path, "x")) == 1
    setup.system = System("macos", "macOS")
    assert "open -a Wireshark" in opening_lines(setup, tmp_path, "x")[0]
    setup.system = System("debian", "Debian", wsl=True)
    assert "wslpath -w x" in opening_lines(setup, tmp_path, "x")[0]
