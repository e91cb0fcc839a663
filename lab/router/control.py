"""Telling a running wire what to do: one request and one answer, each a line of JSON, over a Unix socket in its folder.

No container needs Docker's socket for it, and no port is open: ``docker compose exec wire wire load lost-syn`` runs the
asking side beside the wire. A script is checked by the wire itself before it replaces the old one, so a broken script
changes nothing.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.router.errors import WireError

FOLDER = Path("/run/wire")
SOCKET = "control"
MOST_OCTETS = 1 << 18
_PATIENCE_S = 5.0
ATTEMPTS = 3

Answer = dict[str, Any]


class Listener:
    """The wire's side. answer: gets a request, returns what to answer."""

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

    def fileno(self) -> int:
        """Readable when somebody asks."""
        return self._socket.fileno()

    def serve(self) -> None:
        """Answer one asker. One that is slow or talks nonsense is sent away; frames must not wait for it."""
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(0.2)
            try:
                answer = self._answered(received(connection))
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                return

    def _answered(self, octets: bytes) -> Answer:
        try:
            request = json.loads(octets)
        except ValueError:
            return {"error": "the request is no line of JSON"}
        if not isinstance(request, dict):
            return {"error": "the request is no object"}
        return self._answer(request)

    def close(self) -> None:
        """Listen no more."""
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
