"""Endings and oddities of sessions that other live tests do not show, with real sockets or real frames on the lab's
network. docs/testing.md lists which test shows what.

Frames that no socket sends come from a raw socket on the client's host: late duplicates, and one side of a conversation
whose other side takes another way.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from docker.models.containers import Container
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import Ether

from lab.store.reader import read_capture
from lab.wire.frame import Direction
from tests.live.conftest import Lab, Oracle, private_folder, until
from tests.marked import LABELS
from tests.unit.capture.traffic import Talk

Facts = dict[str, Any]

SEND = """
import socket, sys
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
for line in sys.argv[1:]:
    raw.send(bytes.fromhex(line))
"""

EXTENDED = """
import socket, sys
talk = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
# Destination options (RFC 8200 section 4.6) in every segment: next header, length 0, six octets of padding (PadN).
talk.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
talk.connect(("server6", 7))
stream = talk.makefile("rwb")
for line in (b"hello\\n", b"quit\\n"):
    stream.write(line); stream.flush()
    sys.stdout.write(stream.readline().decode())
assert stream.read() == b""
"""

REFUSED = """
import socket
try:
    socket.create_connection(("server", 4242), timeout=5)
except ConnectionRefusedError:
    print("refused")
"""


class Stage:
    """The lab, and a container on the client's host that may open raw sockets."""

    def __init__(self, lab: Lab, hand: Container) -> None:
        self.lab = lab
        self.hand = hand

    def run(self, program: str, *arguments: str) -> str:
        code, output = self.hand.exec_run(["python3", "-c", program, *arguments])
        assert code == 0, output.decode()
        return str(output.decode())

    def send(self, *frames: bytes) -> None:
        """Frames onto the lab's network, as they are."""
        self.run(SEND, *(frame.hex() for frame in frames))

    def mac(self, service: str) -> bytes:
        host = self.lab.container(service)
        networks = host.attrs["NetworkSettings"]["Networks"]
        found = next(one["MacAddress"] for name, one in networks.items() if name.endswith("_lab"))
        return bytes.fromhex(found.replace(":", ""))

    def with_port(self, port: int) -> list[Facts]:
        return [one for one in self.lab.sessions() if one["client"]["port"] == port]


@pytest.fixture(scope="module")
def stage(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = private_folder(tmp_path_factory, "life")
    # One second of silence ends a session here: the idle limit is one of the things to be seen.
    lab = Lab("echolab-life", folder, "198.18.136", "2001:db8:136", ECHO_LADDER="off", ECHO_IDLE_S="1")
    lab.down()
    hand = None
    try:
        lab.compose("up", "--detach", "--wait", "--quiet-pull", "server", "server-tap", "client-host", "gate")
        hand = lab.docker.containers.run(
            lab.container("server-tap").image.id,
            ["sleep", "600"],
            name=f"{lab.project}-hand",
            labels=LABELS,
            network_mode=f"container:{lab.container('client-host').id}",
            user="0:0",
            cap_drop=["ALL"],
            cap_add=["NET_RAW"],
            detach=True,
            init=True,
        )
        yield Stage(lab, hand)
    finally:
        if hand is not None:
            hand.remove(force=True)
        lab.down()


def ended_session(stage: Stage, port: int, verdict: str) -> Facts:
    """The session of this client port, once it has ended so."""
    return until(lambda: [s for s in stage.with_port(port) if s["verdict"] == verdict], f"a session {verdict}")[0]


def talk_from_here(stage: Stage, *lines: bytes) -> Facts:
    """A whole session through the gate."""
    before = len(stage.lab.ended())
    with stage.lab.connect() as connection, connection.makefile("rwb") as stream:
        for line in (*lines, b"quit\n"):
            stream.write(line)
            stream.flush()
            assert stream.readline()
        assert stream.read() == b""
    return stage.lab.new_session(before)


def test_a_silent_session_is_given_up_after_the_idle_limit_and_taken_up_again_when_it_goes_on(stage: Stage) -> None:
    before = len(stage.lab.ended())
    with stage.lab.connect() as connection:
        connection.sendall(b"one\n")
        assert connection.recv(10) == b"ONE\n"
        idle = stage.lab.new_session(before, "cut")
        assert idle["closed_because"] == "idle"
        assert idle["certificate"]["complete"] is False
        connection.sendall(b"quit\n")
        assert connection.recv(20) == b"Good bye\n"
    again = ended_session(stage, idle["client"]["port"], "complete")
    assert again["name"] == idle["name"], "the same session in the same file"
    assert again["closed_because"] == "ended"
    assert again["certificate"]["complete"] is True
    assert again["frames"] == len(read_capture(again["_path"]).packets) > idle["frames"]


def test_a_late_duplicate_is_added_to_its_session_that_has_ended_and_to_no_other(stage: Stage) -> None:
    session = talk_from_here(stage, b"hello\n")
    bystander = talk_from_here(stage, b"other\n")
    data = next(one.frame.data for one in read_capture(session["_path"]).packets if b"hello" in one.frame.data)
    stage.send(data)

    def late() -> Facts | None:
        found = stage.with_port(session["client"]["port"])[0]
        return found if found["verdict"] == "complete" and found["late_frames"] else None

    found = until(late, "the late duplicate in the capture")
    assert found["from_client"]["retransmissions"] == 1
    assert found["from_client"]["octets_new"] == session["from_client"]["octets_new"]
    assert found["certificate"]["complete"] is True
    assert len(read_capture(found["_path"]).packets) == found["frames"] > session["frames"]
    assert stage.with_port(bystander["client"]["port"])[0]["late_frames"] == 0


def test_a_session_over_ipv6_with_an_extension_header_in_every_segment_is_complete(
    stage: Stage, oracle: Oracle
) -> None:
    before = len(stage.lab.ended())
    assert stage.run(EXTENDED) == "HELLO\nGood bye\n"
    session = stage.lab.new_session(before)
    assert session["certificate"]["complete"] is True
    assert session["from_client"]["payload_octets"] == len(b"hello\nquit\n")
    assert session["from_client"]["bad_checksums"] == session["from_server"]["bad_checksums"] == 0
    extended = oracle.fields(session["_path"], "ipv6.dstopts && tcp", "tcp.srcport")
    assert len(extended) == session["from_client"]["frames"] > 3
    assert {row[0] for row in extended} == {str(session["client"]["port"])}


def test_a_refusal_on_a_port_that_is_not_7_is_recorded_as_such(stage: Stage) -> None:
    before = len(stage.lab.ended())
    assert stage.run(REFUSED) == "refused\n"
    session = stage.lab.new_session(before, "refused")
    assert session["server"]["port"] == 4242
    assert (session["zeek_state"], session["reset_by"]) == ("REJ", "server")


def test_of_a_conversation_whose_answers_take_another_way_the_one_side_is_kept_and_said_to_be_one(stage: Stage) -> None:
    talk = Talk(random.Random(5), 41_414)
    # To the server's card, but for the network's broadcast address: no kernel answers TCP there (RFC 9293 §3.9.2.3).
    talk.ends = {"client": (f"{stage.lab.net4}.20", 41_414), "server": (f"{stage.lab.net4}.127", 7)}
    frames = [octets for _, octets, direction in talk.play(3, "fin") if direction == Direction.INBOUND]
    cards = stage.mac("server-host") + stage.mac("client-host")
    stage.send(*(cards + octets[12:] for octets in frames))
    until(lambda: stage.with_port(41_414), "the session of one side")
    stage.lab.compose("stop", "server-tap")  # else it would wait 75 s for the SYN-ACK
    [session] = stage.with_port(41_414)
    assert session["verdict"] == "cut"
    assert session["certificate"]["complete"] is False
    assert "SYN-ACK is not in the capture" in json.dumps(session["certificate"]["reasons"])
    assert (session["from_client"]["frames"], session["from_server"]["frames"]) == (len(frames), 0)
    assert session["server"]["port"] == 7
    assert len(read_capture(session["_path"]).packets) == session["frames"]


def test_a_syn_that_a_router_forbids_is_refused_and_the_error_is_in_its_file(stage: Stage, oracle: Oracle) -> None:
    stage.lab.compose("up", "--detach", "--no-deps", "--wait", "server-tap")
    # The address answers no TCP (see above); the error is that of a filtering router (RFC 1812 §5.2.7.1: code 13).
    cards = Ether(dst=stage.mac("server-host"), src=stage.mac("client-host"))
    client, nobody = f"{stage.lab.net4}.20", f"{stage.lab.net4}.127"
    syn = IP(src=client, dst=nobody) / TCP(sport=41_600, dport=7, flags="S", seq=5)
    error = IP(src=f"{stage.lab.net4}.40", dst=client) / ICMP(type=3, code=13) / bytes(syn)[:28]
    stage.send(bytes(cards / syn), bytes(cards / error))
    session = ended_session(stage, 41_600, "refused")
    assert session["reset_by"] is None
    assert session["certificate"]["complete"] is False
    # The server's host may forward the error, which is for the client: then it passes the tap twice.
    assert len(oracle.fields(session["_path"], "icmp.code == 13", "frame.number")) == session["icmp_errors"] >= 1


def test_a_conversation_in_another_vlan_is_none_of_this_network_and_is_not_recorded(stage: Stage) -> None:
    """Linux takes a tag off before a packet socket sees the frame, so it would look like one of ours."""
    stage.lab.compose("up", "--detach", "--no-deps", "--wait", "server-tap")
    talks = {port: Talk(random.Random(6), port) for port in (41_500, 41_501)}
    for port, talk in talks.items():
        talk.ends = {"client": (f"{stage.lab.net4}.20", port), "server": (f"{stage.lab.net4}.127", 7)}
    cards = stage.mac("server-host") + stage.mac("client-host")
    tagged, plain = (
        [cards + octets[12:] for _, octets, way in talk.play(1, "fin") if way == Direction.INBOUND]
        for talk in talks.values()
    )
    stage.send(*(octets[:12] + bytes.fromhex("81000005") + octets[12:] for octets in tagged), *plain)
    until(lambda: stage.with_port(41_501), "the session without a tag")
    assert stage.with_port(41_500) == []
