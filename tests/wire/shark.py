"""tshark's word on many plays at once: what it marks (``tcp.analysis``), by the wire's names of the segments.

A tshark starts in half a second, so captures are put one behind the other with mergecap; each has an interface of its
own, and thus is known again. Two captures with the same ends never go into the same call.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.marked import MARK
from tests.oracle import tshark
from tests.wire.expect import against
from tests.wire.play import Play
from tests.wire.seen import SIDES, Seen

IMAGE = "echolab/oracle"
MOST_IN_A_CALL = 100


class Shark:
    """A container with tshark. folder: holds all captures."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder

    def run(self, *words: str) -> str:
        """What a program in the container prints. Raises ValueError if it fails."""
        done = subprocess.run(
            ["docker", "exec", "-w", "/in", self.name, *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(f"{words[0]} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def judge(self, plays: Sequence[Play]) -> None:
        """Ask tshark about these plays: their ``marks``, and complaints where those are not as intended."""
        for side in SIDES:
            for group in groups([one for one in plays if one.paths.get(side) and one.story is not None]):
                names = [str(path.relative_to(self._folder)) for one in group for path in one.paths[side]]
                self.run("mergecap", "-a", "-I", "none", "-w", "/tmp/merged.pcapng", *names)
                rows = tshark.parse(self.run(*tshark.arguments("/tmp/merged.pcapng")).splitlines())
                files = iter(rows)
                for one in group:
                    one.marks[side] = marks(one, side, [row for _ in one.paths[side] for row in next(files)])
        for one in plays:
            one.complaints += complaints(one) + self._filtered(one)

    def _filtered(self, one: Play) -> list[str]:
        """Which of the display filters that must find something in what was overheard do not."""
        if one.overheard is None:
            return []
        name = str(one.overheard.relative_to(self._folder))
        return [
            f"tshark: no frame beside the client is {words}"
            for words in one.expected.filters
            if not self.run("tshark", "-2", "-r", name, "-Y", words).strip()
        ]


def groups(plays: Sequence[Play]) -> Iterator[list[Play]]:
    """Plays in groups in which no two have the same ends."""
    left = list(plays)
    while left:
        group: list[Play] = []
        taken: set[tuple[str, int, int]] = set()
        rest = []
        for one in left:
            key = (one.stand, one.version, one.port)
            if key in taken or len(group) >= MOST_IN_A_CALL:
                rest.append(one)
            else:
                taken.add(key)
                group.append(one)
        yield group
        left = rest


def marks(one: Play, side: str, rows: list[tshark.Row]) -> Counter[str]:
    """tshark's marks of one capture by segment: ``client data 5: fast_retransmission``."""
    assert one.story is not None
    names = {id(frame): frame.name for frame in _segments(one, side)}
    found: Counter[str] = Counter()
    for row, frame in zip(rows, one.story.frames[side], strict=True):
        if row.is_tcp:
            name = names.get(id(frame), "?")
            for mark in sorted(row.marks):
                found[f"{name}: {mark}"] += 1
            if row.bad_checksum:
                found[f"{name}: bad checksum"] += 1
        if row.malformed:
            found["malformed"] += 1
    return found


def _segments(one: Play, side: str) -> list[Seen]:
    """Every segment at a tap, named."""
    assert one.story is not None
    other = "server" if side == "client" else "client"
    return [*one.story.near[side], *one.story.far[other]]


def complaints(one: Play) -> list[str]:
    """What tshark does not say, and says without anybody's intention."""
    found = []
    wanted = one.expected.tshark
    if one.expected.as_shipped and not wanted:
        return []
    for side in SIDES:
        if side in one.marks:
            may = [*wanted.get("may", []), "*: window_update"]
            found += against(one.marks[side], wanted.get(side, []), may, f"tshark at the {side}'s tap")
    return found


@contextmanager
def shark(folder: Path, name: str) -> Iterator[Shark]:
    """Start tshark's container over a folder of captures, and remove it in the end."""
    subprocess.run(
        [
            *("docker", "run", "-d", "--rm", "--init", *MARK, "--name", name, "--network", "none", "--user", "0:0"),
            *("-e", "HOME=/tmp", "-v", f"{folder}:/in:ro", "--entrypoint", "sleep", IMAGE, "7200"),
        ],
        check=True,
        capture_output=True,
    )
    try:
        yield Shark(name, folder)
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)
