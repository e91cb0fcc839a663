"""Captures as tshark reads them: one row a frame, and what a student looks for among them. Nothing of ``lab`` is
imported."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.marked import MARK

RECORDED = Path(__file__).resolve().parents[1] / "unit" / "grade" / "recorded"
SERVER_PORTS = (7, 9, 7005, 7006)
ALL32 = 1 << 32
FIN, SYN, RST, ACK = 1, 2, 4, 16
FIELDS = (
    *("frame.number", "frame.time_epoch", "frame.protocols", "frame.len", "eth.dst", "eth.src"),
    *("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.ttl", "ip.id", "ip.len", "ip.flags.mf", "ip.frag_offset"),
    *("tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.window_size_value"),
    *("tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.sack_perm", "tcp.options.timestamp.tsval"),
    *("tcp.payload", "arp.opcode", "arp.dst.proto_ipv4", "icmp.type", "icmp.mtu", "icmpv6.type"),
)
OPTIONS = ("ip.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE")
Parts = Mapping[str, Sequence["Row"]]


class Row:
    """One frame as tshark tells it; a field that it has twice (ICMP quotes a packet) has its first value here."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.all = {name: cell.split(",") if cell else [] for name, cell in zip(FIELDS, cells, strict=True)}
        whole, _, part = self.one("frame.time_epoch").partition(".")
        self.t = int(whole) * 10**9 + int(part.ljust(9, "0")[:9])
        self.n, self.size = int(self.one("frame.number")), int(self.one("frame.len"))
        protocols = self.one("frame.protocols").split(":")
        self.icmp = "icmp" in protocols
        self.tcp = "tcp" in protocols and not self.icmp and "icmpv6" not in protocols
        self.flags = int(self.one("tcp.flags") or "0", 16) if self.tcp else 0
        self.seq, self.ack = self.number("tcp.seq_raw"), self.number("tcp.ack_raw")
        self.len = self.number("tcp.len") if self.tcp else 0
        self.window = self.number("tcp.window_size_value")
        self.text = bytes.fromhex(self.one("tcp.payload").replace(":", "")) if self.tcp else b""
        self.client = self.tcp and self.number("tcp.dstport") in SERVER_PORTS
        self.server = self.tcp and not self.client
        self.id = int(self.one("ip.id") or "0", 16)

    def one(self, name: str) -> str:
        """A field's first value, empty if it has none."""
        return self.all[name][0] if self.all[name] else ""

    def number(self, name: str) -> int:
        """A field's first value as a number."""
        return int(self.one(name) or "0")

    @property
    def end(self) -> int:
        """The raw number after this segment."""
        return (self.seq + self.len + bool(self.flags & SYN) + bool(self.flags & FIN)) % ALL32


def command(path: Path) -> list[str]:
    """How tshark is asked."""
    words = ["tshark", "-r", str(path), "-T", "fields", "-E", "occurrence=a", "-E", "separator=|"]
    for option in OPTIONS:
        words += ["-o", option]
    for name in FIELDS:
        words += ["-e", name]
    if shutil.which("tshark"):
        return words
    words[2] = f"/captures/{path.name}"
    mount = f"{path.parent.resolve()}:/captures:ro"
    return ["docker", "run", "--rm", *MARK, "--network", "none", "-v", mount, "echolab/oracle", *words]


def rows(path: Path) -> list[Row]:
    """A capture, frame by frame."""
    done = subprocess.run(command(path), capture_output=True, text=True, check=True)
    return [Row(line.split("|")) for line in done.stdout.splitlines() if line.strip()]


def beyond(number: int, other: int) -> bool:
    """Whether a raw number is at or after another."""
    return (number - other) % ALL32 < ALL32 // 2


def syn(found: Sequence[Row]) -> Row:
    return next(r for r in found if r.flags & (SYN | ACK) == SYN)


def syn_ack(found: Sequence[Row]) -> Row:
    return next(r for r in found if r.flags & (SYN | ACK) == SYN | ACK)


def third(found: Sequence[Row]) -> Row:
    return next(r for r in found if r.client and r.flags & (SYN | ACK) == ACK)


def client(found: Sequence[Row]) -> list[Row]:
    """The client's segments with text, each number once."""
    return _once(r for r in found if r.client and r.len)


def server(found: Sequence[Row]) -> list[Row]:
    return _once(r for r in found if r.server and r.len)


def _once(found: Any) -> list[Row]:
    """Without what was sent again."""
    kept: list[Row] = []
    for row in found:
        if not kept or not beyond(kept[-1].seq, row.seq):
            kept.append(row)
    return kept


def said(found: Sequence[Row]) -> bytes:
    return b"".join(r.text for r in found)


def lines(found: Sequence[Row]) -> int:
    return said(found).count(b"\n")


def carrying(found: Sequence[Row], index: int) -> list[Row]:
    """The segments with octets of one line of them."""
    text, starts = said(found), [0]
    starts += [at + 1 for at, octet in enumerate(text) if octet == 10]
    low, high = starts[:-1][index], starts[1:][index]
    at, chosen = 0, []
    for row in found:
        if at < high and at + row.len > low:
            chosen.append(row)
        at += row.len
    return chosen


def fins(found: Sequence[Row]) -> tuple[Row, Row]:
    first = next(r for r in found if r.flags & FIN)
    return first, next(r for r in found if r.flags & FIN and r.client != first.client)


def who(row: Row) -> str:
    return "client" if row.client else "server"


def closer(found: Sequence[Row]) -> str:
    return who(fins(found)[0])


def teardown(found: Sequence[Row]) -> int:
    first, second = fins(found)
    between = [r for r in found if first.n < r.n < second.n and r.client == second.client and beyond(r.ack, first.end)]
    return 4 if between else 3


def acking(found: Sequence[Row], number: int, by_client: bool) -> Row:
    return next(r for r in found if r.tcp and r.client == by_client and r.flags & ACK and beyond(r.ack, number))


def acknowledged(found: Sequence[Row], row: Row) -> bool:
    later = [r for r in found if r.tcp and r.n > row.n and r.client != row.client and not r.flags & RST]
    return any(r.flags & ACK and beyond(r.ack, row.end) for r in later)


def rst(found: Sequence[Row]) -> Row:
    return next(r for r in found if r.flags & RST)


def options(row: Row) -> tuple[Any, ...]:
    names = ("tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.sack_perm")
    return (*(row.one(name) for name in names), bool(row.one("tcp.options.timestamp.tsval")))


def shift(row: Row) -> int:
    return row.number("tcp.options.wscale.shift")


def four(row: Row) -> tuple[str, ...]:
    return tuple(row.one(name) for name in ("ip.src", "tcp.srcport", "ip.dst", "tcp.dstport"))


def ahead(first: Sequence[Row], again: Sequence[Row]) -> int:
    start = syn(first).seq
    last = max((r.end - start) % ALL32 for r in first if r.client)
    return (syn(again).seq - start - last) % ALL32


def stall(found: Sequence[Row]) -> tuple[Row, Row, Row]:
    """Nagle's: the segment that was waited for, the bare ACK, the segment that had been held back."""
    best = max(
        (ack.t - before.t, before.n, ack.n, held.n)
        for before, ack, held in zip(found, found[1:], found[2:], strict=False)
        if before.client and before.len and ack.server and not ack.len and held.client and held.len
    )
    return found[best[1] - 1], found[best[2] - 1], found[best[3] - 1]


def zero(found: Sequence[Row]) -> Row:
    return next(r for r in found if r.tcp and not r.window and not r.flags & (SYN | RST))


def opened(found: Sequence[Row]) -> Row:
    return next(r for r in found if r.n > zero(found).n and r.client and r.window)


def old_numbers(found: Sequence[Row], by_client: bool) -> list[Row]:
    """Empty segments with a number just below the next one."""
    highest: int | None = None
    chosen = []
    for row in found:
        if row.tcp and row.client == by_client:
            if (
                highest is not None
                and row.len < 2
                and not row.flags & (SYN | FIN | RST)
                and row.end == (highest - 1) % ALL32
            ):
                chosen.append(row)
            if highest is None or beyond(row.end, highest):
                highest = row.end
    return chosen


def probes(found: Sequence[Row]) -> list[Row]:
    low, high = zero(found).n, opened(found).n
    return [r for r in old_numbers(found, False) if low < r.n < high]


def reaches(row: Row) -> str:
    target = row.one("eth.dst")
    return "all" if target == "ff:ff:ff:ff:ff:ff" else "group" if int(target[:2], 16) & 1 else "one"


def arp(found: Sequence[Row], operation: str) -> Row:
    return next(r for r in found if r.one("arp.opcode") == operation)


def ndp(found: Sequence[Row], kind: str) -> Row:
    return next(r for r in found if r.one("icmpv6.type") == kind)


def waits(found: Sequence[Row]) -> bool:
    answer = server(found)[-2]
    line = [r for r in found if r.client and r.len and r.n < answer.n][-1]
    return any(r.client and not r.len for r in found if line.n < r.n < answer.n)


def samples(found: Sequence[Row], of_client: bool = False) -> list[tuple[int, Row, Row]]:
    """Round trips of what an end sends; of what it sent twice nobody knows which one is answered (Karn)."""
    count = Counter(r.seq for r in found if r.tcp and r.client == of_client and r.end != r.seq)
    sent: list[Row] = []
    told = []
    for row in found:
        if row.tcp and row.client == of_client and row.end != row.seq and count[row.seq] == 1:
            sent.append(row)
        elif row.tcp and row.client != of_client and row.flags & ACK:
            covered = [r for r in sent if beyond(row.ack, r.end)]
            if covered:
                told.append((row.t - covered[-1].t, covered[-1], row))
                sent = [r for r in sent if r not in covered]
    return told


def smoothed(found: Sequence[Row]) -> float:
    trips = [trip for trip, _, _ in samples(found)]
    value = float(trips[0])
    for trip in trips[1 : trips.index(max(trips)) + 1]:
        value = 7 / 8 * value + trip / 8
    return value


def again(found: Sequence[Row]) -> list[Row]:
    """The client's segment that was sent most often: all its transmissions."""
    sent = [r for r in found if r.client and r.len]
    number = Counter(r.seq for r in sent)
    most = max(sent, key=lambda r: number[r.seq]).seq
    return [r for r in sent if r.seq == most]


def quoted(found: Sequence[Row]) -> Row:
    """The frame that the first ICMP error quotes."""
    error = next(r for r in found if r.icmp)
    inner = int(error.all["ip.id"][1], 16)
    return next(r for r in found if r.client and r.id == inner)


def passed(row: Row, other: Sequence[Row]) -> bool:
    return any(r.client == row.client and r.id == row.id and r.seq == row.seq for r in other if r.tcp)


def twin(row: Row, other: Sequence[Row]) -> int:
    return next(r.n for r in other if r.tcp and r.id == row.id and r.seq == row.seq and r.client == row.client)


def fragments(found: Sequence[Row]) -> list[Row]:
    return [r for r in found if r.one("ip.flags.mf") in ("1", "True") or r.number("ip.frag_offset")]


def duplicates(found: Sequence[Row]) -> list[Row]:
    """The server's ACKs that repeat the one before, up to the client's retransmission."""
    copy = again(found)[1].n
    bare = [r for r in found if r.server and r.n < copy]
    return [b for a, b in pairwise(bare) if a.ack == b.ack and not b.len and a.ack == again(found)[0].seq]


def healed(found: Sequence[Row]) -> Row:
    last = again(found)[-1]
    return next(r for r in found if r.n > last.n and r.server and beyond(r.ack, last.end))


def flight(found: Sequence[Row]) -> list[Row]:
    start = syn(found).seq + 1
    first = next(r.n for r in found if r.server and r.flags & ACK and r.ack != start % ALL32 and beyond(r.ack, start))
    return [r for r in found if r.client and r.len and r.n < first]


def under_way(found: Sequence[Row]) -> int:
    start, sent, acked, most = syn(found).seq, 1, 1, 0
    for row in found:
        if row.client and row.len:
            sent = max(sent, (row.end - start) % ALL32)
        elif row.server and row.flags & ACK:
            acked = max(acked, (row.ack - start) % ALL32)
        most = max(most, sent - acked)
    return most


def resent(found: Sequence[Row]) -> int:
    sent = [r for r in found if r.client and r.len]
    return len(sent) - len({r.seq for r in sent})


def syns(found: Sequence[Row]) -> list[Row]:
    return [r for r in found if r.flags & (SYN | ACK) == SYN]


def ends_with(found: Sequence[Row]) -> str:
    return "rst" if any(r.flags & RST for r in found) and sum(bool(r.flags & FIN) for r in found) < 2 else "fin"


def before(found: Sequence[Row], row: Row, by_client: bool) -> Row:
    return [r for r in found if r.tcp and r.client == by_client and r.n < row.n][-1]
