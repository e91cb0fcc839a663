"""What each action does to a frame: from the frame as it came to its fate. One method an action.

A fate is collected, not acted out: the octets as they are now, how late they go, what is copied and forged behind them,
and whether the frame is away. The engine does the rest, as it alone knows time.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from lab.router import forge, octets
from lab.router.script import (
    OTHER,
    Action,
    Blackhole,
    Claim,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Flood,
    Hold,
    Inject,
    Reorder,
    Rule,
    Script,
    SetField,
    Side,
    Truncate,
)
from lab.router.sessions import Seen
from lab.router.surroundings import Surroundings

MOST_GENERATORS = 50_000
Forged = tuple[int, Side, bytes, str, bool]
"""Time from now, side of its direction, octets, what it is, whether its hardware addresses are set."""


class Fate:
    """What becomes of a frame. did: in words, for the log. copies: (time after it, octets).

    forged: an action acts in its order, so what is forged before a ``delay`` goes before the frame, and what is forged
    behind it, after it. behind: the same for what is forged behind a ``hold`` or ``reorder``: its time counts from when
    the frame is free.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.delay_ns = 0
        self.did: list[str] = []
        self.away: Drop | Hold | Reorder | Blackhole | None = None
        self.away_rule: Any = None
        self.copies: list[tuple[int, bytes]] = []
        self.forged: list[Forged] = []
        self.behind: list[Forged] = []
        self.holes: list[tuple[Blackhole, Rule]] = []

    def forge(self, gap_ns: int, side: Side, data: bytes, what: str, raw: bool = False) -> None:
        """A frame of the wire's own goes, so long after this action."""
        list_ = self.behind if isinstance(self.away, (Hold, Reorder)) else self.forged
        list_.append((self.delay_ns + gap_ns, side, data, what, raw))


class Acts:
    """The actions of a script's rules."""

    def __init__(self, script: Script, around: Surroundings) -> None:
        self._script = script
        self._around = around
        self._generators: dict[tuple[int, str], Random] = {}
        self._by_type: dict[type, Callable[..., None]] = {
            Drop: self._drop,
            Delay: self._delay,
            Duplicate: self._duplicate,
            Reorder: self._away,
            Hold: self._away,
            Corrupt: self._corrupt,
            Truncate: self._truncate,
            SetField: self._set,
            Inject: self._inject,
            Flood: self._flood,
            Claim: self._claim,
            Blackhole: self._blackhole,
        }

    def act(self, action: Action, rule: Rule, seen: Seen | None, side: Side, fate: Fate) -> None:
        """Do what an action says."""
        fate.did.append(type(action).__name__.lower())
        self._by_type[type(action)](action, rule, seen, side, fate)

    def random(self, rule: Rule, seen: Seen | None) -> Random:
        """The generator of this rule in this session: its numbers depend on the seed and on nothing else."""
        key = (rule.line, "-1" if seen is None else seen.session.name)
        found = self._generators.get(key)
        if found is None:
            if len(self._generators) >= MOST_GENERATORS:
                self._generators.clear()
            found = self._generators[key] = Random(f"{self._script.seed}:{rule.line}:{key[1]}")
        return found

    def _drop(self, action: Drop, rule: Rule, _seen: Seen | None, _side: Side, fate: Fate) -> None:
        fate.away, fate.away_rule = action, rule

    def _away(self, action: Hold | Reorder, rule: Rule, seen: Seen | None, _side: Side, fate: Fate) -> None:
        if fate.away is None and seen is not None:
            fate.away, fate.away_rule = action, rule

    def _blackhole(self, action: Blackhole, rule: Rule, _seen: Seen | None, side: Side, fate: Fate) -> None:
        fate.holes.append((action, rule))
        if side in action.sides:
            fate.away, fate.away_rule = action, rule

    def _delay(self, action: Delay, rule: Rule, seen: Seen | None, _side: Side, fate: Fate) -> None:
        fate.delay_ns += action.delay_ns
        if action.jitter_ns:
            fate.delay_ns += self.random(rule, seen).randint(0, action.jitter_ns)

    def _duplicate(self, action: Duplicate, _rule: Rule, _seen: Seen | None, _side: Side, fate: Fate) -> None:
        fate.copies += [(action.gap_ns * (number + 1), fate.data) for number in range(action.copies)]

    def _corrupt(self, action: Corrupt, _rule: Rule, _seen: Seen | None, _side: Side, fate: Fate) -> None:
        place = octets.places(fate.data)
        if place is None:
            return
        starts = {"payload": place.payload, "TCP": place.tcp, "IP": octets.IP}
        ends = {"payload": place.end, "TCP": place.payload, "IP": place.tcp}
        at = starts[action.part] + action.octet
        if at >= ends[action.part]:
            fate.did[-1] = "corrupt: there is no such octet"
            return
        fate.data = octets.with_flipped_bit(fate.data, at, action.bit)
        if action.mend:
            fate.data = octets.with_ip_checksum(octets.with_tcp_checksum(fate.data))

    def _truncate(self, action: Truncate, _rule: Rule, _seen: Seen | None, _side: Side, fate: Fate) -> None:
        fate.data = octets.truncated(fate.data, action.payload_bytes)
        if action.mend:
            fate.data = octets.with_tcp_checksum(fate.data)

    def _set(self, action: SetField, _rule: Rule, _seen: Seen | None, _side: Side, fate: Fate) -> None:
        fate.did[-1] = f"set {action.name} {action.value}"
        if action.name in ("window", "MSS"):
            change = octets.with_window if action.name == "window" else octets.with_mss
            fate.data = octets.with_tcp_checksum(change(fate.data, action.value))
            if not action.mend:
                fate.data = octets.with_wrong_tcp_checksum(fate.data)
            return
        by_name = {"TTL": octets.with_ttl, "ECN": octets.with_ecn, "DF": octets.with_dont_fragment}
        fate.data = by_name[action.name](fate.data, action.value)
        if not action.mend:
            fate.data = octets.with_wrong_ip_checksum(fate.data)

    def _inject(self, action: Inject, _rule: Rule, seen: Seen | None, _side: Side, fate: Fate) -> None:
        if seen is not None:
            data = forge.injected(seen.session, action)
            fate.forge(0, action.sender, data, f"inject {action.kind}")

    def _flood(self, action: Flood, rule: Rule, seen: Seen | None, _side: Side, fate: Fate) -> None:
        spare = self._around.spare.get(seen.session.version) if seen is not None else None
        if seen is None or not spare:
            return
        target = seen.session.ends[OTHER[seen.session.opener]].endpoint
        random = Random(f"{self._script.seed}:{rule.line}:{seen.session.name}:flood")
        for number, data in enumerate(forge.flood(target, spare, action.count, random)):
            fate.forge(number * action.gap_ns, seen.session.opener, data, "flood")

    def _claim(self, action: Claim, _rule: Rule, seen: Seen | None, side: Side, fate: Fate) -> None:
        version = seen.session.version if seen is not None else octets.version_of(fate.data)
        address = self._around.address_of(action.whose, version)
        if address is not None:
            fate.forge(0, side, forge.claim(address), f"claim {action.whose}", raw=True)
