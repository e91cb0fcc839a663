"""The servers of the mixed sessions: one port for each way in which a TCP connection can go on and end.

It runs on the lab's server host, beside the echo server, with nothing but the standard library. The client's half is
mixed.py; both halves together make every kind of session with real sockets of a real kernel.

Losses. A wire that drops frames is not at hand here, but a socket can drop what reaches it: a socket filter
(SO_ATTACH_FILTER, classic BPF) runs before TCP looks at a segment. The tap has seen the frame by then, TCP never does,
and what the two kernels do about it (retransmission, SACK, RTO, tail loss probe) is real. Some kernels ask for
NET_ADMIN before they take such a filter, so the container has it, over the lab's namespace only.
"""

import contextlib
import ctypes
import select
import socket
import struct
import sys
import threading
import time

ECHO, SPEAKS_FIRST, RESETS, LEAVES_UNREAD, SLOW, TOGETHER, ANSWERS_AFTER_END, ENDS_EARLY, LOSSY, FULL, DEAF, GONE = (
    range(7101, 7113)
)
"""GONE is a port on which nobody listens."""
LOSS_OF_SERVER = 0.06
SLOW_BUFFER_BYTES = 4096
SLOW_WAIT_S = 0.75
FULL_WAIT_S = 1.4
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: close() sends a RST instead of a FIN."""

_SO_ATTACH_FILTER = 26
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM: a random 32-bit number


def drop_arriving(connection: socket.socket, share: float) -> None:
    """Let this socket lose a share (0 to 1) of the segments that reach it. Sockets accepted from it inherit that."""
    threshold = min(int(share * 0x100000000), 0xFFFFFFFF)
    program = struct.pack("=HBBI", 0x20, 0, 0, _RANDOM)  # A = random number
    program += struct.pack("=HBBI", 0x35, 1, 0, threshold)  # A >= threshold? then skip one
    program += struct.pack("=HBBI", 0x06, 0, 0, 0)  # return 0: drop
    program += struct.pack("=HBBI", 0x06, 0, 0, 0xFFFFFFFF)  # return all: keep
    memory = ctypes.create_string_buffer(program)
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(memory)))


def read_line(connection: socket.socket) -> bytes:
    """The first line, read octet by octet so that nothing behind it is taken."""
    line = b""
    while not line.endswith(b"\n"):
        octet = connection.recv(1)
        if not octet:
            break
        line += octet
    return line


def read_to_end(connection: socket.socket) -> int:
    """How many octets came until the peer's FIN."""
    count = 0
    while octets := connection.recv(65536):
        count += len(octets)
    return count


def pause(seconds: float) -> None:
    """Let time pass: here the time itself is what is being made (a closed window, an idle connection)."""
    threading.Event().wait(seconds)


def echo(connection: socket.socket) -> None:
    while octets := connection.recv(65536):
        connection.sendall(octets.upper())


def speaks_first(connection: socket.socket) -> None:
    connection.sendall(b"hello from the server, and good bye\n")
    connection.shutdown(socket.SHUT_WR)
    read_to_end(connection)


def resets(connection: socket.socket) -> None:
    read_line(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def leaves_unread(connection: socket.socket) -> None:
    connection.recv(1, socket.MSG_PEEK)


def slow(connection: socket.socket) -> None:
    """Reads nothing for a while, so that its window closes and the client has to probe it; then all."""
    connection.recv(1, socket.MSG_PEEK)
    pause(SLOW_WAIT_S)
    count = 0
    while octets := connection.recv(2048):
        count += len(octets)
    connection.sendall(b"%d octets\n" % count)


def together(connection: socket.socket) -> None:
    """Closes at the very moment that the client has named, by the clock that both hosts share."""
    moment_ns = int(read_line(connection))
    while time.monotonic_ns() < moment_ns:
        pass
    connection.shutdown(socket.SHUT_WR)
    read_to_end(connection)


def answers_after_end(connection: socket.socket) -> None:
    """The first line says how many octets are wanted; they come after the client's FIN."""
    wanted = int(read_line(connection))
    read_to_end(connection)
    connection.sendall(bytes(range(256)) * (wanted // 256) + bytes(wanted % 256))


def ends_early(connection: socket.socket) -> None:
    connection.sendall(b"I say no more\n")
    connection.shutdown(socket.SHUT_WR)
    read_to_end(connection)


TALKS = {
    ECHO: echo,
    SPEAKS_FIRST: speaks_first,
    RESETS: resets,
    LEAVES_UNREAD: leaves_unread,
    SLOW: slow,
    TOGETHER: together,
    ANSWERS_AFTER_END: answers_after_end,
    ENDS_EARLY: ends_early,
    LOSSY: echo,
    FULL: echo,
    DEAF: echo,
}


def listen(family: socket.AddressFamily, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if port == SLOW:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
    if port in (LOSSY, DEAF):
        drop_arriving(listener, 1.0 if port == DEAF else LOSS_OF_SERVER)
    listener.bind(("", port))
    listener.listen(0 if port == FULL else 512)
    return listener


def serve(listener: socket.socket, port: int) -> None:
    """Accept for ever. The full port lets its queue fill first: SYNs that find no room are dropped and sent again."""

    def talk(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            TALKS[port](connection)

    while True:
        if port == FULL:
            select.select([listener], [], [])
            pause(FULL_WAIT_S)
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


def main() -> None:
    for port in TALKS:
        for family in (socket.AF_INET, socket.AF_INET6):
            threading.Thread(target=serve, args=(listen(family, port), port), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()  # until whoever started it goes away


if __name__ == "__main__":
    main()
