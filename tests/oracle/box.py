"""The oracle's container: one for all captures, without a network, the captures mounted read-only.

A thousand captures take seconds and not minutes because each tool is started a few times, not a thousand times.
tshark and tcptrace tell connections apart by their addresses and ports; so captures that have those in common (a
4-tuple used again) are never put into the same call.

Damaged segments. A receiver drops a segment whose checksum is wrong, so to our tracker it changes nothing. tshark marks
it, but goes on as if it had arrived; tcptrace does not look. So tshark says first which frames are damaged, and
where there are any, it writes a copy without them, and both tools judge the conversation by that copy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from tests.marked import LABELS
from tests.oracle import capinfos, tcptrace, tshark

IMAGE = "echolab/oracle"
MOST_IN_A_CALL = 250


@dataclass
class Opinion:
    """One session: our JSON and its capture, and what each tool says of it. connection: None if tcptrace knows none."""

    path: Path
    facts: dict[str, Any]
    rows: list[tshark.Row]
    connection: tcptrace.Connection | None
    connections: int
    info: capinfos.Info


def sessions_below(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every session's capture with its JSON, in the order of their names."""
    found = []
    for path in sorted(folder.rglob("*.pcapng")):
        found.append((path, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))))
    return found


def ends_of(facts: dict[str, Any]) -> tuple[tuple[str, int], tuple[str, int]]:
    """Address and port of client and server."""
    client, server = facts["client"], facts["server"]
    return (client["address"], client["port"]), (server["address"], server["port"])


def batches(sessions: Sequence[tuple[Path, dict[str, Any]]]) -> list[list[tuple[Path, dict[str, Any]]]]:
    """Groups in which no two sessions have the same ends."""
    groups: list[list[tuple[Path, dict[str, Any]]]] = []
    known: list[set[frozenset[tuple[str, int]]]] = []
    for session in sessions:
        ends = frozenset(ends_of(session[1]))
        for group, inside in zip(groups, known, strict=True):
            if ends not in inside and len(group) < MOST_IN_A_CALL:
                break
        else:
            group, inside = [], set()
            groups.append(group)
            known.append(inside)
        group.append(session)
        inside.add(ends)
    return groups


class Box:
    """The running container. folder: what it sees as /in."""

    def __init__(self, container: Container, folder: Path) -> None:
        self._container = container
        self._folder = folder

    def ask(self, folder: Path) -> list[Opinion]:
        """Every tool's opinion of every session below a folder (the box's own, or one inside it)."""
        found: list[Opinion] = []
        for group in batches(sessions_below(folder)):
            found += self._ask_group(group)
        return found

    def _ask_group(self, group: Sequence[tuple[Path, dict[str, Any]]]) -> list[Opinion]:
        names = [str(path.relative_to(self._folder)) for path, _ in group]
        self._run(["mergecap", "-a", "-I", "none", "-w", "/tmp/merged.pcapng", *names])
        rows = tshark.parse(self._run(tshark.arguments("/tmp/merged.pcapng")).splitlines())
        read = "/tmp/merged.pcapng"
        if any(row.damaged for capture in rows for row in capture):
            read = "/tmp/sound.pcapng"
            self._run(["tshark", *tshark.OPTIONS, "-r", "/tmp/merged.pcapng", "-Y", tshark.SOUND, "-w", read])
            rows = tshark.judged(rows, tshark.parse(self._run(tshark.arguments(read)).splitlines()))
        connections = tcptrace.parse(self._run(["tcptrace", "-n", "-l", read]))
        if group and not connections:
            raise ValueError("tcptrace found no connection at all: it could not read the merged capture")
        infos = capinfos.parse(self._run(["capinfos", "-A", "-M", *names]))
        if not len(rows) == len(infos) == len(group):
            raise ValueError(f"{len(group)} files went in; tshark saw {len(rows)} and capinfos {len(infos)}")
        by_ends: dict[frozenset[tuple[str, int]], list[tcptrace.Connection]] = {}
        for connection in connections:
            by_ends.setdefault(frozenset(connection.ends), []).append(connection)
        found = []
        for (path, facts), own_rows, info in zip(group, rows, infos, strict=True):
            known = by_ends.get(frozenset(ends_of(facts)), [])
            found.append(Opinion(path, facts, own_rows, known[0] if known else None, len(known), info))
        return found

    def _run(self, words: list[str]) -> str:
        code, (out, err) = self._container.exec_run(words, workdir="/in", demux=True)
        if code != 0:
            raise ValueError(f"{words[0]} ended with {code}: {bytes(err or b'').decode(errors='replace')}")
        return bytes(out or b"").decode(errors="replace")

    def versions(self) -> list[str]:
        """The tools, each with its version."""
        shark = self._run(["tshark", "--version"]).splitlines()[0].rstrip(".")
        words = ["sh", "-c", "tcptrace -version 2>&1"]
        trace = self._run(words).splitlines()[0].partition("-- version ")[2].partition(" ")[0]
        return [shark, "capinfos and mergecap of the same", f"tcptrace {trace}"]


@contextmanager
def oracle(folder: Path) -> Iterator[Box]:
    """Start the container over a folder, and remove it in the end."""
    container = docker.from_env().containers.run(
        IMAGE,
        ["sleep", "3600"],
        detach=True,
        init=True,
        labels=LABELS,
        user="0:0",
        network_mode="none",
        environment={"HOME": "/tmp", "TZ": "UTC"},
        volumes={str(folder): {"bind": "/in", "mode": "ro"}},
    )
    try:
        yield Box(container, folder)
    finally:
        container.remove(force=True)
