"""Building only what has changed, and telling a failed build in one sentence."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.setup.compose import Compose
from lab.setup.errors import SetupError
from lab.setup.images import build, progress
from lab.setup.runner import Result
from lab.setup.settings import Settings
from tests.unit.setup.machines import DiskRunner, FakeRunner, setup_of

CONFIG = {
    "services": {
        "server-host": {"image": "echolab/host", "build": {"context": "images"}},
        "client-host": {"image": "echolab/host", "build": {"context": "images"}},
        "server": {"build": {"context": "images"}},
        "stock": {"image": "debian"},
    }
}


class Bench:
    """A repository with an engine whose images have ids that change with each build."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("images", "lab"):
            (root / folder).mkdir()
            (root / folder / "file").write_text("1")
        self.builds = 0
        self.images: dict[str, str] = {}
        self.config = CONFIG
        self.runner = DiskRunner(programs=["docker"])
        self.runner.on(
            "docker compose --project-name lab --profile * config", lambda *_: Result(0, json.dumps(self.config))
        )
        self.runner.on("docker compose --project-name lab --progress plain build", self._build)
        self.runner.on("docker image inspect", self._inspect)
        self.runner.on("docker image inspect --format {{.Id}} debian:trixie-slim", Result(0, "sha256:base"))

    def _build(self, _machine: FakeRunner, argv: list[str]) -> Result:
        self.builds += 1
        self.asked = argv[argv.index("build") + 1 :]
        self.images = dict.fromkeys(("echolab/host", "lab-server"), f"sha256:{self.builds}")
        return Result(0, "#5 [server 2/3] RUN apt-get update\n")

    def _inspect(self, _machine: FakeRunner, argv: list[str]) -> Result:
        names = [name for name in argv[5:] if name in self.images]
        lines = [f'{self.images[name]} ["{name}:latest"]' for name in names]
        return Result(0 if len(names) == len(argv) - 5 else 1, "\n".join(lines))

    def build(self) -> bool:
        setup, self.said = setup_of(self.runner)
        return build(setup, Compose(self.runner, Settings(self.root, "lab", {})))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_first_time_everything_is_built_each_image_once(bench: Bench) -> None:
    assert bench.build()
    assert sorted(bench.asked) == ["server", "server-host"]
    assert "echolab/host, lab-server" in bench.said.getvalue()


def test_the_second_time_nothing_is_built(bench: Bench) -> None:
    bench.build()
    assert not bench.build()
    assert bench.builds == 1
    assert "nothing in them has changed" in bench.said.getvalue()


def test_a_changed_a_new_and_a_now_executable_file_lead_to_a_build(bench: Bench) -> None:
    bench.build()
    (bench.root / "lab" / "file").write_text("2")
    assert bench.build()
    (bench.root / "images" / "new").touch()
    assert bench.build()
    (bench.root / "images" / "new").chmod(0o755)
    assert bench.build()
    assert not bench.build()


def test_compiled_files_and_a_changed_network_lead_to_no_build_but_a_changed_build_section_does(bench: Bench) -> None:
    bench.build()
    (bench.root / "lab" / "__pycache__").mkdir()
    (bench.root / "lab" / "__pycache__" / "x.pyc").touch()
    bench.config = {**CONFIG, "networks": {"lab": {}}}
    assert not bench.build()
    bench.config = {"services": {**CONFIG["services"], "server": {"build": {"target": "other"}}}}
    assert bench.build()


def test_an_image_that_was_removed_or_replaced_is_built_again(bench: Bench) -> None:
    bench.build()
    del bench.images["lab-server"]
    assert bench.build()
    bench.images["echolab/host"] = "sha256:somebody-else"
    assert bench.build()


def test_a_new_base_image_leads_to_a_build(bench: Bench) -> None:
    bench.build()
    bench.runner.on("docker image inspect --format {{.Id}} debian:trixie-slim", Result(0, "sha256:newer"))
    assert bench.build()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fingerprint": 1}'])
def test_a_broken_memory_of_the_last_build_costs_a_build_and_no_more(bench: Bench, text: str) -> None:
    bench.build()
    (bench.root / ".lab" / "images.json").write_text(text)
    assert bench.build()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("write /x: no space left on device", "The disk is full"),
        ("Err:1 http://m Temporary failure resolving 'm'", "apt inside the build could not fetch"),
        ("server.c:3: error: expected ';'", "The images could not be built"),
    ],
)
def test_a_failed_build_is_one_sentence_below_the_logs_end(bench: Bench, output: str, words: str) -> None:
    bench.runner.on("docker compose --project-name lab --progress plain build", Result(17, f"#1 x\n{output}\n"))
    with pytest.raises(SetupError, match=words) as caught:
        bench.build()
    assert caught.value.log[-1] == output
    assert not (bench.root / ".lab").exists(), "a failed build must not be remembered as done"


def test_a_compose_file_with_an_error_is_told_in_composes_words(bench: Bench) -> None:
    bench.runner.on(
        "docker compose --project-name lab --profile * config", Result(15, "", "yaml: line 3: did not find key")
    )
    with pytest.raises(SetupError) as caught:
        bench.build()
    assert caught.value.log == ["yaml: line 3: did not find key"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#7 [server-host 2/3] RUN apt-get update -qq", "server-host 2/3 RUN"),
        ("#12 [server build 3/9] COPY c/server.c .", "server 3/9 COPY"),
        ("#3 [1/2] FROM docker.io/library/debian", "image 1/2 FROM"),
        ("Step 2/7 : COPY x y", "step 2/7 COPY"),
        ("#7 0.512 Get:1 http://mirror.test trixie InRelease", ""),
        ("#1 [internal] load build definition from Dockerfile", ""),
        ("", ""),
    ],
)
def test_a_builders_lines_in_a_few_words(line: str, expected: str) -> None:
    assert progress(line) == expected


def test_the_repositorys_ignore_file_lets_into_the_images_what_they_copy() -> None:
    root = Path(__file__).resolve().parents[3]
    allowed = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"images", "lab"} <= allowed
    tracked = subprocess.run(
        ["git", "check-ignore", "captures/x.pcapng", ".venv/x", ".lab/x"], cwd=root, capture_output=True, check=False
    )
    assert len(tracked.stdout.split()) == 3
