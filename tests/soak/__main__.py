"""``python -m tests.soak``: everything that is repeated until it is sure, one after the other; ``make soak`` runs it.

Each repeat is a command of its own, can be run alone, and ends with an exit status: 0 if everything held. This program
adds the order, the time each took, and docs/soak.md with the last line that each one said. With names, only those are
run, and the page keeps the rows of the others.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "soak.md"


@dataclass(frozen=True)
class Repeat:
    """name: to ask for it. what: in words. words: the command's arguments behind ``python``. page: where its own table
    stands, if it writes one.
    """

    name: str
    what: str
    words: tuple[str, ...]
    page: str = ""

    @property
    def command(self) -> str:
        return shlex.join(("python", *self.words))


REPEATS = (
    Repeat(
        "fuzz", "1,000,000 mutated frames through everything", ("-m", "tests.fuzz", "--frames", "1000000", "--quiet")
    ),
    Repeat(
        "sanitized",
        "100,000 mutated frames with the C libraries under address and undefined-behaviour sanitizers",
        ("-m", "tests.fuzz.sanitized", "--frames", "100000"),
    ),
    Repeat(
        "guided", "fuzzing guided by coverage (atheris), for 5 minutes", ("-m", "tests.fuzz.guided", "--minutes", "5")
    ),
    Repeat(
        "oracle",
        "1,000 mixed sessions beside tshark, capinfos and tcptrace",
        ("-m", "tests.oracle", "--sessions", "1000"),
        "oracle.md",
    ),
    Repeat(
        "wire",
        "every ready scenario of the wire, 20 times over either IP version",
        ("-m", "tests.wire.soak", "--times", "20", "--write", "docs/wire-scenarios.md"),
        "wire-scenarios.md",
    ),
    Repeat("pairs", "36 pairs of languages", ("-m", "tests.interop", "--write", "docs/interop.md"), "interop.md"),
    Repeat(
        "languages",
        "100,000 sessions, 1,000 talking and 10,000 idle connections for each server",
        ("-m", "tests.bench.echo.bench_echo", "--write", "docs/load.md"),
        "load.md",
    ),
    Repeat(
        "exercises",
        "every exercise, played live and solved for 20 students",
        ("-m", "tests.exercises.soak", "--ids", "20", "--write", "docs/exercises-runs.md"),
        "exercises-runs.md",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What one repeat came to. seconds: how long it took. said: its last line."""

    name: str
    ok: bool
    seconds: float
    said: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the repeats; returns 0 if all held, 1 if one did not, 2 if asked for wrongly."""
    outcomes = {outcome.name: outcome for outcome in recorded(PAGE)}
    failed = False
    for repeat in asked_for(REPEATS, "tests.soak", "The long repeats, one after the other.", arguments):
        print(f"\n{repeat.name}: {repeat.what}\n  {repeat.command}", flush=True)
        outcomes[repeat.name] = outcome = play(repeat)
        failed |= not outcome.ok
        print(f"  {'held' if outcome.ok else 'FAILED'} after {outcome.seconds:.0f} s: {outcome.said}", flush=True)
        PAGE.write_text(document([outcomes[r.name] for r in REPEATS if r.name in outcomes]), encoding="utf-8")
    return 1 if failed else 0


def asked_for(
    repeats: Sequence[Repeat], module: str, description: str, arguments: Sequence[str] | None
) -> Sequence[Repeat]:
    """Those of the repeats that a command line names, or all; none where it only asks for their list, which is told.
    Ends with status 2 for a name that there is not.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all; --list tells them)")
    parser.add_argument("--list", action="store_true", help="tell the names and end")
    options = parser.parse_args(arguments)
    if options.list:
        for repeat in repeats:
            print(f"{repeat.name:12} {repeat.what}\n{'':12} {repeat.command}")
        return ()
    if unknown := [name for name in options.names if name not in {repeat.name for repeat in repeats}]:
        parser.error(f"nothing here is named {', '.join(unknown)}; --list tells the names")
    return [repeat for repeat in repeats if not options.names or repeat.name in options.names]


def play(repeat: Repeat) -> Outcome:
    """Run one repeat; what it says goes to the terminal as it comes."""
    began = time.monotonic()
    last = ""
    with subprocess.Popen([sys.executable, *repeat.words], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(f"  {line}", end="", flush=True)
            if line.strip() and not line.startswith("written"):
                last = line.strip()
    return Outcome(repeat.name, process.returncode == 0, time.monotonic() - began, last)


def document(outcomes: Sequence[Outcome]) -> str:
    """docs/soak.md. The figures stand in it as JSON too: the next run takes over what it does not repeat."""
    rows = {repeat.name: repeat for repeat in REPEATS}
    lines = [
        "# The long repeats",
        "",
        "Made by `make soak`, or one at a time by `python -m tests.soak NAME`. What `make test` shows a few times is"
        " shown here until it is sure. `make soak` also plays the demo for some minutes (`MINUTES=10`).",
        "",
        "| what | command | took | it ended with |",
        "|---|---|---|---|",
    ]
    for outcome in outcomes:
        repeat = rows[outcome.name]
        more = f" ([table]({repeat.page}))" if repeat.page else ""
        said = outcome.said.replace("|", "\\|")
        held = "" if outcome.ok else "**failed**: "
        lines.append(f"| {repeat.what}{more} | `{repeat.command}` | {outcome.seconds:.0f} s | {held}{said} |")
    return "\n".join([*lines, "", f"<!-- {json.dumps([asdict(outcome) for outcome in outcomes])} -->", ""])


def recorded(page: Path) -> list[Outcome]:
    """The outcomes that a page has from earlier runs, of repeats that still exist."""
    found = re.search(r"^<!-- (\[.*\]) -->$", page.read_text(encoding="utf-8"), re.MULTILINE) if page.exists() else None
    names = {repeat.name for repeat in REPEATS}
    return [Outcome(**one) for one in json.loads(found[1]) if one["name"] in names] if found else []


if __name__ == "__main__":
    sys.exit(main())
