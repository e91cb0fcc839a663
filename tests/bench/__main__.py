"""``python -m tests.bench``: every measurement, one after the other; ``make bench`` runs it.

Each is a command of its own with options of its own; those that have a page write it when asked to
(``--write``). One that fails does not keep the others from running. With names, only those are run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.soak.__main__ import Outcome, Repeat, asked_for, play

BENCHES = (
    Repeat(
        "startup",
        "docker compose up to the first session, make up, make down, against idle containers",
        ("-m", "tests.bench.startup.bench_startup"),
    ),
    Repeat("capture", "the tap's ring beside other ways to capture", ("-m", "tests.bench.capture.bench_capture")),
    Repeat("lab", "the tap in the composed lab under load", ("-m", "tests.bench.capture.bench_lab")),
    Repeat("wire", "the wire: octets and frames a second, delay, memory", ("-m", "tests.bench.wire.bench_wire")),
    Repeat(
        "analysis",
        "echolab stats beside tshark, tcptrace and Scapy",
        ("-m", "tests.bench.analysis.bench_analysis"),
    ),
    Repeat("grade", "1,000 submissions graded", ("-m", "tests.bench.grade.bench_grade")),
    Repeat(
        "echo",
        "the six servers: round trips, messages a second, connections",
        ("-m", "tests.bench.echo.bench_echo", "--sessions", "2000", "--idle", "1000"),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurements; returns 0 if all ended well, 1 if one did not, 2 if asked for wrongly."""
    outcomes: list[Outcome] = []
    for bench in asked_for(BENCHES, "tests.bench", "Every measurement, one by one.", arguments):
        print(f"\n{bench.name}: {bench.what}\n  {bench.command}", flush=True)
        outcomes.append(play(bench))
    print()
    for outcome in outcomes:
        print(f"{outcome.name:10} {'done' if outcome.ok else 'FAILED'} after {outcome.seconds:.0f} s")
    return 0 if all(outcome.ok for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
