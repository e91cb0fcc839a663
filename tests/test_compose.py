"""compose.yaml keeps its promises: every variable is documented with its true default, and everything is safe by
default."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
HEADER = TEXT.split("\n# Several labs")[0]
DOCUMENTED = dict(re.findall(r"^#   ([A-Z][A-Z0-9_]+)=(\S*) ", HEADER, flags=re.MULTILINE))
USED = re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]+)(?::-([^}]*))?\}", TEXT.split("\nname:")[1])


def test_every_variable_is_documented_with_its_default() -> None:
    assert len(USED) > 20
    for name, default in USED:
        assert DOCUMENTED.get(name) == default, name


def test_every_documented_variable_is_used() -> None:
    assert set(DOCUMENTED) == {name for name, _ in USED}


def test_ports_are_published_on_the_loopback_only() -> None:
    ports = re.findall(r"ports: \[(.*)\]", TEXT)
    assert ports
    assert all(part.strip().startswith('"127.0.0.1:') for line in ports for part in line.split(","))


def test_nothing_is_privileged_and_no_container_gets_the_engines_socket() -> None:
    settings = "\n".join(line.split("#")[0] for line in TEXT.splitlines())
    assert "privileged: true" not in settings
    assert "docker.sock" not in settings
    assert "container_name" not in settings


def test_no_dockerfile_needs_a_frontend_image_or_another_base() -> None:
    dockerfiles = sorted((ROOT / "images").glob("*/Dockerfile"))
    assert len(dockerfiles) >= 4
    for path in dockerfiles:
        text = path.read_text(encoding="utf-8")
        assert "# syntax" not in text, path
        assert "ARG BASE=debian:trixie-slim" in text, path
        sources = re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)
        stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, flags=re.MULTILINE))
        assert set(sources) <= {"${BASE}"} | stages, path


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """Every service of every profile as compose understands it; the program is enough for that, no engine is asked."""
    words = ["docker", "compose", "--env-file", "/dev/null", "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout)["services"])


def test_with_any_set_of_profiles_each_image_has_exactly_one_service_that_builds_it(
    services: dict[str, dict[str, Any]],
) -> None:
    profiles = sorted({profile for service in services.values() for profile in service.get("profiles", [])})
    assert {"tools", "wire", "exercises"} <= set(profiles)
    for size in range(len(profiles) + 1):
        for chosen in itertools.combinations(profiles, size):
            active = [s for s in services.values() if not s.get("profiles") or set(s["profiles"]) & set(chosen)]
            builders = sorted(s["image"] for s in active if "build" in s)
            assert builders == sorted({s["image"] for s in active}), chosen


def test_what_run_starts_alone_has_its_image_built_by_itself_or_by_what_it_depends_on(
    services: dict[str, dict[str, Any]],
) -> None:
    """'docker compose run NAME' builds what is missing for this service and its dependencies, and nothing else."""

    def reached(name: str) -> set[str]:
        needs = [n for n, how in services[name].get("depends_on", {}).items() if how.get("required", True)]
        return {name}.union(*(reached(need) for need in needs))

    for name in ("client", "lab", "learn", "player"):
        builders = {services[n]["image"] for n in reached(name) if "build" in services[n]}
        assert {services[n]["image"] for n in reached(name)} <= builders, name


def test_no_program_is_started_again_for_ever(services: dict[str, dict[str, Any]]) -> None:
    """'docker compose up' would wait in vain for one that was told nonsense."""
    restarts = {name: s["restart"] for name, s in services.items() if s.get("restart", "no") != "no"}
    assert {"server", "server-tap", "wire"} <= set(restarts)
    assert {name: how for name, how in restarts.items() if how != "on-failure:6"} == {}


def test_no_image_of_the_lab_is_looked_for_on_a_registry(services: dict[str, dict[str, Any]]) -> None:
    assert {name: s.get("pull_policy") for name, s in services.items() if s.get("pull_policy") != "never"} == {}
    assert all(s["image"].startswith("echolab/") for s in services.values())
