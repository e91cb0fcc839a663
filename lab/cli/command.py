"""The command line of ``echolab``: its words, its options, and one clear sentence for everything that is asked wrongly.

Exit status: 0 done, 1 it could not be done, 2 asked wrongly; ``verify`` has more (see there).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from lab.cli.compare import add_command as add_compare
from lab.cli.completion import NAMES, SHELLS, names, script
from lab.cli.errors import ASKED_WRONGLY, FAILED, RefusedError
from lab.cli.exercise import add_exercise_commands
from lab.cli.grade import add_grade_command
from lab.cli.listing import Filter, as_json, as_table, chosen
from lab.cli.live import add_command as add_live
from lab.cli.look import add_commands
from lab.cli.manual import Parser
from lab.cli.naming import capture_named, captures_of
from lab.cli.verify import verify_all
from lab.cli.wire import add_wire_command
from lab.store.errors import CaptureFileError, StoreError
from lab.store.index import sessions, unreadable_runs
from lab.store.prune import prune


class _Parser(Parser):
    def error(self, message: str) -> NoReturn:
        raise RefusedError(f"{message}: '{self.prog} --help' tells what there is", ASKED_WRONGLY)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(prog="echolab", description="Look at what the Echo Lab has recorded.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        made.set_defaults(run=run)
        made.add_argument(
            "--captures", type=Path, metavar="DIR", help="the captures (default: $ECHO_CAPTURES, ./captures)"
        )
        return made

    add_commands(command)
    add_compare(command)
    add_live(command)
    listing = command("sessions", "list the sessions", _sessions)
    listing.add_argument("--run", dest="run_name", help="only of this run (its name's beginning, or latest)")
    listing.add_argument(
        "--verdict", help="only with this verdict: complete, reset, refused, half-open, midstream, cut"
    )
    listing.add_argument("--client", help="only of this client: a host's name or address")
    listing.add_argument("--text", help="only with this text in the capture")
    listing.add_argument("--sort", choices=("time", "frames", "octets", "duration"), default="time")
    listing.add_argument("--reverse", action="store_true", help="the other way round")
    listing.add_argument("--json", action="store_true", help="for programs")

    pruning = command("prune", "remove the oldest finished sessions", _prune)
    pruning.add_argument("--keep", type=int, metavar="N", help="how many sessions may stay")
    pruning.add_argument("--max-mib", type=int, metavar="M", help="how many MiB they may take")
    pruning.add_argument("--dry-run", action="store_true", help="only say what would go")

    check = command("verify", "tell whether captures were edited", _verify)
    check.add_argument("names", nargs="*", default=["latest"], help="as for ladder; default latest")
    check.add_argument("--json", action="store_true", help="for programs")

    add_exercise_commands(commands)
    add_grade_command(commands)
    add_wire_command(commands)
    completing = commands.add_parser(
        "completion",
        help="print a completion script",
        description="Print a completion script for a shell; or the sessions' names, which such a script asks for.",
    )
    completing.add_argument("shell", choices=(*SHELLS, NAMES))
    completing.set_defaults(run=_completion)
    passed_on = commands.add_parser("conformance", add_help=False, help="test anybody's echo server or client")
    passed_on.set_defaults(run=None)
    for one in commands._choices_actions:
        sub = commands.choices[one.dest]
        sub.description = sub.description or f"{(one.help or '')[:1].upper()}{(one.help or '')[1:]}"
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter must not end the command
    try:
        if words[:1] == ["conformance"]:
            from lab.conformance.__main__ import main as conformance

            return conformance(words[1:], prog="echolab conformance")
        options = parser().parse_args(words)
        status: int = options.run(options)
        return status
    except RefusedError as refused:
        print(f"echolab: {refused}", file=sys.stderr)
        return refused.status
    except (CaptureFileError, StoreError) as error:
        print(f"echolab: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # the reader, a pager perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _sessions(options: argparse.Namespace) -> int:
    wanted = Filter(options.run_name, options.verdict, options.client, options.text, options.sort, options.reverse)
    found = chosen(sessions(captures_of(options)), wanted, captures_of(options))
    print(as_json(found) if options.json else as_table(found))
    unreadable = unreadable_runs(captures_of(options))
    for sentence in unreadable:
        print(f"echolab: {sentence}", file=sys.stderr)
    return FAILED if unreadable else 0


def _completion(options: argparse.Namespace) -> int:
    if options.shell == NAMES:
        print("\n".join(names(Path(os.environ.get("ECHO_CAPTURES") or "captures"))))
        return 0
    sys.stdout.write(script(options.shell, parser()))
    return 0


def _prune(options: argparse.Namespace) -> int:
    if options.keep is None and options.max_mib is None:
        raise RefusedError("say how much may stay: --keep N sessions or --max-mib M", ASKED_WRONGLY)
    for name, value in (("--keep", options.keep), ("--max-mib", options.max_mib)):
        if value is not None and value < 0:
            raise RefusedError(f"{name} must be 0 or more, not {value}", ASKED_WRONGLY)
    limit = None if options.max_mib is None else options.max_mib << 20
    removed = prune(captures_of(options), keep=options.keep, max_bytes=limit, dry_run=options.dry_run)
    for one in removed:
        print(f"{'would remove' if options.dry_run else 'removed'} {one.run}/{one.name}")
    room_mib = sum(one.octets for one in removed) / (1 << 20)
    print(f"{len(removed)} sessions{' would' if options.dry_run else ''} go, {room_mib:.1f} MiB")
    return 0


def _verify(options: argparse.Namespace) -> int:
    paths = [capture_named(name, options).with_suffix(".json") for name in options.names]
    return verify_all(paths, os.environ.get("ECHO_KEY", "").encode() or None, as_json=options.json)
