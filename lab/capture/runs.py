"""Which frames of many sessions are plain, and what they add up to: the arithmetic of the fast lane, for all sessions
at once.

Rows come sorted by session, in the order of arrival within each. For every row it is checked that the observer would
find nothing to say about
it: the next octets in order, an acknowledgment that does not go back nor beyond what has been sent, within the window,
no flag but ACK and PSH. The rows of a session before the first one that fails form a run; what it adds up to goes to
``lab.session.bulk.book``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lab.session.bulk import Footing

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ACK, _PSH = 16, 8


@dataclass(frozen=True, slots=True)
class Rows:
    """Segments, sorted by session: ``session`` counts from 0; ``from_server`` says which end sent it. The rest as in
    Columns."""

    session: Ints
    from_server: Bools
    plain: Bools
    seq: Ints
    ack: Ints
    flags: Ints
    window: Ints
    payload_bytes: Ints


@dataclass(frozen=True, slots=True)
class Sums:
    """What one end's rows of every session's run add up to, a list entry a session: the fields of lab.session.bulk.Run.

    last_data: the row (of all rows) of its last segment with data, -1 for none.
    """

    frames: list[int]
    data_frames: list[int]
    octets: list[int]
    largest: list[int]
    ack_rel: list[int]
    window_raw: list[int]
    edge_rel: list[int]
    last_data: list[int]
    unanswered: list[int]


@dataclass(frozen=True, slots=True)
class Runs:
    """begin, cut: each session's first row, and the first row behind its run. The relative numbers are for every
    row."""

    begin: list[int]
    cut: list[int]
    taken: Bools
    seq_rel: Ints
    ack_rel: Ints
    ack_advances: Bools
    client: Sums
    server: Sums


def find_runs(rows: Rows, footings: Sequence[tuple[Footing, Footing]]) -> Runs:
    """Find the run at the beginning of every session's rows.

    footings: for every session, where its client and where its server stands before the first row.
    """
    count, session = len(rows.session), rows.session
    number = np.arange(count)
    begin = np.searchsorted(session, np.arange(len(footings)))
    begin_row = begin[session]
    server = rows.from_server
    own = server.astype(np.int64)
    table = np.array(footings, np.int64).reshape(len(footings), 2, len(Footing._fields))

    def standing(field: str, side: Ints) -> Ints:
        column: Ints = table[session, side, Footing._fields.index(field)]
        return column

    pay = rows.payload_bytes
    from_client, from_server = np.where(server, 0, pay), np.where(server, pay, 0)
    client_sent, server_sent = _before(from_client, begin, session), _before(from_server, begin, session)
    seq_start = standing("seq_rel", own)
    seq_rel = seq_start + _difference(rows.seq, standing("seq_raw", own))
    ok = rows.plain & (rows.flags & ~_PSH == _ACK) & (rows.window > 0)
    ok &= seq_rel == seq_start + np.where(server, server_sent, client_sent)

    ack_start = standing("ack_rel", own)
    ack_rel = ack_start + _difference(rows.ack, standing("ack_raw", own))
    ok &= ack_rel <= standing("seq_rel", 1 - own) + np.where(server, client_sent, server_sent)
    last_client = np.maximum.accumulate(np.where(server, -1, number)) if count else number
    last_server = np.maximum.accumulate(np.where(server, number, -1)) if count else number
    same = np.where(server, _shifted(last_server), _shifted(last_client))
    ack_before = np.where(same >= begin_row, ack_rel[same], ack_start)
    advances = ack_rel > ack_before
    ok &= (ack_rel >= ack_before) & ((pay > 0) | advances)

    edge = ack_rel + (rows.window << standing("shift", own))
    other = np.where(server, last_client, last_server)
    limit = np.where(other >= begin_row, edge[other], standing("limit_rel", own))
    ok &= seq_rel + pay <= limit

    end = np.append(begin[1:], count)
    cut = np.minimum(np.minimum.reduceat(np.where(ok, count, number), begin), end) if count else begin
    taken = number < cut[session]
    pair = [_sum_up(rows, taken & (server if side else ~server), begin, ack_rel, edge) for side in (0, 1)]
    for mine, peer in ((pair[0], pair[1]), (pair[1], pair[0])):
        sent = np.cumsum(mine.data)
        after = sent[end - 1] - np.where(peer.last_data >= 0, sent[peer.last_data], 0)
        mine.unanswered = np.where(peer.last_data >= 0, after, mine.data_frames)
    return Runs(begin.tolist(), cut.tolist(), taken, seq_rel, ack_rel, advances, pair[0].lists(), pair[1].lists())


class _Totals:
    """The sums of one end, as arrays."""

    def __init__(self) -> None:
        self.data: Bools
        self.frames: Ints
        self.data_frames: Ints
        self.octets: Ints
        self.largest: Ints
        self.ack_rel: Ints
        self.window_raw: Ints
        self.edge_rel: Ints
        self.last_data: Ints
        self.unanswered: Ints

    def lists(self) -> Sums:
        return Sums(*(getattr(self, name).tolist() for name in Sums.__slots__))


def _sum_up(rows: Rows, mine: Bools, begin: Ints, ack_rel: Ints, edge: Ints) -> _Totals:
    number = np.arange(len(mine))
    pay = np.where(mine, rows.payload_bytes, 0)
    found = _Totals()
    found.data = pay > 0
    found.frames = np.add.reduceat(mine, begin, dtype=np.int64)
    found.data_frames = np.add.reduceat(found.data, begin, dtype=np.int64)
    found.octets = np.add.reduceat(pay, begin)
    found.largest = np.maximum.reduceat(pay, begin)
    last = np.maximum.reduceat(np.where(mine, number, -1), begin)
    found.ack_rel, found.window_raw = ack_rel[last], rows.window[last]
    found.edge_rel = np.maximum.reduceat(np.where(mine, edge, 0), begin)
    found.last_data = np.maximum.reduceat(np.where(found.data, number, -1), begin)
    return found


def _before(amount: Ints, begin: Ints, session: Ints) -> Ints:
    """For every row, the sum over the session's rows before it."""
    total: Ints = np.cumsum(amount) - amount
    return total - total[begin][session]


def _difference(numbers: Ints, reference: Ints) -> Ints:
    """How far 32-bit sequence numbers are from others, the shorter way round (RFC 9293 §3.4)."""
    return ((numbers - reference + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def _shifted(last: Ints) -> Ints:
    """The same, but of the rows before this one."""
    return np.concatenate((np.array([-1], np.int64), last[:-1])) if len(last) else last
