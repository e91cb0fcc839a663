"""Client cases on a terminal: the kit is the person at the keyboard (on Unix, where there are pseudo-terminals).

The client gets a pseudo-terminal as its controlling terminal, so that Ctrl-C and Ctrl-D mean what they mean there.
What it prints may have escape sequences of line editing between, so the cases search the screen instead of
comparing it.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from lab.conformance import wording
from lab.conformance.model import Case, Failed, Unable, shown
from lab.conformance.program import REACTION_S, Program, ended
from lab.conformance.stand_in import Guest, StandIn

_ADVICE = "Interactive: print the prompt `> `, read a line, send it with LF, print the answer. See images/CONTRACT.md."
_AT_ONCE = "While the prompt waits, watch the socket too: at the server's FIN print the sentence and end."

# Makes the terminal on its standard input the controlling one of a new session, tells it that text is UTF-8 (as
# client-entry does in the lab), and becomes the client.
_LAUNCHER = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
settings = termios.tcgetattr(0)
settings[0] |= 0o40000  # IUTF8
termios.tcsetattr(0, termios.TCSANOW, settings)
os.execvp(sys.argv[1], sys.argv[1:])
"""

CTRL_C, CTRL_D, BACKSPACE = b"\x03", b"\x04", b"\x7f"


class Screen:
    """What is on the terminal, and its keyboard."""

    def __init__(self, leader: int, process: subprocess.Popen[bytes], patience_s: float) -> None:
        self.leader, self.process, self.patience_s = leader, process, patience_s
        self.octets = b""
        self._seen = 0

    def wait_for(self, text: str) -> None:
        """Wait until this has appeared, after what was waited for before. Raises Failed."""
        pattern = re.compile(re.escape(text.encode()))
        deadline = time.monotonic() + self.patience_s
        while not (found := pattern.search(self.octets, self._seen)):
            if not self._read(deadline):
                raise Failed(f"on the screen {text!r}", shown(self.octets[self._seen :], 400))
        self._seen = found.end()

    def type(self, octets: bytes) -> None:
        """Press these keys."""
        os.write(self.leader, octets)

    def status(self) -> int:
        """Wait for the end of the client; its exit status. Raises Failed."""
        deadline = time.monotonic() + self.patience_s
        while self._read(deadline):
            pass
        try:
            return ended(self.process, max(0.1, deadline - time.monotonic()))
        except Failed as failed:
            raise Failed(failed.expected, f"{failed.got}; the screen: {shown(self.octets, 400)}") from None

    def _read(self, deadline: float) -> bool:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not select.select([self.leader], [], [], left_s)[0]:
            return False
        try:
            octets = os.read(self.leader, 65536)
        except OSError:  # EIO: nobody holds the other end any more
            return False
        self.octets += octets
        return bool(octets)


@contextlib.contextmanager
def at_the_terminal(program: Program, server: StandIn) -> Iterator[Screen]:
    """Start the client on a terminal of its own. Raises Unable where there are no pseudo-terminals."""
    if not hasattr(os, "openpty"):
        raise Unable("this system has no pseudo-terminals: run the interactive cases on Linux or macOS")
    leader, follower = os.openpty()
    env = {"TERM": "dumb", "LANG": "C.UTF-8"}
    try:
        process = program.start(
            "127.0.0.1", server.port, stdin=follower, stdout=follower, stderr=follower, env=env,
            before=[sys.executable, "-c", _LAUNCHER],
        )  # fmt: skip
    finally:
        os.close(follower)
    try:
        yield Screen(leader, process, 2 * program.patience_s)
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def _case(key: str, name: str, rule: str, act: Callable[[Screen], None], sent: bytes, status: int,
          talk: Callable[[Guest], object] = Guest.echo, advice: str = _ADVICE) -> Case:  # fmt: skip
    """act: what the person does and sees. sent: what the server must get."""

    def play(program: Program) -> None:
        with StandIn(talk, 2 * program.patience_s) as server:
            with at_the_terminal(program, server) as screen:
                screen.wait_for(wording.connected("127.0.0.1", "127.0.0.1", server.port))
                screen.wait_for(wording.TYPE_A_LINE)
                screen.wait_for("> ")
                act(screen)
                ended = screen.status()
            got = server.result(screen.octets)
        if got != sent:
            raise Failed(f"the server gets {shown(sent)}", shown(got))
        if ended != status:
            raise Failed(f"exit status {status}", f"{ended}; the screen: {shown(screen.octets, 400)}")

    return Case(key, name, rule, advice, play)


def _talk(screen: Screen) -> None:
    screen.type(b"hello\r")
    screen.wait_for("HELLO")
    screen.wait_for("> ")
    screen.type(b"quit\r")
    screen.wait_for("Good bye")
    screen.wait_for(wording.SAID_GOOD_BYE)


def _mistype(screen: Screen) -> None:
    screen.type("hé".encode() + BACKSPACE + b"allo\r")
    screen.wait_for("HALLO")
    screen.wait_for("> ")
    screen.type(b"quit\r")
    screen.wait_for(wording.SAID_GOOD_BYE)


def _ctrl_d(screen: Screen) -> None:
    screen.type(b"hello\r")
    screen.wait_for("HELLO")
    screen.wait_for("> ")
    screen.type(CTRL_D)
    screen.wait_for(wording.CLOSED)


def _ctrl_c(screen: Screen) -> None:
    time.sleep(REACTION_S)
    screen.type(CTRL_C)


def _server_closes(screen: Screen) -> None:
    screen.wait_for(wording.CLOSED)


def _answer_then_fin(guest: Guest) -> None:
    guest.quiet(0.1)
    guest.end()
    guest.until_fin()


CASES = [
    _case("talk", "At a terminal: a prompt, a line, an answer, Good bye", "contract: interactive", _talk,
          b"hello\nquit\n", 0),
    _case("backspace", "Backspace takes a letter away, not an octet", "contract: interactive", _mistype,
          b"hallo\nquit\n", 0),
    _case("ctrl-d", "Ctrl-D ends our side; status 0", "P32", _ctrl_d, b"hello\n", 0),
    _case("ctrl-c", "Ctrl-C closes the connection; status 130", "contract: signals", _ctrl_c, b"", 130),
    _case("closed-at-prompt", "A server that closes is noticed while the prompt waits", "contract: interactive",
          _server_closes, b"", 0, _answer_then_fin, _AT_ONCE),
]  # fmt: skip
