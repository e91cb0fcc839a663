"""compose.yaml keeps its promises: every variable is documented with its true default, and everything is safe by
default."""

from __future__ import annotations

import re
from pathlib import Path

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
