"""The tap's C libraries for tests: compiled here where there is a compiler, else taken out of the lab's image."""

from __future__ import annotations

import atexit
import ctypes
import os
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
SOURCES = ROOT / "images" / "lab" / "native"
IN_IMAGE = {
    "lane": "/usr/local/lib/echolab/lab/capture/_lane.so",
    "digest": "/usr/local/lib/echolab/lab/store/_digest.so",
}
SANITIZE = "ECHO_SANITIZE"
"""Set to anything: the libraries are compiled with the sanitizers (tests.fuzz.sanitized sets it and what they need)."""


def make_library(folder: Path, name: str = "lane") -> Path:
    """A library's file, in this folder."""
    path = folder / f"_{name}.so"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler:
        words = [compiler, "-O3", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        if os.environ.get(SANITIZE):
            words += ["-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        words += ["-o", str(path), str(SOURCES / f"{name}.c")]
    else:
        assert not os.environ.get(SANITIZE), "the sanitizers need a C compiler: install gcc"
        words = ["docker", "run", "--rm", *MARK, "--network", "none", "echolab/lab", "cat", IN_IMAGE[name]]
    done = subprocess.run(words, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    if not compiler:
        path.write_bytes(done.stdout)
    return path


@lru_cache(maxsize=2)
def made(name: str) -> Path:
    """The library's file, made once a run, in a folder that goes when Python ends."""
    folder = tempfile.TemporaryDirectory(prefix="echolab-native-")
    atexit.register(folder.cleanup)
    return make_library(Path(folder.name), name)


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The lane, ready for use."""
    found = load(made("lane"))
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
