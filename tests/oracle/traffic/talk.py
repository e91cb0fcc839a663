"""One connection of the client program, which counts what it sends and receives: the witness that sees no capture."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import peers

HOSTS = {4: "server", 6: "server6"}
TIMEOUT_S = 20.0


@dataclass
class Told:
    """What this end knows of one connection. whole: it read until the server's FIN and lost nothing."""

    kind: str
    version: int
    client_port: int = 0
    server_port: int = 0
    sent: int = 0
    received: int = 0
    whole: bool = False


class Talk:
    """One connection that counts what passes through it. before: done to the socket before it connects."""

    def __init__(self, told: Told, port: int, bind: int = 0, before: Callable[[socket.socket], None] | None = None):
        self.told = told
        family = socket.AF_INET if told.version == 4 else socket.AF_INET6
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        told.server_port = port
        self.socket.bind(("", bind))
        told.client_port = self.socket.getsockname()[1]
        if before is not None:
            before(self.socket)
        self._connect(port, time.monotonic() + TIMEOUT_S)

    def _connect(self, port: int, deadline_s: float) -> None:
        """A port may be used again only when its last connection has the last acknowledgment: wait for that."""
        while True:
            try:
                return self.socket.connect((HOSTS[self.told.version], port))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > deadline_s:
                    raise
                peers.pause(0.001)

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)
        self.told.sent += len(octets)

    def read(self, most: int = 65536) -> bytes:
        octets = self.socket.recv(most)
        self.told.received += len(octets)
        return octets

    def read_to(self, count: int) -> None:
        """Until so many octets have come in all."""
        while self.told.received < count and self.read():
            pass

    def read_to_end(self) -> None:
        while self.read():
            pass
        self.told.whole = True

    def end(self) -> None:
        """Our FIN, then everything until theirs."""
        self.socket.shutdown(socket.SHUT_WR)
        self.read_to_end()
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, peers.RESET_ON_CLOSE)
        self.socket.close()


_telling = threading.Lock()
all_told: list[Told] = []


def tell(told: Told) -> None:
    """Remember a connection; it is printed when all is over."""
    with _telling:
        all_told.append(told)
