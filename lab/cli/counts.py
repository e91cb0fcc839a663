"""The table of ``echolab stats``: a row for each side of each session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from lab.analysis.totals import SessionTotals
from lab.report.text import duration


def statistics(found: Sequence[SessionTotals]) -> Iterator[str]:
    """A table, line by line: a row for each side of each session. There may be a million of them, so the rows are made
    twice: once for their widths."""
    if not found:
        yield "no TCP session"
        return
    yield from table(_STATISTICS, lambda: (row for session in found for row in _rows(session)))


_STATISTICS = ("client", "server", "side", "frames", "octets", "again", "late", "SYN to ACK", "verdict")


def _rows(session: SessionTotals) -> Iterator[tuple[str, ...]]:
    rtt = session.initial_rtt_ns
    for role, side in (("client", session.from_client), ("server", session.from_server)):
        first = role == "client"
        yield (
            session.client if first else "",
            session.server if first else "",
            role,
            str(side.frames),
            str(side.octets_new),
            str(side.retransmissions),
            str(side.out_of_order),
            (duration(rtt) if rtt is not None else "-") if first else "",
            session.verdict if first else "",
        )


def table(head: Sequence[str], rows: Callable[[], Iterable[Sequence[str]]]) -> Iterator[str]:
    """Columns as wide as their widest word; the first three and the last to the left, numbers to the right."""
    widths = [len(word) for word in head]
    for row in rows():
        widths = [max(width, len(word)) for width, word in zip(widths, row, strict=True)]
    last = len(head) - 1
    for row in chain((head,), rows()):
        yield "  ".join(
            word.ljust(width) if column in (0, 1, 2, last) else word.rjust(width)
            for column, (word, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
