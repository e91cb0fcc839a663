"""The kit's command: ``python3 -m lab.conformance HOST:PORT``, ``--server COMMAND`` or ``--client COMMAND``.

Exit status 0 when every case passed, 1 when one did not, 2 when the kit could not begin (wrong arguments, nobody
listens).
"""

from __future__ import annotations

import argparse
import shlex
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lab.conformance import output
from lab.conformance.model import Case, Failed, Result, Unable
from lab.conformance.run import (
    chosen,
    client_cases,
    process_cases,
    run_client_cases,
    run_process_cases,
    run_server_cases,
    server_cases,
)
from lab.conformance.server_program import ServerProgram

_EXAMPLES = """\
examples:
  %(prog)s 127.0.0.1:8080                          a server that runs
  %(prog)s --server ./my-server                    the kit starts it: also its log, signals, settings, errors
  %(prog)s --client ./my-client                    a client: the kit starts it and plays the server
  %(prog)s --only script,refused --client python3 images/python/client.py
  %(prog)s --client docker run --rm -i {tty} --network host -v /tmp:/tmp:ro \\
      -e ECHO_HOST -e ECHO_PORT -e ECHO_TIMEOUT_S echolab/python-client
                                                   a client in a container; {tty} becomes -t where a terminal is needed
"""


class Refusal(Exception):  # noqa: N818
    """Why the kit can't begin: one sentence with the next step."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refusal(f"{message}; --help shows how it is called")


def main(argv: Sequence[str] | None = None, *, prog: str = "python3 -m lab.conformance") -> int:
    """Run the kit with these arguments (by default the process's); returns the exit status."""
    try:
        return _main(_parser(prog).parse_args(argv))
    except Refusal as refusal:
        print(f"conformance: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def _parser(prog: str) -> _Parser:
    parser = _Parser(
        prog=prog,
        description="Check an echo server or client, in any language, against the protocol.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("running", nargs="?", metavar="HOST:PORT", help="the server to check, which runs already")
    parser.add_argument(
        "--server",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="the server to check, as a command: everything behind --server is it, or one word in quotes is",
    )
    parser.add_argument(
        "--client",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="the client to check: everything behind --client is its command, or one word in quotes is",
    )
    parser.add_argument("--only", metavar="ID,ID", default="", help="only these cases")
    parser.add_argument("--list", action="store_true", help="show the cases (of --server or --client) and end")
    parser.add_argument("--quiet", action="store_true", help="show only what did not pass")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit's XML to this file as well")
    parser.add_argument("--flush-ms", type=int, default=200, metavar="MS", help="the server's ECHO_FLUSH_MS (200)")
    parser.add_argument("--max-line", type=int, default=1_048_576, metavar="N", help="its ECHO_MAX_LINE (1048576)")
    parser.add_argument("--connections", type=int, default=1000, metavar="N", help="how many at once (1000)")
    parser.add_argument("--patience", type=float, default=5.0, metavar="S", help="how long an answer may take (5 s)")
    return parser


def _main(wanted: argparse.Namespace) -> int:
    named = [one for one in (wanted.running, wanted.server, wanted.client) if one is not None]
    if len(named) != 1 and not (wanted.list and not named):
        raise Refusal("name one thing to check: HOST:PORT of a server, --server COMMAND, or --client COMMAND")
    least = {"--flush-ms": wanted.flush_ms, "--max-line": wanted.max_line, "--connections": wanted.connections}
    for option, value in least.items():
        if value < 1:
            raise Refusal(f"{option} is {value}: it must be 1 or more")
    if not wanted.patience > 0:
        raise Refusal(f"--patience is {wanted.patience}: it must be more than 0 seconds")
    only = [word for word in wanted.only.split(",") if word]
    try:
        cases = chosen(_cases(wanted), only)
    except ValueError as error:
        raise Refusal(str(error)) from error
    if wanted.list:
        return _list(cases)
    began = time.monotonic()
    if wanted.client is not None:
        subject, results = _run_client(wanted, only)
    elif wanted.server is not None:
        subject, results = _run_server_command(wanted, {case.id for case in cases})
    else:
        subject, results = wanted.running, _run_server(wanted, wanted.running, only)
    seconds = time.monotonic() - began
    if wanted.junit:
        try:
            Path(wanted.junit).write_text(output.as_junit(subject, results, seconds), "utf-8")
        except OSError as error:
            raise Refusal(
                f"cannot write {wanted.junit} ({error.strerror}): choose another file with --junit"
            ) from error
    if wanted.json:
        sys.stdout.write(output.as_json(subject, results, seconds))
    else:
        sys.stdout.write(output.text(subject, results, every=not wanted.quiet))
    return 0 if all(result.outcome == "pass" for result in results) else 1


def _list(cases: list[Case]) -> int:
    for case in cases:
        print(f"{case.id:<24} {case.rule:<22} {case.name}")
    return 0


def _cases(wanted: argparse.Namespace) -> list[Case]:
    if wanted.client is not None:
        return client_cases()
    return server_cases() + (process_cases() if wanted.server is not None else [])


def _command(option: str, words: list[str]) -> list[str]:
    """The command behind an option: as words, or as one word in quotes."""
    if len(words) == 1:
        try:
            words = shlex.split(words[0])
        except ValueError as error:
            raise Refusal(f"{option} {words[0]}: {error}; write the command as a shell would take it") from error
    if not words:
        raise Refusal(f"{option} needs a command, such as ./my-{option.removeprefix('--')}")
    return words


def _run_client(wanted: argparse.Namespace, only: list[str]) -> tuple[str, list[Result]]:
    command = _command("--client", wanted.client)
    return shlex.join(command), run_client_cases(command, patience_s=wanted.patience, only=only)


def _run_server_command(wanted: argparse.Namespace, only: set[str]) -> tuple[str, list[Result]]:
    """First what goes over the wire, with one server for all; then what needs a server of its own."""
    command = _command("--server", wanted.server)
    on_the_wire = only & {case.id for case in server_cases()}
    others = only - on_the_wire
    results: list[Result] = []
    if on_the_wire:
        env = {"ECHO_FLUSH_MS": str(wanted.flush_ms), "ECHO_MAX_LINE": str(wanted.max_line)}
        try:
            with ServerProgram(tuple(command), wanted.patience).start(env=env) as server:
                place = f"127.0.0.1:{server.target().port}"
                results += _run_server(wanted, place, sorted(on_the_wire))
        except Failed as failed:
            why = f"expected {failed.expected}, got {failed.got}"
            raise Refusal(f"{shlex.join(command)} does not listen: {why}; start it by hand first") from failed
        except Unable as unable:
            raise Refusal(str(unable)) from unable
    if others:
        results += run_process_cases(command, patience_s=wanted.patience, only=others)
    return shlex.join(command), results


def _run_server(wanted: argparse.Namespace, place: str, only: list[str]) -> list[Result]:
    host, port = address(place)
    try:
        socket.create_connection((host, port), wanted.patience).close()
    except OSError as error:
        raise Refusal(f"nobody answers at {place} ({error.strerror or error}): start the server first") from error
    return run_server_cases(
        host,
        port,
        flush_ms=wanted.flush_ms,
        max_line_octets=wanted.max_line,
        connections=wanted.connections,
        patience_s=wanted.patience,
        only=only,
    )


def address(words: str) -> tuple[str, int]:
    """HOST:PORT as host and port; [::1]:7 for IPv6, and port 8080 if none is named. Raises Refusal."""
    host, colon, port = words.rpartition(":")
    if not colon or words.endswith("]"):
        host, port = words, "8080"
    host = host.removeprefix("[").removesuffix("]")
    if not host or (":" in host and "[" not in words):
        raise Refusal(f"{words!r} is no HOST:PORT: write 127.0.0.1:8080 or [::1]:8080")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise Refusal(f"the port {port!r} of {words!r} must be a number from 1 to 65535")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
