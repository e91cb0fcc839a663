"""Mutated capture files: the recordings as files, spoiled as a disk, an editor or a broken program would spoil them.

Like the stream of frames, a file is made from a seed and its number alone. It is changed in a few places only, mostly
at the borders of 32-bit words, where lengths and types stand: noise would be refused at the first block.
"""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

from tests.fuzz.stream import episode
from tests.fuzz.ways import capture_octets

_TESTS = Path(__file__).parents[1]
_LARGEST_BYTES = 8_000
_WORDS = (0, 1, 2, 3, 4, 6, 8, 12, 28, 32, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF, 0x0A0D0D0A, 0x1A2B3C4D)
_MAGICS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")


@lru_cache(maxsize=1)
def _files() -> tuple[bytes, ...]:
    """The smaller recordings, as they lie on the disk."""
    paths = [*sorted((_TESTS / "golden").rglob("*.pcap*")), *sorted((_TESTS / "unit" / "analysis").rglob("*.pcap"))]
    return tuple(path.read_bytes() for path in paths if path.stat().st_size <= _LARGEST_BYTES)


def file_octets(seed: int, number: int) -> bytes:
    """The file with this number."""
    chance = random.Random(f"file {seed}/{number}")
    base = chance.choice(_files())
    if chance.random() < 0.2:
        base = capture_octets([one.frame for one in episode(seed, number)[: chance.randrange(1, 20)]])
    data = bytearray(base)
    if data[:4] != _MAGICS[4] and chance.random() < 0.2:
        data[20:24] = chance.choice((0, 1, 101, 113, 228, 276, 147)).to_bytes(4, "little")  # another link type
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        _spoil(chance, data)
    return bytes(data)


def _spoil(chance: random.Random, data: bytearray) -> None:
    if not data:
        return
    at = chance.randrange(min(len(data), chance.choice((64, 1 << 30))))
    word = at & ~3
    action = chance.randrange(9)
    if action == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif action in (1, 2, 3):
        order = "little" if chance.random() < 0.8 else "big"
        value = chance.choice((*_WORDS, len(data), chance.getrandbits(32)))
        data[word : word + 4] = value.to_bytes(4, order)  # type: ignore[arg-type]
    elif action == 4:
        value = (int.from_bytes(data[word : word + 4], "little") + chance.choice((-4, -1, 1, 4))) & 0xFFFFFFFF
        data[word : word + 4] = value.to_bytes(4, "little")
    elif action == 5:
        del data[at:]
    elif action == 6:
        del data[word : word + 4 * chance.randrange(1, 5)]
    elif action == 7:
        other = chance.choice(_files())
        data[word:word] = other if chance.random() < 0.5 else other[word : word + 256]
    else:
        data[0:4] = chance.choice(_MAGICS)
