"""``echolab compare``: its words and options. What it does is in ``lab.cli.taps``, which is imported only when it is
called: the other commands start sooner without it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.cli.look import Adder, add_style
from lab.cli.naming import NAMES


def add_command(command: Adder) -> None:
    """Add ``compare`` to the command line."""
    made = command("compare", "put the client's and the server's capture of a session together", _compare)
    made.add_argument("client", nargs="?", help=f"the capture of the tap beside the client: {NAMES}")
    made.add_argument(
        "server", nargs="?", help="beside the server; without both: the latest session that two taps have"
    )
    made.add_argument("--session", type=int, metavar="N", help="of several sessions: the Nth that both have")
    made.add_argument("--log", type=Path, metavar="FILE", help="the wire's log ('echolab wire log'): who did what, too")
    form = made.add_mutually_exclusive_group()
    form.add_argument("--svg", action="store_true", help="a ladder as a picture (SVG), on standard output")
    form.add_argument("--mermaid", action="store_true", help="a ladder as a Mermaid diagram")
    form.add_argument("--html", action="store_true", help="a report: one HTML file, on standard output")
    form.add_argument(
        "--json", action="store_true", help="for programs: every frame with its fate (docs/compare.schema.json)"
    )
    made.add_argument("--raw", action="store_true", help="sequence numbers as in the header")
    add_style(made)


def _compare(options: argparse.Namespace) -> int:
    from lab.cli.taps import compare_captures

    return compare_captures(options)
