"""The commands of the set-up and their options; every error ends here as one sentence with the next step."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.setup import checks, soak
from lab.setup.console import Console
from lab.setup.down import clean_images, down, down_everything
from lab.setup.errors import FAILED, SetupError
from lab.setup.install import Setup
from lab.setup.runner import Runner
from lab.setup.settings import Settings, load
from lab.setup.starting import stop_recorded
from lab.setup.suite import run_module, run_tests
from lab.setup.up import up

ROOT = Path(__file__).resolve().parents[2]
_PYTEST = ("-n", "2", "--durations=5", "--durations-min=5")  # how the two share the tests out: tests/conftest.py


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python3 -m lab.setup", description="From a bare machine to a running Echo Lab.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="install what is missing, build, start the lab, show the first session")
    commands.add_parser("down", help="stop the lab; the captures stay")
    check = commands.add_parser("check", help="look whether the lab can start here; install nothing")
    check.add_argument("--json", action="store_true", help="the result for programs")
    tests = commands.add_parser("test", help="the whole test suite, with its own set-up")
    tests.add_argument("words", nargs="*", metavar="ARG", help="arguments for pytest (after --)")
    commands.add_parser("lint", help="the static checks only: ruff, mypy, import rules, shellcheck")
    measuring = commands.add_parser("bench", help="the measurements in tests/bench, one after the other")
    measuring.add_argument("names", nargs="*", metavar="NAME", help="only these, names of tests/bench")
    soaking = commands.add_parser("soak", help="the long repeats: the demo again and again, and those of tests/soak")
    soaking.add_argument("--minutes", type=float, default=10.0, help="how long to play the demo (default 10)")
    soaking.add_argument("names", nargs="*", metavar="NAME", help="only these: demo, or a name of tests/soak")
    commands.add_parser("clean-images", help="remove the lab's images")
    commands.add_parser("down-all", help="stop every lab that was started from this folder, also those of tests")
    stop = commands.add_parser("stop-engine", help="stop an engine that a test run started and recorded")
    stop.add_argument("record", type=Path, help="the record's file")
    return top


def main(arguments: Sequence[str], runner: Runner | None = None, console: Console | None = None) -> int:
    """Run a command; returns the exit status: 0, 1 (failed) or 2 (asked for wrongly)."""
    options = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter must not end the set-up
    runner = runner or Runner()
    console = console or Console(colour=False if runner.env.get("NO_COLOR") else None)
    try:
        return _run(options, Setup.of(runner, console))
    except SetupError as error:
        console.error(error)
        return error.status
    except KeyboardInterrupt:
        console.line()
        console.note("stopped by Ctrl-C; make up goes on where it was, make down takes away what runs")
        return 130
    except OSError as error:
        # Nothing of this is expected; still a sentence is worth more to a student than twenty lines of Python.
        console.error(SetupError(f"The system refused something: {error}.", "make check"))
        return FAILED


def _run(options: argparse.Namespace, setup: Setup) -> int:
    settings = load(setup.runner, ROOT)
    command = options.command
    if command == "check":
        return _check(setup, settings, as_json=options.json)
    if command == "test":
        return run_tests(setup, settings, [*_PYTEST, *options.words])
    if command == "lint":
        return run_tests(setup, settings, ["-q", "tests/test_static.py"], engine=False)
    if command == "bench":
        return run_module(setup, settings, "tests.bench", options.names)
    if command == "soak":
        return soak.soak(setup, settings, options.minutes * 60, options.names)
    actions = {
        "up": lambda: up(setup, settings),
        "down": lambda: down(setup, settings),
        "down-all": lambda: down_everything(setup, settings),
        "clean-images": lambda: clean_images(setup, settings),
        "stop-engine": lambda: stop_recorded(setup.runner, setup.console, setup.privilege, options.record),
    }
    actions[command]()
    return 0


def _check(setup: Setup, settings: Settings, *, as_json: bool) -> int:
    results = checks.run_checks(setup, settings)
    if as_json:
        setup.console.line(checks.as_json(results))
        return checks.status_of(results)
    for check in results:
        if check.problem is not None:
            setup.console.error(check.problem)
        elif check.done:
            setup.console.ok(check.good)
        else:
            setup.console.note(f"{check.name} {check.good}")
    return checks.status_of(results)
