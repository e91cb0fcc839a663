"""Every client with every server: one lab a pair, one conversation, one certified capture, judged by tshark.

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


def languages() -> list[str]:
    """The languages that have a folder with a Dockerfile for server and client."""
    return sorted(path.parent.name for path in (ROOT / "images").glob("*/server.*"))


@dataclass(frozen=True)
class Cell:
    """One pair's result. problem: empty if all went well."""

    server: str
    client: str
    problem: str
    session: dict[str, Any]


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
        done = lab.client(SENT)
        session = until(lambda: lab.ended()[before + 1 :], f"the session of {pair}", deadline_s=30)[0]
        problem = judge(lab.ended()[before], None, oracle, pair) or judge(session, done.stdout, oracle, pair)
        return Cell(server, client, problem, session)
    finally:
        lab.down()


def judge(session: dict[str, Any], stdout: str | None, oracle: Oracle, pair: tuple[str, str]) -> str:
    """What is wrong with a session and its capture; empty if nothing is. stdout: what the client printed, if it
    matters."""
    if session["verdict"] != "complete" or not session["certificate"]["complete"]:
        return f"{session['verdict']}: {'; '.join(session['certificate']['reasons'])}"
    if session["languages"] != {"server": pair[0], "client": pair[1]}:
        return f"the JSON names {session['languages']}"
    path: Path = session["_path"]
    if {row[0] for row in oracle.fields(path, "tcp", "tcp.completeness")} != {"31"}:
        return "tshark does not call it a full session"
    bad = "tcp.checksum.status==0||tcp.checksum.partial||tcp.analysis.lost_segment||tcp.analysis.ack_lost_segment"
    if oracle.fields(path, bad, "frame.number"):
        return "tshark sees bad checksums or lost segments"
    if len({row[0] for row in oracle.fields(path, "tcp.flags.fin==1", "tcp.srcport")}) != 2:
        return "not both sides sent a FIN"
    if stdout is None:
        return ""
    sent, received = oracle.streams(path)
    if sent != SENT:
        return f"the client sent {len(sent)} octets, not the {len(SENT)} of the conversation"
    if received != EXPECTED:
        return f"the server answered {len(received)} octets that are not the expected {len(EXPECTED)}"
    return "" if "Good bye" in stdout else "the client did not print Good bye"
