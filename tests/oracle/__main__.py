"""``python -m tests.oracle --sessions 1000``: play, compare, print the table, write docs/oracle.md.

Exit status 0 if every difference is explained.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.oracle.box import Box, oracle, sessions_below
from tests.oracle.compare import compare
from tests.oracle.made import LANES, WAYS, frames_of, write
from tests.oracle.real import hear_witnesses, stage
from tests.oracle.table import Summary, document

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "oracle.md"
SESSIONS_A_TRACE = 25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000, help="how many in all (default 1000)")
    parser.add_argument("--seed", type=int, default=1, help="decides what is played (default 1)")
    parser.add_argument("--project", default="echolab-oracle", help="name of the compose project")
    parser.add_argument("--net4", default="198.18.102", help="first three numbers of its IPv4 networks")
    parser.add_argument("--net6", default="2001:db8:102", help="start of its IPv6 networks")
    parser.add_argument("--keep", type=Path, help="an empty folder for the captures; else they are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="echolab-oracle-") as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.chmod(0o755)  # the tap becomes the folder's owner, the oracle reads as somebody else
        summary, tools, origin = run(folder, options)
    print(summary.text())
    PAGE.write_text(document(summary, tools, origin), encoding="utf-8")
    print(f"\nwritten: {PAGE.relative_to(ROOT)}")
    return 1 if summary.open else 0


def run(folder: Path, options: argparse.Namespace) -> tuple[Summary, list[str], list[str]]:
    """Play, make, compare. Returns the summary, the tools' versions, and what the sessions were."""
    captures, made = folder / "real", folder / "made"
    captures.mkdir()
    made.mkdir()
    count = options.sessions * 3 // 5
    began = time.monotonic()
    with stage(captures, options.project, options.net4, options.net6) as on:
        played = on.play(count, options.seed)
    took_s = time.monotonic() - began
    real = [facts for _, facts in sessions_below(captures)]
    make(made, options.sessions - len(real), options.seed)
    summary = Summary()
    summary.add("all real sessions", hear_witnesses(played, real))
    began = time.monotonic()
    with oracle(folder) as box:
        tools = box.versions()
        for part in (captures, made):  # apart: libpcap reads no file whose interfaces have different snaplens
            examine(box, part, summary)
    compared_s = time.monotonic() - began
    kinds = sorted({told["kind"] for told in played.told})
    origin = [
        f"{len(real)} sessions of real kernels and sockets over IPv4 and IPv6, played in the lab in {took_s:.0f} s, up"
        f" to 50 at once: {', '.join(kinds)}. Losses are real too: sockets that drop what reaches them, after the tap"
        " saw it.",
        f"{summary.sessions - len(real)} sessions from made frames, for what kernels do not do on request: frames lost"
        " before the tap, in another order, damaged, sent again at random. They went into files by the"
        f" tracker and by the fast lanes in {' and '.join(LANES)} in turn.",
        f"By their own count, the kernels sent {played.retransmitted['client']} (client) and"
        f" {played.retransmitted['server']} (server) segments again.",
        f"The comparison of all of them took {compared_s:.0f} s.",
    ]
    return summary, tools, origin


def make(folder: Path, sessions: int, seed: int) -> None:
    """Made sessions, in traces of a few at a time: by the tracker and both fast lanes, given up and stopped."""
    number = 0
    most = min(SESSIONS_A_TRACE, -(-sessions // len(WAYS)))
    while sessions > 0:
        size = min(most, sessions)
        write(folder, frames_of(seed * 1000 + number, size), WAYS[number % len(WAYS)], stopped=number % 4 > 1)
        sessions -= size
        number += 1


def examine(box: Box, folder: Path, summary: Summary) -> None:
    """Ask every tool about every session below a folder, and compare."""
    for opinion in box.ask(folder):
        summary.session(opinion.facts["verdict"])
        summary.add(str(opinion.path.relative_to(folder.parent)), compare(opinion))


if __name__ == "__main__":
    sys.exit(main())
