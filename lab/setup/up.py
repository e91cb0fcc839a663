"""``make up``: from whatever state the machine is in to a running lab and the ladder of a session that was just
captured.

Run again it starts the client once more, so that a fresh demo session is played and shown; nothing is installed or
built twice.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from lab.setup import captures
from lab.setup.base import ensure_base
from lab.setup.checks import raise_first, run_checks
from lab.setup.compose import Compose
from lab.setup.errors import SetupError, last_lines
from lab.setup.images import build
from lab.setup.install import Setup, ensure
from lab.setup.settings import Settings, at_home

_START_S = 120.0
_SESSION_S = 45.0
_LOOK_EVERY_S = 0.05
PROFILE = "EchoLab"


def up(setup: Setup, settings: Settings) -> None:
    """Everything from the engine to the ladder; raises SetupError with the next step when something is in the way."""
    compose = Compose(setup.runner, settings)
    # What the user wrote wrongly is told before anything is installed; port and network need an engine to tell.
    raise_first(run_checks(setup, settings, engine=False, network=False))
    docker = ensure(setup)
    raise_first(run_checks(setup, settings, engine=False))
    ensure_base(setup, docker)
    build(setup, compose)
    folder = settings.path("ECHO_CAPTURES")
    known = frozenset(captures.session_files(folder))
    _start(setup, compose)
    session = _await_session(setup, compose, folder, known)
    show(setup, settings, session)


def _start(setup: Setup, compose: Compose) -> None:
    again = compose.is_up()
    title = "playing the demo conversation once more" if again else "starting the lab and playing the demo conversation"
    with setup.console.step(title) as step:
        done = compose.stream(["--progress", "plain", "up", "--detach", "--no-build"], lambda _line: None, _START_S)
        if not done.ok:
            step.fail("docker compose up gave up")
    if not done.ok:
        raise start_failure(done.text, compose)


def start_failure(output: str, compose: Compose) -> SetupError:
    """The sentence for a start that failed; Docker's own words go above it."""
    log = last_lines(output, 4)
    if "port is already allocated" in output or "address already in use" in output:
        port = compose.settings.port
        return SetupError(f"Port {port} on 127.0.0.1 is taken.", f"ECHO_PORT={port + 1} make up", log=log)
    if "needs to be recreated" in output or "does not belong to any of this network's subnets" in output:
        return SetupError("The lab is up with other addresses than it has now.", "make down, then make up", log=log)
    if "overlaps with other one" in output:
        return SetupError(
            "The lab's network collides with one that Docker has already.", "make down, then make up", log=log
        )
    if "unhealthy" in output or "exited (" in output or "dependency failed" in output:
        return SetupError(
            "A part of the lab did not get ready.", shlex.join(compose.argv("logs")), log=[*log, *compose.logs(8)]
        )
    return SetupError("The lab could not be started.", shlex.join(compose.argv("up")), log=last_lines(output, 12))


def _await_session(setup: Setup, compose: Compose, folder: Path, known: frozenset[Path]) -> Path:
    """The first session of this lab that is certified and was not there before."""
    runner, net4 = setup.runner, compose.settings.values["ECHO_NET4"]
    with setup.console.step("waiting for the first complete session in the captures") as step:
        end_s = runner.monotonic() + _SESSION_S
        while True:
            complete = captures.complete_sessions(folder, known)
            found = [path for path in complete if captures.is_of_lab(path.parent, net4)]
            certified = [path for path in found if not captures.refusal(path)]
            if certified:
                step.result = f"captured session {certified[0].stem}"
                return certified[0]
            if runner.monotonic() >= end_s:
                step.fail(f"no complete session after {_SESSION_S:.0f} s")
                break
            runner.pause(_LOOK_EVERY_S)
    if found:
        raise SetupError(
            f"Session {found[0].stem} was recorded but not certified: {captures.refusal(found[0])}.",
            "make up (to play it once more)",
        )
    raise SetupError(
        f"The lab runs, but no complete session came into {folder} within {_SESSION_S:.0f} s.",
        shlex.join(compose.argv("logs", "client", "server", "server-tap")),
        log=compose.logs(10),
    )


def show(setup: Setup, settings: Settings, session: Path) -> None:
    """The ladder of a session and what to do next."""
    console = setup.console
    console.line()
    console.line(drawing(session.with_suffix(".pcapng"), console.live, console.colour))
    console.line()
    capture = _short(session.with_suffix(".pcapng"))
    console.line(f"The capture:  {capture}")
    for line in opening_lines(setup, settings.root, capture):
        console.line(line)
    console.line()
    console.line(f"Talk to it:   {given(setup, settings)}docker compose run --rm client")
    console.line(f"Or yourself:  nc 127.0.0.1 {settings.port}      (each session leaves its own capture)")
    console.line("Stop it:      make down")


def given(setup: Setup, settings: Settings) -> str:
    """The variables that this command was given in its environment, to be typed again before the next one.

    Without them compose would see another lab described than the one that runs. What stands in .env needs no repeating.
    """
    named = [name for name in settings.values if setup.runner.env.get(name)]
    named += ["COMPOSE_PROJECT_NAME"] if setup.runner.env.get("COMPOSE_PROJECT_NAME") else []
    return "".join(f"{name}={shlex.quote(setup.runner.env[name])} " for name in named)


def drawing(capture: Path, live: bool, colour: bool) -> str:
    """The ladder as text, as wide as the terminal (at most 120 columns), 80 elsewhere."""
    # Imported here: `make down` and `make check` must work while a student has broken a module of the lab.
    from lab.cli.ladder import ladder_of_file
    from lab.report.ladder import Style

    width = min(120, shutil.get_terminal_size((80, 24)).columns) if live else 80
    return ladder_of_file(capture, Style(width=width, colour=colour))


def opening_lines(setup: Setup, root: Path, capture: str) -> list[str]:
    """How to open the capture in Wireshark on this kind of machine."""
    quoted = shlex.quote(capture)
    home = at_home(setup.runner.env.get("HOME", "~"))
    installed = any((home / folder / "profiles" / PROFILE).is_dir() for folder in (".config/wireshark", ".wireshark"))
    profile = f"-C {PROFILE} " if installed else ""
    if setup.system.kind == "macos":
        program = f"open -a Wireshark --args {profile}-r" if profile else "open -a Wireshark"
        lines = [f"Open it:      {program} {quoted}"]
    elif setup.system.wsl:
        here = f"or here: wireshark {profile}-r {quoted}"
        lines = [f"Open it:      wslpath -w {quoted}   (that file in Wireshark on Windows; {here})"]
    else:
        lines = [f"Open it:      wireshark {profile}-r {quoted}"]
    if not installed and (root / "wireshark" / PROFILE).is_dir():
        source = shlex.quote(_short(root / "wireshark" / PROFILE))
        lines.append("Its columns and colours, once:")
        lines.append(f"  mkdir -p ~/.config/wireshark/profiles && cp -r {source} ~/.config/wireshark/profiles/")
        lines.append(f"  (then open with: wireshark -C {PROFILE} -r ...)")
    return lines


def _short(path: Path) -> str:
    """A path as one would type it here."""
    try:
        return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    except (OSError, ValueError):
        return str(path)
