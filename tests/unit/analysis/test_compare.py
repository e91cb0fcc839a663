"""Two taps: what left, what arrived, and what happened in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.analysis.compare import Comparison, Crossing, compare, pairs_of, same_session
from lab.analysis.model import Finding
from lab.store.reader import read_capture
from lab.wire.frame import Frame
from tests.unit.analysis.scenes import OPEN, WHOLE, doubled, flipped, frames_of, look, swapped, without
from tests.unit.session.notation import slow_checksum

MS = 1_000_000
CLIENT_PORT = (40312).to_bytes(2, "big")


def from_client(frame: Frame) -> bool:
    return frame.data[34:36] == CLIENT_PORT


def moved(frames: list[Frame], client_to_server_ns: int, server_to_client_ns: int, clock_ns: int = 0) -> list[Frame]:
    """The server's view of what the client's tap saw: later what the client sent, earlier what the server sent."""
    return [
        frame._replace(
            time_ns=frame.time_ns + clock_ns + (client_to_server_ns if from_client(frame) else -server_to_client_ns)
        )
        for frame in frames
    ]


def routed(frame: Frame) -> Frame:
    """As a router sends it on: other hardware addresses, one less time to live, a new header checksum."""
    data = bytearray(frame.data)
    data[0:12] = b"\x02\0\0\0\0\x99\x02\0\0\0\0\x98"
    data[22] -= 1
    data[24:26] = b"\0\0"
    data[24:26] = slow_checksum(bytes(data[14:34])).to_bytes(2, "big")
    return frame._replace(data=bytes(data))


def both(client: list[Frame], server: list[Frame]) -> Comparison:
    return compare(look(client), look(server))


def one(comparison: Comparison, kind: str) -> Finding:
    [found] = [finding for finding in comparison.findings if finding.kind == kind]
    return found


def fates(comparison: Comparison) -> dict[str, list[Crossing]]:
    found: dict[str, list[Crossing]] = {}
    for crossing in comparison.crossings:
        found.setdefault(crossing.fate, []).append(crossing)
    return found


def test_each_frame_is_found_at_the_other_tap_with_its_delay() -> None:
    frames = frames_of(WHOLE)
    result = both(frames, moved(frames, 200_000, 100_000))
    assert set(fates(result)) == {"arrived"}
    assert len(result.crossings) == len(frames)
    assert {c.delay_ns for c in result.crossings if c.sender == "client"} == {200_000}
    assert {c.delay_ns for c in result.crossings if c.sender == "server"} == {100_000}
    assert (result.from_client.sent, result.from_client.arrived, result.from_client.median_ns) == (6, 6, 200_000)
    assert result.clock_offset_ns == 0


def test_a_router_on_the_way_changes_nothing_but_is_counted() -> None:
    frames = frames_of(WHOLE)
    result = both(frames, [routed(frame) for frame in moved(frames, 200_000, -100_000)])
    assert set(fates(result)) == {"arrived"}
    assert one(both(frames, [routed(f) if from_client(f) else f for f in frames]), "hops").side == "client"
    assert "hops" not in {finding.kind for finding in both(frames, frames).findings}


def test_what_left_and_is_absent_at_the_other_tap_was_lost() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hello\\n"\n +210 > P. 1 ack 1 "hello\\n"\n < . 1 ack 7')
    result = both(frames, without(moved(frames, 1_000, 1_000), 4))
    [lost] = fates(result)["lost"]
    assert (lost.near, lost.far, lost.at_client, lost.at_server) == (4, None, 4, None)
    assert one(result, "path-lost").facts["payload_bytes"] == 6
    assert result.from_client.lost == 1
    assert result.from_server.lost == 0


def test_what_arrives_twice_was_copied() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hello\\n"\n < . 1 ack 7')
    result = both(frames, doubled(frames, 4))
    [copy] = fates(result)["duplicated"]
    assert (copy.near, copy.far) == (4, 5)
    assert one(result, "path-duplicated").frames == (4,)


def test_what_was_sent_twice_and_arrives_twice_was_not_copied() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hello\\n"\n +210 > P. 1 ack 1 "hello\\n"\n < . 1 ack 7', version=6)
    assert set(fates(both(frames, moved(frames, 0, 0)))) == {"arrived"}


def test_what_was_overtaken_is_told_with_by_how_many() -> None:
    burst = "".join(f"> . {1 + 100 * n} ack 1 x100\n" for n in range(4))
    frames = frames_of(OPEN + burst)
    moved_back = [*frames[:3], *frames[4:6], frames[3], frames[6]]
    times = [frame.time_ns for frame in frames]
    far = [frame._replace(time_ns=time_ns) for frame, time_ns in zip(moved_back, times, strict=True)]
    result = both(frames, far)
    [late] = fates(result)["reordered"]
    assert (late.near, late.far) == (4, 6)
    assert one(result, "path-reordered").facts["overtaken_by"] == 2
    assert len(fates(both(frames, swapped(frames, 4, 5)))["reordered"]) == 1


def test_what_arrives_damaged_is_known_again() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hello\\n"\n < . 1 ack 1')
    result = both(frames, flipped(frames, 4))
    [damaged] = fates(result)["corrupted"]
    assert (damaged.near, damaged.far) == (4, 4)
    assert one(result, "path-corrupted").facts["changed"] == 1
    assert result.from_client.lost == 0


def test_damaged_payload_is_known_again_too() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hello\\n"\n < . 1 ack 1')
    data = bytearray(frames[3].data)
    data[54] ^= 0x20
    data[56] ^= 0x20
    result = both(frames, [*frames[:3], frames[3]._replace(data=bytes(data)), *frames[4:]])
    assert one(result, "path-corrupted").facts["changed"] == 2


def test_a_reset_that_its_sender_never_sent_appeared_on_the_way() -> None:
    frames = frames_of(OPEN + '> P. 1 ack 1 "hello\\n"\n < R. 1 ack 7')
    result = both(frames, without(frames, 5))
    [forged] = fates(result)["appeared"]
    assert (forged.sender, forged.at_client, forged.at_server) == ("server", 5, None)
    assert one(result, "path-appeared").facts["far"] == 5
    assert "appeared" not in fates(both(frames, frames))


def test_clocks_that_differ_are_told_with_the_offset() -> None:
    frames = frames_of(WHOLE)
    result = both(frames, moved(frames, 1 * MS, 1 * MS, clock_ns=5 * MS))
    assert result.clock_offset_ns == 5 * MS
    assert one(result, "clocks-differ").facts == {"offset_ns": 5 * MS, "ahead": "server"}
    assert both(frames, moved(frames, 1 * MS, 1 * MS)).clock_offset_ns == 0


def test_two_sessions_are_never_mixed_up() -> None:
    frames, others = frames_of(WHOLE), frames_of(WHOLE, ports=(40313, 7))
    assert not same_session(look(frames), look(others))
    with pytest.raises(ValueError, match="not the same session"):
        compare(look(frames), look(others))
    near, far = analyse([*frames, *others]), analyse([*others, *frames])
    assert [(a.client.address, b.client.address) for a, b in pairs_of(near, far)] == [
        (a.client.address, a.client.address) for a in near
    ]
    assert pairs_of(near, analyse(others))[0][0] is near[1]


def test_a_segment_that_arrives_in_fragments_is_neither_lost_nor_made_on_the_way() -> None:
    near, far = (
        analyse(read_capture(Path(f"tests/unit/grade/recorded/19-ttl-and-fragments/cut-at-{side}.pcapng")).frames)[0]
        for side in ("client", "server")
    )
    result = compare(near, far)
    assert set(fates(result)) == {"arrived", "fragmented"}
    [cut] = fates(result)["fragmented"]
    assert (cut.near, cut.far, cut.routers) == (4, 6, 1)
    assert one(result, "path-fragmented").facts["pieces"] == "frames 4, 5 and 6"
    assert (result.from_client.sent, result.from_client.arrived, result.from_client.fragmented) == (6, 6, 1)
    assert "path-fragmented" not in {finding.kind for finding in compare(near, near).findings}
    pieces = [record for record in far.frames if record.number != 4]
    assert fates(compare(near, replace(far, frames=tuple(pieces))))["fragmented"]
    other = replace(far.frames[5], payload=b"?" * 1313)
    assert fates(compare(near, replace(far, frames=(*far.frames[:5], other, *far.frames[6:]))))["appeared"]
