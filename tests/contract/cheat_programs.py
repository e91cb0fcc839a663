"""A server's program that is wrong on purpose, in one thing that its first argument names; with "right" it is right.

    python -m tests.contract.cheat_programs FLAW [--host ADDR] [--port N]

Over the wire it is the RightServer of cheats.py; what is wrong is how it is started, what it logs, and how it stops.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

from tests.contract.cheats import RightServer

FLAW = sys.argv[1] if __name__ == "__main__" else "right"
USAGE = "usage: echo-server [--host ADDR] [--port N]"
NO_DESCRIPTOR = "no file descriptor is left for one more connection; raise the limit (ulimit -n)"
SIGNALS = {signal.SIGTERM, signal.SIGINT}
STOP_S = 0.5


def log(line: str) -> None:
    """One line, whole: print() would write its line end by itself, and another thread may come between."""
    with contextlib.nullcontext() if FLAW == "minds-its-log" else contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


def fail(status: int, sentence: str) -> NoReturn:
    """End with a sentence."""
    if FLAW == "stack-trace":
        raise ValueError(sentence)
    if FLAW == "wrong-words":
        sentence = sentence.partition(";")[0]
    print(f"echo-server: {sentence}", file=sys.stderr)
    sys.exit(1 if FLAW == "status-1" else status)


def name_of(address: tuple[str, int]) -> str:
    host = address[0].removeprefix("::ffff:")
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def ask_on(connection: socket.socket, octets: bytes) -> None:
    """Send, and ask the kernel over and over whether there is room, instead of waiting for it."""
    while octets:
        with contextlib.suppress(BlockingIOError):
            octets = octets[connection.send(octets, socket.MSG_DONTWAIT) :]


class Program(RightServer):
    """The right server with a log, settings, and a stop."""

    def __init__(self, host: str, port: int, max_line: int, flush_ms: int, *, messages: bool) -> None:
        both = host == "::" and socket.has_dualstack_ipv6() and FLAW != "ipv4-only"
        host = "0.0.0.0" if host == "::" and not both else host
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self.listener = socket.socket(found[0], socket.SOCK_STREAM)
            if both:
                self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            if FLAW != "no-reuse":
                self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(found[4])
            self.listener.listen(4096)
        except (socket.gaierror, UnicodeError):
            fail(1, f'there is no host named "{host}"; check --host')
        except OSError as error:
            if error.errno == errno.EADDRINUSE and FLAW != "one-sentence":
                fail(1, f"port {port} is in use by another program; stop it, or choose another with --port")
            if error.errno == errno.EACCES:
                fail(1, f"port {port} is not for this user; choose one from 1024 up with --port")
            if error.errno == errno.EADDRNOTAVAIL:
                fail(1, f"{host} is not an address of this machine; choose another with --host")
            fail(1, f"cannot listen on {host} port {port}; choose others with --host and --port")
        self.max_line, self.flush_s, self.messages = max_line, flush_ms / 1000, messages
        self.connections = set()
        self.names: dict[socket.socket, str] = {}

    def accept(self) -> None:
        while True:
            super().accept()  # returns at an error
            if self.listener.fileno() < 0 or FLAW == "accepts-no-more":
                return
            print(f"echo-server: {NO_DESCRIPTOR}", file=sys.stderr, flush=True)
            time.sleep(1)

    def silence_s(self) -> float | None:
        return self.flush_s

    def serve(self, connection: socket.socket) -> None:
        name = self.names[connection] = name_of(connection.getpeername())
        log(f"{name} connected")
        super().serve(connection)

    def converse(self, connection: socket.socket) -> None:
        name, end = self.names[connection], "closed"
        try:
            super().converse(connection)
        except ConnectionError:
            end = "reset"
        if FLAW != "says-no-end":
            log(f"{name} {end}")

    def answer(self, connection: socket.socket, message: bytes, line_end: bytes) -> bool:
        name, octets = self.names[connection], len(message + line_end)
        if FLAW == "logs-text":
            log(f"{name} said {message.decode('utf-8', 'replace')}")
        if self.messages:
            log(f"{name} received {octets} octets")
            log(f"{name} sent {octets} octets")
        if FLAW == "asks-on" and not self.is_quit(message) and octets <= self.max_line:
            ask_on(connection, self.capitals(message) + line_end)
            return False
        return super().answer(connection, message, line_end)

    def at_quit(self, connection: socket.socket, line_end: bytes) -> None:
        log(f"{self.names[connection]} said quit")
        super().at_quit(connection, line_end)

    def at_fin(self, connection: socket.socket, unfinished: bytes) -> None:
        if len(unfinished) > self.max_line:
            self.refuse(connection)
        else:
            super().at_fin(connection, b"" if FLAW == "loses-unfinished" else unfinished)

    def refuse(self, connection: socket.socket) -> None:
        log(f"{self.names[connection]} sent a line longer than {self.max_line} bytes")
        super().refuse(connection)

    def stop(self) -> None:
        """Read no more: what has arrived is answered as at a FIN. Then wait for the others' ends, but not for long."""
        self.listener.close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # over in this very moment
                connection.shutdown(socket.SHUT_RD)
        end = time.monotonic() + (60 if FLAW == "waits-for-all" else STOP_S)
        while self.connections and time.monotonic() < end:
            time.sleep(0.01)


def number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        fail(2, f'{name} is "{text}"; it must be a number from {least} to {most}')
    return int(text)


def variable(name: str, otherwise: str) -> str:
    return ("" if FLAW == "no-variables" else os.environ.get(name, "")) or otherwise


def main() -> None:
    given = {"--host": "", "--port": ""}
    words = iter(sys.argv[2:])
    for word in words:
        if word in ("-h", "--help"):
            log(USAGE)
            return
        if word not in given:
            fail(2, f'"{word}" is not an option; {USAGE}')
        given[word] = next(words, "") or fail(2, f"{word} needs a value; {USAGE}")
    if FLAW == "environment-wins":
        given = {option: os.environ.get(f"ECHO_{option[2:].upper()}", "") or value for option, value in given.items()}
    host = given["--host"] or os.environ.get("ECHO_HOST", "") or "::"
    port = number("the port", given["--port"] or os.environ.get("ECHO_PORT", "") or "8080", 0, 65535)
    max_line = number("ECHO_MAX_LINE", variable("ECHO_MAX_LINE", "1048576"), 1, 1 << 26)
    flush_ms = number("ECHO_FLUSH_MS", variable("ECHO_FLUSH_MS", "200"), 1, 60_000)
    wanted = variable("ECHO_LOG", "connections")
    if wanted not in ("connections", "messages"):
        fail(2, f'ECHO_LOG is "{wanted}"; it must be connections or messages')
    if FLAW != "no-handler":
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    server = Program(host, port, max_line, flush_ms, messages=wanted == "messages")
    log(f"listening on {name_of(server.listener.getsockname())}")
    threading.Thread(target=server.accept, daemon=True).start()
    if FLAW in ("ignores-signals", "no-handler"):
        threading.Event().wait()
    signal.sigwait(SIGNALS)
    log("stopping")
    server.stop()
    os._exit(143 if FLAW == "status-143" else 0)


if __name__ == "__main__":
    main()
