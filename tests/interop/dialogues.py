"""The dialogues that a fingerprint is taken from: the same five, in the same order, for every client and server.

demo       the lab's demo script, one line after the other's answer, ends with quit: the server closes first
pipelined  the conversation of the interop matrix through a pipe, as fast as it goes, ends with quit
paced      through a pipe as well, but we decide when each octet is written; ends with the input, so the client's FIN
           comes first
ctrl-c     a person at the prompt types a line, gets the answer, and presses Ctrl-C
unread     the same, but the answer has come only to the client's kernel when Ctrl-C is pressed: the client was stopped
           (SIGSTOP) before, as a busy machine would do it

"paced" is made to show Nagle's algorithm and delayed ACKs, on both sides. First some lines one after the other, so
that each kernel believes in question and answer and keeps its ACKs back for a piggy-back ride. Then

- ``x␊y`` in one write. The server answers ``X␊`` at once, and ``Y`` after its time of silence, which is set to 20 ms
  here. The client has nothing to say meanwhile, so its ACK of ``X␊`` comes after 40 ms only. A server with
  TCP_NODELAY sends ``Y`` all the same; Nagle's algorithm would hold it back until that ACK.
- ``a``, ``b`` and ``c␊`` in three writes, 5 ms apart. The server has nothing to say yet, so its ACK comes late as
  well. A client with TCP_NODELAY sends three segments, Nagle's algorithm makes two of them.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from lab.conformance.program import REACTION_S
from tests.interop.matrix import EXPECTED, SENT
from tests.live.conftest import ROOT, Lab, until

NAMES = ("demo", "pipelined", "paced", "ctrl-c", "unread")
FLUSH_MS = 20
PACE_S = 0.005
ROUNDS = 5
WARM_UP_LINES = 6  # Linux waits for some question and answer before it delays ACKs (tcp_event_data_sent)

CURSOR = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")  # Node's readline moves it after its prompt

ESTABLISHED = "01"  # in /proc/net/tcp

Sessions = dict[str, dict[str, Any]]


class Talker:
    """A client in a container, its input and output in our hands."""

    def __init__(self, process: subprocess.Popen[bytes], to_client: int, from_client: int) -> None:
        self.process = process
        self.to_client = to_client
        self.from_client = from_client
        self.output = b""

    def write(self, octets: bytes) -> None:
        os.write(self.to_client, octets)

    def read_until(self, end: bytes, deadline_s: float = 20) -> None:
        """Wait until the output, since the last call, ends so; what only moves a terminal's cursor is not counted."""
        last = time.monotonic() + deadline_s
        while not CURSOR.sub(b"", self.output).endswith(end):
            if not select.select([self.from_client], [], [], max(0.0, last - time.monotonic()))[0]:
                raise TimeoutError(f"waited {deadline_s:.0f} s in vain for {end!r}; so far: {self.output[-200:]!r}")
            self.output += os.read(self.from_client, 65536)
        self.output = b""


def play(pair: tuple[str, str], captures: Path, project: str, wanted: tuple[str, ...] = NAMES) -> Sessions:
    """Start the lab with this (server, client), play the wanted dialogues, and return the JSON of each, by name."""
    server, client = pair
    lab = Lab(project, captures, "198.18.73", "2001:db8:73", SERVER=server, CLIENT=client, ECHO_FLUSH_MS=str(FLUSH_MS))
    found: Sessions = {}
    actions: dict[str, Callable[[Lab], None]] = {
        "demo": lambda lab: lab.up(),
        "pipelined": pipelined,
        "paced": paced,
        "ctrl-c": ctrl_c,
        "unread": unread,
    }
    try:
        lab.down()
        for name in ("demo", *(name for name in wanted if name != "demo")):
            before = len(lab.ended())
            actions[name](lab)
            found[name] = until(lambda before=before: lab.ended()[before:], f"the session {name} of {pair}", 30)[0]
        return found
    finally:
        lab.down()


def pipelined(lab: Lab) -> None:
    done = lab.client(SENT)
    if done.stdout.encode() != EXPECTED:
        raise ValueError(f"the client printed {done.stdout[-200:]!r} at last, not the answers to the conversation")


def paced(lab: Lab) -> None:
    process = subprocess.Popen(
        ["docker", "compose", "-p", lab.project, "run", "--rm", "-T", "client"],
        cwd=ROOT,
        env=lab.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    talker = Talker(process, process.stdin.fileno(), process.stdout.fileno())
    pause = threading.Event()  # never set: the pace is a part of the dialogue, nothing is awaited
    try:
        for _ in range(ROUNDS):
            warm_up(talker)
            talker.write(b"x\ny")
            talker.read_until(b"X\nY")
            talker.write(b"\n")
            talker.read_until(b"\n")
        for _ in range(ROUNDS):
            warm_up(talker)
            for piece in (b"a", b"b", b"c\n"):
                talker.write(piece)
                pause.wait(PACE_S)
            talker.read_until(b"ABC\n")
        process.stdin.close()  # the client's FIN
        if process.wait(20) != 0:
            raise ValueError(f"the client ended with status {process.returncode}")
    finally:
        end(process)


def warm_up(talker: Talker) -> None:
    for number in range(WARM_UP_LINES):
        talker.write(f"ping {number}\n".encode())
        talker.read_until(f"PING {number}\n".encode())


def ctrl_c(lab: Lab) -> None:
    with at_the_prompt(lab) as talker:
        talker.write(b"hello\r")
        talker.read_until(b"> ")
        time.sleep(REACTION_S)
        talker.write(b"\x03")
        must_end(talker.process)


def unread(lab: Lab) -> None:
    with at_the_prompt(lab) as talker:
        client = one_off(lab)
        lab.container("server").pause()
        try:
            talker.write(b"hello\r")
            until(lambda: waiting_octets(lab, "server-host"), "the line, in the server's kernel")
            signal_all(client, "STOP")
        finally:
            lab.container("server").unpause()
        until(lambda: waiting_octets(lab, "client-host"), "the answer, in the client's kernel")
        signal_all(client, "INT", "CONT")  # the first waits, until the client may run again
        must_end(talker.process)


@contextlib.contextmanager
def at_the_prompt(lab: Lab) -> Iterator[Talker]:
    """A client on a terminal; it has connected, and its prompt is there."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        ["docker", "compose", "-p", lab.project, "run", "--rm", "client"],
        cwd=ROOT,
        env={**lab.env, "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    talker = Talker(process, leader, leader)
    try:
        talker.read_until(b"> ")
        yield talker
    finally:
        end(process)
        os.close(leader)


def must_end(process: subprocess.Popen[bytes]) -> None:
    if process.wait(20) != 130:
        raise ValueError(f"after Ctrl-C the client ended with status {process.returncode}, not 130")


def one_off(lab: Lab) -> Container:
    """The container that `docker compose run` started; its prompt may be there before the engine says that it runs."""
    label = "com.docker.compose"
    names = [f"{label}.project={lab.project}", f"{label}.service=client", f"{label}.oneoff=True"]
    return until(lambda: lab.docker.containers.list(filters={"label": names}), "the client's container")[0]


def signal_all(container: Container, *names: str) -> None:
    """Signals to every process of a container but its first, which does nothing but wait for the others.

    With the last of them the container may be gone before the engine has told that all went well: nobody asks it.
    """
    script = "; ".join(f"kill -{name} -1" for name in names)
    subprocess.run(["docker", "exec", str(container.id), "sh", "-c", script], capture_output=True, check=False)


def waiting_octets(lab: Lab, host: str) -> int:
    """How many octets of the connection on port 7 wait in this host's kernel for their program to read them."""
    table = lab.container(host).exec_run(["cat", "/proc/net/tcp", "/proc/net/tcp6"]).output.decode()
    rows = [line.split() for line in table.splitlines() if ":0007 " in line]
    return sum(int(row[4].partition(":")[2], 16) for row in rows if row[3] == ESTABLISHED)


def end(process: subprocess.Popen[bytes]) -> None:
    """Nothing stays behind, also when something went wrong."""
    if process.poll() is None:
        process.kill()
        process.wait(10)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
