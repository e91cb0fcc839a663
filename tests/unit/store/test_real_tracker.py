"""The store with the tracker it is made for: frames in, a certified capture and a documented JSON out."""

from __future__ import annotations

import json
import re
import shutil
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether

from lab.session.tracker import Tracker
from lab.store.digest import verify
from lab.store.index import lookup
from lab.store.reader import read_capture
from lab.store.recover import recover
from lab.wire.frame import Frame
from tests.unit.store.scenes import NAMES, START_NS, Bench

CLIENT_MAC, SERVER_MAC = "02:42:c0:00:02:14", "02:42:c0:00:02:0a"
KEY = b"teacher"
ROOT = Path(__file__).resolve().parents[3]


def frames() -> list[Frame]:
    """ARP, handshake, one line each way, teardown, and one retransmission after the end."""

    def up(flags: str, seq: int, ack: int, text: bytes = b"") -> bytes:
        ip = IP(src="192.0.2.20", dst="192.0.2.10")
        return bytes(
            Ether(src=CLIENT_MAC, dst=SERVER_MAC) / ip / TCP(sport=40000, dport=7, flags=flags, seq=seq, ack=ack) / text
        )

    def down(flags: str, seq: int, ack: int, text: bytes = b"") -> bytes:
        ip = IP(src="192.0.2.10", dst="192.0.2.20")
        return bytes(
            Ether(src=SERVER_MAC, dst=CLIENT_MAC) / ip / TCP(sport=7, dport=40000, flags=flags, seq=seq, ack=ack) / text
        )

    ask = ARP(op=1, hwsrc=CLIENT_MAC, psrc="192.0.2.20", pdst="192.0.2.10")
    tell = ARP(op=2, hwsrc=SERVER_MAC, psrc="192.0.2.10", hwdst=CLIENT_MAC, pdst="192.0.2.20")
    octets = [
        bytes(Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ask),
        bytes(Ether(src=SERVER_MAC, dst=CLIENT_MAC) / tell),
        up("S", 100, 0),
        down("SA", 500, 101),
        up("A", 101, 501),
        up("PA", 101, 501, b"hello\n"),
        down("PA", 501, 107, b"HELLO\n"),
        down("FA", 507, 107),
        up("FA", 107, 508),
        down("A", 508, 108),
        up("FA", 107, 508),
    ]
    return [Frame(START_NS + number * 1_000_000, data, len(data)) for number, data in enumerate(octets)]


class Lab:
    """A tracker and a store, joined as the tap joins them."""

    def __init__(self, captures: Path) -> None:
        self.bench = Bench(captures, key=KEY)
        self.tracker = Tracker(names={address: hosts[0] for address, hosts in NAMES.items()})

    def feed(self, *given: Frame) -> None:
        for one in given:
            for event in self.tracker.feed(one):
                self.bench.store.handle(event)
        self.bench.store.flush()

    def pass_time(self, seconds: float) -> None:
        self.bench.later(seconds)
        for event in self.tracker.tick(self.bench.now_ns):
            self.bench.store.handle(event)
        self.bench.store.flush()

    def facts(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(lookup(self.bench.captures, "1").json_path.read_text(encoding="utf-8"))
        return loaded


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "captures")


def test_a_whole_session_is_certified_signed_and_commented(lab: Lab) -> None:
    lab.feed(*frames()[:10])
    assert lab.facts()["verdict"] == "open"
    lab.pass_time(5)
    told = lab.facts()
    assert (told["verdict"], told["certificate"]) == ("complete", {"complete": True, "reasons": []})
    assert told["first_closer"] == "server"
    assert (told["frames"], told["file"]["frames"]) == (10, 10)
    entry = lookup(lab.bench.captures, "latest")
    assert entry.certified
    assert entry.name == told["id"] == "0001-client-40000-server-7"
    assert verify(entry.json_path, KEY).genuine
    capture = read_capture(entry.pcapng_path)
    assert capture.frames == frames()[:10]
    assert all(capture.comments)


def test_a_retransmission_after_the_end_is_in_the_file_and_in_the_json(lab: Lab) -> None:
    lab.feed(*frames()[:10])
    lab.pass_time(5)
    lab.feed(frames()[10])
    lab.pass_time(5)
    told = lab.facts()
    assert (told["verdict"], told["frames"], told["late_frames"], told["file"]["frames"]) == ("complete", 11, 1, 11)
    assert verify(lookup(lab.bench.captures, "1").json_path, KEY).genuine


def test_frames_the_kernel_dropped_withhold_the_certificate_in_every_place(lab: Lab) -> None:
    lab.feed(*frames()[:5])
    lab.tracker.dropped(3, START_NS)
    lab.bench.store.kernel_dropped(3)
    lab.feed(*frames()[5:10])
    lab.pass_time(5)
    told = lab.facts()
    assert not told["certificate"]["complete"]
    assert (told["kernel_drops"], told["tap"]["frames_dropped"]) == (3, 3)
    capture = read_capture(lookup(lab.bench.captures, "1").pcapng_path)
    assert "Certificate withheld: The kernel dropped 3 frames" in capture.sections[0].comment
    statistics = capture.interfaces[0].statistics
    assert statistics is not None
    assert statistics.dropped == 3


def test_a_stopped_tap_leaves_every_file_finished(lab: Lab) -> None:
    lab.feed(*frames()[:6])
    for event in lab.tracker.stop(START_NS + 10**9):
        lab.bench.store.handle(event)
    lab.bench.store.close()
    assert lab.facts()["verdict"] == "cut"
    assert read_capture(lookup(lab.bench.captures, "1").pcapng_path).interfaces[0].statistics is not None
    assert recover(lab.bench.captures) == []


def test_a_killed_tap_leaves_a_session_whose_facts_are_told_anew_from_its_frames(lab: Lab) -> None:
    lab.feed(*frames()[:3])
    lab.feed(*frames()[3:6])
    before = lab.facts()
    lab.bench.store.run.close()
    [mended] = recover(lab.bench.captures, key=KEY)
    told = lab.facts()
    assert (before["verdict"], told["verdict"]) == ("open", "cut")
    assert (before["frames"], told["frames"], told["from_client"]["octets_new"]) == (3, 6, 6)
    assert (told["name"], told["id"], told["ordinal"]) == (mended.name, mended.name, 1)
    assert told["client"]["name"] == "client"
    assert set(told) == set(before) | {"digest"}
    assert verify(lookup(lab.bench.captures, "1").json_path, KEY).genuine


def test_a_capture_whose_json_is_lost_gets_its_facts_back_from_the_frames(lab: Lab) -> None:
    lab.feed(*frames()[:6])
    lab.bench.store.run.close()
    entry = lookup(lab.bench.captures, "1")
    entry.json_path.unlink()
    recover(lab.bench.captures)
    told = lab.facts()
    assert told["server"] == {"address": "192.0.2.10", "port": 7, "name": "server", "mac": SERVER_MAC}
    assert ip_address(told["client"]["address"]).version == 4


def test_every_member_of_the_json_is_documented_and_every_documented_one_is_there(lab: Lab) -> None:
    lab.feed(*frames()[:10])
    lab.pass_time(5)
    lab.bench.store.close()
    text = (ROOT / "docs" / "captures.md").read_text(encoding="utf-8")
    session_text, run_text = re.split(r"^## run\.json$", text.split("## The JSON of a session")[1], flags=re.MULTILINE)
    run_text = run_text.split("\n## ")[0]
    told = lab.facts()
    assert _documented(session_text) == _members(told)
    run = json.loads((lab.bench.folder / "run.json").read_text(encoding="utf-8"))
    assert _documented(run_text) == _members({**run, "recovered": True})


def _documented(text: str) -> set[str]:
    """The first parts of the dotted names in the first column of each table."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name.split(".")[0] for row in rows for name in re.findall(r"`([a-z_.]+)`", row)}


def _members(facts: dict[str, Any]) -> set[str]:
    return set(facts) | set(facts.get("from_client", ()))


def test_a_folder_copied_elsewhere_is_as_good_as_the_first(lab: Lab, tmp_path: Path) -> None:
    lab.feed(*frames()[:10])
    lab.pass_time(5)
    shutil.copytree(lab.bench.captures, tmp_path / "copy")
    entry = lookup(tmp_path / "copy", "latest")
    assert verify(entry.json_path, KEY).genuine
    assert entry.problem == ""
