"""What a scenario is expected to do: the file NAME.toml beside NAME.wire, and the few words it is written in.

    play = "bulk"                     which conversation (``CONVERSATIONS``)
    effect = "..."                    the table's words
    outcome = "echoed"                how the conversation went for the client
    seen = ["client data 5 lost"]     every way in which the captures differ (``tests.wire.seen``): each must be there
    may = []                          and these may; anything else is unintended
    ms = {"client data 5" = [0, 150]} milliseconds from a segment's first transmission to each next one, in turn
    [tshark]                          what ``tshark -2`` marks, by segment and mark: client, server (taps), may
    [log]                             how often the wire's log has an event, or something forged
    [nstat] client = {}, server = {}  how far the kernels' counters went: 1, "1+", "0-2"; those not named stood still

Optional:

    scenario, port, only              if the file's name is not the script's; if it is not 7; one IP version
    lab, remembers                    settings it needs; the hosts learn something: their routes are set anew
    patience_s, way_ms                how long the client waits; how long the way is, in each direction
    verdict = {client = "reset"}      what a tap says of the session: complete, if nothing is said
    rtt_ms = {"client data 1" = [20, 60]}     from a segment to its ACK, at the sender's tap
    way_took_ms = {"server ACK 1" = [90, 140]}    from one tap to the other
    again_ms = {"server SYN-ACK" = [900, 1400]}   from the first transmission to the second, however many follow
    waits_ms = {"client probe" = ["server data 1", 200, 600]}  from the arrival of that one to the sending of this one
    silence_ms = [2000, 3500]         the longest time in which nothing arrived at either host
    depth = [5, 5]                    the most that waited for the slow link, by the log
    arrived = {client = 1148}         octets in the largest segment of a side that arrived
    state = {server = "FIN-WAIT-1"}   a host's socket is seen in it while the conversation goes on
    filters = ["arp.duplicate-address-detected"]  display filters of tshark that find ARP beside the client
    flight, largest, flood            octets on the way at once; octets in a segment; how many forged SYNs
    alike = true                      drawn from a seed: every play has the same ``seen``, word by word

Tables ``v4`` and ``v6`` replace what differs (of a table in them, the names that are there). So does ``shipped`` for
the plays without the long way. There a round trip takes a fraction of a millisecond, so TCP sends again what is only a
little late: that is no difference there, and times, counters and marks are judged only if ``shipped`` names them. A
name may hold ``*``.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.grade import toml
from lab.router.library import SCENARIOS

WATCHED = (
    "TcpRetransSegs",
    "TcpInCsumErrors",
    "TcpAttemptFails",
    "TcpEstabResets",
    "TcpOutRsts",
    "TcpExtTCPTimeouts",
    "TcpExtTCPSynRetrans",
    "TcpExtTCPLossProbes",
    "TcpExtTCPFastRetrans",
    "TcpExtTCPDSACKRecv",
    "TcpExtTCPDSACKOldSent",
    "TcpExtTCPOFOQueue",
    "TcpExtTCPAbortOnTimeout",
    "TcpExtTCPAbortOnData",
    "TcpExtTCPChallengeACK",
    "TcpExtTCPSYNChallenge",
    "TcpExtSyncookiesSent",
    "TcpExtSyncookiesRecv",
    "TcpExtListenDrops",
    "TcpExtListenOverflows",
    "TcpExtTCPReqQFullDrop",
    "TcpExtTCPWinProbe",
    "TcpExtTCPKeepAlive",
    "IpReasmOKs",
    "IcmpInDestUnreachs",
    "IcmpInTimeExcds",
    "Icmp6InPktTooBigs",
    "Icmp6InTimeExcds",
)
"""The counters that a play is judged by: those that stand still while nothing goes wrong."""

Conversation = tuple[list[tuple[str, str]], str]


def lines(*texts: str) -> list[tuple[str, str]]:
    """One line after the other, each awaited."""
    return [(f"{text}\n", f"{text.upper()}\n") for text in texts]


def counted(last: int) -> str:
    """What ``seq LAST`` prints."""
    return "".join(f"{number}\n" for number in range(1, last + 1))


QUIT = [("quit\n", "Good bye\n")]
CONVERSATIONS: dict[str, Conversation] = {
    "talk": ([*lines("one", "two", "three", "four", "five"), *QUIT], "quit"),
    "bulk": ([(counted(3000), counted(3000)), *QUIT], "quit"),
    "heavy": ([(counted(30000), counted(30000)), *QUIT], "quit"),
    "large": ([*lines("small", "x" * 1400), *QUIT], "quit"),
    "forged": ([("one\n", "ONE\n")], "abort"),
    "damaged": ([("abc\n", "CBC\n")], "abort"),
    "late": (lines("one", "two"), "close"),
}
"""By name: texts with the answers that end them, and how the client ends. bulk is ten segments at once."""


class RangeError(ValueError):
    """A count is written in no known way."""


def within(count: int, wanted: int | str) -> bool:
    """Whether a count is as expected: ``3``, ``"1+"``, ``"0-2"``."""
    text = str(wanted)
    if text.endswith("+"):
        return count >= int(text[:-1])
    first, _, last = text.partition("-")
    try:
        return int(first) <= count <= int(last or first)
    except ValueError:
        raise RangeError(f"{text!r} is no count: write 3, 1+ or 0-2") from None


def against(found: Iterable[str], must: Iterable[str], may: Iterable[str], what: str) -> list[str]:
    """What is missing, and what nobody intended."""
    there, wanted, allowed = sorted(found), list(must), list(may)
    missing = [f"{what}: not there: {words}" for words in wanted if not any(fits(one, words) for one in there)]
    extra = [one for one in there if not any(fits(one, words) for words in (*wanted, *allowed))]
    return missing + [f"{what}: unintended: {one}" for one in extra]


def fits(one: str, words: str) -> bool:
    """Whether some words are meant by others that may hold ``*``."""
    return fnmatch.fnmatchcase(one, words)


@dataclass(frozen=True)
class Expectation:
    """One scenario's expectation, for one IP version."""

    name: str
    scenario: str
    play: str
    effect: str
    outcome: str
    seen: tuple[str, ...]
    may: tuple[str, ...] = ()
    ms: Mapping[str, list[float]] = field(default_factory=dict)
    tshark: Mapping[str, list[str]] = field(default_factory=dict)
    nstat: Mapping[str, Mapping[str, int | str]] = field(default_factory=dict)
    port: int = 7
    only: int | None = None
    lab: Mapping[str, str] = field(default_factory=dict)
    remembers: bool = False
    log: Mapping[str, int | str] = field(default_factory=dict)
    rtt_ms: Mapping[str, list[float]] = field(default_factory=dict)
    flight: Mapping[str, int] = field(default_factory=dict)
    verdict: Mapping[str, str] = field(default_factory=dict)
    flood: int = 0
    largest: int | None = None
    patience_s: float = 20.0
    way_ms: float = 50.0
    way_took_ms: Mapping[str, list[float]] = field(default_factory=dict)
    again_ms: Mapping[str, list[float]] = field(default_factory=dict)
    waits_ms: Mapping[str, list[Any]] = field(default_factory=dict)
    silence_ms: list[float] | None = None
    depth: list[int] | None = None
    arrived: Mapping[str, int] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[str, ...] = ()
    alike: bool = False
    text: str = ""
    as_shipped: bool = False

    @property
    def script(self) -> str:
        """The script's text, and a long way: then a pause of this machine is not taken for a loss."""
        text = self.text or (SCENARIOS / f"{self.scenario}.wire").read_text(encoding="utf-8")
        return f"{text}\neither segment: delay {self.way_ms} ms\n" if self.way_ms else text


HASTE = ("ms", "rtt_ms", "way_took_ms", "again_ms", "waits_ms", "silence_ms", "state", "tshark", "nstat")
"""What depends on how soon TCP loses patience: not judged as shipped, but for what ``shipped`` says."""


def expectation(path: Path, version: int, as_shipped: bool = False) -> Expectation | None:
    """Read one; None if the scenario is about the other IP version only."""
    tables: dict[str, Any] = toml.load(path)
    special = {name: tables.pop(name, {}) for name in ("v4", "v6", "shipped")}
    merge(tables, special[f"v{version}"])
    if as_shipped:
        tables = {name: value for name, value in tables.items() if name not in HASTE}
        tables["seen"] = [re.sub(r"sent \S+ times", "sent [2-9] times", words) for words in tables["seen"]]
        merge(tables, {"way_ms": 0, "as_shipped": True, **special["shipped"]})
        tables["may"] = [*tables.get("may", ()), "* sent [2-9] times"]
    for name in ("seen", "may", "filters"):
        tables[name] = tuple(tables.get(name, ()))
    made = Expectation(name=path.stem, scenario=tables.pop("scenario", path.stem), **tables)
    unknown = {name for side in made.nstat.values() for name in side} - set(WATCHED)
    if unknown:
        raise RangeError(f"{path.name}: no counter of these is watched: {', '.join(sorted(unknown))}")
    return made if made.only in (None, version) else None


def merge(tables: dict[str, Any], special: Mapping[str, Any]) -> None:
    """Put what is special over what is not: table by table."""
    for name, value in special.items():
        if isinstance(value, dict) and isinstance(tables.get(name), dict):
            merge(tables[name], value)
        else:
            tables[name] = value


def all_names() -> list[str]:
    """Every expectation that there is."""
    return sorted(path.stem for path in SCENARIOS.glob("*.toml"))


def named(name: str, version: int, as_shipped: bool = False) -> Expectation | None:
    """The expectation of this name. as_shipped: for a play of the script as it is, without the long way."""
    return expectation(SCENARIOS / f"{name}.toml", version, as_shipped)
