"""The session that ``docker compose up`` plays: what the tap made of it, judged by programs that nobody here wrote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import ROOT, Lab, Oracle, until

SCRIPT = (ROOT / "images" / "base" / "demo.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(lab: Lab) -> dict[str, Any]:
    """The demo's session: the first one of the lab."""
    return until(lambda: lab.ended()[:1], "the demo's session")[0]


@pytest.fixture(scope="module")
def capture(demo: dict[str, Any]) -> Path:
    path: Path = demo["_path"]
    return path


def test_the_demo_leaves_one_capture_and_one_json_beside_it(lab: Lab, demo: dict[str, Any], capture: Path) -> None:
    assert demo["verdict"] == "complete"
    assert demo["certificate"] == {"complete": True, "reasons": []}
    assert capture.exists()
    assert sorted(p.suffix for p in capture.parent.glob(capture.stem + "*")) == [".json", ".pcapng"]


def test_the_json_names_the_languages_and_the_hosts(demo: dict[str, Any]) -> None:
    assert demo["languages"] == {"server": "python", "client": "python"}
    assert demo["server"]["name"] == "server"
    assert demo["server"]["port"] == 7
    assert demo["client"]["name"] == "client"


def test_the_client_ends_with_good_bye_and_status_0(lab: Lab, demo: dict[str, Any]) -> None:
    container = lab.container("client")
    assert container.attrs["State"]["ExitCode"] == 0
    assert "Good bye" in container.logs().decode()


def test_tshark_calls_it_a_full_session(oracle: Oracle, capture: Path) -> None:
    completeness = {row[0] for row in oracle.fields(capture, "tcp", "tcp.completeness")}
    assert completeness == {"31"}


def test_both_sides_sent_a_fin_and_both_were_acknowledged(oracle: Oracle, capture: Path) -> None:
    fins = oracle.fields(capture, "tcp.flags.fin==1", "tcp.srcport", "tcp.seq_raw", "tcp.len")
    ports = {port for port, _, _ in fins}
    assert len(ports) == 2
    acks = {(row[0], int(row[1])) for row in oracle.fields(capture, "tcp.flags.ack==1", "tcp.dstport", "tcp.ack_raw")}
    for port, seq, length in fins:
        assert (port, (int(seq) + int(length) + 1) % 2**32) in acks, "this FIN was not acknowledged"


def test_no_checksum_is_bad_or_partial(oracle: Oracle, capture: Path) -> None:
    assert (
        oracle.fields(capture, "tcp.checksum.status==0||tcp.checksum.partial||ip.checksum.status==0", "frame.number")
        == []
    )
    good = oracle.fields(capture, "tcp.checksum.status==1", "frame.number")
    assert len(good) > 8, "the check above looked at nothing"


def test_no_segment_is_longer_than_the_mss(oracle: Oracle, capture: Path) -> None:
    mss = min(int(row[0]) for row in oracle.fields(capture, "tcp.flags.syn==1", "tcp.options.mss_val"))
    assert max(int(row[0]) for row in oracle.fields(capture, "tcp", "tcp.len")) <= mss


def test_no_segment_was_lost(oracle: Oracle, capture: Path) -> None:
    """Not: none was sent twice. On a busy machine an ACK may take 10 ms, and Linux then sends a FIN once more (RFC
    8985)."""
    lost = "tcp.analysis.lost_segment||tcp.analysis.ack_lost_segment"
    assert oracle.fields(capture, lost, "frame.number") == []


def test_the_streams_are_the_transcript(oracle: Oracle, capture: Path) -> None:
    sent, received = oracle.streams(capture)
    lines = [line for line in SCRIPT.splitlines() if not line.startswith("#")]
    assert sent.decode() == "".join(line + "\n" for line in lines)
    assert lines[-1] == "quit"
    assert received.decode() == "".join(line.upper() + "\n" for line in lines[:-1]) + "Good bye\n"


def test_every_frame_has_a_comment(oracle: Oracle, capture: Path) -> None:
    rows = oracle.fields(capture, "frame", "frame.number", "frame.comment")
    assert len(rows) > 10
    assert [number for number, comment in rows if not comment.strip()] == []


def test_the_arp_exchange_stands_before_the_handshake(oracle: Oracle, capture: Path) -> None:
    kinds = [row[0] for row in oracle.fields(capture, "frame", "frame.protocols")]
    assert "arp" in kinds[0]
    assert "tcp" in kinds[-1]


def test_capinfos_sees_nanoseconds_interface_filter_and_names(oracle: Oracle, capture: Path) -> None:
    text = oracle.run(capture.parent, "capinfos", capture.name)
    assert "nanoseconds" in text
    for label in ("Name = eth0", "Description = ", "Filter string = ", "Number of resolved IPv4 addresses"):
        assert label in text, text
    names = oracle.tshark(capture, "-N", "n", "-Y", "tcp.flags.syn==1", "-T", "fields", "-e", "ip.src_host")
    assert names == ["client", "server"]


def test_tcptrace_agrees_that_the_connection_is_complete(oracle: Oracle, capture: Path) -> None:
    text = oracle.run(
        capture.parent, "sh", "-c", f"tshark -r {capture.name} -F pcap -w /tmp/x.pcap && tcptrace -l /tmp/x.pcap"
    )
    assert "complete conn: yes" in text
    sent = re.findall(r"SYN/FIN pkts sent: +(\d+)/(\d+)", text)
    assert len(sent) == 2
    assert all(int(number) >= 1 for pair in sent for number in pair)


def test_the_tap_prints_the_ladder(lab: Lab, demo: dict[str, Any]) -> None:
    log = lab.container("server-tap").logs().decode()
    assert demo["name"] in log
    for word in ("SYN", "SYN, ACK", "FIN, ACK", "Good bye", "Certified"):
        assert word in log
    assert str(demo["from_client"]["isn"]) in log, "the raw sequence number is not there"
    assert max(len(line) for line in log.splitlines()) <= 80
