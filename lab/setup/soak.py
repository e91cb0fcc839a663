"""``make soak``: what ``make test`` has no time to repeat.

First the demo conversation again and again, every capture of it certified, and the tap no bigger at the end: what
breaks only after hours (a descriptor that is not closed, a buffer that grows) shows here in minutes. Bounded by time;
it stops at the first session that is not captured whole. Then the repeats of tests/soak.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.setup import captures
from lab.setup.compose import Compose
from lab.setup.errors import USAGE, SetupError
from lab.setup.install import Setup
from lab.setup.settings import Settings
from lab.setup.suite import run_module
from lab.setup.up import up

_REPORT_EVERY_S = 30.0
_CAPTURED_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.05
_WARM_SESSIONS = 20  # by then every lazy allocation has been made
_GROWTH_KIB = 16 * 1024


DEMO = "demo"


def soak(setup: Setup, settings: Settings, duration_s: float, names: Sequence[str]) -> int:
    """Everything, or what is named. duration_s: how long to play the demo. Returns the exit status."""
    if not names or DEMO in names:
        soak_demo(setup, settings, duration_s)
    rest = [name for name in names if name != DEMO]
    if names and not rest:
        return 0
    return run_module(setup, settings, "tests.soak", rest)


def soak_demo(setup: Setup, settings: Settings, duration_s: float) -> None:
    """Play sessions for this long, in seconds; raises SetupError at the first that goes wrong."""
    if not 0 < duration_s <= 24 * 3600:
        raise SetupError("--minutes must be more than 0 and at most 1440.", "make soak MINUTES=10", status=USAGE)
    up(setup, settings)
    compose, runner, console = Compose(setup.runner, settings), setup.runner, setup.console
    folder = settings.path("ECHO_CAPTURES")
    known = set(captures.complete_sessions(folder))
    start_s = told_s = runner.monotonic()
    played, warm_kib = 0, 0
    while runner.monotonic() - start_s < duration_s:
        done = compose.run("run", "--rm", "-T", "client", "--script", "/script.txt", timeout_s=60)
        if not done.ok:
            raise SetupError(
                f"The client of session {played + 1} failed.", "docker compose logs", log=done.text.splitlines()[-10:]
            )
        session = _await_new(setup, folder, known)
        known.add(session)
        check_certified(session)
        played += 1
        if played == _WARM_SESSIONS:
            warm_kib = tap_rss_kib(compose)
        if runner.monotonic() - told_s >= _REPORT_EVERY_S:
            told_s = runner.monotonic()
            console.note(
                f"{played} sessions in {told_s - start_s:.0f} s, all certified; the tap has {tap_rss_kib(compose)} KiB"
            )
    grown_kib = tap_rss_kib(compose) - warm_kib if warm_kib else 0
    if grown_kib > _GROWTH_KIB:
        raise SetupError(f"The tap grew by {grown_kib} KiB in {played} sessions.", "docker compose logs server-tap")
    console.ok(f"{played} sessions, every one captured whole; the tap grew by {grown_kib} KiB")


def _await_new(setup: Setup, folder: Path, known: set[Path]) -> Path:
    end_s = setup.runner.monotonic() + _CAPTURED_WITHIN_S
    while True:
        found = captures.complete_sessions(folder, frozenset(known))
        if found:
            return found[0]
        if setup.runner.monotonic() >= end_s:
            raise SetupError(
                f"A session was played but not captured whole within {_CAPTURED_WITHIN_S:.0f} s.",
                "docker compose logs server-tap",
            )
        setup.runner.pause(_LOOK_EVERY_S)


def check_certified(session: Path) -> None:
    """Raise SetupError when a session's JSON withholds the certificate; the sentence has its reasons."""
    if reasons := captures.refusal(session):
        raise SetupError(f"Session {session.stem} was not certified: {reasons}.", f"echolab ladder {session}")


def tap_rss_kib(compose: Compose) -> int:
    """The resident memory of the server's tap in KiB, from its own /proc; 0 when it cannot be read."""
    done = compose.run("exec", "-T", "server-tap", "cat", "/proc/1/status")
    rows = (line.split() for line in done.out.splitlines())
    return next((int(row[1]) for row in rows if len(row) > 1 and row[0] == "VmRSS:"), 0)
