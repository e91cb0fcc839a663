"""Every client with every server: one lab a pair, one conversation over each IP version, each with a certified
capture, judged by tshark.

The conversation has text in several scripts, an empty line, a long line, and lines that are sent before the ones
before them are answered (pipelined), and ends with quit. It comes through a pipe, so that the client sends as fast as
it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.conftest import ROOT, Lab, Oracle, until

LINES = (
    "hello",
    "straße, Ünïcödé, ﬁne",
    "κόσμος, мир, світ",
    "日本語 and עברית stay as they are",
    "",
    "x" * 20_000,
    *(f"pipelined line {number}" for number in range(40)),
)
SENT = "".join(f"{line}\n" for line in (*LINES, "quit")).encode()
EXPECTED = "".join(f"{line.upper()}\n" for line in LINES).encode() + b"Good bye\n"
HOSTS = {"server": 4, "server6": 6}  # the server's names in the lab, and the version of IP that each stands for
HOLE, FILLED = "tcp.analysis.lost_segment", "tcp.analysis.out_of_order"
LOST = ("tcp.checksum.partial", HOLE, "tcp.analysis.ack_lost_segment")
COLUMNS = (
    *("ip.version", "tcp.completeness", "tcp.flags.fin", "tcp.srcport", "tcp.checksum.status"),
    *LOST,
    FILLED,
)


def languages() -> list[str]:
    """The languages that have a folder with a Dockerfile for server and client."""
    return sorted(path.parent.name for path in (ROOT / "images").glob("*/server.*"))


@dataclass(frozen=True)
class Cell:
    """One pair's result. problem: empty if all went well. frames: of the conversation over IPv4, and over IPv6."""

    server: str
    client: str
    problem: str
    frames: tuple[int, ...]


def play(pair: tuple[str, str], captures: Path, oracle: Oracle, project: str) -> Cell:
    """Start the lab with this pair, play the demo and the conversation, and look at the captures."""
    server, client = pair
    lab = Lab(project, captures, "198.18.72", "2001:db8:72", SERVER=server, CLIENT=client)
    try:
        lab.down()
        lab.compose("build", "--quiet", "server", "client", timeout_s=600)  # an image that is there may be an older one
        before = len(lab.ended())
        lab.up()
        until(lambda: len(lab.ended()) > before, f"the demo session of {pair}", deadline_s=30)
        problem = judge(lab.ended()[before], None, oracle, pair)
        frames = []
        for number, (host, version) in enumerate(HOSTS.items(), 1):
            done = lab.client(SENT, ECHO_HOST=host)
            session = until(
                lambda number=number: lab.ended()[before + number :], f"{pair}'s session with {host}", deadline_s=30
            )[0]
            problem = problem or judge(session, done.stdout, oracle, pair, version)
            frames.append(session["frames"])
        return Cell(server, client, problem, tuple(frames))
    finally:
        lab.down()


def marks_in(seen: list[dict[str, str]]) -> list[str]:
    """What tshark holds against the segments of a session.

    A hole that a segment out of order has filled is none: a host sends its data and its ACKs from two processors, and
    on a busy machine one may overtake the other on the way. That is what was on the wire, and nothing is missing.
    """
    marks = []
    for number, row in enumerate(seen, 1):
        names = [name for name in LOST if row[name]]
        if row["tcp.checksum.status"] == "0":
            names.append("a bad checksum")
        if HOLE in names and any(
            later[FILLED] and later["tcp.srcport"] == row["tcp.srcport"] for later in seen[number:]
        ):
            names.remove(HOLE)
        marks += [f"{name} in segment {number}" for name in names]
    return marks


def judge(session: dict[str, Any], stdout: str | None, oracle: Oracle, pair: tuple[str, str], version: int = 4) -> str:
    """What is wrong with a session and its capture; empty if nothing is. stdout: what the client printed, if it was
    the conversation. version: of IP."""
    if session["verdict"] != "complete" or not session["certificate"]["complete"]:
        return f"{session['verdict']}: {'; '.join(session['certificate']['reasons'])}"
    if session["languages"] != {"server": pair[0], "client": pair[1]}:
        return f"the JSON names {session['languages']}"
    path: Path = session["_path"]
    rows = oracle.fields(path, "tcp", *COLUMNS)  # all in one question: a container is started for each
    seen = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    if {row["ip.version"] for row in seen} != {str(version)}:
        return f"it does not run over IPv{version}"
    if {row["tcp.completeness"] for row in seen} != {"31"}:
        return "tshark does not call it a full session"
    if marks := marks_in(seen):
        return f"tshark sees bad checksums or lost segments: {', '.join(marks[:5])}"
    if len({row["tcp.srcport"] for row in seen if row["tcp.flags.fin"] in ("1", "True")}) != 2:
        return "not both sides sent a FIN"
    if stdout is None:
        return ""
    sent, received = oracle.streams(path)
    if sent != SENT:
        return f"the client sent {len(sent)} octets, not the {len(SENT)} of the conversation"
    if received != EXPECTED:
        return f"the server answered {len(received)} octets that are not the expected {len(EXPECTED)}"
    if stdout.encode() != EXPECTED:
        return f"the client printed {stdout[-60:]!r} at last, not the answers"
    return ""
