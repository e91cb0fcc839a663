"""``python3 -m lab.router``: run the wire, and tell a running one what to do (load, show, clear, log).

Exit status: 0 done, 1 it could not be done, 2 asked wrongly (a broken script, too).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.router import control, library, logbook
from lab.router.errors import ScriptError, WireError
from lab.router.grammar import GRAMMAR, read
from lab.router.library import text_of
from lab.router.script import EMPTY


def main(arguments: Sequence[str]) -> int:
    """Run a command. Returns the exit status."""
    try:
        return _run(_parser().parse_args(arguments))
    except ScriptError as error:
        print(error, file=sys.stderr)
        return 2
    except WireError as error:
        print(f"wire: {error}", file=sys.stderr)
        return 1


def _run(asked: argparse.Namespace) -> int:
    folder: Path = asked.folder
    if asked.command == "run":
        from lab.router.daemon import run

        script = read(*text_of(asked.script)) if asked.script else EMPTY
        return run(asked.interface, folder, script)
    if asked.command == "check":
        for name in asked.scripts:
            script = read(*text_of(name))
            print(f"{library.shown(name)}: {len(script.rules)} rules")
        return 0
    if asked.command == "scenarios":
        print("\n".join(library.listed()))
        return 0
    if asked.command == "grammar":
        print(GRAMMAR, end="")
        return 0
    if asked.command == "log":
        for line in logbook.lines(folder)[-asked.last if asked.last else 0 :]:
            print(line)
        return 0
    if asked.command == "load":
        text, name = text_of(asked.script)
        name = asked.name or name
        read(text, name)
        print(told(control.ask(folder, {"do": "load", "text": text, "name": name})))
        return 0
    request: control.Answer = {"do": asked.command}
    if asked.command == "clear":
        request["log"] = asked.log
    answer = control.ask(folder, request)
    print(json.dumps(answer) if getattr(asked, "json", False) else told(answer))
    return 0


def told(answer: control.Answer) -> str:
    """The wire's state for a person."""
    rules = [f"  {rule['line']:>3}  {rule['text']}" for rule in answer["rules"]]
    counts = f"{answer['forwarded']} frames forwarded, {answer['missed']} missed, {answer['refused']} refused"
    return "\n".join([f"script {answer['name']}, {len(rules)} rules", *rules, counts])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wire", description="The wire between client and server, and what goes wrong on it."
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(os.environ.get("ECHO_WIRE") or control.FOLDER), help=argparse.SUPPRESS
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="be the wire (the container's command)")
    run.add_argument("--interface", default="eth0", help="its one arm (default: eth0)")
    run.add_argument("--script", help="a script to begin with")
    load = commands.add_parser("load", help="from now on, act out this script")
    load.add_argument("script", help="a ready scenario, a file, or - for standard input")
    load.add_argument("--name", help="what 'show' and the log call it (default: the scenario's or file's name)")
    show = commands.add_parser("show", help="which script is in force, and how many frames have passed")
    show.add_argument("--json", action="store_true", help="for a program")
    clear = commands.add_parser("clear", help="no script: forward and do nothing else")
    clear.add_argument("--log", action="store_true", help="forget the log, too")
    log = commands.add_parser("log", help="every decision, a line of JSON each")
    log.add_argument("--last", type=int, default=0, metavar="N", help="the last N only")
    check = commands.add_parser("check", help="are these scripts right? asks no wire")
    check.add_argument("scripts", nargs="+", help="ready scenarios, files, or - for standard input")
    commands.add_parser("scenarios", help="the ready scenarios and what each shows")
    commands.add_parser("grammar", help="the grammar of scripts")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
