"""The kit's command: ``python3 -m lab.conformance HOST:PORT`` or ``--client COMMAND``.

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
from lab.conformance.model import Case, Result
from lab.conformance.run import chosen, client_cases, run_client_cases, run_server_cases, server_cases

_EXAMPLES = """\
examples:
  %(prog)s 127.0.0.1:8080                          a server that runs
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
    parser.add_argument("server", nargs="?", metavar="HOST:PORT", help="the server to check")
    parser.add_argument(
        "--client",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="the client to check: everything behind --client is its command, or one word in quotes is",
    )
    parser.add_argument("--only", metavar="ID,ID", default="", help="only these cases")
    parser.add_argument("--list", action="store_true", help="show the cases (with --client: the client's) and end")
    parser.add_argument("--quiet", action="store_true", help="show only what did not pass")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit's XML to this file as well")
    parser.add_argument("--flush-ms", type=int, default=200, metavar="MS", help="the server's ECHO_FLUSH_MS (200)")
    parser.add_argument("--max-line", type=int, default=1_048_576, metavar="N", help="its ECHO_MAX_LINE (1048576)")
    parser.add_argument("--connections", type=int, default=1000, metavar="N", help="how many at once (1000)")
    parser.add_argument("--patience", type=float, default=5.0, metavar="S", help="how long an answer may take (5 s)")
    return parser


def _main(wanted: argparse.Namespace) -> int:
    if (wanted.server is None) == (wanted.client is None) and not wanted.list:
        raise Refusal("name one thing to check: HOST:PORT of a server, or --client COMMAND")
    least = {"--flush-ms": wanted.flush_ms, "--max-line": wanted.max_line, "--connections": wanted.connections}
    for option, value in least.items():
        if value < 1:
            raise Refusal(f"{option} is {value}: it must be 1 or more")
    if not wanted.patience > 0:
        raise Refusal(f"--patience is {wanted.patience}: it must be more than 0 seconds")
    only = [word for word in wanted.only.split(",") if word]
    try:
        cases = chosen(client_cases() if wanted.client is not None else server_cases(), only)
    except ValueError as error:
        raise Refusal(str(error)) from error
    if wanted.list:
        return _list(cases)
    began = time.monotonic()
    results = _run_client(wanted, only) if wanted.client is not None else _run_server(wanted, only)
    seconds = time.monotonic() - began
    subject = wanted.server or shlex.join(wanted.client)
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


def _run_client(wanted: argparse.Namespace, only: list[str]) -> list[Result]:
    command = wanted.client
    if len(command) == 1:
        try:
            command = shlex.split(command[0])
        except ValueError as error:
            raise Refusal(f"--client {command[0]}: {error}; write the command as a shell would take it") from error
    if not command:
        raise Refusal("--client needs a command, such as ./my-client")
    return run_client_cases(command, patience_s=wanted.patience, only=only)


def _run_server(wanted: argparse.Namespace, only: list[str]) -> list[Result]:
    host, port = address(wanted.server)
    try:
        socket.create_connection((host, port), wanted.patience).close()
    except OSError as error:
        raise Refusal(
            f"nobody answers at {wanted.server} ({error.strerror or error}): start the server first"
        ) from error
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
