"""The stream of frames that a seed stands for: recorded conversations, played side by side, most frames mutated.

Frames that come one after the other belong together, else no session would ever get past its handshake. So the stream
is made of episodes of a hundred frames: in each, one to four recorded conversations run side by side, moved to ports,
initial sequence numbers and a time of their own; then this or that share of the frames is mutated, repeated, swapped,
cut into IP fragments, quoted by a router's ICMP error, or moved in time. An episode is made from the seed and its own
number alone, so any frame can be made again without those before it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lab.store.reader import read_capture
from lab.wire.frame import Direction, Frame
from tests.fuzz.mutate import mutated
from tests.fuzz.shape import (
    ETHERNET,
    ICMP,
    ICMP6,
    addresses,
    fit_checksums,
    is_tcp,
    shape_of,
    turned,
    with_payload,
)

EPISODE_FRAMES = 100
_START_NS = 1_800_000_000_000_000_000
_EPISODE_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000
_TESTS = Path(__file__).parents[1]
_SHARES = (0.15, 0.4, 0.7, 1.0, 1.0, 1.0)
_PORTS = 400


class Fuzzed(NamedTuple):
    """A frame of the stream. changed: whether it is not as it was recorded: mutated, made up, or out of its place."""

    frame: Frame
    changed: bool


@lru_cache(maxsize=1)
def recordings() -> tuple[tuple[Frame, ...], ...]:
    """The conversations that real kernels had: the golden traces, and those of the tests of the analysis."""
    golden = sorted((_TESTS / "golden").rglob("*.pcap*"))
    kernel = sorted((_TESTS / "unit" / "analysis" / "kernel").glob("*.pcap"))
    return tuple(tuple(read_capture(path).frames) for path in (*golden, *kernel))


def stream(seed: int, first: int = 0) -> Iterator[Fuzzed]:
    """The frames of a seed, without end. first: the number of the one to begin with."""
    number, skip = divmod(first, EPISODE_FRAMES)
    while True:
        yield from episode(seed, number)[skip:]
        number, skip = number + 1, 0


def fuzzed(seed: int, number: int) -> Fuzzed:
    """One frame of the stream, counted from 0."""
    return next(stream(seed, number))


def episode(seed: int, number: int) -> list[Fuzzed]:
    """A hundred frames that belong together."""
    chance = random.Random(f"{seed}/{number}")
    start_ns = _START_NS + number * _EPISODE_NS
    if chance.random() < 0.01:  # once in a while the clock jumps for longer
        start_ns += chance.choice((-1, 1)) * chance.randrange(2000) * _SECOND_NS
    played: list[Frame] = []
    while len(played) < EPISODE_FRAMES:
        for _ in range(chance.randrange(1, 5)):
            played += _moved(chance, chance.choice(recordings()), start_ns)
        start_ns += chance.randrange(_EPISODE_NS // 4)
    played.sort(key=lambda frame: frame.time_ns)
    share = chance.choice(_SHARES)
    result: list[Fuzzed] = []
    for frame in played:
        if chance.random() < share:
            result += _changed(chance, frame, result)
        else:
            result.append(Fuzzed(frame, False))
        if len(result) >= EPISODE_FRAMES:
            break
    # Few are lost on the way; the last ones fill up to the hundred.
    return (result + [Fuzzed(frame, False) for frame in played[-EPISODE_FRAMES:]])[:EPISODE_FRAMES]


def _moved(chance: random.Random, frames: tuple[Frame, ...], start_ns: int) -> list[Frame]:
    """A recorded conversation at another time, from another client's port, with other initial sequence numbers.

    One in four keeps ports and numbers: it meets the sessions of the others of its kind, and an ended one's ports.
    """
    first_ns, last_ns = frames[0].time_ns, frames[-1].time_ns
    shrink = max(1, (last_ns - first_ns) // (_EPISODE_NS // 2))
    start_ns += chance.randrange(1_000_000)
    begin = chance.choice((0, 0, 0, chance.randrange(len(frames))))
    keep, port = chance.random() < 0.25, 40_000 + chance.randrange(_PORTS)
    client, server = chance.getrandbits(32), chance.choice((chance.getrandbits(32), 0xFFFFFF00))
    way = chance.choice((Direction.UNKNOWN, Direction.INBOUND, Direction.OUTBOUND))
    result = []
    for frame in frames[begin:]:
        data = frame.data
        if not keep:
            data, from_client = _renumbered(data, port, client, server)
            if way:
                frame = frame._replace(direction=way if from_client else Direction(3 - way))
        time_ns = start_ns + (frame.time_ns - first_ns) // shrink
        result.append(frame._replace(data=data, time_ns=time_ns, interface=0))
    return result


def _renumbered(data: bytes, port: int, client: int, server: int) -> tuple[bytes, bool]:
    """A segment with another port at the client and both sequences moved; and whether the client sent it."""
    shape = shape_of(data)
    if not is_tcp(data, shape):
        return data, True
    result, at = bytearray(data), shape.inner_at
    here, there = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
    from_client = there < here  # a server's port is the smaller one
    place = at if from_client else at + 2
    result[place : place + 2] = port.to_bytes(2, "big")
    moves = (client, server) if from_client else (server, client)
    for place, move in zip((at + 4, at + 8), moves, strict=True):
        if place == at + 4 or data[at + 13] & 16:
            value = int.from_bytes(data[place : place + 4], "big") + move
            result[place : place + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")
    fit_checksums(result)
    return bytes(result), from_client


def _changed(chance: random.Random, frame: Frame, before: list[Fuzzed]) -> list[Fuzzed]:
    """What becomes of a frame, and of those that it brings with it."""
    dice = chance.randrange(20)
    if dice == 0:
        again = frame._replace(time_ns=frame.time_ns + chance.randrange(300_000_000))
        return [Fuzzed(frame, False), *[Fuzzed(again, True)] * chance.randrange(1, 4)]
    if dice == 1 and before:
        late = before.pop()
        return [Fuzzed(frame, True), Fuzzed(late.frame, True)]
    if dice == 2:
        return [Fuzzed(piece, True) for piece in _fragments(chance, frame)]
    if dice == 3:
        return [Fuzzed(frame, False), Fuzzed(_about(chance, frame), True)]
    if dice == 4:
        # Far ahead, and every open session's patience is over: that must be seldom for sessions to grow old.
        steps = (-400, 80, 400, 4000) if chance.random() < 0.02 else (-2, -1, 0, 0, 1, 3)
        step_ns = chance.choice(steps) * _SECOND_NS + chance.randrange(-(10**6), 10**6)
        return [Fuzzed(frame._replace(time_ns=frame.time_ns + step_ns), True)]
    other = before[chance.randrange(len(before))].frame if before else frame
    data = mutated(chance, frame.data, other.data)
    length = chance.choice((len(data), len(data), len(data), frame.length_bytes, 0, len(data) + 1500, 0xFFFFFFFF))
    return [Fuzzed(frame._replace(data=data, length_bytes=length), True)]


def _fragments(chance: random.Random, frame: Frame) -> list[Frame]:
    """An IP packet in pieces, in order or not, some of them lost, overlapping or mutated."""
    shape = shape_of(frame.data)
    if not shape.version:
        return [frame]
    content, at = frame.data[shape.inner_at :], 0
    pieces: list[Frame] = []
    identification = chance.choice((7, chance.getrandbits(16)))
    while at < len(content) or not pieces:
        size = 8 * chance.randrange(1, 100)
        more = int(at + size < len(content))
        if shape.version == 4:
            data = bytearray(with_payload(frame.data, shape.protocol, content[at : at + size]))
            data[18:22] = (identification << 16 | more << 13 | at >> 3).to_bytes(4, "big")
            fit_checksums(data)
        else:
            head = bytes((shape.protocol, 0)) + (at | more).to_bytes(2, "big") + identification.to_bytes(4, "big")
            data = bytearray(with_payload(frame.data, 44, head + content[at : at + size]))
        pieces.append(frame._replace(data=bytes(data), length_bytes=len(data)))
        at += size - (8 if chance.random() < 0.03 else 0)
    if chance.random() < 0.3:
        chance.shuffle(pieces)
    if chance.random() < 0.2:
        pieces.pop()
    if pieces and chance.random() < 0.3:
        piece = pieces[-1]
        pieces[-1] = piece._replace(data=mutated(chance, piece.data, frame.data))
    return pieces


def _about(chance: random.Random, frame: Frame) -> Frame:
    """A router's ICMP error that quotes the frame, or a neighbour's question or answer about its ends."""
    shape = shape_of(frame.data)
    back = turned(frame.data)
    if not shape.version:
        data = bytes(back)
    elif chance.random() < 0.6:
        quoted = frame.data[ETHERNET : ETHERNET + chance.choice((20, 28, 48, 60, 200))]
        kind, code = chance.choice((3, 4, 5, 11, 12, 1, 2)), chance.randrange(6)
        message = bytes((kind, code, 0, 0)) + chance.choice((b"\0\0\0\0", b"\0\0\x05\x00")) + quoted
        data = with_payload(back, ICMP if shape.version == 4 else ICMP6, message)
    else:
        asks = chance.random() < 0.5
        source, destination = addresses(frame.data, shape.version)
        if shape.version == 4:
            data = frame.data[:12] + b"\x08\x06\0\x01\x08\0\x06\x04\0" + (b"\x01" if asks else b"\x02")
            data += frame.data[6:12] + source + frame.data[:6] + destination
        else:
            option = (b"\x01\x01" if asks else b"\x02\x01") + frame.data[6:12]
            target = destination if asks else source
            data = with_payload(
                frame.data, ICMP6, bytes((135 if asks else 136, 0, 0, 0)) + b"\x60\0\0\0" + target + option
            )
    if chance.random() < 0.4:
        data = mutated(chance, data, frame.data)
    return frame._replace(data=data, length_bytes=len(data))
