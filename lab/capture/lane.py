"""The fast lane: a pile of frames, most of them plain, taken into account session by session instead of frame by frame.

The tracker understands everything and needs some 30 µs a frame. Where thousands of frames have come together, this
lane sorts them by session, lets the tracker have those that open, end or disturb a session, and books the plain runs
between them in one step each (lab.capture.runs finds them, lab.session.bulk books them, lab.store.bulk builds their
blocks). What it may not change: a session's frames keep their order, sessions open in the order of their first frames,
and every count comes out as the tracker's would.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lab.capture.comments import FORMS
from lab.capture.runs import Rows, Runs, Sums, find_runs
from lab.capture.spool import Pile
from lab.session.bulk import Run, book, first_letters, footing, ready
from lab.session.events import Event
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.store.blocks import enhanced_packet
from lab.store.bulk import MOST_SHAPES, Packets, packet_blocks, shapes
from lab.store.forms import LARGEST_NUMBER, NUMBER
from lab.wire.columns import key_of
from lab.wire.packet import Arp, Endpoint, Fragment, Icmp, ends_of
from lab.wire.parse import parse

Ints = npt.NDArray[np.int64]
UInts = npt.NDArray[np.uint64]

MOST_ROUNDS = 6
"""How often a session may fall out of a run and into another within one pile; what is left then goes frame by frame."""
SHORT_STRETCH = 64
"""Fewer frames than this between two that part a pile go one by one: sorting them would cost more than it saves."""
CHUNK_ROWS = 4096
"""Blocks built at once: their octets should stay in the processor's cache."""

_MIX = np.uint64(0x9E3779B97F4A7C15)


class _Part:
    """The rows of one session that are still to be taken: positions [at, end) in the sorted order."""

    __slots__ = ("at", "client_key", "end", "session")

    def __init__(self, at: int, end: int) -> None:
        self.at, self.end = at, end
        self.session: Session | None = None
        self.client_key = 0


class FastLane:
    """Takes piles of frames.

    tracker: for what is not plain. act: gets the tracker's events. bulk: gets a booked session with the octets of its
    blocks and how many frames they are, and the time of the last.
    """

    def __init__(
        self,
        tracker: Tracker,
        act: Callable[[list[Event]], None],
        bulk: Callable[[Session, bytes, int, int], None],
    ) -> None:
        self._tracker = tracker
        self._act = act
        self._bulk = bulk

    def take(self, pile: Pile) -> None:
        """Take a pile into account, all of it.

        A frame whose ends the columns don't know (a segment behind IP options or extension headers, a cut one, an ICMP
        error) is looked at on its own and takes its place among the rows of its session. Which session a fragment or
        an ARP or NDP frame belongs to, only the tracker knows: such a frame parts the pile, and what came before it is
        taken before it.
        """
        found = pile.headers
        flip = found.source > found.destination
        low = np.where(flip, found.destination, found.source)
        high = np.where(flip, found.source, found.destination)
        known, parting = found.keyed.copy(), []
        for row in np.flatnonzero(~found.keyed).tolist():
            packet = parse(pile.frame(row))
            ends = ends_of(packet)
            if ends is not None:
                low[row], high[row] = sorted(key_of(end.address, end.port) for end in ends)
                known[row] = True
            elif isinstance(packet, (Arp, Fragment)) or (isinstance(packet, Icmp) and packet.neighbour is not None):
                parting.append(row)
            # What is left (a ping, another protocol) belongs to no session.
        rows = np.flatnonzero(known)
        done = 0
        for row in parting:
            here = int(np.searchsorted(rows, row))
            self._stretch(pile, low, high, rows[done:here])
            self._slow(pile, row)
            done = here
        self._stretch(pile, low, high, rows[done:])

    def _stretch(self, pile: Pile, low: UInts, high: UInts, keyed: Ints) -> None:
        """Take these rows, whose ends are known. low, high: the smaller and the larger end of each row of the pile."""
        if len(keyed) < SHORT_STRETCH:
            for row in keyed.tolist():
                self._slow(pile, row)
            return
        order = keyed[np.argsort((low * _MIX ^ high)[keyed], kind="stable")]
        change = np.ones(len(order), np.bool_)
        change[1:] = (low[order][1:] != low[order][:-1]) | (high[order][1:] != high[order][:-1])
        begin = np.flatnonzero(change)
        end = np.append(begin[1:], len(order))
        begins, ends = begin.tolist(), end.tolist()
        parts: list[_Part] = []
        for unit in np.argsort(order[begin], kind="stable").tolist():  # by the first row of each
            part = _Part(begins[unit], ends[unit])
            if self._step(pile, order, part):
                parts.append(part)
        for _ in range(MOST_ROUNDS):
            if not parts:
                return
            self._book_all(pile, order, parts)
            parts = [part for part in parts if part.at < part.end and self._step(pile, order, part, at_least=1)]
        for part in parts:
            for position in range(part.at, part.end):
                self._slow(pile, int(order[position]))

    def _slow(self, pile: Pile, row: int) -> None:
        self._act(self._tracker.feed(pile.frame(row), expire=False))

    def _step(self, pile: Pile, order: Ints, part: _Part, at_least: int = 0) -> bool:
        """Frame by frame until the session is ready for a run. Returns whether any of its rows are left."""
        fed = 0
        while part.at < part.end:
            session = part.session
            if session is None or session.closed_because:
                row = int(order[part.at])
                session = part.session = self._session(pile, row, part) if pile.headers.keyed[row] else None
            if fed >= at_least and session is not None and ready(session):
                return True
            self._slow(pile, int(order[part.at]))
            part.session = None if session is None or session.closed_because else session
            part.at += 1
            fed += 1
        return False

    def _session(self, pile: Pile, row: int, part: _Part) -> Session | None:
        start = int(pile.start[row])
        address, octets = (22, 16) if pile.headers.version[row] == 6 else (26, 4)
        raw = pile.memory[start + address : start + address + 2 * octets + 4].tobytes()
        source = Endpoint(raw[:octets], int.from_bytes(raw[2 * octets : 2 * octets + 2], "big"))
        destination = Endpoint(raw[octets : 2 * octets], int.from_bytes(raw[2 * octets + 2 :], "big"))
        session = self._tracker.session_between(source, destination)
        if session is not None:
            column = pile.headers.source if session.client == source else pile.headers.destination
            part.client_key = int(column[row])
        return session

    def _book_all(self, pile: Pile, order: Ints, parts: list[_Part]) -> None:
        """Find and book the run at the front of every part."""
        sessions = [part.session for part in parts if part.session is not None]
        sizes = np.array([part.end - part.at for part in parts], np.int64)
        number = np.repeat(np.arange(len(parts)), sizes)
        offset = np.array([part.at for part in parts], np.int64) - (np.cumsum(sizes) - sizes)
        rows = order[np.arange(len(number)) + offset[number]]
        found = pile.headers
        client_keys = np.array([part.client_key for part in parts], np.uint64)
        columns = Rows(
            number,
            found.source[rows] != client_keys[number],
            found.plain[rows],
            found.seq[rows],
            found.ack[rows],
            found.flags[rows],
            found.window[rows],
            found.payload_bytes[rows],
        )
        runs = find_runs(columns, [(footing(s, s.client_side), footing(s, s.server_side)) for s in sessions])
        taken = runs.taken
        for i, (part, session) in enumerate(zip(parts, sessions, strict=True)):
            begin, cut = runs.begin[i], runs.cut[i]
            if cut == begin:
                continue
            client, server = self._run(pile, rows, runs.client, i, begin), self._run(pile, rows, runs.server, i, begin)
            if first_letters(session, client, server) > 1:
                taken[begin:cut] = False
                continue
            last_ns = int(pile.time_ns[rows[cut - 1]])
            book(session, client, server, last_ns)
            self._tracker.booked(session, last_ns)
            part.at += cut - begin
        self._write(pile, rows, columns, runs, sessions)

    @staticmethod
    def _run(pile: Pile, rows: Ints, sums: Sums, i: int, begin: int) -> Run:
        last = sums.last_data[i]
        payload = b""
        if last >= 0:
            row = int(rows[last])
            at = int(pile.start[row]) + int(pile.headers.payload_at[row])
            payload = pile.memory[at : at + int(pile.headers.payload_bytes[row])].tobytes()
        return Run(
            sums.frames[i],
            sums.data_frames[i],
            sums.octets[i],
            sums.largest[i],
            sums.ack_rel[i],
            sums.window_raw[i],
            sums.edge_rel[i],
            last - begin + 1 if last >= 0 else 0,
            payload,
            sums.unanswered[i],
        )

    def _write(self, pile: Pile, rows: Ints, columns: Rows, runs: Runs, sessions: list[Session]) -> None:
        """Hand out the blocks of all rows that were booked, session by session."""
        chosen = np.flatnonzero(runs.taken)
        for begin in range(0, len(chosen), CHUNK_ROWS):
            part = chosen[begin : begin + CHUNK_ROWS]
            packets = _packets(pile, rows[part], columns, runs, part)
            octets, offsets = _blocks(packets)
            owner = columns.session[part]
            change = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
            edges = np.append(change, len(part))
            marks = offsets[edges].tolist()
            last_ns = packets.time_ns[edges[1:] - 1].tolist()
            counts = np.diff(edges).tolist()
            for i, who in enumerate(owner[change].tolist()):
                self._bulk(sessions[who], octets[marks[i] : marks[i + 1]].tobytes(), counts[i], last_ns[i])


def _packets(pile: Pile, rows: Ints, columns: Rows, runs: Runs, part: Ints) -> Packets:
    pay = columns.payload_bytes[part]
    seq, received = runs.seq_rel[part], np.maximum(runs.ack_rel[part] - 1, 0)
    server = columns.from_server[part].astype(np.int64)
    data = pay > 0
    form = np.where(data, np.where(runs.ack_advances[part], 2, 0), 4) + server
    return Packets(
        pile.memory,
        pile.start[rows],
        pile.captured[rows],
        pile.length[rows],
        pile.time_ns[rows],
        np.where(pile.outgoing[rows], 2, 1),
        form,
        (np.where(data, seq, received), np.maximum(seq + pay - 1, 0), received),
    )


def _blocks(packets: Packets) -> tuple[npt.NDArray[np.uint8], Ints]:
    """The blocks of these packets: by columns if they are of few shapes and small numbers, else one by one."""
    if shapes(packets) <= MOST_SHAPES and max(int(np.max(n)) for n in packets.numbers) <= LARGEST_NUMBER:
        return packet_blocks(packets, FORMS)
    from lab.wire.frame import Direction, Frame

    pieces = []
    for i in range(len(packets.start)):
        start = int(packets.start[i])
        data = packets.memory[start : start + int(packets.captured[i])].tobytes()
        direction = Direction(int(packets.direction[i]))
        frame = Frame(int(packets.time_ns[i]), data, int(packets.length[i]), 0, direction)
        form = FORMS[int(packets.form[i])]
        numbers = [int(column[i]) for column in packets.numbers][: form.text.count(NUMBER)]
        pieces.append(enhanced_packet(frame, form.fill(numbers)))
    offsets = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    return np.frombuffer(b"".join(pieces), np.uint8), offsets
