"""The Wireshark profile as tshark takes it: every preference known, columns, names, colours and buttons as meant."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.l2 import ARP, Ether

from lab.cli.replay import replay
from lab.wire.frame import Direction
from lab.wire.packet import Segment
from lab.wire.parse import parse
from tests.live.oracle_box import CLIENT_MAC, PROFILE, ROOT, Tools, conversation, finished, oracle_box, record
from tests.unit.store.scenes import Bench, FakeSession


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    with oracle_box(tmp_path_factory.mktemp("oracle")) as box:
        yield box


@pytest.fixture
def bench(tools: Tools, request: pytest.FixtureRequest) -> Bench:
    return Bench(tools.folder / re.sub(r"\W+", "-", request.node.name), key=b"teacher")


def profile_list(name: str) -> list[str]:
    """The lines of one of the profile's files that are not comments."""
    text = (PROFILE / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_profile_shows_its_columns_and_tshark_has_nothing_to_complain_about(tools: Tools, bench: Bench) -> None:
    path = finished(bench, 4).relative_to(tools.folder)
    rows = [line.split(maxsplit=9) for line in tools.quiet(f"tshark -C EchoLab -2 -r {path}").splitlines()]
    assert rows[0][:5] == ["1", "0.000000000", "client", "→", "server"]
    # relative and raw sequence number, acknowledgement, octets: the first data segment of the client
    assert rows[3][1] == "0.000001001"
    assert rows[3][5:9] == ["1", "4294967295", "1", "8"]
    assert rows[3][9] == "Request “straße” – 8 octets, past 2³² in the middle"
    assert rows[5][9].endswith("FIN from the server, who closes first: it will hold TIME_WAIT.")


def test_the_profile_names_ipv6_hosts_too(tools: Tools, bench: Bench) -> None:
    path = finished(bench, 6).relative_to(tools.folder)
    assert "server6" in tools.quiet(f"tshark -C EchoLab -2 -r {path}")


def test_a_preference_that_no_wireshark_knows_is_complained_about(tools: Tools, bench: Bench) -> None:
    path = finished(bench, 4).relative_to(tools.folder)
    _output, errors = tools.run(f"tshark -C Wrong -r {path}")
    assert "no_such_preference" in errors


def test_tshark_takes_every_preference_of_the_profile_by_name(tools: Tools) -> None:
    known = tools.quiet("tshark -G defaultprefs")
    names = [line.split(":")[0] for line in profile_list("preferences") if not line.startswith("\t")]
    assert len(names) >= 8
    for name in names:
        assert re.search(rf"^#?{re.escape(name)}:", known, re.MULTILINE), name


def test_the_colours_go_by_role(tools: Tools, bench: Bench) -> None:
    session = FakeSession("0001-coloured", 1)
    bench.open(session)
    neighbour = bytes(Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="192.0.2.20", pdst="192.0.2.10"))
    steps = conversation(4)
    record(bench, session, [(neighbour, Direction.INBOUND, "who has?"), *steps, steps[4]])
    bench.end(session)
    path = bench.folder / "0001-coloured.pcapng"
    rules = [row[0] for row in tools.fields(path, "frame.coloring_rule.name", options="-C EchoLab --color")]
    assert rules == [
        "Neighbours and errors (ARP, NDP, ICMP)",
        "Handshake",
        "Handshake",
        "Handshake",
        "Client to server",
        "Server to client",
        "Teardown",
        "Teardown",
        "Server to client",
        "Trouble",
    ]
    names = [line.split("@")[1] for line in profile_list("colorfilters")]
    assert set(rules) == set(names)


def buttons() -> dict[str, str]:
    """The display filter behind each button's label."""
    found = {}
    for line in profile_list("dfilter_buttons"):
        shown, label, expression, words = re.findall(r'"([^"]*)"', line)
        assert shown == "TRUE"
        assert words
        found[label] = expression.replace(r"\x22", '"')
    assert list(found) == ["Handshake", "Data", "Teardown", "Trouble"]
    return found


def pressed(tools: Tools, path: Path) -> dict[str, list[int]]:
    """The numbers of the frames that each button shows."""
    return {
        label: [int(row[0]) for row in tools.fields(path, "frame.number", options="-C EchoLab", condition=expression)]
        for label, expression in buttons().items()
    }


def test_every_button_is_a_filter_that_tshark_takes_and_finds_its_frames(tools: Tools, bench: Bench) -> None:
    found = pressed(tools, finished(bench, 4))
    assert found == {"Handshake": [1, 2, 3], "Data": [4, 5], "Teardown": [6, 7], "Trouble": []}


@pytest.mark.parametrize("name", ["lossy-server", "lossy-client-v6", "reset-by-server-v6", "refused", "unanswered"])
def test_the_buttons_show_what_they_shall_in_a_capture_with_trouble(tools: Tools, name: str) -> None:
    """tshark beside our own parser and tracker, which know no Wireshark."""
    golden = ROOT / "tests" / "golden" / f"{name}.pcapng"
    shutil.copy(golden, tools.folder)
    [session] = replay(golden)
    segments = {number: parse(one.frame) for number, one in enumerate(session.frames, 1)}
    tcp = {number: one for number, one in segments.items() if isinstance(one, Segment)}
    again = {n for n, one in enumerate(session.frames, 1) if {"retransmission", "out-of-order"} & {*one.note.trouble}}
    resets = {n for n, one in tcp.items() if one.flags & 4}
    assert again | resets, "a capture without trouble shows nothing here"
    found = pressed(tools, tools.folder / golden.name)
    assert found["Data"] == [n for n, one in tcp.items() if one.payload]
    assert found["Teardown"] == [n for n, one in tcp.items() if one.flags & 5]
    kinds = {n: one.note.kind for n, one in enumerate(session.frames, 1)}
    assert found["Handshake"] == [n for n, kind in kinds.items() if kind in ("syn", "syn-ack", "handshake-ack")]
    assert again | resets <= set(found["Trouble"])
    plain = {n for n, one in enumerate(session.frames, 1) if not one.note.trouble} - resets
    assert not plain & set(found["Trouble"]), "nobody is sent to look where nothing is wrong"


def test_a_segment_with_a_wrong_checksum_is_trouble(tools: Tools, bench: Bench) -> None:
    session = FakeSession("0001-damaged", 1)
    bench.open(session)
    steps = conversation(4)
    octets, direction, comment = steps[3]
    record(bench, session, [*steps[:3], (octets[:-1] + b"?", direction, comment), *steps[3:]])
    bench.end(session)
    assert 4 in pressed(tools, bench.folder / "0001-damaged.pcapng")["Trouble"]
