"""Servers that are wrong on purpose, each in one thing: the conformance kit must find out which.

RightServer keeps the protocol, in the plainest way there is: one thread a connection. Each cheat is a subclass that
overrides the one method in which it errs, as a student's first server might.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from types import TracebackType

FLUSH_S = 0.2
DISCARD_S = 2.0


class RightServer:
    """An echo server as docs/protocol.md wants it, on a free port of 127.0.0.1. Use it in a with statement."""

    max_line = 1_048_576

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self.listener.getsockname()[1]
        self.connections: set[socket.socket] = set()

    def __enter__(self) -> RightServer:
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed: this server is over
            while True:
                connection, _ = self.listener.accept()
                self.begin(connection)

    def begin(self, connection: socket.socket) -> None:
        threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        self.connections.add(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # the client is gone, or we closed
            self.converse(connection)
        self.connections.discard(connection)
        connection.close()

    def converse(self, connection: socket.socket) -> None:
        """Read, cut into lines, answer, until quit, a line that is too long, or the client's FIN."""
        unfinished = b""
        while True:
            connection.settimeout(self.silence_s() if unfinished else None)
            try:
                octets = connection.recv(65536)
            except TimeoutError:
                connection.settimeout(None)
                if self.answer(connection, unfinished, b""):
                    return
                unfinished = b""
                continue
            connection.settimeout(None)
            if not octets:
                self.at_fin(connection, unfinished)
                return
            lines, unfinished = self.cut(unfinished + octets)
            for message, line_end in lines:
                if self.answer(connection, message, line_end):
                    return
            if len(unfinished) - unfinished.endswith(b"\r") > self.max_line:
                self.refuse(connection)
                return

    # ---- What a cheat overrides ----

    def silence_s(self) -> float | None:
        return FLUSH_S

    def cut(self, octets: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        *lines, rest = octets.split(b"\n")
        return [(line[:-1], b"\r\n") if line.endswith(b"\r") else (line, b"\n") for line in lines], rest

    def capitals(self, message: bytes) -> bytes:
        try:
            return message.decode("utf-8").upper().encode("utf-8")
        except UnicodeDecodeError:
            return message.upper()

    def is_quit(self, message: bytes) -> bool:
        return message.lower() == b"quit"

    def good_bye(self, line_end: bytes) -> bytes:
        return b"Good bye" + line_end

    def answer(self, connection: socket.socket, message: bytes, line_end: bytes) -> bool:
        """Answer one message; returns whether this conversation is over."""
        if len(message) > self.max_line:
            self.refuse(connection)
            return True
        if self.is_quit(message):
            self.at_quit(connection, line_end)
            return True
        connection.sendall(self.capitals(message) + line_end)
        return False

    def refuse(self, connection: socket.socket) -> None:
        connection.sendall(b"ERROR line longer than %d bytes\n" % self.max_line)
        self.close(connection)

    def at_quit(self, connection: socket.socket, line_end: bytes) -> None:
        connection.sendall(self.good_bye(line_end))
        self.close(connection)

    def at_fin(self, connection: socket.socket, unfinished: bytes) -> None:
        if unfinished:
            connection.sendall(b"Good bye" if self.is_quit(unfinished) else self.capitals(unfinished))
        connection.shutdown(socket.SHUT_WR)

    def close(self, connection: socket.socket) -> None:
        """FIN, then read and throw away for a bounded time, then close."""
        connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + DISCARD_S
        while (left_s := deadline - time.monotonic()) > 0:
            connection.settimeout(left_s)
            if not connection.recv(65536):
                break


class AsciiOnly(RightServer):
    """Knows the capital letters of English only."""

    def capitals(self, message: bytes) -> bytes:
        return message.upper()


class NoCapitals(RightServer):
    """Echoes what it got."""

    def capitals(self, message: bytes) -> bytes:
        return message


class OneForOne(RightServer):
    """Capital letters of one character only, as towupper() does it: no ß to SS."""

    def capitals(self, message: bytes) -> bytes:
        try:
            text = message.decode("utf-8")
        except UnicodeDecodeError:
            return message.upper()
        return "".join(c.upper() if len(c.upper()) == 1 else c for c in text).encode()


class MixedTables(RightServer):
    """Knows one letter of Unicode 17, and not the others."""

    def capitals(self, message: bytes) -> bytes:
        return super().capitals(message).replace("\ua7cf".encode(), "\ua7ce".encode())


class Turkish(RightServer):
    """Takes the locale of a Turkish machine."""

    def capitals(self, message: bytes) -> bytes:
        return RightServer.capitals(self, message.replace(b"i", "İ".encode()))


class Replaces(RightServer):
    """Decodes leniently: what is not UTF-8 becomes U+FFFD."""

    def capitals(self, message: bytes) -> bytes:
        return message.decode("utf-8", "replace").upper().encode()


class Trims(RightServer):
    """Strips the line before it looks at it."""

    def capitals(self, message: bytes) -> bytes:
        return super().capitals(message.strip(b" \t"))

    def is_quit(self, message: bytes) -> bool:
        return super().is_quit(message.strip())


class SegmentIsMessage(RightServer):
    """Takes whatever one recv() brings for one message."""

    def cut(self, octets: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        for line_end in (b"\r\n", b"\n"):
            if octets.endswith(line_end):
                return [(octets.removesuffix(line_end), line_end)], b""
        return [(octets, b"")], b""


class CrEndsToo(RightServer):
    """Reads lines with a library that ends them at a lone CR as well."""

    def cut(self, octets: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        lines, rest = super().cut(octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
        return lines, rest


class OnlyLf(RightServer):
    """Answers with LF always."""

    def cut(self, octets: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        lines, rest = super().cut(octets)
        return [(message, b"\n") for message, _ in lines], rest


class WaitsForLineEnd(RightServer):
    """Never answers a line without an end while the client waits."""

    def silence_s(self) -> float | None:
        return None


class Impatient(RightServer):
    """Takes 20 ms for silence."""

    def silence_s(self) -> float | None:
        return 0.02


class OneAtATime(RightServer):
    """Serves one connection, then the next."""

    def begin(self, connection: socket.socket) -> None:
        self.serve(connection)


class WrongGoodbye(RightServer):
    """Says goodbye in its own words."""

    def good_bye(self, line_end: bytes) -> bytes:
        return b"Goodbye" + line_end


class QuitPrefix(RightServer):
    """Takes every word that begins with quit for quit."""

    def is_quit(self, message: bytes) -> bool:
        return message.lower().startswith(b"quit")


class QuitLowerCase(RightServer):
    """Knows quit in small letters only."""

    def is_quit(self, message: bytes) -> bool:
        return message == b"quit"


class ClosesWithReset(RightServer):
    """Closes at once after Good bye, so that the kernel sends RST for what is unread."""

    def close(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


class ClosesAtOnce(RightServer):
    """Sends FIN, but doesn't read on: what still comes is answered with RST."""

    def close(self, connection: socket.socket) -> None:
        connection.close()


class ReadsForEver(RightServer):
    """After Good bye it waits for the client's FIN, however long that takes."""

    def close(self, connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


class KeepsOpen(RightServer):
    """Says Good bye and doesn't close."""

    def close(self, connection: socket.socket) -> None:
        while connection.recv(65536):
            pass


class TalksOnAfterQuit(RightServer):
    """Answers the lines after quit as well."""

    def answer(self, connection: socket.socket, message: bytes, line_end: bytes) -> bool:
        if self.is_quit(message):
            connection.sendall(self.good_bye(line_end))
            return False
        return super().answer(connection, message, line_end)


class LosesLastLine(RightServer):
    """Forgets the unfinished line when the client ends its side."""

    def at_fin(self, connection: socket.socket, unfinished: bytes) -> None:
        super().at_fin(connection, b"")


class QuitsForAll(RightServer):
    """One client's quit ends everybody's connection."""

    def at_quit(self, connection: socket.socket, line_end: bytes) -> None:
        connection.sendall(self.good_bye(line_end))
        for other in self.connections - {connection}:
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)
        self.close(connection)


class StopsAfterQuit(RightServer):
    """After the first quit nobody is served any more."""

    def at_quit(self, connection: socket.socket, line_end: bytes) -> None:
        self.__exit__(None, None, None)
        super().at_quit(connection, line_end)


class NoLimit(RightServer):
    """Collects a line however long it gets."""

    max_line = 1 << 40


class LosesLinesBeforeQuit(RightServer):
    """Forgets the answers that wait when quit comes in the same segment."""

    def cut(self, octets: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        lines, rest = super().cut(octets)
        return lines[max([i for i, (message, _) in enumerate(lines) if self.is_quit(message)], default=0) :], rest


class OneBuffer(RightServer):
    """Has one unfinished line for all connections."""

    rest = b""

    def cut(self, octets: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        lines, self.rest = super().cut(self.rest + octets)
        return lines, b""


class HoardsAnswers(RightServer):
    """Reads everything and answers when the client has ended its side: memory without a bound."""

    def converse(self, connection: socket.socket) -> None:
        got = bytearray()
        while octets := connection.recv(1 << 20):
            got += octets
        connection.sendall(got.upper())
        connection.shutdown(socket.SHUT_WR)


class Greets(RightServer):
    """Speaks first."""

    def converse(self, connection: socket.socket) -> None:
        connection.sendall(b"Welcome\n")
        super().converse(connection)


class EatsByteOrderMark(RightServer):
    """Decodes as C#'s StreamReader does: without a byte order mark."""

    def capitals(self, message: bytes) -> bytes:
        return super().capitals(message.removeprefix(b"\xef\xbb\xbf"))


class Slow(RightServer):
    """Answers whole lines only after the silence."""

    def answer(self, connection: socket.socket, message: bytes, line_end: bytes) -> bool:
        time.sleep(FLUSH_S)
        return super().answer(connection, message, line_end)
