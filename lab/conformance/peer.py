"""One TCP connection to a server under test, with questions that a case asks: is this the answer? is that a FIN or
a RST?

Plain blocking sockets with a time limit. What was sent and what has come is remembered, so that a failure can tell
it. The longest pause *inside* a line that this side made is remembered as well: if this machine was so busy that a
pause came near the server's 200 ms, a failure may be the machine's fault, and the case is tried again (see run.py).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType

from lab.conformance.model import Busy, Failed, Target, Unable, shown

PATIENCE_SHARE = 0.6  # a pause of ours inside a line of more than this share of the server's 200 ms spoils a case
SEND_OCTETS = 65536  # handed to the kernel at a time
_MORE_S = 0.05  # after a wrong answer: how long to wait for the rest of it, to show the whole
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)  # unlike epoll, poll takes no descriptor


class Peer:
    """A client's end of one connection. Use it in a with statement: it is closed at the end."""

    def __init__(self, target: Target, *, buffers_octets: int = 0) -> None:
        """Connect. buffers_octets: this side's socket buffers, if they are to be small. Raises Unable or Failed."""
        self.target = target
        self.sent = bytearray()
        self.got = bytearray()
        self._unread = bytearray()
        self._inside_since: float | None = None
        self.longest_pause_s = 0.0
        family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
        try:
            self.socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise Unable(f"no socket for one more connection ({error.strerror}): raise `ulimit -n`") from error
        if buffers_octets:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers_octets)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers_octets)
        self.socket.settimeout(target.patience_s)
        try:
            self.socket.connect((target.host, target.port))
        except OSError as error:
            self.socket.close()
            raise Failed("a connection", words_of(error)) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._readable = _Selector()
        self._readable.register(self.socket, selectors.EVENT_READ)

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        if isinstance(error, Failed) and self.longest_pause_s > PATIENCE_SHARE * self.target.flush_s:
            pause_ms = round(self.longest_pause_s * 1000)
            raise Busy(
                f"this machine is too busy (it paused {pause_ms} ms inside a line): try when it is idle"
            ) from error

    def send(self, octets: bytes, *, pieces: int = 0, pause_s: float = 0.002) -> None:
        """Send octets: at once, or in pieces of so many octets with a pause after each, so that each is a segment.

        Much is handed over bit by bit, for sendall()'s timeout is for all of it: the server may be slow as long as it
        reads.
        """
        step = pieces or SEND_OCTETS
        for start in range(0, len(octets), step):
            piece = octets[start : start + step]
            now = time.monotonic()
            if self._inside_since is not None:
                self.longest_pause_s = max(self.longest_pause_s, now - self._inside_since)
            self.sent += piece
            try:
                self.socket.sendall(piece)
            except TimeoutError as error:
                raise self._failed("a server that reads", "it does not read what is sent") from error
            except OSError as error:
                raise self._failed("an open connection", words_of(error)) from error
            self._inside_since = None if piece.endswith(b"\n") else time.monotonic()
            if pieces:
                time.sleep(pause_s)

    def read(self, expected: bytes, *, within_s: float | None = None) -> float:
        """Read exactly these octets; returns when the last one came (monotonic seconds). Raises Failed."""
        deadline = time.monotonic() + (within_s or self.target.patience_s)
        while len(self._unread) < len(expected):
            if not expected.startswith(self._unread):
                self._more()
                break
            if not self._receive(deadline):
                break
        came = time.monotonic()
        if not self._unread.startswith(expected):
            raise self._failed(shown(expected), shown(bytes(self._unread)) + self._end_in_words())
        del self._unread[: len(expected)]
        if not expected.endswith(b"\n"):
            self._inside_since = None  # answered after silence: what is sent next begins a new message
        return came

    def send_while_reading(self, octets: bytes, expected: bytes, *, within_s: float | None = None) -> None:
        """Send much and read the answers meanwhile: else both sides could wait for each other (rules P24, P30)."""
        with self._sending(octets):
            self.read(expected, within_s=within_s or 4 * self.target.patience_s)

    def ask_many(self, messages: list[bytes], *, within_s: float) -> list[bytes]:
        """Send messages as lines and read as many meanwhile; returns the answers without LF.

        Raises Failed if nothing comes for within_s seconds, or not all in ten times as long.
        """
        end = time.monotonic() + 10 * within_s
        lines, rest = 0, b""
        with self._sending(b"\n".join(messages) + b"\n"):
            start = len(self.got)
            while lines < len(messages) and self._receive(min(end, time.monotonic() + within_s)):
                lines += self._unread.count(b"\n")
                self._unread.clear()
            rest = bytes(self.got[start:])
        answers = rest.split(b"\n")[: len(messages)]
        if lines < len(messages):
            raise self._failed(
                f"{len(messages)} answers", f"{lines}, the last: {shown(rest[-60:])}{self._end_in_words()}"
            )
        return answers

    @contextlib.contextmanager
    def _sending(self, octets: bytes) -> Iterator[None]:
        """Send in a second thread while the body reads; what went wrong there is raised at the end."""
        trouble: list[Failed] = []

        def send() -> None:
            try:
                self.send(octets)
            except Failed as failed:
                trouble.append(failed)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        yield
        sender.join(self.target.patience_s)
        if trouble:
            raise trouble[0]

    def quiet(self, seconds: float) -> None:
        """Nothing may come, neither octets nor the end, for so long. Raises Failed."""
        if self._unread or self._receive(time.monotonic() + seconds) or self.ended:
            raise self._failed(
                f"nothing for {seconds * 1000:.0f} ms", shown(bytes(self._unread)) + self._end_in_words()
            )

    def half_close(self) -> None:
        """End this side: a FIN. Reading goes on."""
        self._inside_since = None
        with contextlib.suppress(OSError):  # it is gone already: the reading side tells
            self.socket.shutdown(socket.SHUT_WR)

    def end(self, *, within_s: float | None = None) -> None:
        """The server's FIN must be next: no octet before it, and no RST. Raises Failed."""
        self._receive(time.monotonic() + (within_s or self.target.patience_s))
        if self._unread or self.ended != "FIN":
            self._more()
            raise self._failed("FIN", shown(bytes(self._unread)) + self._end_in_words())

    def not_reset(self, seconds: float) -> None:
        """After the server's FIN: no RST may follow while the kernel still takes our octets. Raises Failed."""
        time.sleep(seconds)
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error or self.ended not in ("", "FIN"):
            words = words_of(OSError(error, "")) if error else self.ended
            raise self._failed("FIN and nothing after it", f"FIN, then {words}")

    def reset(self) -> None:
        """Close with RST instead of FIN (SO_LINGER with zero seconds)."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    ended = ""  # "", "FIN" or the words for a RST

    def _receive(self, deadline: float) -> bool:
        """Wait for more octets; False at the deadline or at the end, whose kind is then in self.ended."""
        left_s = deadline - time.monotonic()
        if self.ended or left_s <= 0:
            return False
        # Not by the socket's own time limit: that one is for sending, which may go on in another thread.
        if not self._readable.select(left_s):
            return False
        try:
            octets = self.socket.recv(1 << 18)
        except OSError as error:
            self.ended = words_of(error)
            return False
        if not octets:
            self.ended = "FIN"
        self._unread += octets
        self.got += octets
        return bool(octets)

    def _more(self) -> None:
        deadline = time.monotonic() + _MORE_S
        while self._receive(deadline):
            pass

    def _end_in_words(self) -> str:
        return f", then {self.ended}" if self.ended else ", and then silence"

    def _failed(self, expected: str, got: str) -> Failed:
        return Failed(expected, got, shown(bytes(self.sent)))


def words_of(error: OSError) -> str:
    """What an error of a socket means, in TCP's words."""
    if isinstance(error, ConnectionRefusedError):
        return "RST to the SYN (refused)"
    if isinstance(error, ConnectionResetError):
        return "RST (connection reset)"
    if isinstance(error, BrokenPipeError):
        return "RST (broken pipe)"
    if isinstance(error, TimeoutError):
        return "no answer"
    return error.strerror or str(error)
