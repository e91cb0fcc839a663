"""The one door to the machine: every command, file and variable that the set-up looks at goes through a Runner.

Setting up a machine is a list of decisions ("Docker is there but does not answer, this is Debian 12, sudo works: so
..."). They can only be tested on every kind of machine if the machine itself is handed in. The real Runner here
runs commands; the tests hand in one that answers from a table.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NOT_FOUND = 127  # what a shell says for a command that is not there
TIMED_OUT = 124  # what timeout(1) says
_TICK_S = 0.2


@dataclass(frozen=True)
class Result:
    """What a command did: its exit status (127 not found, 124 timed out) and what it wrote."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        """Exit status 0."""
        return self.code == 0

    @property
    def text(self) -> str:
        """Both outputs, for messages."""
        return "\n".join(part for part in (self.out.strip(), self.err.strip()) if part)


@dataclass(frozen=True)
class Limits:
    """How long a command may take, in seconds: in all, until its first line of output, and without saying anything."""

    total_s: float = 600.0
    first_line_s: float | None = None
    silent_s: float | None = None


class Runner:
    """Runs commands and reads files on this machine.

    env: the variables that commands get and that settings come from (default: this process's own).
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self.env = dict(os.environ if env is None else env)
        self.platform = sys.platform
        self.uid = os.getuid() if hasattr(os, "getuid") else -1
        self.is_tty = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Result:
        """Run a command to its end, with nothing on its standard input; never raises for what the command does."""
        try:
            done = subprocess.run(
                list(argv),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                env=self._environment(env),
                cwd=cwd,
                check=False,
            )
        except FileNotFoundError:
            return Result(NOT_FOUND, "", f"{argv[0]}: command not found")
        except PermissionError as error:
            return Result(126, "", f"{argv[0]}: {error.strerror}")
        except subprocess.TimeoutExpired:
            return Result(TIMED_OUT, "", f"no end after {timeout_s:.0f} s: {' '.join(argv)}")
        return Result(done.returncode, done.stdout, done.stderr)

    def stream(
        self,
        argv: Sequence[str],
        on_line: Callable[[str], None],
        *,
        limits: Limits = Limits(),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        terminal: bool = False,
    ) -> Result:
        """Run a long command and hand over each line (both outputs together) as it comes.

        terminal: give it a terminal to write to (where the system has them), so that it shows its progress.
        Returns the result with all lines in ``out``; 124 when a limit ran out, and the command is then ended.
        """
        reader, writer = os.openpty() if terminal and hasattr(os, "openpty") else os.pipe()
        with os.fdopen(reader, "rb", buffering=0) as output:
            try:
                process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=writer,
                    stderr=subprocess.STDOUT,
                    env=self._environment(env),
                    cwd=cwd,
                )
            except OSError as error:
                return Result(NOT_FOUND, "", f"{argv[0]}: {error.strerror}")
            finally:
                os.close(writer)
            try:
                return _follow(process, output.fileno(), on_line, limits)
            except BaseException:
                _end(process)
                raise

    def interactive(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
        """Run a command on the user's own terminal and return its exit status."""
        try:
            return subprocess.run(list(argv), env=self._environment(env), cwd=cwd, check=False).returncode
        except FileNotFoundError:
            return NOT_FOUND

    def replace(self, argv: Sequence[str]) -> None:
        """Become another command (exec): it keeps our terminal and hands its own exit status to our caller."""
        sys.stdout.flush()
        os.execvpe(argv[0], list(argv), self.env)

    def which(self, name: str) -> str | None:
        """The path of a command, or None."""
        return shutil.which(name, path=self.env.get("PATH"))

    def read(self, path: str) -> str | None:
        """The text of a file, or None when it cannot be read."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def names(self, folder: str) -> list[str]:
        """The names in a folder in order, or none when it cannot be read."""
        with contextlib.suppress(OSError):
            return sorted(entry.name for entry in Path(folder).iterdir())
        return []

    def exists(self, path: str) -> bool:
        """Whether there is something at this path."""
        return Path(path).exists()

    def monotonic(self) -> float:
        """Seconds on a clock that only goes forward."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait a moment between two looks at something that takes its time."""
        time.sleep(seconds)

    def _environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        return {**self.env, **(extra or {})}


def _follow(process: subprocess.Popen[bytes], output: int, on_line: Callable[[str], None], limits: Limits) -> Result:
    """Read a process's output line by line until it ends or a limit runs out."""
    start_s = heard_s = time.monotonic()
    lines: list[str] = []
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            waited_s, silent_s = time.monotonic() - start_s, time.monotonic() - heard_s
            mute = limits.first_line_s is not None and not lines and waited_s > limits.first_line_s
            stuck = limits.silent_s is not None and silent_s > limits.silent_s
            if mute or stuck or waited_s > limits.total_s:
                _end(process)
                return Result(TIMED_OUT, "\n".join(lines), f"no answer after {silent_s if stuck else waited_s:.0f} s")
            if not selector.select(_TICK_S):
                continue
            chunk = _read(output)
            if not chunk:
                break
            heard_s = time.monotonic()
            *whole, rest = (rest + chunk).split(b"\n")
            for raw in whole:
                lines.append(raw.decode("utf-8", "replace").rstrip("\r"))
                on_line(lines[-1])
    if rest:
        lines.append(rest.decode("utf-8", "replace"))
        on_line(lines[-1])
    return Result(process.wait(), "\n".join(lines))


def _read(output: int) -> bytes:
    """What there is to read; nothing at the end, for which a terminal has an error (EIO) and a pipe has not."""
    try:
        return os.read(output, 65536)
    except OSError:
        return b""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and make it end when it doesn't within two seconds."""
    process.terminate()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
