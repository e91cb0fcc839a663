"""The clients of the mixed sessions: every kind of TCP conversation, with real sockets, many at once.

It runs on the lab's client host: ``mixed.py SESSIONS SEED``. Which kinds are played, over which IP version and in which
order, the seed decides. It prints a line of JSON for every connection: the kind, both ports, the octets that this
program put into its socket and took out of it (what the captures are compared with), and in the end the
kernel's own count of retransmitted segments.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import peers
from talk import TIMEOUT_S, Talk, Told, all_told, tell

AT_ONCE = 24
CROWD = 50
"""The most connections of the crowd: they are all open at the same time."""
WORDS = ("alpha", "beta", "gamma", "straße", "κόσμος", "ça va?", "the quick brown fox", "")


Kind = Callable[[random.Random, Told], None]
KINDS: dict[str, tuple[int, Kind]] = {}
"""Every kind of session with its weight: how often it is chosen."""


def kind(weight: int) -> Callable[[Kind], Kind]:
    def add(function: Kind) -> Kind:
        KINDS[function.__name__.replace("_", " ")] = (weight, function)
        return function

    return add


@kind(14)
def server_closes_after_quit(chance: random.Random, told: Told) -> None:
    """The echo conversation: lines, each after the answer to the one before, then quit."""
    talk = Talk(told, 7)
    for _ in range(chance.choice((0, 1, 3, 5, 12))):
        line = f"{chance.choice(WORDS)} {chance.choice(WORDS)}\n".encode()
        talk.send(line)
        talk.read_to(told.received + len(line.decode().upper().encode()))
    talk.send(b"quit\n")
    talk.read_to_end()
    talk.socket.close()


@kind(3)
def long_conversation(chance: random.Random, told: Told) -> None:
    talk = Talk(told, 7)
    for number in range(chance.randrange(100, 250)):
        line = b"line %d\n" % number
        talk.send(line)
        talk.read_to(told.received + len(line))
    talk.send(b"quit\n")
    talk.read_to_end()
    talk.socket.close()


@kind(8)
def client_closes_first(chance: random.Random, told: Told) -> None:
    talk = Talk(told, peers.ECHO)
    for size in [chance.choice((1, 80, 1460, 5000)) for _ in range(chance.randrange(6))]:
        talk.send(bytes(chance.choices(b"abcdefgh", k=size)))
        talk.read_to(told.sent)
    talk.end()


@kind(4)
def nothing_said(chance: random.Random, told: Told) -> None:
    Talk(told, peers.ECHO).end()


@kind(5)
def server_speaks_and_closes_first(chance: random.Random, told: Told) -> None:
    talk = Talk(told, peers.SPEAKS_FIRST)
    talk.read_to_end()
    talk.socket.close()


@kind(8)
def both_close_at_once(chance: random.Random, told: Told) -> None:
    """At a moment agreed upon; half of the time this end is made deaf to the other's FIN, so that it is sure."""
    talk = Talk(told, peers.TOGETHER)
    sure = chance.random() < 0.5
    moment_ns = time.monotonic_ns() + 20_000_000 + chance.randrange(5_000_000)
    talk.send(b"%d\n" % moment_ns)
    if sure:
        peers.drop_arriving(talk.socket, 1.0)
        moment_ns += 10_000_000
    while time.monotonic_ns() < moment_ns:
        pass
    talk.socket.shutdown(socket.SHUT_WR)
    if sure:
        peers.drop_arriving(talk.socket, 0.0)
    talk.read_to_end()
    talk.socket.close()


@kind(5)
def refused(chance: random.Random, told: Told) -> None:
    with contextlib.suppress(ConnectionRefusedError):
        Talk(told, peers.GONE)


@kind(4)
def server_resets(chance: random.Random, told: Told) -> None:
    talk = Talk(told, peers.RESETS)
    talk.send(b"a line\n")
    with contextlib.suppress(ConnectionResetError):
        talk.read_to_end()
    talk.socket.close()


@kind(4)
def server_closes_with_unread_data(chance: random.Random, told: Told) -> None:
    talk = Talk(told, peers.LEAVES_UNREAD)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        talk.send(b"nobody reads this " * chance.choice((1, 100, 2000)))
        talk.read_to_end()
    told.whole = False
    talk.socket.close()


@kind(4)
def client_resets(chance: random.Random, told: Told) -> None:
    talk = Talk(told, peers.ECHO)
    if chance.random() < 0.7:
        talk.send(b"a line\n")
        talk.read_to(7)
    talk.reset()


@kind(3)
def client_leaves_answers_unread(chance: random.Random, told: Told) -> None:
    talk = Talk(told, 7)
    talk.send(b"many lines\n" * 400)
    talk.read(1)
    talk.socket.close()


@kind(5)
def client_half_closes(chance: random.Random, told: Told) -> None:
    """Our side ends; the answer, small or large, comes on the half that is left."""
    talk = Talk(told, peers.ANSWERS_AFTER_END)
    talk.send(b"%d\n" % chance.choice((0, 10, 4000, 200_000)))
    talk.end()


@kind(3)
def unfinished_line_then_end(chance: random.Random, told: Told) -> None:
    talk = Talk(told, 7)
    talk.send(b"no line end")
    talk.end()


@kind(4)
def server_half_closes(chance: random.Random, told: Told) -> None:
    talk = Talk(told, peers.ENDS_EARLY)
    talk.read_to_end()
    for _ in range(chance.randrange(1, 5)):
        talk.send(b"but I go on " * chance.choice((1, 50)))
    talk.socket.close()


@kind(3)
def textbook_client(chance: random.Random, told: Told) -> None:
    """Text without a line end, and waiting for the answer."""
    talk = Talk(told, 7)
    for word in (b"Hello", b"World")[: chance.randrange(1, 3)]:
        talk.send(word)
        talk.read_to(told.sent)
    talk.end()


@kind(3)
def slow_reader(chance: random.Random, told: Told) -> None:
    """More than the server's buffer takes: its window closes for a while."""
    talk = Talk(told, peers.SLOW)
    talk.send(b"too much " * chance.randrange(2_000, 8_000))
    talk.end()


@kind(2)
def kept_alive(chance: random.Random, told: Told) -> None:
    """Idle for longer than TCP_KEEPIDLE: the kernel asks whether anybody is there."""
    talk = Talk(told, peers.ECHO)
    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    talk.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    talk.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    if chance.random() < 0.7:
        talk.send(b"are you there?\n")
        talk.read_to(told.sent)
    peers.pause(1.3 if chance.random() < 0.7 else 2.3)
    talk.end()


@kind(6)
def the_same_port_again(chance: random.Random, told: Told) -> None:
    """The server closed first and holds TIME_WAIT: the same four numbers may be used at once, with a new ISN."""
    server_speaks_and_closes_first(chance, told)
    again = Told(told.kind, told.version)
    talk = Talk(again, peers.SPEAKS_FIRST, bind=told.client_port)
    tell(again)
    talk.read_to_end()
    talk.socket.close()


@kind(3)
def the_same_port_after_a_reset(chance: random.Random, told: Told) -> None:
    client_resets(chance, told)
    again = Told(told.kind, told.version)
    talk = Talk(again, peers.ECHO, bind=told.client_port)
    tell(again)
    talk.send(b"once more\n")
    talk.end()


@kind(10)
def lossy(chance: random.Random, told: Told) -> None:
    """Both sockets lose segments that reached them."""

    def lose(connection: socket.socket) -> None:
        peers.drop_arriving(connection, chance.choice((0.0, 0.03, 0.08)))

    talk = Talk(told, peers.LOSSY, before=lose)
    for size in [chance.choice((20, 3000, 20_000)) for _ in range(chance.randrange(1, 5))]:
        talk.send(bytes(chance.choices(b"abcdefgh", k=size)))
        talk.read_to(told.sent)
    talk.end()


@kind(1)
def full_queue(chance: random.Random, told: Told) -> None:
    """Three connections to a listener with room for less: a SYN is dropped and sent again. A server whose queue stays
    full may forget a connection that the client believes to have, and answer its text with a RST.
    """
    others = [Told(told.kind, told.version) for _ in range(2)]
    with _full:
        talks = []
        for one in (told, *others):
            talks.append(Talk(one, peers.FULL))
            if one is not told:
                tell(one)
        for talk in talks:
            talk.send(b"at last\n")
        for talk in talks:
            with contextlib.suppress(ConnectionResetError):
                talk.end()


@kind(1)
def nobody_answers(chance: random.Random, told: Told) -> None:
    """SYN after SYN, and no answer: half-open."""
    with contextlib.suppress(TimeoutError):
        Talk(told, peers.DEAF, before=lambda one: one.settimeout(chance.choice((0.5, 1.5, 2.5))))


@kind(1)
def client_hears_nothing(chance: random.Random, told: Told) -> None:
    """The SYN-ACK reaches the client's host but not its TCP; in the end its kernel answers it with a RST."""

    def deaf(connection: socket.socket) -> None:
        connection.settimeout(1.5)
        peers.drop_arriving(connection, 1.0)

    with contextlib.suppress(TimeoutError):
        Talk(told, peers.ECHO, before=deaf)


@kind(1)
def big_transfer(chance: random.Random, told: Told) -> None:
    talk = Talk(told, peers.ECHO)
    reader = threading.Thread(target=talk.read_to_end)
    reader.start()
    talk.send(bytes(chance.randrange(500_000, 2_000_000)))
    talk.socket.shutdown(socket.SHUT_WR)
    reader.join()
    talk.socket.close()


_full = threading.Lock()


def crowd(chance: random.Random, size: int) -> None:
    """Many connections that are all open at the same time."""
    together = threading.Barrier(size)

    def one(seed: int) -> None:
        told = Told("many at once", 4 if seed % 3 else 6)
        tell(told)
        talk = Talk(told, 7)
        together.wait(TIMEOUT_S)
        for number in range(3):
            talk.send(b"we are many: %d\n" % number)
            talk.read_to(told.sent)
        talk.send(b"quit\n")
        talk.read_to_end()
        talk.socket.close()

    with ThreadPoolExecutor(size) as pool:
        list(pool.map(one, (chance.randrange(1000) for _ in range(size))))


def retransmitted_segments() -> int:
    """The kernel's own count on this host, from its birth (RFC 4022 tcpRetransSegs)."""
    lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")]
    return int(lines[1][lines[0].index("RetransSegs")])


def main() -> int:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)
    names = list(KINDS) + chance.choices(list(KINDS), [weight for weight, _ in KINDS.values()], k=count)
    before = retransmitted_segments()
    troubles: list[str] = []

    def play(number: int) -> None:
        if len(all_told) >= count:
            return
        own = random.Random(f"{seed} {number}")
        told = Told(names[number], own.choice((4, 6)))
        tell(told)
        try:
            KINDS[told.kind][1](own, told)
        except OSError as error:
            troubles.append(f"{told}: {error!r}")

    crowd(chance, min(CROWD, count // 5))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(play, range(len(names))))
    for told in all_told:
        print(json.dumps(asdict(told)))
    print(json.dumps({"retransmitted_by_client": retransmitted_segments() - before, "troubles": troubles}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
