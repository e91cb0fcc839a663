"""One connection to a server under test, which remembers what was sent and what came.

TCP gives no messages but a stream, so every wait here is for octets of the stream, with a deadline. Sending and
receiving go on at the same time: a kit that only sends could bring a right server to a halt (back-pressure, P24).
How the server ended its side is kept apart: a FIN (recv returns nothing) or a RST (ECONNRESET, EPIPE).
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType

from lab.conformance.case import KitError, Mismatch, difference, shown

FIN = "a FIN"
RST = "a RST"
_READ_OCTETS = 1 << 18
_MARK = b"this ends case 4711\n"


@dataclass(frozen=True)
class Target:
    """The server under test. max_line_bytes, flush_s: its settings. timeout_s: how long an answer may take."""

    host: str
    port: int
    max_line_bytes: int = 1 << 20
    flush_s: float = 0.2
    timeout_s: float = 5.0


class Dialogue:
    """A connection, from connect to close. Use it in a with statement."""

    def __init__(self, target: Target, *, receive_buffer_bytes: int | None = None) -> None:
        self.target = target
        self.sent: list[bytes] = []
        self.received = bytearray()
        self.ended: str | None = None
        self._taken = 0
        try:
            self._socket = connect(target, receive_buffer_bytes)
        except OSError as error:
            raise KitError(
                f"no connection to {target.host} port {target.port} ({error.strerror or error}); is the server running?"
            ) from None
        self._socket.setblocking(False)
        # Each send shall be a segment of its own, at once: no waiting for the acknowledgement of the one before.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Dialogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Mismatch):
            error.add_sent(b"".join(self.sent)) if isinstance(error, DialogueMismatch) else None
        self._socket.close()

    # ---- sending ----

    def send(self, octets: bytes, within_s: float | None = None) -> None:
        """Send all; what comes meanwhile is received. Raises Mismatch when the server takes nothing for too long."""
        self.sent.append(octets)
        rest = memoryview(octets)
        deadline_s = time.monotonic() + (within_s or self.target.timeout_s)
        while rest and self.ended is None:
            readable, writable, _ = select.select([self._socket], [self._socket], [], 0.05)
            if writable:
                try:
                    taken = self._socket.send(rest[:_READ_OCTETS])
                except (ConnectionResetError, BrokenPipeError):
                    self._drain()
                    self.ended = self.ended or RST
                    return
                rest = rest[taken:]
            if readable:
                self._receive()
            if time.monotonic() > deadline_s:
                raise self.mismatch("the server to read what is sent", f"{len(rest)} octets that it doesn't take")

    def send_pieces(self, octets: bytes, size: int = 1, gap_s: float = 0.002) -> None:
        """Send in segments of this size, with a little time in between, so that they arrive one by one."""
        for start in range(0, len(octets), size):
            self.send(octets[start : start + size])
            self.wait(gap_s)

    def half_close(self) -> None:
        """Our FIN: nothing more will be sent, but we go on receiving."""
        self.sent.append(b"")
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Throw the connection away with a RST: what a crashed program or a pulled cable looks like in the end."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    # ---- receiving ----

    def wait(self, seconds: float) -> None:
        """Let time pass, and receive what comes."""
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            if self.ended is not None:
                return
            if select.select([self._socket], [], [], left_s)[0]:
                self._receive()

    def expect(self, octets: bytes, within_s: float | None = None) -> None:
        """The next octets of the stream must be these."""
        self._receive_until(len(octets), within_s, octets)
        got = self.received[self._taken : self._taken + len(octets)]
        if got != octets:
            wanted, came = difference(octets, self.received[self._taken :])
            raise self.mismatch(wanted, came + self._how_ended())
        self._taken += len(octets)

    def expect_silence(self, seconds: float) -> None:
        """Nothing may come, and the connection must stay open, for so long."""
        self.wait(seconds)
        if self.new or self.ended:
            raise self.mismatch(f"nothing for {round(seconds * 1000)} ms", shown(self.new) + self._how_ended())

    def expect_fin(self, within_s: float | None = None) -> None:
        """The server must end its side, with a FIN, and with no octet more."""
        self._receive_until(1, within_s, b"")
        if self.new:
            raise self.mismatch("a FIN and nothing before it", shown(self.new) + self._how_ended())
        if self.ended != FIN:
            raise self.mismatch("a FIN", self.ended or "nothing")

    def expect_mark(self) -> None:
        """The connection must go on: a line is answered, right after what was expected before."""
        self.send(_MARK)
        self.expect(_MARK.upper())

    def expect_conversation(self, octets: bytes, answers: bytes) -> None:
        """Send, expect the answers, and see that nothing more came and that the conversation goes on."""
        self.send(octets)
        self.expect(answers)
        self.expect_mark()

    @property
    def new(self) -> bytearray:
        """What came, and no expect() has taken yet."""
        return self.received[self._taken :]

    def stop_reading_until_full(self, octets: bytes, at_most: int) -> int:
        """Send the same octets again and again without receiving, until the server takes no more. Returns how many
        times they were sent whole; raises Mismatch when the server takes more than at_most octets.
        """
        count, rest = 0, memoryview(b"")
        while count * len(octets) < at_most:
            if not select.select([], [self._socket], [], 0.5)[1]:
                self.sent.append(octets * count)
                self._unsent = bytes(rest)
                return count
            rest = rest or memoryview(octets)
            rest = rest[self._socket.send(rest) :]
            count += not rest
        raise self.mismatch(
            f"that the server stops reading before it has taken {at_most >> 20} MiB from a peer that takes no answer",
            "no end of it",
        )

    def finish_sending(self) -> None:
        """Send what stop_reading_until_full() could not send of the octets that it had begun."""
        self.send(self._unsent)

    def mismatch(self, expected: str, got: str) -> DialogueMismatch:
        """The error that tells what this dialogue had sent."""
        return DialogueMismatch(expected, got)

    def _how_ended(self) -> str:
        return f", then {self.ended}" if self.ended else ""

    def _receive_until(self, count: int, within_s: float | None, octets: bytes) -> None:
        deadline_s = time.monotonic() + (within_s or self.target.timeout_s)
        while self.ended is None and len(self.received) - self._taken < count:
            if self.received[self._taken :] != octets[: len(self.received) - self._taken] and octets:
                self.wait(0.05)  # wrong already: collect the rest, for the report
                return
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([self._socket], [], [], left_s)[0]:
                return
            self._receive()

    def _receive(self) -> None:
        try:
            octets = self._socket.recv(_READ_OCTETS)
        except BlockingIOError:
            return
        except (ConnectionResetError, BrokenPipeError):
            self.ended = RST
            return
        self.received += octets
        if not octets:
            self.ended = FIN

    def _drain(self) -> None:
        """Receive what had arrived before the RST, if the kernel still has it."""
        while self.ended is None and select.select([self._socket], [], [], 0)[0]:
            self._receive()


class DialogueMismatch(Mismatch):
    """A mismatch that knows what had been sent."""

    sent: bytes = b""

    def add_sent(self, octets: bytes) -> None:
        self.sent = octets


def connect(target: Target, receive_buffer_bytes: int | None = None) -> socket.socket:
    """A connected socket, at the first of the name's addresses that answers. Raises OSError."""
    last: OSError = OSError(f"the name {target.host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        if receive_buffer_bytes:  # before the handshake: the window scale is chosen there
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        connection.settimeout(target.timeout_s)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last
