"""Two taps, one story: the same session seen beside the client and beside the server, put together frame by frame.

One tap can't know what happens after it. Two can: what left one host and is absent at the other was lost between them,
what arrives twice was copied, what arrives in another order was overtaken. A frame is known again by what a router does
not touch: IP identification, sequence and acknowledgment number, flags, window, options and payload; where several are
alike, by which of them it is. TTL, hardware addresses and checksums may differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lab.analysis.kinds import finding
from lab.analysis.model import Analysis, Finding, FrameRecord, Role
from lab.analysis.words import frames_text

_MOST_CHANGED = 64
"""A damaged frame is taken for one that left if no more octets of its TCP segment differ."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One frame on its way from one tap to the other.

    sender: which end sent it. near, far: its number at the sender's tap and at the other; None where it is not there.
    near_ns, far_ns: when it passed them. delay_ns: between them. routers: by how much its TTL went down.
    fate: ``arrived``, ``lost``, ``duplicated`` (this is the copy), ``reordered`` (it arrived, but was overtaken),
    ``corrupted`` (it arrived damaged), ``fragmented`` (it arrived in pieces; far is the one that completes it) or
    ``appeared`` (nobody sent it).
    """

    sender: Role
    near: int | None
    far: int | None
    near_ns: int | None
    far_ns: int | None
    delay_ns: int | None
    fate: str
    routers: int | None = None

    @property
    def at_client(self) -> int | None:
        """Its frame number in the client's file."""
        return self.near if self.sender == "client" else self.far

    @property
    def at_server(self) -> int | None:
        """Its frame number in the server's file."""
        return self.near if self.sender == "server" else self.far


@dataclass(frozen=True, slots=True)
class Path:
    """One direction in numbers. Delays are None where nothing arrived."""

    sender: Role
    sent: int
    arrived: int
    lost: int
    duplicated: int
    reordered: int
    corrupted: int
    fragmented: int
    appeared: int
    least_ns: int | None
    median_ns: int | None
    most_ns: int | None
    routers: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both taps together.

    crossings: every TCP segment of either file once, by time of leaving (or of arriving where it never left).
    clock_offset_ns: how much the server's clock seems to be ahead; 0 unless a packet arrived before it left.
    """

    client_tap: Analysis
    server_tap: Analysis
    crossings: tuple[Crossing, ...]
    from_client: Path
    from_server: Path
    clock_offset_ns: int
    findings: tuple[Finding, ...]


def same_session(one: Analysis, other: Analysis) -> bool:
    """Whether two analyses are of one session: the same ends, and the same ISNs as far as both know them."""
    if (one.client.address, one.server.address) != (other.client.address, other.server.address):
        return False
    pairs = ((one.client.isn, other.client.isn), (one.server.isn, other.server.isn))
    return all(mine is None or its is None or mine == its for mine, its in pairs)


def pairs_of(client_tap: Sequence[Analysis], server_tap: Sequence[Analysis]) -> list[tuple[Analysis, Analysis]]:
    """The sessions that both files hold, in the order of the client's."""
    by_ends: dict[tuple[str, str], list[Analysis]] = defaultdict(list)
    for analysis in server_tap:
        by_ends[(analysis.client.address, analysis.server.address)].append(analysis)
    found = []
    for mine in client_tap:
        candidates = by_ends[(mine.client.address, mine.server.address)]
        its = next((analysis for analysis in candidates if same_session(mine, analysis)), None)
        if its is not None:
            candidates.remove(its)
            found.append((mine, its))
    return found


def compare(client_tap: Analysis, server_tap: Analysis) -> Comparison:
    """Put the two files of one session together. Raises ValueError if they are of two."""
    if not same_session(client_tap, server_tap):
        raise ValueError(f"{client_tap.name} and {server_tap.name} are not the same session")
    there = _Way("client", client_tap.frames, server_tap.frames)
    back = _Way("server", server_tap.frames, client_tap.frames)
    crossings = sorted((*there.crossings, *back.crossings), key=_moment)
    paths = there.path, back.path
    offset_ns = _clock_offset(*paths)
    found = [*there.findings(), *back.findings()]
    if offset_ns:
        found.append(
            finding("clocks-differ", (), offset_ns=abs(offset_ns), ahead="server" if offset_ns > 0 else "client")
        )
    return Comparison(client_tap, server_tap, tuple(crossings), *paths, offset_ns, tuple(found))


def _moment(crossing: Crossing) -> int:
    return crossing.near_ns if crossing.near_ns is not None else crossing.far_ns or 0


class _Way:
    """One direction: what left and what arrived."""

    def __init__(self, sender: Role, near: Sequence[FrameRecord], far: Sequence[FrameRecord]) -> None:
        self.sender = sender
        self._near = [record for record in near if record.sender == sender and record.is_tcp]
        self._far = [record for record in far if record.sender == sender and record.is_tcp]
        self._far_pieces = [record for record in far if record.sender == sender and record.kind == "fragment"]
        self._numbers = {record.number: record for record in near}
        self._changed: dict[int, int] = {}
        self._overtaken: dict[int, int] = {}
        self._pieces: dict[int, tuple[int, ...]] = {}
        pairs, copies = self._matched()
        self._reorder(pairs)
        self.crossings = self._crossings(pairs, copies)

    def _matched(self) -> tuple[dict[int, FrameRecord], list[tuple[FrameRecord, FrameRecord]]]:
        """Far record by near number; and copies as (near, far)."""
        waiting: dict[object, list[FrameRecord]] = defaultdict(list)
        left: dict[object, list[FrameRecord]] = defaultdict(list)
        for record in self._near:
            waiting[_key(record)].append(record)
            left[_key(record)].append(record)
        pairs: dict[int, FrameRecord] = {}
        copies: list[tuple[FrameRecord, FrameRecord]] = []
        strange: list[FrameRecord] = []
        for record in self._far:
            key = _key(record)
            if not record.damaged and waiting.get(key):
                pairs[waiting[key].pop(0).number] = record
            elif not record.damaged and left.get(key):
                copies.append((left[key][-1], record))
            else:
                strange.append(record)
        unmatched = [record for records in waiting.values() for record in records]
        for record in strange:
            if not self._match_fragments(record, unmatched, pairs):
                self._match_damaged(record, unmatched, pairs)
        return pairs, copies

    def _match_fragments(
        self, record: FrameRecord, unmatched: list[FrameRecord], pairs: dict[int, FrameRecord]
    ) -> bool:
        """Is this the last piece of one that left whole, or a whole one that left in pieces? Identification, window and
        options stand in the first piece's headers only."""
        for candidate in unmatched:
            in_pieces = [one for one in (record, candidate) if "fragment" in one.trouble]
            if len(in_pieces) == 1 and not record.damaged and _core(candidate) == _core(record):
                pairs[candidate.number] = record
                unmatched.remove(candidate)
                if in_pieces[0] is record:
                    before = max((f.number for f in self._far if f.number < record.number), default=0)
                    pieces = [f.number for f in self._far_pieces if before < f.number < record.number]
                    self._pieces[candidate.number] = (*pieces, record.number)
                return True
        return False

    def _match_damaged(self, record: FrameRecord, unmatched: list[FrameRecord], pairs: dict[int, FrameRecord]) -> None:
        """Which of the frames that did not arrive is this one, with some octets changed?"""
        best: tuple[int, FrameRecord] | None = None
        for candidate in unmatched:
            changed = _difference(candidate, record)
            if changed is not None and (best is None or changed < best[0]):
                best = (changed, candidate)
        if best is not None and record.damaged:
            pairs[best[1].number] = record
            self._changed[best[1].number] = best[0]
            unmatched.remove(best[1])

    def _reorder(self, pairs: dict[int, FrameRecord]) -> None:
        """A frame is overtaken by those that left after it and arrived before it."""
        arrived = sorted((far.number, near) for near, far in pairs.items())
        order = [near for _, near in arrived]
        highest = 0
        for index, near in enumerate(order):
            if near < highest:
                self._overtaken[near] = sum(1 for earlier in order[:index] if earlier > near)
            highest = max(highest, near)

    def _crossings(
        self, pairs: dict[int, FrameRecord], copies: list[tuple[FrameRecord, FrameRecord]]
    ) -> list[Crossing]:
        found = []
        for record in self._near:
            far = pairs.get(record.number)
            if far is None:
                found.append(Crossing(self.sender, record.number, None, record.time_ns, None, None, "lost"))
                continue
            fate = "arrived"
            if record.number in self._changed:
                fate = "corrupted"
            elif record.number in self._pieces:
                fate = "fragmented"
            elif record.number in self._overtaken:
                fate = "reordered"
            found.append(self._crossing(record, far, fate))
        known = {far.number for far in pairs.values()} | {far.number for _, far in copies}
        found += [self._crossing(near, far, "duplicated") for near, far in copies]
        for far in self._far:
            if far.number not in known:
                found.append(Crossing(self.sender, None, far.number, None, far.time_ns, None, "appeared"))
        return found

    def _crossing(self, near: FrameRecord, far: FrameRecord, fate: str) -> Crossing:
        delay_ns = far.time_ns - near.time_ns
        steps = near.ip_ttl - far.ip_ttl if near.ip_ttl is not None and far.ip_ttl is not None else None
        return Crossing(self.sender, near.number, far.number, near.time_ns, far.time_ns, delay_ns, fate, steps)

    def _of(self, fate: str) -> list[Crossing]:
        return [crossing for crossing in self.crossings if crossing.fate == fate]

    @property
    def path(self) -> Path:
        """This direction in numbers."""
        there = [c for c in self.crossings if c.fate in ("arrived", "reordered", "corrupted", "fragmented")]
        delays = sorted(c.delay_ns for c in there if c.delay_ns is not None)
        steps = sorted(c.routers for c in there if c.routers is not None)
        return Path(
            self.sender,
            len(self._near),
            len(there),
            len(self._of("lost")),
            len(self._of("duplicated")),
            len(self._of("reordered")),
            len(self._of("corrupted")),
            len(self._of("fragmented")),
            len(self._of("appeared")),
            delays[0] if delays else None,
            delays[len(delays) // 2] if delays else None,
            delays[-1] if delays else None,
            steps[len(steps) // 2] if steps else None,
        )

    def findings(self) -> list[Finding]:
        """What is to be said of this direction."""
        side, found = self.sender, []
        path = self.path
        if path.least_ns is not None and path.least_ns >= 0:
            facts = {"packets": path.arrived, "least_ns": path.least_ns, "most_ns": path.most_ns}
            found.append(finding("one-way-delay", (), side, facts, median_ns=path.median_ns))
        if path.routers:
            found.append(finding("hops", (), side, routers=path.routers))
        for crossing in self.crossings:
            near, far = crossing.near, crossing.far
            if crossing.fate == "lost":
                carried = self._numbers[near or 0].payload_bytes
                found.append(finding("path-lost", (near,), side, near=near, payload_bytes=carried))
            elif crossing.fate == "duplicated":
                found.append(finding("path-duplicated", (near,), side, near=near, far=far))
            elif crossing.fate == "corrupted":
                changed = self._changed[near or 0]
                found.append(finding("path-corrupted", (near,), side, near=near, far=far, changed=changed))
            elif crossing.fate == "reordered":
                by = self._overtaken[near or 0]
                found.append(finding("path-reordered", (near,), side, near=near, far=far, overtaken_by=by))
            elif crossing.fate == "fragmented":
                pieces = self._pieces[near or 0]
                facts = {"near": near, "far": far, "fragments": len(pieces)}
                found.append(finding("path-fragmented", (near,), side, facts, pieces=frames_text(pieces)))
            elif crossing.fate == "appeared":
                found.append(finding("path-appeared", (), side, far=far))
        return found


def _key(record: FrameRecord) -> object:
    """What a router leaves as it is."""
    return (
        record.ip_id,
        record.seq_raw,
        record.ack_raw,
        record.bits,
        record.window_raw,
        record.options,
        record.payload_bytes,
        record.payload,
    )


def _core(record: FrameRecord) -> object:
    """What is left of that in a segment put together again from fragments."""
    return (record.seq_raw, record.ack_raw, record.bits, record.payload_bytes, record.payload)


def _tcp_octets(record: FrameRecord) -> bytes:
    """The TCP segment as captured, from its header on."""
    header = 14 + ((record.data[14] & 15) * 4 if record.ip_version == 4 else 40)
    return record.data[header : record.length_bytes]


def _difference(near: FrameRecord, far: FrameRecord) -> int | None:
    """In how many octets two segments of one length differ; None if they are not the same one."""
    if near.length_bytes != far.length_bytes or near.ip_id != far.ip_id:
        return None
    mine, its = _tcp_octets(near), _tcp_octets(far)
    changed = sum(1 for a, b in zip(mine, its, strict=False) if a != b)
    return changed if 0 < changed <= _MOST_CHANGED else None


def _clock_offset(there: Path, back: Path) -> int:
    """If packets arrive before they left, the clocks differ: by half the difference of the least delays, if the path is
    the same both ways."""
    if there.least_ns is None or back.least_ns is None or min(there.least_ns, back.least_ns) >= 0:
        return 0
    return (there.least_ns - back.least_ns) // 2
