"""The wire beside the kernel's own forwarding, in one run: loss, frames a second, added delay, 5 MB in one session.

Four containers on one internal bridge: a client, a server, the wire with its one arm, and a router whose kernel
forwards, with one arm as well. The wire and the kernel's router take turns; frames are steered to the one or the other
by their hardware address, sessions by a route. The wire is held to one processor, and all the load comes from another.

    python3 -m tests.bench.wire.bench_wire [--seconds 1] [--rounds 3] [--write docs/wire-speed.md]

Exit status: 0 if every target is met, else 1, with a sentence for each that is not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.wire.stand import (
    HERE,
    NAME,
    ROLES,
    address,
    docker,
    inside,
    load,
    settled,
    stand,
    state,
    steer,
    wire_cpu_s,
)

IMAGE = "echolab/bench-wire"
WAYS = ("kernel", "wire", "wire with a script")
RATES = (50_000, 100_000, 125_000, 150_000, 200_000, 300_000, 400_000)
RATES_SCRIPT = (5_000, 10_000, 15_000, 20_000, 30_000)
SIZES = (128, 1514)
MARKS, MARK_EVERY_US = 2000, 500
DRAINED = 8_000
TRIES, BUSY = 4, 0.02
OCTETS = 5 << 20
TARGET_FRAMES_S, TARGET_DELAY_US = 100_000, 100
SCRIPT = 'client segment with "no such text": drop\n'
"""A rule that has to look at every frame and meets none."""

PAGE = """# How fast the wire is

Made by `{command}` on {processors} processors that others used as well: look at the ratios, the figures are this
machine's. A client, a server, the wire and a router whose kernel forwards stand on one bridge, and the two take turns
in the same run. The wire has one processor, the load comes from another. What is demanded:

{targets}

## Frames a second

The highest of the rates tried ({rates} frames/s, {seconds:g} s each) at which not one frame was lost, best of {rounds}
rounds. A flood that lost frames while others had the wire's processor, or whose sender was too slow, is tried again,
{tries} times at most. What has come up to the server's TCP is counted. The kernel forwards inside the sender's own
system call, so its row is what the sender could send. Where the sender could not send faster, the limit is the
sender's, not the wire's. "Script" is the wire with one rule that looks at every frame and never acts.

{rates_table}

## What one processor forwards

So that no sender is the limit: the wire is stopped (SIGSTOP), {drained:,} frames of 128 octets are sent and wait in its
ring, and it goes on (SIGCONT). By the clock: from the first arrival at the server to the last, in which others had the
processor, too. Of the processor: by the time that the scheduler gave to the wire.

{drain_table}

## Added delay

The time from a frame's sending to the kernel's time stamp at the receiver, {marks:,} frames, one every {every} µs, less
the median of the same without a router between. Medians of {rounds} rounds. The kernel's router needs no other program
to wake up; a program in user space does, and that is most of what it adds.

{delay_table}

## 5 MB in one session

Sent to an echo server and back at the same time. A loss would be seen as a retransmission, counted on both hosts; what
the other end had already (it says so, D-SACK) was no loss, but sent again for nothing, because an ACK was late.
`missed` are frames that found the wire's ring full, `refused` those that its kernel did not send, in all the parts with
no script.

{transfer_table}

{wire_counts}
"""
COUNTS = "The wire in these parts: {forwarded:,} frames forwarded, {missed:,} missed, {refused:,} refused."


@dataclass
class Rate:
    """A flood's result. clean: the highest rate with no loss. most: the most that came through. sender_us, wire_us:
    processor time a frame, the least of all rates: bursts are longer the more there is to do. slow_sender: the sender
    could not send faster than ``clean``."""

    clean: int = 0
    most: int = 0
    sender_us: float = 1e9
    wire_us: float = 1e9
    slow_sender: bool = False
    tried: list[tuple[int, int, int]] = field(default_factory=list)  # sent a second, sent, arrived

    def better(self, other: Rate) -> Rate:
        """The best of two rounds."""
        best = self if self.clean >= other.clean else other
        return Rate(
            best.clean,
            max(self.most, other.most),
            min(self.sender_us, other.sender_us),
            min(self.wire_us, other.wire_us),
            best.slow_sender,
        )


@dataclass
class Drain:
    """What came out of a full ring. count: frames. by_the_clock, of_processor: frames in a second of either."""

    count: int
    by_the_clock: int
    of_processor: int


@dataclass
class Found:
    """All that was measured. rates: by way, version, size. drains: by version. added: median and 99th of a
    hundred in µs, by way and version, of each round. transfers: by way and version. counts: the wire's own, of the
    parts without a script."""

    rates: dict[tuple[str, int, int], Rate] = field(default_factory=dict)
    drains: dict[int, list[Drain]] = field(default_factory=dict)
    added: dict[tuple[str, int], list[tuple[float, float]]] = field(default_factory=dict)
    transfers: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: {"forwarded": 0, "missed": 0, "refused": 0})

    def targets(self) -> list[tuple[bool, str]]:
        """Whether each target is met, in a sentence."""
        sent = [one for version in (4, 6) for one in self.transfers["wire", version]]
        again, spurious = (sum(one[name] for one in sent) for name in ("again", "spurious"))
        clean = {version: max(self.rates["wire", version, size].clean for size in SIZES) for version in (4, 6)}
        drain = {version: max(one.of_processor for one in self.drains[version]) for version in (4, 6)}
        lost = sum(DRAINED - one.count for drains in self.drains.values() for one in drains)
        delay = {v: statistics.median(median for median, _ in self.added["wire", v]) for v in (4, 6)}
        slow = {v: all(self.rates["wire", v, size].slow_sender for size in SIZES) for v in (4, 6)}
        fast_enough = all(clean[v] >= TARGET_FRAMES_S or (slow[v] and not lost) for v in (4, 6))
        return [
            (
                all(one["same"] for one in sent) and again <= spurious,
                f"5 MB in one session, there and back, no loss: in {len(sent)} sessions {again} were sent again,"
                f" {spurious} of them for nothing, because an ACK was late",
            ),
            (
                fast_enough and all(rate >= TARGET_FRAMES_S for rate in drain.values()),
                f"at least {TARGET_FRAMES_S:,} frames/s on one processor with no script: without loss "
                + " and ".join(
                    f"{clean[v]:,} over IPv{v}" + " (the sender's limit)" * (slow[v] and clean[v] < TARGET_FRAMES_S)
                    for v in (4, 6)
                )
                + f"; from its full ring {drain[4]:,} and {drain[6]:,} in a second of its processor, {lost} lost",
            ),
            (
                all(us < TARGET_DELAY_US for us in delay.values()),
                f"added delay, median, under {TARGET_DELAY_US} µs: {delay[4]:.0f} over IPv4, {delay[6]:.0f} over IPv6",
            ),
        ]


def flooded(mac: str, version: int, size: int, seconds: float, rates: tuple[int, ...]) -> Rate:
    """Rate after rate until two in a row lose frames, or the sender cannot send faster. What fails while others had the
    processor is tried again."""
    found, lossy = Rate(), 0
    for rate in rates:
        for _ in range(TRIES):
            sent, arrived, slow, waited = poured(found, mac, version, size, rate, seconds)
            too_slow = slow and rate <= TARGET_FRAMES_S
            if not too_slow and (arrived >= sent or waited < BUSY):
                break
        lossy = 0 if arrived >= sent else lossy + 1
        if lossy == 2 or slow:
            break
    return found


def poured(found: Rate, mac: str, version: int, size: int, rate: int, seconds: float) -> tuple[int, int, bool, float]:
    """One flood: frames sent and arrived, whether the sender was too slow, and for which part of the time the wire
    waited for a processor that others had."""
    before, (had_s, waited_s) = settled(), wire_cpu_s()
    ends = (address("client", version), address("server", version))
    told = inside("client", "flood", mac, *ends, str(size), str(rate), str(seconds))
    arrived, sent = settled() - before, told["sent"]
    now_had_s, now_waited_s = wire_cpu_s()
    found.sender_us = min(found.sender_us, told["cpu_us"])
    found.wire_us = min(found.wire_us, (now_had_s - had_s) / sent * 1e6)
    found.tried.append((told["rate"], sent, arrived))
    found.most = max(found.most, round(told["rate"] * arrived / max(1, sent)))
    slow = told["rate"] < rate * 0.95
    if arrived >= sent and told["rate"] > found.clean:
        found.clean, found.slow_sender = told["rate"], slow
    return sent, arrived, slow, (now_waited_s - waited_s) / seconds


def drained(mac: str, version: int) -> Drain:
    """Fill the ring of a wire that is stopped, and let it go on."""
    with listening("stamps", str(DRAINED)) as watcher:
        docker("kill", "--signal", "STOP", f"{NAME}-wire")
        try:
            ends = (address("client", version), address("server", version))
            inside("client", "burst", mac, *ends, "128", str(DRAINED))
        finally:
            before_s = wire_cpu_s()[0]
            docker("kill", "--signal", "CONT", f"{NAME}-wire")
        assert watcher.stdout is not None
        told = json.loads(watcher.stdout.read())
    took_s = wire_cpu_s()[0] - before_s
    return Drain(told["count"], round((told["count"] - 1) / max(1, told["ns"]) * 1e9), round(told["count"] / took_s))


@contextmanager
def listening(*words: str) -> Iterator[subprocess.Popen[str]]:
    """The probe beside the server, once it listens."""
    with subprocess.Popen(
        ["docker", "exec", f"{NAME}-server", "python3", "/bench/probe.py", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watcher:
        assert watcher.stderr is not None
        watcher.stderr.readline()
        yield watcher


def delays(mac: str, version: int) -> list[int]:
    """One-way delays of marked frames, in ns, sorted."""
    with listening("watch", str(MARKS)) as watcher:
        ends = (address("client", version), address("server", version))
        inside("client", "marks", mac, *ends, str(MARKS), str(MARK_EVERY_US))
        assert watcher.stdout is not None
        return sorted(json.loads(watcher.stdout.read())["delays_ns"])


def transferred(version: int) -> dict[str, Any]:
    """One session. ``again``: the retransmissions of both hosts, ``spurious``: those of segments that had arrived."""

    def again() -> list[int]:
        told = [inside(side, "retransmitted") for side in ("client", "server")]
        return [sum(one[name] for one in told) for name in ("segments", "spurious")]

    before = again()
    told: dict[str, Any] = inside("client", "transfer", address("server", version), str(OCTETS))
    sent, spurious = (later - sooner for later, sooner in zip(again(), before, strict=True))
    return {**told, "again": sent, "spurious": spurious}


def us(sample: list[int], share: float, less_ns: float = 0) -> float:
    """A quantile, in µs."""
    return (sample[min(len(sample) - 1, int(len(sample) * share))] - less_ns) / 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--base", default="echolab/lab", help="the lab's image")
    parser.add_argument("--write", type=Path, help="write the page to this file")
    wanted = parser.parse_args()
    docker("build", "-q", "-t", IMAGE, "--build-arg", f"BASE={wanted.base}", str(HERE))
    found = Found()
    with stand(IMAGE):
        for number in range(wanted.rounds):
            for version in (4, 6):
                one_round(found, f"round {number + 1} IPv{version}", version, wanted.seconds)
    text = page(found, wanted.seconds, wanted.rounds)
    print(text)
    if wanted.write:
        wanted.write.write_text(text, encoding="utf-8")
    missed = [sentence for met, sentence in found.targets() if not met]
    print("\n".join(f"missed: {sentence}" for sentence in missed), file=sys.stderr)
    return 1 if missed else 0


def one_round(found: Found, what: str, version: int, seconds: float) -> None:
    """Every measurement once, over one IP version: kernel and wire take turns."""
    macs = {role: inside("client", "mac", address(role, version))["mac"] for role in ROLES if role != "client"}
    direct = us(delays(macs["server"], version), 0.5)
    for way in WAYS:
        role, scripted = way.split()[0], "script" in way
        load(SCRIPT if scripted else "")
        before = state()
        sample = delays(macs[role], version)
        if len(sample) < MARKS:
            print(f"{what} {way}: {MARKS - len(sample)} marked frames lost", flush=True)
        found.added.setdefault((way, version), []).append((us(sample, 0.5) - direct, us(sample, 0.99) - direct))
        for size in SIZES:
            now = flooded(macs[role], version, size, seconds, RATES_SCRIPT if scripted else RATES)
            best = found.rates.get((way, version, size))
            found.rates[way, version, size] = best.better(now) if best is not None else now
            print(f"{what} {way} {size}: {now}", flush=True)
        steer(role, version)
        found.transfers.setdefault((way, version), []).append(transferred(version))
        print(f"{what} {way}: {found.transfers[way, version][-1]}", flush=True)
        steer("direct", version)
        if way == "wire":
            found.drains.setdefault(version, []).append(drained(macs[role], version))
            print(f"{what} {way}: out of its ring {found.drains[version][-1]}", flush=True)
            after = state()
            for name in found.counts:
                found.counts[name] += after[name] - before[name]
    load("")


def table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows])


def page(found: Found, seconds: float, rounds: int) -> str:
    """The page of the docs."""
    return PAGE.format(
        command=" ".join(["python3 -m tests.bench.wire.bench_wire", *sys.argv[1:]]),
        processors=os.cpu_count(),
        targets="\n".join(f"- {sentence}: {'met' if met else '**missed**'}" for met, sentence in found.targets()),
        rates=" ".join(f"{rate:,}" for rate in RATES),
        seconds=seconds,
        rounds=rounds,
        drained=DRAINED,
        tries=TRIES,
        marks=MARKS,
        every=MARK_EVERY_US,
        rates_table=table(
            "| | IP | octets a frame | frames/s without loss | the limit | most that came through |"
            " processor time a frame: sender, wire |",
            [
                f"| {w} | v{v} | {s:,} | {r.clean:,} | {'the sender' if r.slow_sender else 'the way'} | {r.most:,} |"
                f" {r.sender_us:.1f} µs, {'–' if w == 'kernel' else f'{r.wire_us:.1f} µs'} |"
                for (w, v, s), r in found.rates.items()
            ],
        ),
        drain_table=table(
            "| IP | frames in a second of the processor, best | least | by the clock, best | frames that arrived |",
            [
                f"| v{v} | {max(d.of_processor for d in all_):,} | {min(d.of_processor for d in all_):,} |"
                f" {max(d.by_the_clock for d in all_):,} | {', '.join(f'{d.count:,}' for d in all_)} |"
                for v, all_ in found.drains.items()
            ],
        ),
        delay_table=table(
            "| | IP | median, µs | 99th of a hundred, µs |",
            [
                f"| {w} | v{v} | {statistics.median(m for m, _ in all_):.0f} |"
                f" {statistics.median(p for _, p in all_):.0f} |"
                for (w, v), all_ in found.added.items()
            ],
        ),
        transfer_table=table(
            "| | IP | octets back, all right | MB/s each way, best | sent again by both hosts, for nothing |",
            [
                f"| {w} | v{v} | {sum(t['same'] for t in all_)} of {len(all_)} |"
                f" {max(t['octets'] / t['seconds'] / 1e6 for t in all_):.0f} | {sum(t['again'] for t in all_)},"
                f" {sum(t['spurious'] for t in all_)} |"
                for (w, v), all_ in found.transfers.items()
            ],
        ),
        wire_counts=COUNTS.format(**found.counts),
    )


if __name__ == "__main__":
    sys.exit(main())
