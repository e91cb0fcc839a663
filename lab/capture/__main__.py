"""The tap's main program: facts, ring, privileges away, then turn after turn until SIGTERM.

The order matters. The ring is opened first, with as little loaded as that takes, so that the lab is ready soon; NumPy
and the rest come after. It is opened while NET_RAW is still there; the folder's owner is looked up before that;
nothing is read from the ring, and no file is written, before every privilege is gone.
"""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lab import __version__
from lab.capture import facts, privileges, settings
from lab.capture.errors import TapError
from lab.capture.filter import EXPRESSION, LEFT_OUT_TOO
from lab.capture.mend import mend
from lab.capture.ready import SignOfLife
from lab.capture.ring import Ring
from lab.store.blocks import InterfaceFacts, SectionFacts
from lab.store.errors import StoreError
from lab.store.facts import RunFacts
from lab.store.quota import Quota
from lab.store.sessions import SessionStore

OFFLOADS_DEADLINE_S = 10.0
MOST_DESCRIPTORS = 2048
LADDER_WIDTH = 62  # 'docker compose up' puts the service's name before every line: together 80 columns


def main(arguments: Sequence[str]) -> int:
    """Run the tap. Returns the exit status: 0 after SIGTERM or SIGINT, 1 with one sentence when it cannot work."""
    try:
        return _run(settings.read(arguments, os.environ))
    except (TapError, StoreError) as error:
        print(f"tap: {error}", file=sys.stderr, flush=True)
        return 1


def _run(wanted: settings.Settings) -> int:
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: stop.append(n))
    owner = _captures_owner(wanted.captures)
    host = _interface_without_offloads(wanted.interface)
    ring = Ring(wanted.interface, wanted.ring_bytes, wanted.snaplen_bytes)
    privileges.become(*owner)

    names = facts.host_names()
    store = _store(wanted, host, ring, names)
    sign = SignOfLife()
    sign.beat()

    from lab.capture.log import SessionLog
    from lab.capture.tap import Clock, Tap
    from lab.report.ladder import Style
    from lab.session.limits import Limits
    from lab.session.tracker import Tracker

    # What is loaded stays: no need to look through it for garbage, and little of what comes makes any.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    tracker = Tracker(Limits(idle_ns=wanted.idle_s * 1_000_000_000), names)
    style = Style(LADDER_WIDTH, colour=sys.stdout.isatty())
    log = SessionLog(_say, time.monotonic, style, wanted.ladders)
    _say(f"tap: recording {wanted.interface} of {names.get(_first_address(host), 'this host')} into {store.run.name}")
    try:
        Tap(ring, tracker, store, log, Clock(), _quota(wanted, store)).run(lambda: bool(stop), sign.beat)
    finally:
        sign.end()
        ring.close()
    return 0


def _quota(wanted: settings.Settings, store: SessionStore) -> Quota | None:
    if not wanted.keep_bytes:
        return None
    return Quota(wanted.captures, store.run.path, wanted.keep_bytes, lambda sentence: _say(f"tap: {sentence}"))


def _say(text: str) -> None:
    print(text, flush=True)


def _captures_owner(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError as error:
        raise TapError(
            f"the captures folder {folder} cannot be used ({error.strerror}): make it, or set ECHO_CAPTURES"
        ) from error
    if not folder.is_dir():
        raise TapError(f"{folder} is not a folder: set ECHO_CAPTURES to one")
    return status.st_uid, status.st_gid


def _interface_without_offloads(name: str) -> facts.Interface:
    """The interface's facts once its offloads are off, or after the deadline as they are then (the file will tell)."""
    end = time.monotonic() + OFFLOADS_DEADLINE_S
    while True:
        try:
            found = facts.interface(name)
        except OSError as error:
            raise TapError(
                f"there is no interface {name!r} here ({error.strerror}): name one with --interface"
            ) from error
        if not found.distorting:
            return found
        if time.monotonic() > end:
            _say(f"tap: {', '.join(found.distorting)} is still on: segment sizes and checksums will mislead")
            return found
        time.sleep(0.01)


def _store(wanted: settings.Settings, host: facts.Interface, ring: Ring, names: dict[str, str]) -> SessionStore:
    hardware, system = facts.system()
    mend(wanted.captures, wanted.key, lambda sentence: _say(f"tap: {sentence}"))
    on = [label for label, value in host.offloads.items() if value]
    offloads = "offloads off" if not host.distorting else f"OFFLOADS ON: {', '.join(host.distorting)}"
    who = names.get(_first_address(host), "host")
    start_ns = time.time_ns()
    return SessionStore(
        wanted.captures,
        run=RunFacts(
            start_ns=start_ns,
            tap=wanted.tap,
            lab_version=__version__,
            languages=wanted.languages,
            ring_bytes=ring.size_bytes,
            offloads=f"{offloads}; on: {', '.join(on) or 'none'}",
        ),
        section=SectionFacts(hardware=hardware, os=system, application=f"Echo Lab {__version__} ({wanted.tap})"),
        interface=InterfaceFacts(
            name=host.name,
            description=f"{host.name} of the echo {who}, MTU {host.mtu_bytes}, {offloads}; {LEFT_OUT_TOO}",
            filter=EXPRESSION,
            mac=bytes.fromhex(host.mac.replace(":", "")),
            ipv4=tuple(ipaddress.IPv4Interface(a) for a in host.ipv4),
            ipv6=tuple(ipaddress.IPv6Interface(a) for a in host.ipv6),
            snaplen_bytes=wanted.snaplen_bytes,
            os=system,
        ),
        clock_ns=time.time_ns,
        names={address: [name] for address, name in names.items()},
        tell=lambda sentence: _say(f"tap: {sentence}"),
        key=wanted.key,
        descriptor_limit=_descriptors(),
    )


def _descriptors() -> int:
    """How many capture files to keep open at once: what the system allows, and no more than is of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(16, min(soft - 64, MOST_DESCRIPTORS))


def _first_address(host: facts.Interface) -> str:
    return host.ipv4[0].split("/")[0] if host.ipv4 else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
