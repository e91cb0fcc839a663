"""Play every ready scenario again and again, over IPv4 and IPv6, and write the table of the docs:

    python -m tests.wire.soak --times 20 --write docs/wire-scenarios.md

Several labs play side by side, each one play at a time, so that a host's counters are one play's. Most of a play is
waiting for TCP's timers, so labs are not in each other's way. Exit status: 0 if every play was as intended, else 1.
"""

from __future__ import annotations

import argparse
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.router.library import headline, text_of
from tests.wire import expect
from tests.wire.play import AGAIN, Play, patiently
from tests.wire.shark import shark
from tests.wire.stand import Stand, StandError
from tests.wire.table import page

LONG_FIRST = ("duplicate-ip", "blackhole", "syn-flood-no-cookies", "syn-flood", "small-mtu", "rto-backoff")
Job = tuple[str, int, bool]
"""Scenario, IP version, whether as shipped."""


@dataclass
class Work:
    """What is still to be played: for any lab, and by the settings of a lab that some plays need."""

    common: queue.SimpleQueue[Job] = field(default_factory=queue.SimpleQueue)
    special: dict[str, queue.SimpleQueue[Job]] = field(default_factory=dict)
    done: list[Play] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, cookies: str) -> Job | None:
        """The next play for a lab with this setting; None when all is played."""
        for one in (self.special.get(cookies), self.common):
            if one is not None:
                try:
                    return one.get_nowait()
                except queue.Empty:
                    continue
        return None


def work_of(names: Sequence[str], times: int, as_shipped: int = 0) -> Work:
    """Every play of these scenarios; long ones first, so that no lab is left alone with one at the end."""
    made = Work()
    order = sorted(names, key=lambda name: (LONG_FIRST.index(name) if name in LONG_FIRST else len(LONG_FIRST), name))
    for name in order:
        for number in range(times + as_shipped):
            for version in (4, 6):
                found = expect.named(name, version)
                if found is None:
                    continue
                cookies = found.lab.get("ECHO_SYN_COOKIES")
                queue_ = made.common if cookies is None else made.special.setdefault(cookies, queue.SimpleQueue())
                queue_.put((name, version, number >= times))
    return made


def labour(stand: Stand, cookies: str, work: Work, say: bool, again: int) -> None:
    """One lab's part of the work. again: how often a play may be repeated in which the machine stood still."""
    while (job := work.next(cookies)) is not None:
        name, version, as_shipped = job
        expected = expect.named(name, version, as_shipped)
        assert expected is not None
        one = patiently(stand, expected, version, again)
        with work.lock:
            work.done.append(one)
            if say:
                how = " as shipped" * as_shipped
                print(f"{len(work.done):>5}  {stand.project}  {name} IPv{version}{how}  {told(one)}", flush=True)


def told(one: Play) -> str:
    """A play's result in a few words."""
    return "as intended" if not one.complaints else f"NOT as intended: {one.complaints[0]}"


def soak(
    names: Sequence[str],
    times: int,
    stands: int,
    net: int,
    folder: Path,
    *,
    project: str = "wire-soak",
    say: bool = True,
    again: int = 0,
    as_shipped: int = 0,
) -> list[Play]:
    """Play these scenarios so often on so many labs, and so often as shipped, without the long way. Raises StandError
    if a lab does not start."""
    work = work_of(names, times, as_shipped)
    settings = [("1" if index or "0" not in work.special else "0") for index in range(stands)]
    if "1" in work.special and "1" not in settings:
        settings.append("1")
    labs = [
        Stand(f"{project}-{index}", net + index, folder / str(index), ECHO_SYN_COOKIES=cookies)
        for index, cookies in enumerate(settings)
    ]
    try:
        for lab in labs:
            lab.up()
        threads = [
            threading.Thread(target=labour, args=(lab, cookies, work, say, again))
            for lab, cookies in zip(labs, settings, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for lab in labs:
            lab.down()
    with shark(folder, f"{project}-shark") as tools:
        tools.judge(work.done)
    compare(work.done)
    return work.done


def compare(plays: Sequence[Play]) -> None:
    """What is drawn from a seed must come out alike in every play, over either IP version: the first is the measure."""
    for name in {one.expected.name for one in plays if one.expected.alike}:
        own = [one for one in plays if one.expected.name == name and not one.expected.as_shipped]
        for one in own[1:]:
            if one.differences != own[0].differences:
                one.complaints.append(f"not as in the first play: {own[0].differences}, here {one.differences}")


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire.soak", description="Play every ready scenario.")
    parser.add_argument("--times", type=int, default=20, help="how often each, over either IP version (default: 20)")
    parser.add_argument("--shipped", type=int, default=1, help="as often as shipped, without the long way (default: 1)")
    parser.add_argument("--again", type=int, default=AGAIN, help="repeat a play in which the machine stood still")
    parser.add_argument("--only", action="append", metavar="NAME", help="this scenario alone (may be repeated)")
    parser.add_argument("--stands", type=int, default=4, help="labs side by side (default: 4)")
    parser.add_argument("--net", type=int, default=110, help="the first lab's network: 198.18.NET (110)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the captures here")
    asked = parser.parse_args(arguments)
    names = asked.only or expect.all_names()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="wire-soak-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    started = time.monotonic()
    try:
        plays = soak(names, asked.times, asked.stands, asked.net, folder, as_shipped=asked.shipped, again=asked.again)
    except StandError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    took_s = time.monotonic() - started
    wrong = [one for one in plays if one.complaints]
    for one in wrong:
        how = " as shipped" * one.expected.as_shipped
        print(
            f"\n{one.expected.name} IPv{one.version}{how} on {one.stand}, port {one.port}, late {one.late_ms:.1f} ms:"
        )
        print("\n".join(f"  {words}" for words in one.complaints))
    print(f"\n{len(plays) - len(wrong)} of {len(plays)} plays as intended, in {took_s / 60:.1f} minutes")
    if asked.write:
        heads = {name: headline(text_of(scenario_of(name))[0]) for name in names}
        asked.write.write_text(page(plays, heads, asked.times), encoding="utf-8")
    if not asked.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if wrong else 0


def scenario_of(name: str) -> str:
    """The script that an expectation is about."""
    found = expect.named(name, 4) or expect.named(name, 6)
    return found.scenario if found is not None else name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
