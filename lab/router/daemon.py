"""The wire's main program: port open, privileges away, then turn after turn until SIGTERM.

A turn: sleep until a frame, a request or a moment comes; take what frames are there; send what may leave; write the
log. Without a script the quick way does all of it: the library (``native``), or ``fast`` where nothing was compiled.
"""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path

from lab.capture import privileges
from lab.capture.errors import TapError
from lab.capture.ready import SignOfLife
from lab.router import native, place
from lab.router.control import Answer, Listener
from lab.router.errors import ScriptError, WireError
from lab.router.fast import FastWay
from lab.router.grammar import read
from lab.router.library import shown
from lab.router.logbook import Logbook
from lab.router.native import NativeWay
from lab.router.port import Port
from lab.router.router import Router
from lab.router.script import EMPTY, Script

BEAT_S = 1.0


class Wire:
    """A running wire. interface: its arm. folder: where its socket, log and sign of life are. script: to begin with."""

    def __init__(self, interface: str, folder: Path, script: Script = EMPTY) -> None:
        self.around = place.surroundings(interface)
        self.port = Port(interface)
        try:
            privileges.become(os.geteuid(), os.getegid())
        except TapError as error:
            raise WireError(str(error).replace("the tap", "the wire")) from error
        self.log = Logbook(folder)
        self.router = Router(self.around, self.log.add)
        self.fast = FastWay(self.port, self.router)
        library = native.load()
        self.native = NativeWay(library, self.port, self.router) if library is not None else None
        self.control = Listener(folder, self.answer)
        self.sign = SignOfLife(str(folder / "ready"))
        self.missed = 0
        self.router.greet(time.time_ns())
        if not script.empty:
            self.router.load(script, time.time_ns())

    def run(self, stop: list[int]) -> None:
        """Forward until ``stop`` has something in it."""
        port, control, router = self.port, self.control, self.router
        arms, door = port.fileno(), control.fileno()
        while not stop:
            self.sign.beat()
            if self.native is not None and router.transparent:
                self._quickly(self.native)
                continue
            try:
                readable = select.select((arms, door), (), (), self._patience_s())[0]
            except InterruptedError:
                continue
            if door in readable:
                control.serve()
            if router.transparent and self.fast.turn():
                continue
            for data in port.frames(64):
                router.receive(data, time.time_ns())  # asked now: the log's time is between those of the two taps
            out = router.outgoing(time.time_ns())
            if out:
                port.send(out)
            self.log.flush()
        self.sign.end()
        self.log.close()
        control.close()

    def _quickly(self, way: NativeWay) -> None:
        """Let the library forward until it cannot go on by itself."""
        why = way.run(self.control.fileno(), self._patience_s())
        if why == native.DOOR:
            self.control.serve()
        now_ns = time.time_ns()
        for data in self.port.frames(1) if why == native.ODD else ():
            self.router.receive(data, now_ns)
        out = self.router.outgoing(now_ns)
        if out:
            self.port.send(out)
        self.log.flush()

    def _patience_s(self) -> float:
        next_ns = self.router.next_ns()
        if next_ns is None:
            return BEAT_S
        return min(BEAT_S, max(0.0, (next_ns - time.time_ns()) / 1e9))

    def answer(self, request: Answer) -> Answer:
        """Do what somebody asks by the control socket."""
        asked = request.get("do")
        if asked == "load":
            try:
                script = read(str(request.get("text", "")), shown(str(request.get("name", "script"))))
            except ScriptError as error:
                return {"error": str(error)}
            self.router.load(script, time.time_ns())
            return self._state()
        if asked == "clear":
            self.router.load(EMPTY, time.time_ns())
            if request.get("log"):
                self.log.clear()
            return self._state()
        if asked == "show":
            return self._state()
        return {"error": f"the wire does not know how to {asked!r}: load, show, clear"}

    def _state(self) -> Answer:
        script = self.router.engine.script
        self.missed += self.port.dropped()
        return {
            "name": script.name,
            "text": script.text,
            "rules": [{"line": rule.line, "text": rule.text} for rule in script.rules],
            "forwarded": self.fast.forwarded + self.router.frames + (self.native.forwarded if self.native else 0),
            "missed": self.missed,
            "refused": self.port.refused,
            "log_lines_lost": self.log.lost,
            **place.described(self.around),
        }


def run(interface: str, folder: Path, script: Script) -> int:
    """Run a wire until SIGTERM or SIGINT."""
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: stop.append(n))
    wire = Wire(interface, folder, script)
    places = ", ".join(str(name) for name in place.described(wire.around)["addresses"])  # type: ignore[attr-defined]
    print(f"wire: forwarding on {interface} ({places}), script {script.name}", flush=True)
    wire.run(stop)
    return 0
