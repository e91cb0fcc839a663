"""``echolab wire``: tell the wire of the lab what shall go wrong, from the machine that the lab runs on.

It runs the compose form for you (``docker compose exec wire wire ...``), so no container needs Docker's socket. A
script is read and checked here first: a mistake is told with its line and column even while no wire is running.

Exit status: 0 done, 1 it could not be done, 2 asked wrongly (a broken script, too).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.errors import ASKED_WRONGLY, FAILED, RefusedError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
_ACTIONS = (
    ("load", "from now on, act out this script"),
    ("show", "which script is in force, and how many frames have passed"),
    ("clear", "no script: forward and do nothing else"),
    ("log", "every decision of the wire, a line of JSON each"),
    ("check", "are these scripts right? asks no wire"),
    ("scenarios", "the ready scenarios and what each shows"),
    ("grammar", "the grammar of scripts"),
)


def add_wire_command(commands: _SubParsersAction[Any]) -> None:
    """Add ``wire`` to the command line."""
    wire = commands.add_parser("wire", help="make the network misbehave, exactly (the lab with its profile wire)")
    actions = wire.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in _ACTIONS:
        made = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        made.set_defaults(run=_run)
        if name == "load":
            made.add_argument("script", help="a ready scenario, a file, or - for standard input")
        elif name == "check":
            made.add_argument("scripts", nargs="+", help="ready scenarios, files, or - for standard input")
        elif name == "show":
            made.add_argument("--json", action="store_true", help="for a program")
        elif name == "clear":
            made.add_argument("--log", action="store_true", help="forget the log, too")
        elif name == "log":
            made.add_argument("--last", type=int, default=0, metavar="N", help="the last N only")


def _run(options: argparse.Namespace) -> int:
    from lab.router import library
    from lab.router.errors import ScriptError, WireError
    from lab.router.grammar import GRAMMAR, read

    try:
        if options.action == "scenarios":
            print("\n".join(library.listed()))
            return 0
        if options.action == "grammar":
            print(GRAMMAR, end="")
            return 0
        if options.action == "check":
            for name in options.scripts:
                print(f"{library.shown(name)}: {len(read(*library.text_of(name)).rules)} rules")
            return 0
        text, words = "", [options.action]
        if options.action == "load":
            text, name = library.text_of(options.script)
            read(text, name)
            words += ["-", "--name", name]
        elif options.action == "log" and options.last:
            words += ["--last", str(options.last)]
        words += [f"--{name}" for name in ("json", "log") if getattr(options, name, False)]
    except ScriptError as error:
        raise RefusedError(f"the script is not taken\n{error}", ASKED_WRONGLY) from error
    except WireError as error:
        raise RefusedError(str(error), ASKED_WRONGLY) from error
    sys.stdout.write(asked(words, text))
    return 0


def asked(words: Sequence[str], text: str) -> str:
    """What the wire in the lab answers to ``wire WORDS`` with this on its standard input. Raises RefusedError."""
    command = ["docker", "compose", "--profile", "wire", "exec", "-T", "wire", "wire", *words]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except FileNotFoundError:
        raise RefusedError("docker is not installed here: 'make up' sets the lab up", FAILED) from None
    except subprocess.TimeoutExpired:
        raise RefusedError(
            f"the wire did not answer within {PATIENCE_S:.0f} s: 'docker compose ps wire' shows its state", FAILED
        ) from None
    if done.returncode:
        raise RefusedError(why(done.stderr), ASKED_WRONGLY if done.returncode == ASKED_WRONGLY else FAILED)
    return done.stdout


def why(errors: str) -> str:
    """One sentence from what docker compose or the wire has said. errors: their standard error."""
    last = (errors.strip().splitlines() or [""])[-1]
    if last.startswith("wire: "):
        return last.removeprefix("wire: ")
    if "is not running" in last or "no such service" in last:
        return "the wire is not running: 'docker compose --profile wire up' starts the lab with it"
    if "no configuration file" in last:
        return f"there is no lab in {ROOT}: run this in the lab's folder (python3 -m lab wire ...)"
    return f"docker compose could not reach the wire: {last or 'it said nothing'}"
