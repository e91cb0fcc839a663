"""The player: a client that does exactly what a scenario says, one system call a step, so that the wire shows it.

It runs in the lab on client-host (service ``player``), reads its program as JSON on standard input and writes one line
of JSON for each thing that it did. An ordinary client would not do: it never closes with unread text, never binds its
source port, never reads late. Steps and connections are described in docs/authoring.md.

Nothing in here waits for a guess: a step waits for what it names (an answer, an acknowledgment, the end), at most
``DEADLINE_S``. Only ``pause`` waits for time, where silence is the point.
"""

from __future__ import annotations

import fcntl
import json
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping
from typing import Any

DEADLINE_S = 15.0
MOST_CONNECTIONS = 64
MOST_OCTETS = 8 << 20
_LINGER_NOTHING = struct.pack("ii", 1, 0)


class StepError(Exception):
    """A step did not go as the scenario says: one sentence."""


class Connection:
    """One connection of the scenario. name: of its part; everything it does is told to ``say``."""

    def __init__(self, name: str, plan: Mapping[str, Any], say: Callable[[Mapping[str, object]], None]) -> None:
        self.name = name
        self.plan = plan
        self._say = say
        self._socket: socket.socket | None = None
        self._kept = b""

    def tell(self, words: str, **facts: object) -> None:
        """One line for whoever plays the scenario."""
        self._say({"part": self.name, "say": words, **facts})

    def step(self, step: Mapping[str, Any]) -> None:
        """Do one step. Raises StepError."""
        action = STEPS.get(str(step.get("do")))
        if action is None:
            raise StepError(f"there is no step {step.get('do')!r}")
        try:
            action(self, step)
        except TimeoutError as late:
            raise StepError(f"{step['do']}: nothing came for {DEADLINE_S:.0f} s") from late
        except OSError as error:
            raise StepError(f"{step['do']}: {error.strerror or error}") from error

    def close_quietly(self) -> None:
        """After a failure: let the kernel have the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def open_socket(self) -> socket.socket:
        if self._socket is None:
            raise StepError("the connection is not open (connect comes first)")
        return self._socket

    # -- the steps --

    def connect(self, step: Mapping[str, Any]) -> None:
        """SYN out, SYN-ACK in, ACK out. Options are set before the SYN: it announces what they change."""
        host, port = str(self.plan["to"]), int(self.plan["port"])
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        self._socket = made
        made.settimeout(DEADLINE_S)
        if self.plan.get("receive_buffer"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(self.plan["receive_buffer"]))
        if self.plan.get("segment_size"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, int(self.plan["segment_size"]))
        if self.plan.get("nodelay"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.plan.get("keepalive_s"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(self.plan["keepalive_s"]))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, int(self.plan["keepalive_s"]))
        if self.plan.get("source_port"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("", int(self.plan["source_port"])))
        expected, refused = step.get("expect"), False
        if expected == "silence":
            made.settimeout(int(step.get("patience_ms", 3000)) / 1000)
        try:
            made.connect(address)
        except ConnectionRefusedError:
            refused = True
        except TimeoutError:
            if expected != "silence":
                raise
            made.close()
            self.tell(
                f"connect to {host} port {port}: no answer; give up", local_port=int(self.plan.get("source_port", 0))
            )
            self._socket = None
            return
        if expected == "silence":
            raise StepError(f"connect: {host} port {port} answered, and should have been silent")
        if refused != (step.get("expect") == "refused"):
            raise StepError(
                f"connect: {host} port {port} " + ("refused" if refused else "accepted, and should have refused")
            )
        if refused:
            made.close()
            self.tell(f"connect to {host} port {port}: refused", local_port=int(self.plan.get("source_port", 0)))
            self._socket = None
            return
        local = made.getsockname()
        self.tell(f"connect to {host} port {port}, from port {local[1]}", local_port=local[1])

    def send(self, step: Mapping[str, Any]) -> None:
        """One write for each piece."""
        pieces = [str(piece).encode() for piece in step["pieces"]]
        for piece in pieces:
            self.open_socket.sendall(piece)
        sizes = " + ".join(str(len(piece)) for piece in pieces[:6]) + (" + ..." if len(pieces) > 6 else "")
        self.tell(f"send {sizes} octets in {len(pieces)} {'write' if len(pieces) == 1 else 'writes'}")

    def wait_acknowledged(self, _step: Mapping[str, Any]) -> None:
        """Until everything sent has been acknowledged: the kernel's send queue is empty."""
        self._until(lambda: self._queued(termios.TIOCOUTQ) == 0)
        self.tell("wait until everything sent is acknowledged")

    def wait_answer(self, step: Mapping[str, Any]) -> None:
        """Until so many octets lie in our kernel, and leave them there unread."""
        wanted = int(step.get("octets", 1))
        self._until(lambda: self._queued(termios.FIONREAD) >= wanted)
        self.tell(f"wait until {wanted} {'octet has' if wanted == 1 else 'octets have'} arrived; leave them unread")

    def read_lines(self, step: Mapping[str, Any]) -> None:
        """Read so many lines; what comes after them is kept for the next read."""
        wanted = int(step.get("lines", 1))
        while self._kept.count(b"\n") < wanted:
            octets = self.open_socket.recv(65536)
            if not octets:
                raise StepError(f"read: the server closed after {self._kept.count(10)} of {wanted} lines")
            self._kept += octets
            if len(self._kept) > MOST_OCTETS:
                raise StepError("read: more octets than a scenario may bring")
        lines = self._kept.split(b"\n", wanted)
        self._kept = lines.pop()
        if "text" in step and lines[-1].decode(errors="replace") != str(step["text"]):
            raise StepError(f"read: the answer was {lines[-1][:80]!r}")
        self.tell(f"read {wanted} {'line' if wanted == 1 else 'lines'}")

    def read_slowly(self, step: Mapping[str, Any]) -> None:
        """Read so many octets in small bites, with a pause after each."""
        left = int(step["octets"])
        while left > 0:
            octets = self.open_socket.recv(min(left, int(step.get("bite", 1024))))
            if not octets:
                raise StepError(f"read_slowly: the server closed, {left} octets early")
            left -= len(octets)
            time.sleep(int(step.get("pause_ms", 10)) / 1000)
        self.tell(f"read {step['octets']} octets slowly")

    def read_end(self, _step: Mapping[str, Any]) -> None:
        """Read to the server's FIN."""
        count = len(self._kept)
        self._kept = b""
        while octets := self.open_socket.recv(65536):
            count += len(octets)
            if count > MOST_OCTETS:
                raise StepError("read_end: more octets than a scenario may bring")
        self.tell(f"read to the end: {count} more octets, then the server's FIN")

    def await_reset(self, _step: Mapping[str, Any]) -> None:
        """Read until a RST has ended the connection for us."""
        try:
            while self.open_socket.recv(65536):
                continue
        except ConnectionResetError:
            self.close_quietly()
            self.tell("the connection was reset")
            return
        raise StepError("await_reset: the server closed with a FIN")

    def ttl(self, step: Mapping[str, Any]) -> None:
        """From now on packets leave with so many hops to live."""
        self.open_socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(step["hops"]))
        self.tell(f"from now on packets have {step['hops']} hops to live")

    def pause(self, step: Mapping[str, Any]) -> None:
        """Do nothing: silence is the point."""
        milliseconds = min(int(step["ms"]), 10_000)
        time.sleep(milliseconds / 1000)
        self.tell(f"do nothing for {milliseconds} ms")

    def half_close(self, _step: Mapping[str, Any]) -> None:
        """Our FIN: we send no more, and go on reading."""
        self.open_socket.shutdown(socket.SHUT_WR)
        self.tell("end our side (shutdown), go on reading")

    def close(self, _step: Mapping[str, Any]) -> None:
        """close(): a FIN, or a RST if unread octets lie in our kernel."""
        self.open_socket.close()
        self._socket = None
        self.tell("close")

    def reset(self, _step: Mapping[str, Any]) -> None:
        """close() with a linger time of 0: a RST, and what was not yet delivered is thrown away."""
        self.open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
        self.open_socket.close()
        self._socket = None
        self.tell("abort (close with linger 0)")

    def _queued(self, question: int) -> int:
        answer = fcntl.ioctl(self.open_socket.fileno(), question, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    def _until(self, condition: Callable[[], bool]) -> None:
        """Ask again and again, most of the time asleep: the kernel has no call that waits for these."""
        end_s = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > end_s:
                raise TimeoutError
            select.select([], [], [], 0.002)


STEPS: Mapping[str, Callable[[Connection, Mapping[str, Any]], None]] = {
    "connect": Connection.connect,
    "send": Connection.send,
    "wait_acknowledged": Connection.wait_acknowledged,
    "wait_answer": Connection.wait_answer,
    "read": Connection.read_lines,
    "read_slowly": Connection.read_slowly,
    "read_end": Connection.read_end,
    "await_reset": Connection.await_reset,
    "ttl": Connection.ttl,
    "pause": Connection.pause,
    "half_close": Connection.half_close,
    "close": Connection.close,
    "reset": Connection.reset,
}


def play(program: Mapping[str, Any], say: Callable[[Mapping[str, object]], None]) -> bool:
    """Play all connections, one after the other; those of a group in step with each other. Returns whether all went as
    the scenario says."""
    plans = program.get("connections", [])
    if sum(len(plan["names"]) for plan in plans) > MOST_CONNECTIONS:
        say({"problem": f"a scenario has at most {MOST_CONNECTIONS} connections"})
        return False
    for plan in plans:
        group = [Connection(name, plan, say) for name in plan["names"]]
        for number, step in enumerate(plan["steps"], 1):
            for connection, own in zip(group, step, strict=True):
                try:
                    connection.step(own)
                except StepError as failed:
                    say({"part": connection.name, "problem": f"{connection.name}, step {number}: {failed}"})
                    for other in group:
                        other.close_quietly()
                    return False
    return True


def main() -> int:
    """Read a program, play it. Exit status 0 if all went as it says."""

    def say(event: Mapping[str, object]) -> None:
        print(json.dumps(event, ensure_ascii=False), flush=True)

    try:
        program = json.loads(sys.stdin.read(MOST_OCTETS * 2))
        return 0 if play(program, say) else 1
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        say({"problem": f"the program cannot be read: {type(error).__name__} {error}"})
        return 2


if __name__ == "__main__":
    sys.exit(main())
