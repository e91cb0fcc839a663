"""Telling a running wire what to do: one request and one answer, each a line of JSON, over a Unix socket in its folder.

No container needs Docker's socket for it, and no port is open: ``docker compose exec wire wire load lost-syn`` runs the
asking side beside the wire. A script is checked by the wire itself before it replaces the old one, so a broken script
changes nothing. Nor does a broken request, or an asker who is slow: the wire takes what has come and forwards on.
"""

from __future__ import annotations

import json
import select
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.router.errors import WireError

FOLDER = Path("/run/wire")
SOCKET = "control"
MOST_OCTETS = 1 << 21
"""More than a script of the greatest length in JSON, where a character may take twelve octets."""

MOST_ASKERS = 8
_PATIENCE_S = 5.0
ATTEMPTS = 3

Answer = dict[str, Any]


class Asker:
    """Somebody who asks: what has come of his request, and what he has not yet taken of the answer."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.request = b""
        self.answer = b""


class Listener:
    """The wire's side. answer: gets a request, returns what to answer. It never waits: frames do not wait for it."""

    def __init__(self, folder: Path, answer: Callable[[Answer], Answer]) -> None:
        self._path = folder / SOCKET
        self._answer = answer
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(str(self._path))
        except OSError as error:
            raise WireError(
                f"the wire cannot listen on {self._path} ({error.strerror}): give it a folder to write in"
            ) from error
        self._path.chmod(0o666)
        self._socket.listen(8)
        self._socket.setblocking(False)
        self._askers: dict[int, Asker] = {}
        self._events = select.epoll()
        self._events.register(self._socket, select.EPOLLIN)

    def fileno(self) -> int:
        """Readable when there is something to serve."""
        return self._events.fileno()

    def serve(self) -> None:
        """Take what has come and give what can be given. A request is answered when its line has ended."""
        for number, _ in self._events.poll(0):
            asker = self._askers.get(number)
            try:
                if asker is None:
                    self._welcome()
                elif not (self._give(asker) if asker.answer else self._take(asker)):
                    self._dismiss(number)
            except BlockingIOError:
                continue
            except OSError:
                if asker is not None:
                    self._dismiss(number)

    def _welcome(self) -> None:
        connection, _ = self._socket.accept()
        connection.setblocking(False)
        if len(self._askers) >= MOST_ASKERS:  # who has been here longest is slow, or says nothing
            self._dismiss(next(iter(self._askers)))
        self._askers[connection.fileno()] = Asker(connection)
        self._events.register(connection, select.EPOLLIN)

    def _take(self, asker: Asker) -> bool:
        """Some more of a request. Returns whether the asker may stay."""
        more = asker.connection.recv(65536)
        asker.request += more
        if more and not more.endswith(b"\n") and len(asker.request) < MOST_OCTETS:
            return True
        asker.answer = json.dumps(self._answered(asker.request)).encode() + b"\n"
        self._events.modify(asker.connection, select.EPOLLOUT)
        return self._give(asker)

    def _give(self, asker: Asker) -> bool:
        """Some more of an answer. Returns whether there is some left."""
        asker.answer = asker.answer[asker.connection.send(asker.answer) :]
        return bool(asker.answer)

    def _dismiss(self, number: int) -> None:
        self._askers.pop(number).connection.close()  # and with it what epoll knew of it

    def _answered(self, octets: bytes) -> Answer:
        try:
            request = json.loads(octets)
        except (ValueError, RecursionError):
            return {"error": "the request is no line of JSON"}
        if not isinstance(request, dict):
            return {"error": "the request is no object"}
        try:
            return self._answer(request)
        except Exception as error:  # whatever somebody asks, the wire goes on forwarding
            print(f"wire: a request failed: {error!r}", file=sys.stderr, flush=True)
            return {"error": f"the wire failed to do that ({type(error).__name__}); it goes on as before"}

    def close(self) -> None:
        """Listen no more."""
        for number in list(self._askers):
            self._dismiss(number)
        self._events.close()
        self._socket.close()
        self._path.unlink(missing_ok=True)


def ask(folder: Path, request: Answer) -> Answer:
    """Ask the wire of this folder. Raises WireError if it does not answer or refuses."""
    octets = b""
    for left in reversed(range(ATTEMPTS)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE_S)
            try:
                connection.connect(str(folder / SOCKET))
                connection.sendall(json.dumps(request).encode() + b"\n")
                octets = received(connection)
                break
            except (BrokenPipeError, ConnectionResetError) as error:
                if not left:  # it sends away who is slow; on a busy machine that may be us
                    raise _unanswered(folder, error) from error
            except OSError as error:
                raise _unanswered(folder, error) from error
    try:
        answer: Answer = json.loads(octets)
    except ValueError as error:
        raise WireError("the wire broke off its answer: 'docker compose logs wire' says why") from error
    if "error" in answer:
        raise WireError(str(answer["error"]))
    return answer


def _unanswered(folder: Path, error: OSError) -> WireError:
    return WireError(
        f"no wire answers in {folder} ({error.strerror or error}): 'docker compose --profile wire up', then "
        "'docker compose exec wire wire ...'"
    )


def received(connection: socket.socket) -> bytes:
    """Octets up to the line feed, the end, or the bound."""
    octets = b""
    while not octets.endswith(b"\n") and len(octets) < MOST_OCTETS:
        more = connection.recv(65536)
        if not more:
            break
        octets += more
    return octets
