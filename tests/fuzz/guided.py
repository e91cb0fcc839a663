"""Fuzzing that is guided by coverage: ``python3 -m tests.fuzz.guided --minutes 5``, with Google's atheris.

The other way round from stream.py: here no dice decide what is mutated, but libFuzzer, which keeps every input that
reaches a line or a branch nobody reached before. Its inputs are octets; ``frames_of`` reads them as a list of small
changes to recorded conversations, so that any input means something and a small change to it is a small change to the
frames. What reached something new is kept (``--keep``) in corpus.txt, which ``make test`` plays. Atheris is not among
the tests' tools (35 MB, and no wheel for every Python): it is installed when a hunt begins.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from lab.wire.frame import Frame
from tests.fuzz.shape import fit_checksums, fit_lengths, turned
from tests.fuzz.stream import recordings
from tests.fuzz.ways import play

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".lab" / "atheris"
FOUND = Path(__file__).with_name("found")
CORPUS = Path(__file__).with_name("corpus.txt")
MOST_KEPT = 400
_MOST_FRAMES = 40
_MS = 1_000_000
_REPAIR, _FIT, _CUT, _TURN, _AGAIN, _SKIP = 1, 2, 4, 8, 16, 32


@lru_cache(maxsize=1)
def _short() -> tuple[tuple[Frame, ...], ...]:
    """The recordings of few frames: a whole life in little work."""
    return tuple(frames for frames in recordings() if len(frames) <= _MOST_FRAMES)


def frames_of(octets: bytes) -> list[Frame]:
    """The frames that an input stands for.

    The first octet chooses a conversation. Then, for each of its frames: what is done to it (bits), the time since the
    one before, how many octets of it change, and for each of those its place and new value.
    """
    if not octets:
        return []
    source, at, result = _short()[octets[0] % len(_short())], 1, []
    time_ns = 1_800_000_000_000_000_000
    for frame in source:
        bits, pause, changes = (*octets[at : at + 3], 0, 0, 0)[:3]
        at += 3
        time_ns += pause * pause * _MS
        data = turned(frame.data) if bits & _TURN else bytearray(frame.data)
        for _ in range(changes % 8):
            place, value = (*octets[at : at + 2], 0, 0)[:2]
            at += 2
            if place < len(data):
                data[place] = value
        if bits & _CUT:
            del data[octets[at] if at < len(octets) else 0 :]
            at += 1
        if bits & _FIT:
            fit_lengths(data)
        if bits & _REPAIR:
            fit_checksums(data)
        if not bits & _SKIP:
            result += [Frame(time_ns, bytes(data), len(data))] * (2 if bits & _AGAIN else 1)
    return result


def take(octets: bytes) -> None:
    """One input through tracker and analysis. Raises what the lab raises."""
    frames = frames_of(octets)
    if frames:
        play("small", frames)
        play("analysis", frames)


def corpus(path: Path = CORPUS) -> list[bytes]:
    """The inputs that earlier hunts have kept: one a line, in hexadecimal."""
    return [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()] if path.exists() else []


def main(words: Sequence[str] | None = None) -> int:
    """Hunt for a while, from the corpus on; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.fuzz.guided", description="Fuzzing guided by coverage.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--keep", action="store_true", help="put what reached something new into the corpus")
    parser.add_argument("--hunt", metavar="FOLDER", help=argparse.SUPPRESS)
    wanted, rest = parser.parse_known_args(words)
    sys.path.append(str(TOOLS))
    if wanted.hunt:
        return _hunt([wanted.hunt, *rest])
    if not _have_atheris():
        print("atheris cannot be installed here (there is no wheel for every Python): no hunt", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="echolab-guided-") as folder:
        inputs = Path(folder)
        for octets in corpus():
            Path(inputs, hashlib.sha1(octets).hexdigest()).write_bytes(octets)  # as libFuzzer names them
        seconds = int(wanted.minutes * 60)
        text, status = _child(folder, f"-max_total_time={seconds}", f"-artifact_prefix={FOUND}/guided-")
        if status:
            print(text[-3000:], file=sys.stderr)
            print(f"guided: something broke; the input is in {FOUND}", file=sys.stderr)
            return 1
        if wanted.keep:
            chosen = sorted(inputs.iterdir())[:MOST_KEPT]  # by their digests: any of them, but always the same
            lines = sorted((path.read_bytes().hex() for path in chosen), key=lambda line: (len(line), line))
            CORPUS.write_text("\n".join(filter(None, lines)) + "\n", encoding="ascii")
    runs = re.findall(r"Done (\d+) runs", text)
    reached = re.findall(r"cov: (\d+)", text)
    print(
        f"guided: {int(runs[-1]) if runs else 0:,} inputs in {seconds} s,"
        f" {int(reached[-1]) if reached else 0:,} branches reached, nothing broke; {len(corpus()):,} inputs are kept"
    )
    return 0


def _child(*words: str) -> tuple[str, int]:
    """A hunt in a process of its own: libFuzzer ends the one it runs in. What it said, and its exit status."""
    command = [sys.executable, "-m", "tests.fuzz.guided", "--hunt", *words]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    return done.stderr, done.returncode


def _have_atheris() -> bool:
    """Whether atheris is there, if need be after installing it beside the lab's own files."""
    if importlib.util.find_spec("atheris"):
        return True
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(TOOLS), "atheris"]
    subprocess.run(words, check=False, capture_output=True)
    importlib.invalidate_caches()
    return importlib.util.find_spec("atheris") is not None


def _hunt(words: Sequence[str]) -> int:
    """libFuzzer, with its own options; does not return."""
    import atheris

    with atheris.instrument_imports(include=["lab.wire", "lab.session", "lab.analysis"], enable_loader_override=False):
        for name in [name for name in sys.modules if name.startswith(("lab.", "tests.fuzz."))]:
            del sys.modules[name]  # they were imported with this module, without the marks that atheris counts by
        guided = importlib.import_module("tests.fuzz.guided")
    atheris.Setup([sys.argv[0], *words, "-max_len=400", "-len_control=0"], guided.take)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
