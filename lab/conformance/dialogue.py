"""Conversations as data: most server cases are a row of small steps, so that one can read them without reading
code.

``case("crlf", "A line that…", "P3", "…advice…", send(b"a\\r\\n"), read(b"A\\r\\n"), probe())`` is a whole case. A
step is a function that gets the connection. The last step of most cases is probe(): one more line and its answer.
It shows that nothing was left over and that the server still listens, without depending on how the server closes.
"""

from __future__ import annotations

from collections.abc import Callable

from lab.conformance.model import Case, Target
from lab.conformance.peer import Peer

Step = Callable[[Peer], object]


def case(key: str, name: str, rule: str, advice: str, *steps: Step, alone: bool = False) -> Case:
    """A case that is one conversation over one connection."""

    def play(target: Target) -> None:
        converse(target, *steps)

    return Case(key, name, rule, advice, play, alone)


def converse(target: Target, *steps: Step) -> None:
    """Take the steps one after another on a new connection. Raises Failed."""
    with Peer(target) as peer:
        for step in steps:
            step(peer)


def send(octets: bytes, *, pieces: int = 0) -> Step:
    """Send octets in one write; or in pieces of so many octets, each a segment of its own."""
    return lambda peer: peer.send(octets, pieces=pieces)


def read(octets: bytes) -> Step:
    """Exactly these octets must come next."""
    return lambda peer: peer.read(octets)


def quiet(seconds: float) -> Step:
    """Nothing may come for so long."""
    return lambda peer: peer.quiet(seconds)


def half_close() -> Step:
    """End the client's side: FIN."""
    return lambda peer: peer.half_close()


def end() -> Step:
    """The server's FIN must come next: not a RST, no octet before it."""
    return lambda peer: peer.end()


def probe() -> Step:
    """One more line is answered, and only that."""

    def step(peer: Peer) -> None:
        peer.send(b"0\n")
        peer.read(b"0\n")

    return step
