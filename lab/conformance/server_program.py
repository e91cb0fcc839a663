"""A server under test, as a command: started with arguments and environment, its log read line by line, stopped by a
signal. (A client's command is in program.py.)
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from lab.conformance.model import Failed, Target, Unable, shown

OUR_VARIABLES = ("ECHO_HOST", "ECHO_PORT", "ECHO_MAX_LINE", "ECHO_FLUSH_MS", "ECHO_LOG")
LISTENING = "listening on "
ON_A_FREE_PORT = ("--host", "127.0.0.1", "--port", "0")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_STOP_S = 1.0  # P26: the longest that a stop may take


@dataclass(frozen=True)
class ServerProgram:
    """A server's command, to which --host and --port are appended. patience_s: how long an answer, a line of its log or
    its end may take."""

    command: tuple[str, ...]
    patience_s: float = 5.0

    def start(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        log: int = subprocess.PIPE,
    ) -> Running:
        """Start it with these arguments (by default on a free port of 127.0.0.1) and with none of its variables but
        those in env. before: a command that starts the command. log: its standard output, a pipe to us if it is not
        given. Raises Unable when it can't be started."""
        if shutil.which(self.command[0]) is None:
            raise Unable(f"cannot start {self.command[0]}: check the command after --server")
        clean = {name: value for name, value in os.environ.items() if name not in OUR_VARIABLES}
        try:
            process = subprocess.Popen(
                [*before, *self.command, *(args or ON_A_FREE_PORT)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
                env={**clean, **(env or {})},
            )
        except OSError as error:
            raise Unable(
                f"cannot start {self.command[0]} ({error.strerror}): check the command after --server"
            ) from error
        return Running(process, self.patience_s)


class Running:
    """A server that runs, or has ended. Use it in a with statement: at its end the process is killed."""

    def __init__(self, process: subprocess.Popen[bytes], patience_s: float) -> None:
        self.process, self.patience_s = process, patience_s
        self._log: queue.Queue[str | None] = queue.Queue()
        self._errors = bytearray()
        # What nobody reads would fill its pipe, and then the server would wait for ever.
        self._readers = [
            threading.Thread(target=self._read_log, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(self.patience_s)
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def _read_log(self) -> None:
        for line in self.process.stdout or ():
            self._log.put(line.decode("utf-8", "replace").rstrip("\n"))
        self._log.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._errors += line

    def line(self) -> str | None:
        """The next line of its log; None if the log has ended. Raises Failed when none comes in time."""
        try:
            return self._log.get(timeout=2 * self.patience_s)
        except queue.Empty:
            raise Failed("one more line on standard output", "silence") from None

    def log(self) -> list[str]:
        """The rest of its log, up to its end."""
        lines = []
        while (line := self.line()) is not None:
            lines.append(line)
        return lines

    def says(self, sentence: str) -> None:
        """Wait until standard error has this sentence, while the server runs. Raises Failed."""
        line = f"echo-server: {sentence}\n".encode()
        self.until(lambda: line in self._errors, f"on standard error {shown(line, 400)}")

    def until(self, condition: Callable[[], bool], expected: str) -> None:
        """Wait until this is so. Raises Failed, with what standard error has instead."""
        deadline = time.monotonic() + 2 * self.patience_s
        while not condition():
            if time.monotonic() > deadline:
                raise Failed(expected, f"nothing of it; on standard error {shown(bytes(self._errors), 400)}")
            time.sleep(0.02)

    def errors(self) -> str:
        """Its standard error; it must have ended."""
        self._readers[1].join(self.patience_s)
        return self._errors.decode("utf-8", "replace")

    def listening(self) -> str:
        """Wait for ``listening on HOST:PORT``; returns HOST:PORT. Raises Failed for anything else."""
        wanted = f"as the first line on standard output {LISTENING}HOST:PORT"
        line = self.line()
        if line is None:
            status = self.ended()
            raise Failed(
                wanted, f"the end, with status {status}; on standard error {shown(self.errors().encode(), 300)}"
            )
        if not line.startswith(LISTENING) or not line.rpartition(":")[2].isdecimal():
            raise Failed(wanted, line)
        return line.removeprefix(LISTENING)

    def target(self, flush_ms: int = 200) -> Target:
        """Where it listens, for a Peer. Raises Failed if it doesn't."""
        return Target("127.0.0.1", int(self.listening().rpartition(":")[2]), flush_ms, patience_s=self.patience_s)

    def ended(self) -> int:
        """Wait for its end; the exit status. Raises Failed when it goes on."""
        try:
            return self.process.wait(2 * self.patience_s)
        except subprocess.TimeoutExpired:
            raise Failed("an end", "it still runs") from None

    def processor_s(self) -> float:
        """Seconds of processor time that it and the processes it has started took so far; 0 where no /proc tells."""
        ticks: dict[int, int] = {}
        parent: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has just ended
                fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                parent[int(stat.parent.name)] = int(fields[1])
                ticks[int(stat.parent.name)] = int(fields[11]) + int(fields[12])
        family = {self.process.pid}
        while more := {child for child, of in parent.items() if of in family} - family:
            family |= more
        return sum(ticks.get(one, 0) for one in family) / _TICKS_A_SECOND

    def stops(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal; it must end with status 0 within a second (P26). Raises Failed."""
        began = time.monotonic()
        self.process.send_signal(number)
        try:
            status = self.process.wait(_STOP_S + self.patience_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"an end within a second of {number.name}", "it still runs", number.name) from None
        took_s = time.monotonic() - began
        if status != 0:
            killed = f" (ended by the signal {-status}, without a handler)" if status < 0 else ""
            raise Failed("exit status 0", f"{status}{killed}", number.name)
        if took_s > _STOP_S * crowded():
            raise Failed(f"an end within a second of {number.name}", f"one after {took_s:.1f} s", number.name)

    def must_fail(self, status: int, sentence: str) -> None:
        """It must end at once with this status and this one sentence on standard error. Raises Failed."""
        line = self.line()
        if line is not None:
            raise Failed("nothing on standard output", shown(line.encode(), 200))
        found, said = self.ended(), self.errors()
        if "Traceback" in said or "Exception in" in said:
            raise Failed("a sentence", f"a stack trace: {shown(said.encode(), 600)}")
        if said != f"echo-server: {sentence}\n":
            raise Failed(f"on standard error {shown(f'echo-server: {sentence}'.encode(), 400)}",
                         shown(said.encode(), 400))  # fmt: skip
        if found != status:
            raise Failed(f"exit status {status}", str(found))


def crowded() -> float:
    """1 on an idle machine; how many want each processor, while more want them than there are."""
    try:
        return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    except (AttributeError, OSError):  # not on Windows
        return 1.0


def free_port() -> int:
    """A TCP port of this machine's loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refused(port: int) -> bool:
    """Whether a connection to this port of 127.0.0.1 is refused."""
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5):
        return False
    return True
