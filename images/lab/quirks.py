#!/usr/bin/python3
"""echo-quirks: an echo server that misbehaves, each port in one way of its own.

What a TCP does when the program above it is slow, rude or silent cannot be seen with a good server. Each port here
shows one case, as docs/wire.md describes them; ``echo-quirks --list`` prints the same table. The answers are the echo
protocol's: the line in capital letters. One thread a connection, as many as MOST_CONNECTIONS; the rest wait in the
backlog.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

MOST_CONNECTIONS = 256
MOST_LINE = 1 << 20
SLOW_READ_BYTES, SLOW_PAUSE_S = 512, 0.1
LATE_S = 1.0
LEAST_BUFFER = 2304  # the kernel doubles what is asked for, and takes no less than this
BACKLOG = 4096
stopping = threading.Event()


class Quirk(NamedTuple):
    """One port's behaviour. backlog: for listen(). talk: what is done with a connection; None: nobody accepts.
    receive_bytes: SO_RCVBUF, set before listen() so that the handshake announces it; None leaves the system's."""

    name: str
    sentence: str
    talk: Callable[[socket.socket], None] | None
    backlog: int = BACKLOG
    receive_bytes: int | None = None


def capital_letters(line: bytes) -> bytes:
    """The line as the echo protocol answers it; what is not UTF-8 has only its octets a to z changed."""
    try:
        return line.decode().upper().encode()
    except UnicodeDecodeError:
        return line.upper()


def lines(connection: socket.socket, most: int = 65536) -> Iterator[bytes]:
    """The peer's lines with their ends, the last perhaps without one; over when its FIN comes."""
    rest = b""
    while data := connection.recv(most):
        rest += data
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > MOST_LINE:
            return
    if rest:
        yield rest


def echo(connection: socket.socket) -> None:
    """A good echo server: until the peer's FIN or its quit."""
    for line in lines(connection):
        if line.strip().lower() == b"quit":
            connection.sendall(b"Good bye\n")
            return
        connection.sendall(capital_letters(line))


def slow_reader(connection: socket.socket) -> None:
    """A few octets at a time, ten times a second: the window closes, and opens a little (RFC 9293 §3.8.6)."""
    rest = b""
    while data := connection.recv(SLOW_READ_BYTES):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            connection.sendall(capital_letters(line + b"\n"))
        if stopping.wait(SLOW_PAUSE_S) or len(rest) > MOST_LINE:
            return


def closes_unread(connection: socket.socket) -> None:
    """One octet is read, the rest is not: the close is a RST (RFC 9293 §3.6, RFC 2525 §2.17)."""
    connection.recv(1)


def linger_zero(connection: socket.socket) -> None:
    """One answer, then a close that throws away what is still to be sent: a RST instead of a FIN."""
    for line in lines(connection):
        connection.sendall(capital_letters(line))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return


def half_closes(connection: socket.socket) -> None:
    """Our side ends at once, the other goes on: FIN-WAIT-2 here, CLOSE-WAIT there (RFC 9293 §3.6)."""
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        continue


def single_octets(connection: socket.socket) -> None:
    """Each octet of an answer in a segment of its own: a stream has no messages."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for line in lines(connection):
        for octet in capital_letters(line):
            connection.sendall(bytes((octet,)))


def late(connection: socket.socket) -> None:
    """Each answer a second after its line: the ACK cannot ride on it (RFC 9293 §3.8.6.3)."""
    for line in lines(connection):
        if stopping.wait(LATE_S):
            return
        connection.sendall(capital_letters(line))


def never_closes(connection: socket.socket) -> None:
    """Good echo, but the peer's FIN is never answered with ours: CLOSE-WAIT for good."""
    for line in lines(connection):
        connection.sendall(capital_letters(line))
    stopping.wait()


def in_two_writes(no_delay: bool) -> Callable[[socket.socket], None]:
    """Each answer in two writes: with Nagle's algorithm (RFC 896) the second waits for the ACK of the first."""

    def talk(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(no_delay))
        for line in lines(connection):
            answer = capital_letters(line)
            half = len(answer) // 2
            connection.sendall(answer[:half])
            connection.sendall(answer[half:])

    return talk


def keeps_alive(connection: socket.socket) -> None:
    """A keep-alive probe after each second of silence, given up after three unanswered (RFC 9293 §3.8.4)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 3)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    echo(connection)


QUIRKS = {
    7001: Quirk("slow reader", "reads 512 octets ten times a second", slow_reader, receive_bytes=4096),
    7002: Quirk("closes with unread data", "reads one octet, then closes", closes_unread),
    7003: Quirk("linger 0", "answers one line, then closes with a RST", linger_zero),
    7004: Quirk("half-closes first", "sends its FIN at once and goes on reading", half_closes),
    7005: Quirk("never accepts", "listens with a backlog of 1 and accepts nobody", None, backlog=1),
    7006: Quirk("small backlog", "a good echo server with a backlog of 8", echo, backlog=8),
    7007: Quirk("single octets", "answers one octet a segment", single_octets),
    7008: Quirk("answers late", "answers each line after a second", late),
    7009: Quirk("never closes", "never answers a FIN with its own", never_closes),
    7010: Quirk(
        "small receive buffer", "a good echo server with the least SO_RCVBUF", echo, receive_bytes=LEAST_BUFFER
    ),
    7011: Quirk("Nagle", "answers in two writes, TCP_NODELAY off", in_two_writes(no_delay=False)),
    7012: Quirk("no delay", "answers in two writes, TCP_NODELAY on", in_two_writes(no_delay=True)),
    7013: Quirk("keep-alive", "asks every second whether the peer is still there", keeps_alive),
}


def listener(port: int, quirk: Quirk) -> socket.socket:
    """A listening socket for both IP versions."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if quirk.receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, quirk.receive_bytes)
    sock.bind(("::", port))
    sock.listen(quirk.backlog)
    return sock


def serve(port: int, quirk: Quirk, sock: socket.socket, places: threading.Semaphore) -> None:
    """Accept for ever, one thread a connection."""

    def one(connection: socket.socket) -> None:
        try:
            with connection:
                quirk.talk(connection)  # type: ignore[misc]
        except OSError as error:
            print(f"{port} {quirk.name}: {error.strerror}", flush=True)
        finally:
            places.release()

    while True:
        places.acquire()
        connection, peer = sock.accept()
        print(f"{port} {quirk.name}: {peer[0].removeprefix('::ffff:')} port {peer[1]} connected", flush=True)
        threading.Thread(target=one, args=(connection,), daemon=True).start()


def main() -> int:
    """Listen on every port until SIGTERM."""
    if sys.argv[1:] == ["--list"]:
        for port, quirk in QUIRKS.items():
            print(f"{port}  {quirk.name:<24} {quirk.sentence}")
        return 0
    if sys.argv[1:]:
        print("echo-quirks: the only option is --list", file=sys.stderr)
        return 2
    places = threading.Semaphore(MOST_CONNECTIONS)
    kept = []
    for port, quirk in QUIRKS.items():
        try:
            kept.append(listener(port, quirk))
        except OSError as error:
            print(f"echo-quirks: cannot listen on port {port} ({error.strerror})", file=sys.stderr)
            return 1
        if quirk.talk is not None:
            threading.Thread(target=serve, args=(port, quirk, kept[-1], places), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    print(f"listening on ports {min(QUIRKS)} to {max(QUIRKS)}", flush=True)
    stopping.wait()
    print("stopping", flush=True)
    # Threads may still sit in recv(): the process's end closes what is theirs.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
