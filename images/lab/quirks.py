#!/usr/bin/python3
"""echo-quirks: an echo server that misbehaves, each port in one way of its own.

What a TCP does when the program above it is slow, rude or silent cannot be seen with a good server. Each port here
shows one case, as docs/quirks.md describes them (its table is what ``echo-quirks --table`` prints, and a test holds the
two together). The answers are the echo protocol's: the line in capital letters. Both IP versions have a listener of
their own. One thread a connection, at most MOST_CONNECTIONS a listener, so that one port's visitors never keep another
port's waiting; the rest wait in the backlog. Whoever says nothing for PATIENCE_S is let go.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

MOST_CONNECTIONS = 64
PATIENCE_S = 600.0
MOST_LINE = 1 << 20
SLOW_READ_BYTES, SLOW_PAUSE_S = 512, 0.1
LATE_S = 1.0
LEAST_BUFFER = 2304  # the kernel doubles what is asked for, and takes no less than this
BACKLOG = 4096
stopping = threading.Event()


class Quirk(NamedTuple):
    """One port's behaviour. look: a display filter of Wireshark and what it shows. rule: where it is written. talk:
    what is done with a connection; None: nobody accepts. backlog: for listen(). receive_bytes: SO_RCVBUF, set before
    listen() so that the handshake announces it; None leaves the system's."""

    name: str
    sentence: str
    look: str
    rule: str
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
    """Good echo, but the peer's FIN is not answered with ours: CLOSE-WAIT, for longer than anybody waits."""
    for line in lines(connection):
        connection.sendall(capital_letters(line))
    stopping.wait(PATIENCE_S)


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
    7001: Quirk(
        "slow reader",
        "reads 512 octets ten times a second",
        "`tcp.window_size == 0`: no room; `tcp.analysis.window_update`: a little again",
        "RFC 9293 §3.8.6",
        slow_reader,
        receive_bytes=4096,
    ),
    7002: Quirk(
        "closes with unread data",
        "reads one octet, then closes: send a line, and the rest of it is unread",
        "`tcp.flags.reset == 1`: a RST, and no FIN of the server",
        "RFC 2525 §2.17",
        closes_unread,
    ),
    7003: Quirk(
        "linger 0",
        "answers one line, then closes with a RST (SO_LINGER, 0 s)",
        "`tcp.flags.reset == 1`: after a good answer, no FIN of the server",
        "RFC 9293 §3.9.1 (ABORT)",
        linger_zero,
    ),
    7004: Quirk(
        "half-closes first",
        "sends its FIN at once, then reads on and answers nothing",
        "`tcp.flags.fin == 1`: the server's comes first; `tcp.len > 0`: the client's data after it are acknowledged",
        "RFC 9293 §3.6",
        half_closes,
    ),
    7005: Quirk(
        "never accepts",
        "listens with a backlog of 1 and accepts nobody",
        "`tcp.flags.syn == 1`: two get a SYN-ACK, and ACKs for their data; the third's SYN has no answer",
        "RFC 9293 §3.9.1 (OPEN)",
        None,
        backlog=1,
    ),
    7006: Quirk(
        "small backlog",
        "a good echo server with a backlog of 8",
        "`tcp.flags.syn == 1 && tcp.flags.ack == 1`: in a flood, cookies off, they soon end",
        "RFC 4987 §2",
        echo,
        backlog=8,
    ),
    7007: Quirk(
        "single octets",
        "answers one octet a segment",
        "`tcp.len == 1`: a line is as many segments as it has octets",
        "RFC 9293 §2.2",
        single_octets,
    ),
    7008: Quirk(
        "answers late",
        "answers each line after a second",
        "`tcp.len == 0 && tcp.srcport == 7008`: the ACK goes alone, the answer follows a second later",
        "RFC 9293 §3.8.6.3",
        late,
    ),
    7009: Quirk(
        "never closes",
        "a good echo server that never answers a FIN with its own",
        "`tcp.flags.fin == 1`: the client's alone; `ss -t` on server-host: CLOSE-WAIT",
        "RFC 9293 §3.6",
        never_closes,
    ),
    7010: Quirk(
        "small receive buffer",
        "a good echo server with the least SO_RCVBUF",
        "`tcp.window_size_value < 3000 && tcp.srcport == 7010`: from the SYN-ACK on",
        "RFC 9293 §3.8.6",
        echo,
        receive_bytes=LEAST_BUFFER,
    ),
    7011: Quirk(
        "Nagle",
        "answers in two writes, TCP_NODELAY off",
        "`tcp.len > 0 && tcp.srcport == 7011`: the second half comes after the ACK of the first",
        "RFC 9293 §3.7.4",
        in_two_writes(no_delay=False),
    ),
    7012: Quirk(
        "no delay",
        "answers in two writes, TCP_NODELAY on",
        "`tcp.len > 0 && tcp.srcport == 7012`: the second half waits for nothing",
        "RFC 9293 §3.7.4",
        in_two_writes(no_delay=True),
    ),
    7013: Quirk(
        "keep-alive",
        "a good echo server that asks every second of silence whether the peer is still there",
        "`tcp.analysis.keep_alive`: a sequence number one too low; `tcp.analysis.keep_alive_ack`: its answer",
        "RFC 9293 §3.8.4",
        keeps_alive,
    ),
}


def table() -> str:
    """The table of docs/quirks.md."""
    rows = [
        f"| {port} | {quirk.name} | {quirk.sentence} | {quirk.look} | {quirk.rule} |" for port, quirk in QUIRKS.items()
    ]
    head = ["| port | name | what it does | where to look (display filter) | rule |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def listed() -> str:
    """Port and behaviour, a line each."""
    return "\n".join(f"{port}  {quirk.name:<24} {quirk.sentence}" for port, quirk in QUIRKS.items())


def listener(port: int, quirk: Quirk, version: int) -> socket.socket:
    """A listening socket for one IP version. Two, and not one for both: each has a backlog of its own."""
    sock = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if quirk.receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, quirk.receive_bytes)
        sock.bind(("::" if version == 6 else "0.0.0.0", port))
        sock.listen(quirk.backlog)
    except OSError:
        sock.close()
        raise
    return sock


def serve(port: int, quirk: Quirk, sock: socket.socket, say: Callable[[str], None]) -> None:
    """Accept until the listener is closed, one thread a connection. What goes wrong costs one connection at most."""
    talk, places = quirk.talk, threading.Semaphore(MOST_CONNECTIONS)
    assert talk is not None

    def one(connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(PATIENCE_S)
                talk(connection)
        except OSError as error:
            say(f"{port} {quirk.name}: {error.strerror or error}")
        finally:
            places.release()

    while True:
        places.acquire()
        try:
            connection, peer = sock.accept()
        except OSError as error:
            places.release()
            if sock.fileno() < 0 or stopping.wait(LATE_S):
                return
            # The peer gave up in the backlog, or there are too many open files: the next one may have more luck.
            say(f"{port} {quirk.name}: {error.strerror}")
            continue
        say(f"{port} {quirk.name}: {peer[0]} port {peer[1]} connected")
        try:
            threading.Thread(target=one, args=(connection,), daemon=True).start()
        except RuntimeError as error:
            say(f"{port} {quirk.name}: {error}")
            connection.close()
            places.release()


def say(text: str) -> None:
    """A line of the log."""
    print(text, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Listen on every port until SIGTERM. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="echo-quirks",
        description="An echo server that misbehaves, each port in one way:\n\n" + listed(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="the ports and what each does, and end")
    parser.add_argument("--table", action="store_true", help="the table of docs/quirks.md, and end")
    asked = parser.parse_args(arguments)
    if asked.list or asked.table:
        print(table() if asked.table else listed())
        return 0
    kept = []
    for port, quirk in QUIRKS.items():
        for version in (4, 6):
            try:
                kept.append(listener(port, quirk, version))
            except OSError as error:
                print(f"echo-quirks: cannot listen on port {port}, IPv{version} ({error.strerror})", file=sys.stderr)
                return 1
            if quirk.talk is not None:
                threading.Thread(target=serve, args=(port, quirk, kept[-1], say), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    say(f"listening on ports {min(QUIRKS)} to {max(QUIRKS)}")
    stopping.wait()
    say("stopping")
    # Threads may still sit in recv(): the process's end closes what is theirs.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
