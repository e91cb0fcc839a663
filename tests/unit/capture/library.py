"""The tap's C library for tests: compiled here where there is a compiler, else taken out of the lab's image."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from lab.capture.native import NativeLane, load
from lab.session.tracker import Tracker
from lab.wire.frame import Direction, Frame
from tests.marked import MARK

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "images" / "lab" / "native" / "lane.c"
IN_IMAGE = "/usr/local/lib/echolab/lab/capture/_lane.so"


def make_library(folder: Path) -> Path:
    """The library's file, in this folder."""
    path = folder / "_lane.so"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler:
        words = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(path), str(SOURCE)]
    else:
        words = ["docker", "run", "--rm", *MARK, "--network", "none", "echolab/lab", "cat", IN_IMAGE]
    done = subprocess.run(words, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    if not compiler:
        path.write_bytes(done.stdout)
    return path


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The library, made once a run."""
    with tempfile.TemporaryDirectory(prefix="echolab-lane-") as folder:
        found = load(make_library(Path(folder)))
    assert found is not None
    return found


def block_of(frames: list[Frame]) -> bytearray:
    """The frames as the kernel lays them into a block of the ring, the first header at offset 0."""
    memory = bytearray()
    for frame in frames:
        size = (82 + len(frame.data) + 15) & ~15
        header = struct.pack(
            "=IIIIIIHH",
            size,
            frame.time_ns // 1_000_000_000,
            frame.time_ns % 1_000_000_000,
            len(frame.data),
            frame.length_bytes,
            0,
            82,
            96,
        )
        address = bytearray(82 - len(header))
        address[58 - len(header)] = 4 if frame.direction is Direction.OUTBOUND else 0
        memory += header + address + frame.data
        memory += bytes(-len(memory) % 16)
    return memory + bytes(64)


class Blocks:
    """A lane with a memory of its own, into which one block after another is laid."""

    def __init__(self, tracker: Tracker, act: object, bulk: object, room: int = 8 << 20) -> None:
        self.memory = bytearray(room)
        self.lane = NativeLane(library(), memoryview(self.memory), tracker, act, bulk)  # type: ignore[arg-type]

    def take(self, frames: list[Frame]) -> None:
        block = block_of(frames)
        self.memory[: len(block)] = block
        self.lane.take(0, len(frames))
