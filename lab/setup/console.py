"""What the set-up says while it works: each thing it does with its reason, how long it takes, and errors with the next
step.

Eighty columns, colour only on a terminal (and not with NO_COLOR). On a terminal a long step counts its seconds on
one line that is then replaced by its result; elsewhere (a log, CI) the step is told once when it starts and once
when it is done.
"""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from lab.setup.errors import SetupError

WIDTH = 80
_COLOURS = {"ok": "32", "do": "36", "no": "31", "note": "33", "dim": "2", "bold": "1"}
_TELL_EVERY_S = 5.0  # how often a step tells in a log how far it is
_LOG_WIDTH = 160
_LONG_S = 1.0  # a step that took longer has its seconds told


class Step:
    """A thing being done; ``note`` says how far it is, ``result`` and ``fail`` change what is told at its end."""

    def __init__(self, console: Console, title: str) -> None:
        self.title = title
        self.result = ""
        self.failed = False
        self._console = console
        self._last_note = ""
        self._start_s = self._told_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._start_s

    def note(self, text: str) -> None:
        """Tell how far it is: on a terminal in the same line, elsewhere as a line of its own every few seconds."""
        if text == self._last_note:
            return
        self._last_note = text
        now_s = time.monotonic()
        if not self._console.live and now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            self._console.line(f"       {text}", "dim")

    def fail(self, result: str) -> None:
        """It did not work, which may or may not be the end: told at the step's end instead of "ok"."""
        self.failed, self.result = True, result

    def live_line(self) -> str:
        """The line shown on a terminal while the step goes on."""
        note = f" - {self._last_note}" if self._last_note else ""
        return _cut(f"  ...  {self.title}{note}", WIDTH - 8) + f" {self.elapsed_s:4.0f} s"


class Console:
    """Writes to a stream, by default standard output.

    live: whether lines may be overwritten and coloured; default: whether the stream is a terminal.
    """

    def __init__(self, stream: TextIO | None = None, *, live: bool | None = None, colour: bool | None = None) -> None:
        self.stream = stream if stream is not None else sys.stdout
        self.live = self.stream.isatty() if live is None else live
        self.colour = self.live if colour is None else colour
        self._lock = threading.Lock()

    def paint(self, text: str, what: str) -> str:
        """The text in colour where colour is wanted."""
        return f"\x1b[{_COLOURS[what]}m{text}\x1b[0m" if self.colour and what in _COLOURS else text

    def line(self, text: str = "", what: str = "") -> None:
        """One line as it is."""
        with self._lock:
            self.stream.write(self.paint(text, what) + "\n")
            self.stream.flush()

    def say(self, mark: str, text: str, what: str = "") -> None:
        """A sentence, wrapped to 80 columns, with a mark of up to four letters before it."""
        first, *rest = textwrap.wrap(text, WIDTH - 7, break_long_words=False, break_on_hyphens=False) or [""]
        self.line(f"{' ' * (5 - len(mark))}{self.paint(mark, what or mark)}  {first}")
        for more in rest:
            self.line(f"       {more}")

    def ok(self, text: str) -> None:
        """Something is as it should be."""
        self.say("ok", text)

    def note(self, text: str) -> None:
        """Something the user should know."""
        self.say("note", text)

    def doing(self, text: str, why: str) -> None:
        """What is done now, and why."""
        self.say("do", f"{text}: {why}")

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A step that may take a while: shows that it is alive, and tells at its end how long it took."""
        step = Step(self, title)
        ended = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(step, ended), daemon=True)
        if self.live:
            ticker.start()
        else:
            self.say("...", title, "dim")
        try:
            yield step
        finally:
            ended.set()
            if self.live:
                ticker.join()
                self._erase()
        took = f" ({step.elapsed_s:.0f} s)" if step.elapsed_s >= _LONG_S else ""
        self.say("note" if step.failed else "ok", (step.result or title) + took)

    def error(self, error: SetupError) -> None:
        """A sentence, the log that shows why, and the next step."""
        for text in error.log:
            self.line(f"       | {_cut(text, _LOG_WIDTH)}", "dim")
        self.say("no", error.sentence)
        if error.next_step:
            # The command stands on a line of its own and is not wrapped, so that it can be copied.
            self.line(f" {self.paint('next', 'note')}  {error.next_step}")

    def _tick(self, step: Step, ended: threading.Event) -> None:
        while True:
            with self._lock:
                self.stream.write("\r\x1b[K" + step.live_line())
                self.stream.flush()
            if ended.wait(0.5):
                return

    def _erase(self) -> None:
        with self._lock:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
