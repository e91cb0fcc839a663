"""Server cases with many clients, rude clients and clients that do not read (rules P1, P24, P25)."""

from __future__ import annotations

import contextlib
import hashlib
import selectors
import time

from lab.conformance.dialogue import converse, probe, read, send
from lab.conformance.model import Case, Failed, Target, Unable
from lab.conformance.peer import Peer, words_of

_MANY = "Serve all connections at once: an event loop or a thread for each, and listen() with a large backlog."
_SLOW = (
    "When send() would block, remember the answers of this client and stop reading from it until they are gone; "
    "serve the others meanwhile. While you do not read, the 200 ms of silence must not run."
)
_RUDE = "An error of one socket ends that connection: catch it, close the socket, go on."

SIDE_BY_SIDE = "side-by-side"  # run.py adds to it what fails only while other cases run
_RAMP = 50  # so many connections are begun at once: some servers accept only one per turn of their loop
_LINE = b"backpressure: " + b"x" * 985 + b"\n"
KERNEL_OCTETS = (
    48 << 20
)  # what the buffers of two kernels take at most, generously; more must be in the server's memory


def raise_descriptor_limit(wanted: int) -> None:
    """Allow this process so many open files. Raises Unable when the system doesn't."""
    try:
        import resource
    except ImportError:  # not on Windows, where there is no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Unable(f"{wanted} open files are needed and {hard} allowed: raise the limit with `ulimit -Hn {wanted}`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _thousand(target: Target) -> None:
    """Open them in steps; then each says a line, and again when all the others are open."""
    raise_descriptor_limit(target.connections + 200)
    peers: list[Peer] = []
    try:
        while len(peers) < target.connections:
            new = [Peer(target) for _ in range(min(_RAMP, target.connections - len(peers)))]
            peers += new
            _all_answer(new, b"first", target, len(peers))
        _all_answer(peers, b"all are open", target, len(peers))
    finally:
        for peer in peers:
            peer.socket.close()


def _all_answer(peers: list[Peer], word: bytes, target: Target, open_now: int) -> None:
    for number, peer in enumerate(peers):
        peer.send(b"%s %d\n" % (word, number))
    deadline = time.monotonic() + 2 * target.patience_s
    for number, peer in enumerate(peers):
        try:
            peer.read(b"%s %d\n" % (word.upper(), number), within_s=max(0.05, deadline - time.monotonic()))
        except Failed as failed:
            where = f"on connection {number + 1} of {len(peers)} ({open_now} open)"
            raise Failed(failed.expected, f"{failed.got}, {where}", failed.sent) from failed


def _silent_clients(target: Target) -> None:
    """Some connect and say nothing, or half a line. A server that serves one by one would never come to the last."""
    with Peer(target), Peer(target) as half, Peer(target):
        half.send(b"half a li")
        converse(target, send(b"hello\n"), read(b"HELLO\n"), probe())


class Deaf:
    """A client that sends and does not read, with small buffers, so that the kernel doesn't hide it for long."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.peer = Peer(target, buffers_octets=64 << 10)
        self.peer.socket.setblocking(False)
        self.sent_octets = 0

    def fill(self, most_octets: int, still_s: float) -> bool:
        """Send until the server has taken nothing for still_s: then True; False when it takes more than most_octets."""
        block = _LINE * 64
        with selectors.DefaultSelector() as writable:
            writable.register(self.peer.socket, selectors.EVENT_WRITE)
            while self.sent_octets < most_octets:
                if not writable.select(still_s):
                    return True
                offset = self.sent_octets % len(_LINE)
                try:
                    self.sent_octets += self.peer.socket.send(block[offset:])
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise Failed(
                        "a server that waits for its client", words_of(error), f"{self.sent_octets} octets"
                    ) from error
        return False

    def drain(self) -> None:
        """Finish the line, end this side, read everything, and compare it with what is right."""
        connection = self.peer.socket
        connection.setblocking(True)
        connection.settimeout(self.target.patience_s)
        rest = _LINE[self.sent_octets % len(_LINE) :]
        total = self.sent_octets + len(rest)
        right = hashlib.sha256(_LINE.upper() * (total // len(_LINE))).hexdigest()
        got, got_octets = hashlib.sha256(), 0
        left = rest
        try:
            while got_octets < total:
                if left:
                    connection.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        left = left[connection.send(left) :]
                    connection.settimeout(self.target.patience_s)
                octets = connection.recv(1 << 18)
                if not octets:
                    break
                got.update(octets)
                got_octets += len(octets)
        except OSError as error:
            raise Failed(
                f"{total} octets", f"{got_octets} octets, then {words_of(error)}", f"{total} octets"
            ) from error
        if got_octets != total or got.hexdigest() != right:
            what = "the same number of octets, but other ones" if got_octets == total else f"{got_octets} octets"
            raise Failed(
                f"{total} octets: all lines in capital letters", what, f"{total} octets in lines of {len(_LINE)}"
            )


def _backpressure(target: Target) -> None:
    """A client sends and does not read. The server must stop reading; later everything must be there, uncut."""
    deaf = Deaf(target)
    with deaf.peer:
        if not deaf.fill(KERNEL_OCTETS, still_s=max(0.6, 3 * target.flush_s)):
            raise Failed(
                "a server that stops reading",
                f"it took {deaf.sent_octets >> 20} MiB, whose answers nobody read",
                "lines",
            )
        deaf.drain()


def _slow_reader(target: Target) -> None:
    """While one client does not read, another is answered as fast as ever."""
    deaf = Deaf(target)
    with deaf.peer, Peer(target) as other:
        deaf.fill(KERNEL_OCTETS, still_s=0.2)
        slowest_s = 0.0
        for _ in range(20):
            other.send(b"hello\n")
            sent_at = time.monotonic()
            slowest_s = max(slowest_s, other.read(b"HELLO\n") - sent_at)
        if slowest_s > 1:
            raise Failed("answers in less than a second", f"one after {slowest_s:.1f} s", "hello\\n")


def _resets(target: Target) -> None:
    """Clients vanish with RST: at once, in the middle of a line, and with unread answers. Nobody else notices."""
    with Peer(target) as other:
        other.send(b"before\n")
        other.read(b"BEFORE\n")
        for words in (b"", b"half a li", b"line\n" * 20_000):
            peer = Peer(target)
            if words:
                peer.send(words)
            peer.reset()
        other.send(b"after\n")
        other.read(b"AFTER\n")
    converse(target, send(b"new\n"), read(b"NEW\n"), probe())


def _side_by_side(target: Target) -> None:
    """Ten conversations take turns inside their lines; some end meanwhile, each in another way."""
    with contextlib.ExitStack() as open_ones:
        peers = [open_ones.enter_context(Peer(target)) for _ in range(10)]
        for number, peer in enumerate(peers):
            peer.send(b"line\nline of %d\r" % number)
        for peer in peers:
            peer.send(b"\n")
        for number, peer in enumerate(peers):
            peer.read(b"LINE\nLINE OF %d\r\n" % number)
        peers[0].send(b"quit\n")
        peers[1].half_close()
        peers[2].reset()
        peers[0].read(b"Good bye\n")
        peers[0].end()
        peers[1].end()
        for number, peer in enumerate(peers[3:]):
            peer.send(b"still here, %d\n" % number)
        for number, peer in enumerate(peers[3:]):
            peer.read(b"STILL HERE, %d\n" % number)


def _comes_and_goes(target: Target) -> None:
    """200 conversations one after another, each with its own close."""
    for number in range(200):
        with Peer(target) as peer:
            peer.send(b"call %d\n" % number)
            peer.read(b"CALL %d\n" % number)


CASES = [
    Case(SIDE_BY_SIDE, "Conversations at the same time don't disturb each other", "P1",
         "Each connection needs variables of its own: its unfinished line, its timer, its unsent answers.",
         _side_by_side),
    Case("silent-clients", "Clients that say nothing keep nobody waiting", "P1", _MANY, _silent_clients),
    Case("resets", "A client that vanishes with RST harms nobody", "P1", _RUDE, _resets),
    Case("comes-and-goes", "200 conversations one after another", "P1", _RUDE, _comes_and_goes),
    Case("slow-reader", "A client that does not read slows nobody down", "P25", _SLOW, _slow_reader, alone=True),
    Case("backpressure", "The server stops reading from a client that does not read, and loses nothing", "P24",
         _SLOW, _backpressure, alone=True),
    Case("thousand-connections", "1,000 connections at once are all answered", "P1", _MANY, _thousand, alone=True),
]  # fmt: skip
