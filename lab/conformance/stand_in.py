"""The server that the kit plays for a client under test: it talks as a case wants it, and notes what the client
did.

One connection, one thread. The conversation is a function that gets a Guest; whatever it raises is raised again
when the case asks for the result, so that a case reads from top to bottom.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from lab.conformance.capitals import answer_to, answers_to
from lab.conformance.model import Failed, Unable, shown


class Guest:
    """The connection of the client under test, as the server sees it."""

    def __init__(self, connection: socket.socket, patience_s: float) -> None:
        self.connection = connection
        self.patience_s = patience_s
        self.got = bytearray()
        self._unread = bytearray()
        connection.settimeout(patience_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def line(self, expected: bytes | None = None) -> bytes:
        """The next line, with its line end; it must be the expected one. Raises Failed."""
        wanted = "a line" if expected is None else shown(expected)
        while b"\n" not in self._unread:
            if not self._receive(wanted):
                raise Failed(wanted, f"{shown(bytes(self._unread))}, then FIN")
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        if expected is not None and line + b"\n" != expected:
            raise Failed(wanted, shown(line + b"\n"))
        return line + b"\n"

    def send(self, octets: bytes) -> None:
        """Send octets. Raises Failed when the client is gone."""
        try:
            self.connection.sendall(octets)
        except OSError as error:
            raise Failed("a client that reads", f"{type(error).__name__} while sending {shown(octets)}") from error

    def quiet(self, seconds: float) -> None:
        """Nothing may come for so long, nor have come. Raises Failed."""
        self.connection.settimeout(seconds)
        try:
            octets = bytes(self._unread) or self.connection.recv(65536)
        except TimeoutError:
            return
        finally:
            self.connection.settimeout(self.patience_s)
        raise Failed(
            f"nothing before the answer has come ({seconds * 1000:.0f} ms)", shown(octets) if octets else "FIN"
        )

    def until_fin(self) -> bytes:
        """Everything up to the client's FIN. Raises Failed at a RST, or when no FIN comes."""
        while self._receive("FIN"):
            pass
        rest, self._unread = bytes(self._unread), bytearray()
        return rest

    def end(self) -> None:
        """End the server's side: FIN."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End everything with RST."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def echo(self) -> None:
        """Be a right server: answer line by line until quit or the client's FIN, and close as P16 says."""
        while True:
            while b"\n" in self._unread:
                line = self.line()
                if line.strip(b"\r\n").lower() == b"quit":
                    self.send(b"Good bye\n")
                    self.end()
                    self.until_fin()
                    return
                self.send(answers_to(line))
            if not self._receive("FIN"):
                self.send(answer_to(bytes(self._unread)))
                self.end()
                return

    def echo_octets(self) -> None:
        """Answer octet by octet (which is right for ASCII), and never have more than 64 KiB in hand: for much text."""
        while self._receive("FIN"):
            octets, self._unread = bytes(self._unread), bytearray()
            self.send(octets.upper())
        self.end()

    def _receive(self, wanted: str) -> bool:
        try:
            octets = self.connection.recv(65536)
        except TimeoutError:
            raise Failed(wanted, f"{shown(bytes(self._unread))}, then silence") from None
        except OSError as error:
            raise Failed(wanted, f"{shown(bytes(self._unread))}, then RST ({type(error).__name__})") from error
        self._unread += octets
        self.got += octets
        return bool(octets)


Talk = Callable[[Guest], object]


class StandIn:
    """Listens on a free port, of 127.0.0.1 by default, and has one conversation. Use it in a with statement."""

    def __init__(
        self, talk: Talk, patience_s: float, *, small_buffers: bool = False, address: str = "127.0.0.1"
    ) -> None:
        self.talk, self.patience_s = talk, patience_s
        self.came = threading.Event()
        self.guest: Guest | None = None
        self._problem: Exception | None = None
        try:
            self.listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            if small_buffers:
                self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
                self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 10)
            self.listener.bind((address, 0))
            self.listener.listen()
        except OSError as error:
            raise Unable(f"this machine has no port of {address} for the kit's server ({error.strerror})") from error
        self.listener.settimeout(patience_s)
        self.port = str(self.listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake()
        self.listener.close()
        if self.guest:
            self.guest.connection.close()

    def result(self, said: bytes = b"") -> bytes:
        """The client has ended: wait for the end of the conversation; returns all octets that the client sent.

        said: the client's standard error, for the story if something went wrong. Raises what went wrong.
        """
        self._wake()
        self._thread.join(2 * self.patience_s)
        if self.guest is None:
            raise Failed("a connection from the client", f"none; the client said {shown(said, 400)}")
        if isinstance(self._problem, Failed) and said:
            raise Failed(self._problem.expected, f"{self._problem.got}; the client said {shown(said, 400)}")
        if self._problem:
            raise self._problem
        return bytes(self.guest.got)

    def _wake(self) -> None:
        """Nobody can come any more: accept() in the thread shall return, if it still waits."""
        if not self.came.is_set():
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)

    def nobody_came(self) -> None:
        """The client must not have connected. Raises Failed."""
        if self.came.is_set():
            raise Failed("no connection", "a connection")

    def _serve(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        self.came.set()
        self.guest = Guest(connection, self.patience_s)
        try:
            self.talk(self.guest)
        except Exception as problem:  # it is raised again by result(), in the case's own thread
            self._problem = problem
