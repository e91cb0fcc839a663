"""``echolab learn``, ``echolab exercise`` and ``echolab pack``: their words and options. What they do is in
``lab.cli.learning``, which is imported only when one of them is called: the other commands start sooner without it.

Exit status: 0 done (of ``check``: passed), 1 not (yet), 2 asked wrongly.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.later import later

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_ACTIONS = (
    ("list", "all exercises, and how far each is"),
    ("start", "lay out the folder of an exercise"),
    ("run", "play its scenario in the lab and fetch the captures"),
    ("program", "the player's program of a stage, for a run without Docker in reach"),
    ("collect", "take over what the player told and the tap captured in a stage"),
    ("hint", "a hint for a question; ask again for a plainer one"),
    ("check", "mark the answers against your captures"),
    ("watch", "check again whenever answers or captures are saved"),
    ("reset", "forget everything about an exercise"),
    ("solution", "the answers with their reasons, once you have passed"),
)


def add_exercise_commands(commands: _SubParsersAction[Any]) -> None:
    """Add ``learn``, ``exercise`` and ``pack`` to the command line."""
    learn = commands.add_parser("learn", help="where am I in the exercises, and what comes next?")
    _common(learn, "learn")

    exercise = commands.add_parser("exercise", help="exercises that grade themselves on your own packets")
    actions = exercise.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in _ACTIONS:
        made = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        _common(made, name)
        if name != "list":
            made.add_argument("exercise", metavar="N", help="its number or the beginning of its name")
        if name in ("program", "collect"):
            made.add_argument("--stage", type=int, default=1, metavar="K", help="which, from 1")
        if name == "hint":
            made.add_argument("question", nargs="?", help="the question's name (default: the first open one)")
        if name == "solution":
            made.add_argument("--teacher", action="store_true", help="show it without having passed")

    packing = commands.add_parser("pack", help="make the zip file that you hand in")
    _common(packing, "pack")
    packing.add_argument("exercise", metavar="N", nargs="*", help="exercises (default: all that are started)")
    packing.add_argument("--output", type=Path, metavar="FILE", help="default: echolab-YOURNAME.zip")


def _common(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("--work", type=Path, metavar="DIR", help="where you work (default: $ECHO_WORK, ./work)")
    parser.add_argument("--student", metavar="NAME", help="your name or number (asked once, kept in the work folder)")
    parser.set_defaults(run=later("lab.cli.learning", name))
