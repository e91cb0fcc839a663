"""``echolab live``: the frames of all sessions as they come, one pcapng stream for Wireshark.

    python3 -m lab live | wireshark -k -i -

It follows the files that the tap is writing; so it needs no privilege and no Docker, and works wherever captures/ can
be read. The stream has what the files have: names, comments, directions, nanoseconds. It ends when the lab stops (with
closing statistics), when Wireshark closes, and with Ctrl-C.

A frame waits for one look more than it must, so that frames of different sessions, which the tap may have written in
another order, come out in the order of their times.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from lab.cli.errors import ASKED_WRONGLY, RefusedError
from lab.cli.naming import captures_of
from lab.store.blocks import (
    FileHeader,
    FileStatistics,
    InterfaceFacts,
    SectionFacts,
    interface_statistics,
    section_header,
)
from lab.store.errors import StoreError
from lab.store.files import read_json
from lab.store.growing import GrowingRun
from lab.store.run import RUN_FACTS, latest_run

LOOK_EVERY_S = 0.05
STDIN_GRACE_S = 1.0
RUN_EVERY_S = 0.5
"""How often to ask whether the run is over."""


def add_command(command: Any) -> None:
    """Add ``live`` to the command line."""
    made = command("live", "stream the frames of all sessions as they come, for wireshark -k -i -", _live)
    made.add_argument("--from-start", action="store_true", help="also what this run has recorded so far")
    made.add_argument("--session", type=int, metavar="N", help="only this session of the run")


def _live(options: argparse.Namespace) -> int:
    if sys.stdout.isatty():
        raise RefusedError(
            "the stream is for a program, not for a terminal: echolab live | wireshark -k -i -", ASKED_WRONGLY
        )
    captures = captures_of(options)
    folder = latest_run(captures)
    if folder is None:
        raise RefusedError(f"nothing has been recorded in {captures} yet: start the lab (docker compose up)")
    facts = _run_facts(folder)
    if facts.get("end_ns") is not None and not options.from_start:
        raise RefusedError(f"the run {folder.name} is over: start the lab (docker compose up), or ask for --from-start")
    prefix = None if options.session is None else f"{options.session:04d}-"
    run = GrowingRun(
        folder, from_start=options.from_start, wanted=lambda name: prefix is None or name.startswith(prefix)
    )
    print(f"echolab: streaming {folder.name}; it ends with the lab, with its reader, or with Ctrl-C", file=sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the first process of a container nothing else would
    return Live(sys.stdout.buffer, captures, run, facts).go()


class Live:
    """One stream. facts: the run's run.json."""

    def __init__(self, out: BinaryIO, captures: Path, run: GrowingRun, facts: Mapping[str, Any]) -> None:
        self._out = out
        self._captures = captures
        self._run = run
        self._facts = facts
        self._start_ns = time.time_ns()
        self._frames = 0
        self._watch: _Watch | None = None

    def go(self) -> int:
        """Stream until it is over. Returns the exit status; a reader that is gone is no failure."""
        try:
            self._stream()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
        return 0

    def _stream(self) -> None:
        self._reader_gone()  # its clock begins
        self._put(_header(self._run.folder.name, self._facts))
        waiting: list[tuple[int, bytes]] = []
        over = False
        asked_s = time.monotonic()
        while not over:
            if self._reader_gone():
                raise BrokenPipeError
            if time.monotonic() - asked_s >= RUN_EVERY_S:
                over, asked_s = self._over(), time.monotonic()
            began_s = time.monotonic()
            new = self._run.look()
            if over:
                waiting, new = sorted((*waiting, *new, *self._run.look())), []
            self._frames += len(waiting)
            if waiting:
                self._put(b"".join(block for _, block in waiting))
            waiting = new
            # A folder of ten thousand files takes a while to look at: never more than a fifth of the time.
            time.sleep(0 if over else max(LOOK_EVERY_S, 4 * (time.monotonic() - began_s)))
        self._end()

    def _put(self, octets: bytes) -> None:
        self._out.write(octets)
        self._out.flush()

    def _end(self) -> None:
        now = _run_facts(self._run.folder)
        dropped = max(0, int(now.get("frames_dropped", 0)) - int(self._facts.get("frames_dropped", 0)))
        words = f"{self._frames} frames were streamed; the kernel dropped {dropped} meanwhile."
        self._put(interface_statistics(FileStatistics(self._start_ns, time.time_ns(), self._frames, dropped, 0, words)))

    def _over(self) -> bool:
        """Whether no more frames will come: the tap has ended its run, or has died."""
        folder = self._run.folder
        if _run_facts(folder).get("end_ns") is not None:
            return True
        try:
            return latest_run(self._captures) != folder
        except StoreError:
            return True

    def _reader_gone(self) -> bool:
        """Whether who reads us has closed: a write would tell, but perhaps there is nothing to write."""
        if not hasattr(select, "poll"):
            return False
        if self._watch is None:
            self._watch = _Watch(self._out.fileno())
        return self._watch.gone()


class _Watch:
    """Whether the other end of our output is still there.

    In a container the output goes to the engine, which takes everything, reader or not. But the engine closes our
    standard input, a pipe, when the command that attached to it is gone. An input that ends in the first second was
    never there, and says nothing.
    """

    def __init__(self, output: int) -> None:
        self._poll = select.poll()
        self._poll.register(output, 0)
        self._began_s = time.monotonic()
        self._input: int | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
                self._input = sys.stdin.fileno()
                self._poll.register(self._input, select.POLLIN)

    def gone(self) -> bool:
        for descriptor, events in self._poll.poll(0):
            if descriptor != self._input:
                return bool(events & (select.POLLERR | select.POLLHUP))
            if os.read(descriptor, 4096):
                continue
            if time.monotonic() - self._began_s > STDIN_GRACE_S:
                return True
            self._poll.unregister(descriptor)
            self._input = None
        return False


def _run_facts(folder: Path) -> dict[str, Any]:
    try:
        return dict(read_json(folder / RUN_FACTS))
    except (OSError, ValueError, StoreError):
        return {}


def _header(run: str, facts: Mapping[str, Any]) -> bytes:
    """Section header, interface and names, from what run.json says of the tap."""
    interface = facts.get("interface")
    told = interface if isinstance(interface, dict) else {}
    section = SectionFacts(application=f"Echo Lab {facts.get('lab_version', '')} live view".replace("  ", " "))
    described = InterfaceFacts(
        name=str(told.get("name", "eth0")),
        description=str(told.get("description", "")),
        filter=str(facts.get("filter", "")),
        mac=bytes.fromhex(str(told.get("mac", "")).replace(":", "")),
        ipv4=tuple(ipaddress.IPv4Interface(a) for a in told.get("ipv4", ())),
        ipv6=tuple(ipaddress.IPv6Interface(a) for a in told.get("ipv6", ())),
    )
    names = facts.get("names")
    header = FileHeader(section, described, names if isinstance(names, dict) else {})
    comment = f"Live view of the run {run}: the frames of its sessions as they came. Nothing here is certified."
    return section_header(section, comment) + header.interface_blocks
