"""The judge of the live plays (tests/wire) must be able to say no: each way in which two captures can differ is told,
in the right words, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from lab.router import forge
from lab.router.octets import hopped
from lab.router.script import Side
from tests.unit.router.made import ADDRESSES, MACS, MS, START_NS, Bench, Talk, addressed
from tests.wire.expect import Expectation, RangeError, against, all_names, named, within
from tests.wire.judge import judged
from tests.wire.play import Play, untimely
from tests.wire.seen import Story, dissect
from tests.wire.soak import compare


def told(script: str, version: int = 4, count: int = 8) -> list[str]:
    """What the judge tells of a session whose client sends so many segments in a row."""
    return sorted(heard(script, version, count)[0].differences)


def heard(script: str, version: int = 4, count: int = 8) -> tuple[Story, list[dict[str, Any]]]:
    """That session at two taps, a frame a millisecond, and the wire's log."""
    bench, talk = Bench(script), Talk(version, timestamps=True)
    frames: list[tuple[Side, bytes]] = talk.handshake()
    frames += [("client", talk.data("client", bytes((65 + number,)) * 100)) for number in range(count)]
    frames += [("server", talk.ack("server"))]
    frames += [("client", b"")] * 60  # time goes by
    taps: dict[Side, list[bytes]] = {"client": [], "server": []}
    ends = {side: str(ip_address(ADDRESSES[version][side])) for side in taps}
    times: dict[Side, list[int]] = {"client": [], "server": []}

    def keep(side: Side, data: bytes) -> None:
        taps[side].append(data)
        times[side].append(bench.now_ns)

    for number, (side, data) in enumerate(frames):
        if version == 4 and data:  # hosts number their packets; what was made for a test has none
            data = with_id(data, number)
        if data:
            keep(side, addressed(data, side))
        for out in bench.put(side, hopped(data)) if data else bench.wait(1):
            target: Side = "server" if dissect(1, 0, out).source == ends["client"] else "client"
            keep(target, MACS[target] + MACS["wire"] + out[12:])
    seen = {
        side: [dissect(n, t, d) for n, (t, d) in enumerate(zip(times[side], taps[side], strict=True), 1)]
        for side in taps
    }
    return Story(seen["client"], seen["server"], dict(ends)), bench.log


def with_id(data: bytes, number: int) -> bytes:
    """The frame with another IPv4 identification (its header's checksum is nothing to the judge)."""
    return data[:18] + (number + 1).to_bytes(2, "big") + data[20:]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", []),
        ("client data 3: drop", ["client data 3 lost"]),
        ("client SYN: drop", ["client SYN lost"]),
        ("client handshake-ACK: drop", ["client handshake-ACK lost"]),
        ("server ACK 1: drop", ["server ACK 1 lost"]),
        ("client data 3: duplicate", ["client data 3 copied"]),
        ("client data 3: duplicate 2 times", ["client data 3 copied 2 times"]),
        ("client data 3: reorder by 2", ["client data 3 overtaken by 2"]),
        ("client data 3: corrupt", ["client data 3 changed: payload, checksum wrong"]),
        ("client data 3: corrupt checksum right", ["client data 3 changed: payload"]),
        ("client data 3: set window 1", ["client data 3 changed: window"]),
        ("server SYN-ACK: set MSS 500", ["server SYN-ACK changed: options"]),
        ("client data 3: inject RST from client at seq+5", ["client forged RST at +305"]),
        ("client data 3: inject SYN from client", ["client forged SYN"]),
        ("client data 3: drop\nclient data 5: duplicate", ["client data 3 lost", "client data 5 copied"]),
    ],
)
def test_each_difference_is_told_and_no_other(script: str, words: list[str], version: int) -> None:
    assert told(script, version) == words


@pytest.mark.parametrize(
    ("script", "wanted", "complaint"),
    [
        ("client data 3: delay 20 ms", {"way_took_ms": {"client data 3": [21, 21]}}, ""),
        (
            "client data 3: delay 20 ms",
            {"way_took_ms": {"client data 4": [20, 21]}},
            "client data 4 was on its way for 1",
        ),
        ("client data 3: drop", {"way_took_ms": {"client data 3": [0, 9]}}, "client data 3 was on its way for -1"),
        ("", {"waits_ms": {"client data 1": ["server SYN-ACK", 1, 1]}}, ""),
        ("", {"waits_ms": {"client data 2": ["server SYN-ACK", 1, 1]}}, "client data 2 was sent 2.0 ms after"),
        ("server SYN-ACK: drop", {"waits_ms": {"client data 1": ["server SYN-ACK", 1, 1]}}, "was sent -1.0 ms after"),
        ("", {"again_ms": {"client data 1": [0, 9]}}, "client data 1 was sent again after -1 ms"),
        ("client data 4: blackhole either for 4 ms", {"silence_ms": [5, 5]}, ""),
        ("client data 4: blackhole either for 3 ms", {"silence_ms": [5, 5]}, "nothing arrived for 4 ms"),
        ("", {"silence_ms": [5, 5]}, "nothing arrived for 1 ms"),
        ("rate 300 kbit/s from client queue 3 frames", {"depth": [3, 3]}, ""),
        ("rate 300 kbit/s from client queue 3 frames", {"depth": [4, 9]}, "at most 3 waited for the link"),
        ("", {"depth": [1, 9]}, "at most 0 waited"),
        ("", {"arrived": {"client": 100}}, ""),
        ("client data: truncate to 50", {"arrived": {"client": 100}}, "that arrived has 50 octets, not 100"),
    ],
)
def test_each_measure_has_its_bounds(script: str, wanted: dict[str, Any], complaint: str) -> None:
    story, log = heard(script)
    expected = Expectation("x", "x", "talk", "", "", (), may=("*",), **wanted)
    found = judged(Play(expected, 4, "stand", story=story, log=log))
    assert len(found) == bool(complaint)
    assert complaint in "".join(found)


def test_a_log_whose_times_are_not_between_the_taps_is_told() -> None:
    story, log = heard("client data 3: delay 20 ms")
    one = Play(Expectation("x", "x", "talk", "", "", ()), 4, "stand", story=story, log=log)
    assert untimely(one) == []
    for event, change in (("in", -MS - 1), ("out", 1)):
        line = next(line for line in log if line["event"] == event)
        wrong = [{**other, "time_ns": other["time_ns"] + change} if other is line else other for other in log]
        assert len(untimely(replace(one, log=wrong))) == 1


def test_as_shipped_no_time_is_judged_but_those_that_are_named() -> None:
    long_way, short = named("lost-syn-ack", 4), named("lost-syn-ack", 4, as_shipped=True)
    assert long_way is not None
    assert short is not None
    assert (long_way.way_ms, short.way_ms) == (50, 0)
    assert "delay 50" in long_way.script
    assert "delay 50" not in short.script
    syn, shipped = named("lost-syn", 4), named("lost-syn", 4, as_shipped=True)
    assert syn is not None
    assert shipped is not None
    assert syn.ms
    assert not shipped.ms
    assert syn.seen == ("client SYN lost", "client SYN sent 2 times")
    assert shipped.seen == ("client SYN lost", "client SYN sent [2-9] times")


def test_what_is_drawn_from_a_seed_must_come_out_alike() -> None:
    expected = named("jitter", 4)
    assert expected is not None
    assert expected.alike
    stories = [heard("client data 3: reorder by 2")[0], heard("client data 3: reorder by 3")[0]]
    plays = [Play(expected, 4, "stand", story=story) for story in (*stories, stories[0])]
    compare(plays)
    assert [bool(one.complaints) for one in plays] == [False, True, False]


def test_fragments_are_put_together() -> None:
    assert told("mtu 100 from client\nclient data 2: set DF off", count=2) == [
        "ICMP too big, MTU 100 at the client",
        "client data 1 lost",
        "client data 2 in 2 pieces",
    ]


def test_a_false_claim_of_an_address_is_told() -> None:
    claim = dissect(1, START_NS, forge.claim(ADDRESSES[4]["wire"]))
    ends = {side: str(ip_address(ADDRESSES[4][side])) for side in ("client", "server")}
    assert list(Story([], [claim], ends).differences) == ["claim of an address at the server"]


def test_a_retransmission_has_the_name_of_its_segment() -> None:
    talk = Talk()
    frames = [*talk.handshake(), ("client", talk.data("client", b"abc")), ("client", talk.data("client", b"def"))]
    frames += [("client", talk.data("client", b"abc", at=1)), ("client", talk.fin("client"))]
    seen = [dissect(n, START_NS + n * MS, addressed(data, side)) for n, (side, data) in enumerate(frames, 1)]
    ends = {side: str(ip_address(ADDRESSES[4][side])) for side in ("client", "server")}
    story = Story(seen, seen, ends)
    names = [one.name.removeprefix("client ") for one in story.near["client"]]
    assert names == ["SYN", "handshake-ACK", "data 1", "data 2", "data 1", "FIN"]
    assert list(story.differences) == ["client data 1 sent 2 times"]


def test_counts_are_exact_or_in_a_range() -> None:
    assert within(3, 3)
    assert not within(4, 3)
    assert within(9, "1+")
    assert not within(0, "1+")
    assert within(2, "0-2")
    assert not within(3, "0-2")
    with pytest.raises(RangeError, match="'many' is no count"):
        within(1, "many")


def test_what_is_missing_and_what_nobody_intended_is_told() -> None:
    assert against(["a 1", "b"], ["a *"], ["b"], "x") == []
    assert against(["c"], ["a *"], ["b"], "x") == ["x: not there: a *", "x: unintended: c"]


@pytest.mark.parametrize("name", all_names())
def test_every_expectation_can_be_read_and_names_a_conversation(name: str) -> None:
    found = [one for one in (named(name, 4), named(name, 6)) if one is not None]
    assert found
    for one in found:
        assert one.effect
        assert one.script.startswith("#")
        assert set(one.tshark) <= {"client", "server", "may"}
        assert set(one.nstat) <= {"client", "server"}
