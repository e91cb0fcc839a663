"""Visits to every port of the quirks server, all at once, and what a plain socket sees of each. Sent as text to a
container beside the client (``python3 -c``); prints one object of JSON, a member for each visit.

A visit's outcome is a row of words: an answer, ``end`` (the server's FIN), ``reset``, ``silence`` (nothing came in the
time given), ``connected``.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

SLOW, UNREAD, LINGER, HALF, NEVER_ACCEPTS, BACKLOG, SINGLE, LATE, NEVER_CLOSES, SMALL, NAGLE, NO_DELAY, ALIVE = range(
    7001, 7014
)
LONG = b"".join(b"%03d %s\n" % (number, b"a long line " * 82) for number in range(12))
QUICKACK = 12


class Visit:
    """One connection and what came of it."""

    def __init__(self, address: str, port: int, patience_s: float = 10.0) -> None:
        self.talk = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        self.talk.settimeout(patience_s)
        self.saw: list[str] = []
        self.ms: list[float] = []
        started = time.monotonic()
        try:
            self.talk.connect((address, port))
            self.saw.append("connected")
        except TimeoutError:
            self.saw.append("silence")
        self.port = self.talk.getsockname()[1]
        self.ms.append((time.monotonic() - started) * 1000)

    def say(self, text: bytes) -> None:
        """Send it, and all of it."""
        self.talk.sendall(text)

    def hear(self, octets: int, patience_s: float = 10.0) -> None:
        """What comes, up to so many octets."""
        self.talk.settimeout(patience_s)
        got, started, end = b"", time.monotonic(), ""
        try:
            while len(got) < octets and not end:
                # Ask for delayed ACKs each time anew: Linux forgets it (tcp(7)).
                self.talk.setsockopt(socket.IPPROTO_TCP, QUICKACK, 0)
                more = self.talk.recv(octets - len(got))
                got += more
                end = "" if more else "end"
        except TimeoutError:
            end = "silence"
        except ConnectionResetError:
            end = "reset"
        self.ms.append((time.monotonic() - started) * 1000)
        self.saw += [word for word in (got.decode() if len(got) < 64 else f"{len(got)} octets", end) if word]
        if len(got) >= 64:
            self.saw[-1] += "" if got == LONG.upper()[: len(got)] else ", wrong"


def line(visit: Visit, text: bytes = b"hello\n") -> None:
    """A line there, its answer back."""
    visit.say(text)
    visit.hear(len(text))


def slow(visit: Visit) -> None:
    visit.say(LONG)
    visit.hear(len(LONG), 20)


def rude(visit: Visit) -> None:
    line(visit)
    visit.hear(1)


def half(visit: Visit) -> None:
    visit.hear(1)
    visit.say(b"one\n")
    visit.say(b"two\n")
    visit.hear(1, 0.3)


def refuses_to_close(visit: Visit) -> None:
    line(visit)
    visit.talk.shutdown(socket.SHUT_WR)
    visit.hear(1, 1.5)


def quiet_for_a_while(visit: Visit) -> None:
    line(visit)
    visit.hear(1, 2.6)


def twice(visit: Visit) -> None:
    # The first line is answered while the client still ACKs at once (it does so early in a session).
    for _ in range(3):
        line(visit, b"Nagle waits\n")


def nobody(visit: Visit) -> None:
    visit.say(b"is anybody there?\n")
    visit.hear(1, 0.5)


STORIES: dict[int, Callable[[Visit], None]] = {
    SLOW: slow,
    UNREAD: rude,
    LINGER: rude,
    HALF: half,
    NEVER_ACCEPTS: nobody,
    BACKLOG: quiet_for_a_while,
    SINGLE: line,
    LATE: line,
    NEVER_CLOSES: refuses_to_close,
    SMALL: slow,
    NAGLE: twice,
    NO_DELAY: twice,
    ALIVE: quiet_for_a_while,
}
TIMES = {NEVER_ACCEPTS: 2}


def main(addresses: list[str]) -> None:
    """Visit, and wait for a word on standard input before closing: somebody may want to look at the sockets."""
    told: dict[str, Any] = {}
    kept: list[Visit] = []

    def visit(address: str, port: int, name: str) -> None:
        one = Visit(address, port)
        kept.append(one)
        STORIES[port](one)
        told[name] = {"port": one.port, "saw": one.saw, "ms": one.ms}

    threads = []
    for address in addresses:
        version = 6 if ":" in address else 4
        for port in STORIES:
            for number in range(TIMES.get(port, 1)):
                words = (address, port, f"{port} {version}" + (f" {number + 1}" if number else ""))
                threads.append(threading.Thread(target=visit, args=words))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for address in addresses:  # the third at the door where two have been let in
        third = Visit(address, NEVER_ACCEPTS, 2.5)
        told[f"{NEVER_ACCEPTS} {6 if ':' in address else 4} 3"] = {
            "port": third.port,
            "saw": third.saw,
            "ms": third.ms,
        }
        third.talk.close()
    print(json.dumps(told), flush=True)
    sys.stdin.readline()
    for one in kept:
        one.talk.close()


if __name__ == "__main__":
    main(sys.argv[1:])
