"""The engine: what a script does to each frame. Pure: frames and the time come in, frames and decisions come out.

Theory of operation. A frame that has been routed is *taken*: it is counted (sessions), then every rule that means it
acts on it, in the order of the script. An action changes it, makes it late, copies it, forges something behind it, or
takes it away for good or for a while; once it is away, later rules don't see it. What waits for others or for an event
keeps its lateness, its copies and what is forged behind it until it is free. What goes on enters the link at its
moment: too big is answered or fragmented, too many wait in the queue or are lost. ``ready`` gives what has left
the link by now.

Nothing is left to chance but what the script's seed decides: each rule draws from a generator of its own for each
session, so what happens in one session does not depend on what happens beside it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.router import links
from lab.router.acts import Acts, Fate, Forged
from lab.router.decisions import Line, identity, place_in_session
from lab.router.script import EMPTY, OTHER, Hold, Reorder, Rule, Script, Selector, Side
from lab.router.sessions import Seen, Sessions, WireSession, meets
from lab.router.surroundings import Surroundings
from lab.wire.frame import Frame
from lab.wire.packet import Icmp, Segment
from lab.wire.parse import parse

MOST_KEPT = 20_000
"""So many frames may wait in the wire; what comes then is lost, and the log says so."""

COPY = "copy"


@dataclass(slots=True)
class Taken:
    """A frame in the wire's hands. number: the wire's own count, of the frame it comes from if it is forged.

    forged: what the wire has made it, empty for a frame that a host has sent. raw: its hardware addresses are set.
    """

    number: int
    data: bytes
    side: Side
    seen: Seen | None = None
    raw: bool = False
    forged: str = ""


@dataclass(slots=True)
class Waiting:
    """A frame that a rule holds back. by: how many frames of its session and side must pass; None: until ``hold``.
    fate: how late it goes then, and what with it."""

    taken: Taken
    fate: Fate
    rule: Rule
    limit_ns: int | None
    by: int | None = None
    until: Selector | None = None


@dataclass(slots=True)
class Hole:
    """A blackhole: of one side, by this rule, until a time or an event, both None for good. number: of its frame."""

    number: int
    side: Side
    rule: Rule
    end_ns: int | None
    until: Selector | None


class Engine:
    """Acts out one script.

    script: what to do. around: the wire's own addresses and the lab's. log: gets every decision as a dictionary.
    """

    def __init__(self, script: Script, around: Surroundings, log: Callable[[Line], None]) -> None:
        self.script = script
        self._around = around
        self._log = log
        self._sessions = Sessions()
        self._acts = Acts(script, around)
        self._queues = {side: links.Queue(rate) for side, rate in script.rates.items()}
        self._late: list[tuple[int, int, Taken]] = []  # on their way to the link
        self._leaving: list[tuple[int, int, Taken]] = []  # on the link
        self._waiting: list[Waiting] = []
        self._holes: list[Hole] = []
        self._serial = 0
        self._link_counts: dict[tuple[Side, str], int] = {}
        self._afters = [rule for rule in script.rules if rule.selector.after is not None]

    @property
    def busy(self) -> bool:
        """Whether frames are still in the engine's hands."""
        return bool(self._late or self._leaving or self._waiting)

    def take(self, number: int, data: bytes, side: Side, now_ns: int) -> None:
        """A frame that this side's host has sent, routed already; its hardware addresses do not matter."""
        packet = parse(Frame(now_ns, data, len(data)))
        seen = self._sessions.see(packet, side) if isinstance(packet, Segment) else None
        taken = Taken(number, data, side, seen)
        kinds = ("frame", "ICMP") if isinstance(packet, Icmp) else ("frame",)
        marks = {kind: self._next(side, kind) for kind in kinds}
        hole = self._hole(side, now_ns)
        if hole is not None:
            self._tell("in", now_ns, taken, did=["blackhole"], rules=[hole.rule.line])
        elif self.busy and len(self._late) + len(self._leaving) + len(self._waiting) >= MOST_KEPT:
            self._tell("in", now_ns, taken, did=["no room: lost"])
        else:
            self._obey(taken, marks, now_ns)
        self._happened(taken, marks, now_ns)

    def forged(self, data: bytes, side: Side, now_ns: int, what: str, number: int = 0, raw: bool = False) -> None:
        """A frame of the wire's own leaves then, past rules and link. side: whose direction it goes in."""
        self._push(self._late, now_ns, Taken(number, data, side, raw=raw, forged=what))

    def ready(self, now_ns: int) -> list[Taken]:
        """The frames that have left by now, in order."""
        self._expire(now_ns)
        while self._late and self._late[0][0] <= now_ns:  # an answer to what is too big comes in here meanwhile
            at_ns, _, taken = heapq.heappop(self._late)
            if taken.forged and taken.forged != COPY:
                self._push(self._leaving, at_ns, taken)
            else:
                self._enter(taken, at_ns)
        gone = []
        while self._leaving and self._leaving[0][0] <= now_ns:
            _, _, taken = heapq.heappop(self._leaving)
            self._tell("out", now_ns, taken, **({"forged": taken.forged} if taken.forged else {}))
            gone.append(taken)
        return gone

    def next_ns(self) -> int | None:
        """When ``ready`` is worth asking again; None if nothing waits for a time."""
        times = [heap[0][0] for heap in (self._late, self._leaving) if heap]
        times += [waiting.limit_ns for waiting in self._waiting if waiting.limit_ns is not None]
        return min(times, default=None)

    def release(self, now_ns: int) -> None:
        """Give everything that waits its freedom: the script goes."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._free(one, now_ns, "the script went")
        late, self._late = sorted(self._late), []
        for _, _, taken in late:
            self._push(self._late, now_ns, taken)

    def _obey(self, taken: Taken, marks: dict[str, int], now_ns: int) -> None:
        """Let every rule that means this frame act on it."""
        fate = Fate(taken.data)
        rules = []
        for rule in self.script.rules:
            if not self._meant(rule, taken, marks):
                continue
            rules.append(rule.line)
            for action in rule.actions:
                self._acts.act(action, rule, taken.seen, taken.side, fate)
            if fate.away is not None:
                break
        self._tell("in", now_ns, taken, did=fate.did, **({"rules": rules} if rules else {}))
        taken = replace(taken, data=fate.data)
        if isinstance(fate.away, Reorder):
            limit_ns = now_ns + fate.away.limit_ns
            self._waiting.append(Waiting(taken, fate, fate.away_rule, limit_ns, by=fate.away.by))
        elif isinstance(fate.away, Hold):
            limit = fate.away.limit_ns
            end_ns = None if limit is None else now_ns + limit
            self._waiting.append(Waiting(taken, fate, fate.away_rule, end_ns, until=fate.away.until))
        else:
            self._leave(taken, fate, now_ns)
        for hole, rule in fate.holes:
            end_ns = None if hole.for_ns is None else now_ns + hole.for_ns
            self._holes += [Hole(taken.number, side, rule, end_ns, hole.until) for side in hole.sides]
        self._forge(taken, fate.forged, now_ns)

    def _leave(self, taken: Taken, fate: Fate, now_ns: int) -> None:
        """Nothing keeps the frame any more: it goes, if it is there at all, and what belongs to it."""
        at_ns = now_ns + fate.delay_ns
        if isinstance(fate.away, (Hold, Reorder)):
            self._push(self._late, at_ns, taken)
        elif fate.away is None:
            self._go(taken, at_ns)
        for gap_ns, data in fate.copies:
            self._push(self._late, at_ns + gap_ns, replace(taken, data=data, forged=COPY))
        self._forge(taken, fate.behind, now_ns)

    def _forge(self, taken: Taken, forged: list[Forged], now_ns: int) -> None:
        for gap_ns, side, data, what, raw in forged:
            self.forged(data, side, now_ns + gap_ns, what, taken.number, raw)

    def _go(self, taken: Taken, at_ns: int) -> None:
        """To the link; and those that waited for frames to overtake them are one nearer."""
        self._push(self._late, at_ns, taken)
        if taken.seen is None:
            return
        for waiting in list(self._waiting):
            if waiting.by is not None and _same_way(waiting.taken, taken):
                waiting.by -= 1
                if waiting.by == 0:
                    self._waiting.remove(waiting)
                    self._free(waiting, at_ns, "overtaken")

    def _enter(self, taken: Taken, now_ns: int) -> None:
        """The frame enters the link: it must fit, and there must be room."""
        mtu = self.script.mtu_bytes.get(taken.side, self._around.mtu_bytes)
        pieces, mtu = links.fitted(taken.data, mtu)
        if not pieces:
            silent = taken.side in self.script.silent
            self._tell("too-big", now_ns, taken, mtu=mtu, silent=silent)
            answer = None if silent else self._around.too_big(taken.data, mtu, now_ns)
            if answer is not None:
                self.forged(answer, OTHER[taken.side], now_ns, "ICMP error", taken.number)
            return
        for piece in pieces:
            self._send(replace(taken, data=piece) if len(pieces) > 1 else taken, now_ns)

    def _send(self, taken: Taken, now_ns: int) -> None:
        queue = self._queues.get(taken.side)
        if queue is None:
            self._push(self._leaving, now_ns, taken)
            return
        place = queue.offer(len(taken.data), now_ns)
        if place.leave_ns is None:
            self._tell("queue-full", now_ns, taken, queue=place.depth)
            return
        self._tell("queued", now_ns, taken, queue=place.depth)
        self._push(self._leaving, place.leave_ns, taken)

    def _free(self, waiting: Waiting, now_ns: int, why: str) -> None:
        self._tell("released", now_ns, waiting.taken, rules=[waiting.rule.line], why=why)
        self._leave(waiting.taken, waiting.fate, now_ns)

    def _expire(self, now_ns: int) -> None:
        for waiting in list(self._waiting):
            if waiting.limit_ns is not None and waiting.limit_ns <= now_ns:
                self._waiting.remove(waiting)
                self._free(waiting, waiting.limit_ns, "its time was up")

    def _hole(self, side: Side, now_ns: int) -> Hole | None:
        self._holes = [hole for hole in self._holes if hole.end_ns is None or hole.end_ns > now_ns]
        return next((hole for hole in self._holes if hole.side == side), None)

    def _happened(self, taken: Taken, marks: dict[str, int], now_ns: int) -> None:
        """What waited for this frame to come has its event now; no frame is what it waits for itself."""
        seen, side, number = taken.seen, taken.side, taken.number
        for waiting in [one for one in self._waiting if one.until is not None and one.taken.number != number]:
            if waiting.until is not None and self._is_event(waiting.until, seen, marks, side, waiting.taken.seen):
                self._waiting.remove(waiting)
                self._free(waiting, now_ns, "its event came")
        self._holes = [
            hole
            for hole in self._holes
            if hole.until is None or hole.number == number or not self._is_event(hole.until, seen, marks, side, None)
        ]
        if seen is not None:
            for rule in self._afters:
                after = rule.selector.after
                if rule.line not in seen.session.fired and after is not None and meets(after, seen):
                    seen.session.fired[rule.line] = _counts(seen.session)

    def _is_event(self, event: Selector, seen: Seen | None, marks: dict[str, int], side: Side, of: Seen | None) -> bool:
        """Whether this frame is the event; one that a session waits for must be of that session."""
        if event.kind in marks:
            return side in event.sides and marks[event.kind] in event.ordinals
        if seen is None or (of is not None and of.session is not seen.session):
            return False
        return meets(event, seen)

    def _meant(self, rule: Rule, taken: Taken, marks: dict[str, int]) -> bool:
        """Whether a rule means this frame, chance and ``after`` included."""
        selector, seen = rule.selector, taken.seen
        if selector.kind in ("frame", "ICMP"):
            version = 4 if taken.data[12:14] == b"\x08\x00" else 6
            number = marks.get(selector.kind)
            meant = (
                number is not None
                and taken.side in selector.sides
                and number in selector.ordinals
                and selector.version in (None, version)
            )
        elif seen is None:
            return False
        else:
            base = 0
            if selector.after is not None:
                counts = seen.session.fired.get(rule.line)
                if counts is None:
                    return False
                base = counts.get((seen.side, selector.kind), 0)
            meant = meets(selector, seen, base)
        if meant and selector.chance is not None:
            return self._acts.random(rule, seen).random() < selector.chance
        return meant

    def _next(self, side: Side, kind: str) -> int:
        number = self._link_counts.get((side, kind), 0) + 1
        self._link_counts[side, kind] = number
        return number

    def _push(self, heap: list[tuple[int, int, Taken]], at_ns: int, taken: Taken) -> None:
        self._serial += 1
        heapq.heappush(heap, (at_ns, self._serial, taken))

    def _tell(self, event: str, now_ns: int, taken: Taken, **more: object) -> None:
        line: Line = {"time_ns": now_ns, "event": event, "frame": taken.number, "from": taken.side}
        line.update(more)
        if not taken.raw:
            line.update(identity(taken.data))
            if event == "in":
                line["ttl"] += self.script.hops  # as it came: the wire has taken its hop already
        line.update(place_in_session(taken.seen) if not taken.forged or taken.forged == COPY else {})
        self._log(line)


def _same_way(one: Taken, other: Taken) -> bool:
    mine, its = one.seen, other.seen
    return mine is not None and its is not None and mine.session is its.session and mine.side == its.side


def _counts(session: WireSession) -> dict[tuple[Side, str], int]:
    return {(side, kind): count for side, end in session.ends.items() for kind, count in end.counts.items()}


def empty(around: Surroundings, log: Callable[[Line], None]) -> Engine:
    """An engine that does nothing to any frame."""
    return Engine(EMPTY, around, log)
