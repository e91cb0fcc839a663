"""The judge of the live plays (tests/wire) must be able to say no: each way in which two captures can differ is told,
in the right words, and nothing else is."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lab.router import forge
from lab.router.script import Side
from tests.unit.router.made import ADDRESSES, MACS, MS, START_NS, Bench, Talk, addressed
from tests.wire.expect import RangeError, against, all_names, named, within
from tests.wire.seen import Story, dissect


def told(script: str, version: int = 4, count: int = 8) -> list[str]:
    """What the judge tells of a session whose client sends so many segments in a row."""
    bench, talk = Bench(script), Talk(version, timestamps=True)
    frames: list[tuple[Side, bytes]] = talk.handshake()
    frames += [("client", talk.data("client", bytes((65 + number,)) * 100)) for number in range(count)]
    frames += [("server", talk.ack("server"))]
    taps: dict[Side, list[bytes]] = {"client": [], "server": []}
    ends = {side: str(ip_address(ADDRESSES[version][side])) for side in taps}
    times: dict[Side, list[int]] = {"client": [], "server": []}

    def keep(side: Side, data: bytes) -> None:
        taps[side].append(data)
        times[side].append(bench.now_ns)

    for number, (side, data) in enumerate(frames):
        if version == 4:  # hosts number their packets; what was made for a test has none
            data = with_id(data, number)
        keep(side, addressed(data, side))
        for out in bench.put(side, data):
            target: Side = "server" if dissect(1, 0, out).source == ends["client"] else "client"
            keep(target, MACS[target] + MACS["wire"] + out[12:])
    seen = {
        side: [dissect(n, t, d) for n, (t, d) in enumerate(zip(times[side], taps[side], strict=True), 1)]
        for side in taps
    }
    story = Story(seen["client"], seen["server"], dict(ends))
    return sorted(story.differences)


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
