"""ICMP: whose packet, why, and whether its sender listened."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.store.reader import read_capture
from lab.wire.frame import Frame
from tests.unit.analysis.scenes import OPEN, WHOLE, frames_of, kinds, look, only


def with_mtu(frames: list[Frame], number: int, mtu: int, version: int = 4) -> list[Frame]:
    """The next hop's MTU put into an ICMP error."""
    frame = frames[number - 1]
    data = bytearray(frame.data)
    struct.pack_into("!I", data, 14 + (20 if version == 4 else 40) + 4, mtu)
    return [*frames[: number - 1], frame._replace(data=bytes(data)), *frames[number:]]


BIG = OPEN + "> . 1 ack 1 x1460\n icmp 3 4\n"


def test_a_packet_too_big_for_the_path_is_told_and_smaller_ones_obey() -> None:
    analysis = look(with_mtu(frames_of(BIG + "> . 1 ack 1 x1360"), 5, 1400))
    found = only(analysis, "path-mtu")
    assert (found.frames, found.side, found.facts["mtu_bytes"]) == ((4, 5), "client", 1400)
    assert only(analysis, "path-mtu-obeyed").facts["largest_bytes"] == 1400
    assert analysis.icmp_errors[0].meaning == "too-big"


def test_what_goes_again_after_too_big_has_that_for_its_cause() -> None:
    again = "> . 1 ack 1 x1360\n > . 1361 ack 1 x100\n +300 > . 1 ack 1 x1360"
    analysis = look(with_mtu(frames_of(BIG + again), 5, 1400))
    assert [found.frames for found in analysis.findings_of("retransmission-path-mtu")] == [(4, 6), (4, 7)]
    assert [one.cause for one in analysis.client.retransmissions] == ["path-mtu", "path-mtu", "timeout"]
    assert "retransmission" not in kinds(analysis)
    assert "retransmission-path-mtu" not in kinds(look(BIG.replace("icmp 3 4", "icmp 3 1") + again))
    other = OPEN + "> . 1 ack 1 x1460\n icmp 3 4\n > . 1461 ack 1 x1360\n +1 > . 1461 ack 1 x1360"
    assert "retransmission-path-mtu" not in kinds(look(with_mtu(frames_of(other), 5, 1400)))


def test_the_recorded_path_mtu_explains_every_retransmission() -> None:
    recorded = Path("tests/unit/grade/recorded/20-path-mtu/told-at-client.pcapng")
    [analysis] = analyse(read_capture(recorded).frames)
    assert {one.cause for one in analysis.client.retransmissions} == {"path-mtu"}
    assert len(analysis.findings_of("retransmission-path-mtu")) == len(analysis.client.retransmissions) >= 4


def test_a_router_that_names_no_size_is_not_said_to_take_0_octets() -> None:
    analysis = look(with_mtu(frames_of(BIG + "> . 1 ack 1 x536"), 5, 0))
    assert only(analysis, "path-mtu-unsaid").facts["about"] == 4
    assert not {"path-mtu", "path-mtu-obeyed", "path-mtu-ignored"} & kinds(analysis)
    assert only(analysis, "retransmission-path-mtu").rfc == "RFC 1191 §6.4"


def test_packets_that_stay_too_big_ignore_it() -> None:
    analysis = look(with_mtu(frames_of(BIG + "+300 > . 1 ack 1 x1460"), 5, 1400))
    assert only(analysis, "path-mtu-ignored").facts["largest_bytes"] == 1500
    assert "path-mtu-obeyed" not in kinds(analysis)


def test_over_ipv6_it_is_another_message_and_another_rfc() -> None:
    frames = frames_of(OPEN + "> . 1 ack 1 x1440\n icmp 2 0\n > . 1 ack 1 x1220", version=6)
    analysis = look(with_mtu(frames, 5, 1280, 6))
    assert only(analysis, "path-mtu").rfc == "RFC 8201 §4"
    assert only(analysis, "retransmission-path-mtu").rfc == "RFC 8201 §5.4"
    assert only(analysis, "path-mtu-obeyed").facts["largest_bytes"] == 1280


@pytest.mark.parametrize(("version", "kind", "rfc"), [(4, 11, "RFC 1122 §3.2.2.4"), (6, 3, "RFC 4443 §3.3")])
def test_a_packet_whose_time_to_live_ran_out_is_told(version: int, kind: int, rfc: str) -> None:
    analysis = look(OPEN + f"> P. 1 ack 1 x10\n icmp {kind} 0", version=version)
    found = only(analysis, "ttl-exceeded")
    assert (found.frames, found.rfc) == ((4, 5), rfc)


@pytest.mark.parametrize(
    ("version", "kind", "code", "meaning"),
    [
        (4, 3, 3, "port-unreachable"),
        (4, 3, 13, "filtered"),
        (4, 3, 1, "host-unreachable"),
        (6, 1, 4, "port-unreachable"),
    ],
)
def test_each_kind_of_unreachable_has_its_name(version: int, kind: int, code: int, meaning: str) -> None:
    analysis = look(f"> S 0\n icmp {kind} {code}", version=version)
    found = only(analysis, "unreachable")
    assert (found.facts["meaning"], found.frames, found.side) == (meaning, (1, 2), "client")


def test_other_errors_are_told_in_words() -> None:
    assert "redirect" in only(look(OPEN + "icmp 5 1"), "icmp").sentence
    assert not look(WHOLE).icmp_errors
