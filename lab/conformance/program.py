"""A client under test, as a command: started with arguments, input and environment, watched until it ends."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.conformance.model import Failed, Unable, shown

REACTION_S = 0.2  # no person is quicker: after so long a program that has nothing to do waits for a key or a signal
OUR_VARIABLES = ("ECHO_HOST", "ECHO_PORT", "ECHO_TIMEOUT_S", "ECHO_SCRIPT")


@dataclass(frozen=True)
class Done:
    """How a program ended: its exit status and everything that it printed."""

    status: int
    out: bytes
    err: bytes

    def must_be(self, status: int, *, out: bytes | None = None, err: str | None = None) -> None:
        """Compare with what should be. err: the sentences on standard error, a line each. Raises Failed."""
        if b"Traceback" in self.err or b"Exception in" in self.err:
            raise Failed("a sentence", f"a stack trace: {shown(self.err, 600)}")
        if err is not None and self.err != err.encode():
            raise Failed(f"on standard error {shown(err.encode(), 400)}", shown(self.err, 400))
        if out is not None and self.out != out:
            raise Failed(f"on standard output {shown(out)}", shown(self.out))
        if self.status != status:
            raise Failed(f"exit status {status}", f"{self.status}, and on standard error {shown(self.err, 400)}")


@dataclass(frozen=True)
class Program:
    """A client's command, to which arguments are appended. patience_s: how long it may take to end.

    A word ``{tty}`` in it stands for -t when the client is started on a terminal, and for nothing otherwise: docker run
    wants to be told (``docker run --rm -i {tty} --network host IMAGE``).
    """

    command: tuple[str, ...]
    patience_s: float = 5.0

    def start(
        self,
        *args: str,
        stdin: int,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start it, with none of its variables but those in env. before: a command that starts the command.

        Raises Unable when it can't be started.
        """
        if shutil.which(self.command[0]) is None:
            raise Unable(f"cannot start {self.command[0]}: check the command after --client")
        clean = {name: value for name, value in os.environ.items() if name not in OUR_VARIABLES}
        tty = ["-t"] if os.isatty(stdin) else []
        words = [*before, *self.command, *args]
        words = [other for word in words for other in (tty if word == "{tty}" else [word])]
        try:
            return subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=stderr, env={**clean, **(env or {})})
        except OSError as error:
            raise Unable(
                f"cannot start {self.command[0]} ({error.strerror}): check the command after --client"
            ) from error

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        keep_open: bool = False,
        during: Callable[[subprocess.Popen[bytes]], None] | None = None,
        within_s: float | None = None,
    ) -> Done:
        """Run it to its end. stdin: what comes through its standard input, which then ends unless keep_open is set.

        during: called while it runs. Raises Failed when it doesn't end in time.
        """
        reading, writing = os.pipe()
        limit_s = within_s or self.patience_s
        try:
            process = self.start(*args, stdin=reading, env=env)
        except Unable:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        feeder = threading.Thread(target=_feed, args=(writing, stdin, keep_open), daemon=True)
        feeder.start()
        try:
            if during:
                during(process)
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as expired:
            process.kill()
            out, err = process.communicate()
            said = (out[-60:] + b" " + err[-200:]).decode("utf-8", "replace").strip()
            raise Failed(f"an end within {limit_s:.0f} s", f"it still ran; it had said {said!r}") from expired
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
            feeder.join(self.patience_s)
            if keep_open:
                os.close(writing)
        return Done(process.returncode, out, err)


@contextlib.contextmanager
def unread_pipe() -> Iterator[int]:
    """The writing end of a pipe whose reader is gone, as in ``| head -1``."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)


def _feed(writing: int, octets: bytes, keep_open: bool) -> None:
    with contextlib.suppress(OSError):  # the program has ended and reads no more
        while octets:
            octets = octets[os.write(writing, octets[:65536]) :]
    if not keep_open:
        os.close(writing)


def send_signal(
    number: signal.Signals, when: threading.Event, patience_s: float
) -> Callable[[subprocess.Popen[bytes]], None]:
    """For run(during=...): send a signal a moment after something has happened, when the program waits again.

    (Many a language notes a signal and looks at the note later. One that comes in the microsecond between the last look
    and the wait is noticed when the wait ends; nobody who presses a key can be so quick.)
    """

    def during(process: subprocess.Popen[bytes]) -> None:
        if not when.wait(patience_s):
            raise Failed("a connection from the client", "none")
        time.sleep(REACTION_S)
        process.send_signal(number)

    return during


@contextlib.contextmanager
def killed_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens in the body, the process doesn't outlive it."""
    try:
        yield
    finally:
        process.kill()


def ended(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Wait for its end; the exit status. Raises Failed when it goes on."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"an end within {seconds:.0f} s", "it still runs") from None


def read_within(descriptor: int, count: int, seconds: float) -> bytes:
    """Read so many octets, fewer if no more come in time or at all."""
    octets = b""
    deadline = time.monotonic() + seconds
    while len(octets) < count and select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
        piece = os.read(descriptor, count - len(octets))
        if not piece:
            break
        octets += piece
    return octets


@contextlib.contextmanager
def script_file(octets: bytes) -> Iterator[str]:
    """A file with these octets for as long as the body runs; its path."""
    with tempfile.TemporaryDirectory(prefix="echo-script-") as folder:
        path = Path(folder) / "script.txt"
        path.write_bytes(octets)
        Path(folder).chmod(0o755)  # a client in a container is another user
        yield str(path)
