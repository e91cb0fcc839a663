"""A run of plain segments taken into account at once.

Most frames of a busy session are alike: the next octets in order, or an acknowledgment that goes on. For those the
observer's work is arithmetic, and a run of a thousand of them can be added up elsewhere (the tap does it with NumPy)
and booked here in one step. A run must leave the session exactly as ``observe`` would have, frame by frame; tests hold
the two together. So this module says which sessions may be booked in runs (``ready``), from which numbers a run must
go on (``footing``), and books one (``book``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lab.session.observe import LINE_BYTES
from lab.session.states import State

if TYPE_CHECKING:
    from lab.session.session import Session
    from lab.session.side import Side


class Footing(NamedTuple):
    """Where one end stands: what the next plain segment from it must fit.

    seq_raw, seq_rel: the number of its next octet, as in the header and relative to its ISN. ack_raw, ack_rel: the
    highest number of the peer that it has acknowledged, likewise. limit_rel: how far its peer lets it send, relative.
    shift: of its window.
    """

    seq_raw: int
    seq_rel: int
    ack_raw: int
    ack_rel: int
    limit_rel: int
    shift: int


@dataclass(frozen=True, slots=True)
class Run:
    """What one end sent in a run, added up.

    frames, data_frames: segments, and those of them with data. octets: of payload. largest: payload of the largest
        segment.
    ack_rel: its last acknowledgment. window_raw: its last window. edge_rel: the furthest octet that it lets the peer
        send.
    last_data: which frame of the run (from 1) was its last with data, 0 for none; last_payload: the octets of that one.
    unanswered: its segments with data after the peer's last one in the run; all of them if the peer sent none.
    """

    frames: int
    data_frames: int
    octets: int
    largest: int
    ack_rel: int
    window_raw: int
    edge_rel: int
    last_data: int
    last_payload: bytes
    unanswered: int


def ready(session: Session) -> bool:
    """Whether the session is in the plain middle of its life, with nothing under way that the next frame could
    settle."""
    return (
        session.opened_by_syn
        and not session.closed_because
        and not session.challenge_expected_from
        and _steady(session.client_side)
        and _steady(session.server_side)
    )


def first_letters(session: Session, client: Run, server: Run) -> int:
    """How many history letters this run would write for the first time. With two, their order would have to be
    known."""
    known = session.history_counts
    wanted = (
        ("D", client.data_frames),
        ("A", client.frames - client.data_frames),
        ("d", server.data_frames),
        ("a", server.frames - server.data_frames),
    )
    return sum(1 for letter, count in wanted if count and letter not in known)


def _steady(side: Side) -> bool:
    return (
        side.state is State.ESTABLISHED
        and side.isn_seen
        and side.syn_acked
        and side.fin_offset is None
        and side.shift is not None
        and bool(side.window)
        and side.right_edge is not None
        and side.ack_sent is not None
        and not side.last_was_probe
        and not side.rst_count
        and side.acked <= side.next_seq
        and bool(side.mac)
    )


def footing(session: Session, side: Side) -> Footing:
    """Where this end of a ready session stands."""
    peer = session.other(side)
    return Footing(
        ((side.isn or 0) + side.next_seq) & 0xFFFFFFFF,
        side.next_seq,
        ((peer.isn or 0) + peer.acked) & 0xFFFFFFFF,
        peer.acked,
        peer.right_edge or 0,
        side.shift or 0,
    )


def book(session: Session, client: Run, server: Run, last_ns: int) -> None:
    """Take a run into account.

    client, server: what either end sent in it. last_ns: the time of its latest frame.
    """
    before = session.frames
    _note_history(session, client, server)
    session.frames = before + client.frames + server.frames
    session.last_ns = max(session.last_ns, last_ns)
    unanswered = (session.client_side.unanswered, session.server_side.unanswered)
    _book(session.client_side, session.server_side, client, before)
    _book(session.server_side, session.client_side, server, before)
    session.client_side.unanswered = _unanswered(client, server, unanswered[0])
    session.server_side.unanswered = _unanswered(server, client, unanswered[1])


def _book(side: Side, peer: Side, run: Run, frames_before: int) -> None:
    if not run.frames:
        return
    side.frames += run.frames
    side.octets_new += run.octets
    side.next_seq += run.octets
    side.max_segment = max(side.max_segment, run.largest)
    side.window = run.window_raw
    side.ack_sent = run.ack_rel
    side.right_edge = max(side.right_edge or 0, run.edge_rel)
    peer.acked = max(peer.acked, run.ack_rel)
    if run.last_data:
        side.last_data_frame = frames_before + run.last_data
        side.last_data_payload = run.last_payload if len(run.last_payload) <= LINE_BYTES else b""


def _unanswered(own: Run, peer: Run, before: int) -> int:
    if peer.data_frames:
        return own.unanswered
    return before + own.data_frames


def _note_history(session: Session, client: Run, server: Run) -> None:
    """Count the letters a and d, which Zeek writes once."""
    for side, run in ((session.client_side, client), (session.server_side, server)):
        for letter, count in (("d", run.data_frames), ("a", run.frames - run.data_frames)):
            if count:
                session.note_history(side, letter)
                key = letter.upper() if side is session.client_side else letter
                session.history_counts[key] += count - 1
