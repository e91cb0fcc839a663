"""The parsers of the oracle's tools: what they make of output as it comes, and of output that is not whole."""

from __future__ import annotations

import pytest

from tests.oracle import capinfos, tcptrace, tshark

TRACE = """\
2 packets seen, 2 TCP packets traced
TCP connection info:
1 TCP connection traced:
TCP connection 1:
	host a:        2001:0db8:0101::0020:36305
	host b:        2001:0db8:0101::0010:7104
	complete conn: RESET	(SYNs: 2)  (FINs: 0)
	total packets: 18
   a->b:			      b->a:
     total packets:             9           total packets:             8
     rexmt data pkts:           3           rexmt data pkts:           0
     SYN/FIN pkts sent:       1/1           SYN/FIN pkts sent:       1/0
     mss requested:          1440 bytes     mss requested:          1440 bytes
"""

INFO = """\
File name:           a.pcapng
Number of packets:   12345
Earliest packet time: 2026-11-23 11:35:08.000000007
Capture comment:     Session a. Verdict: complete. Certificate: complete.
Packet 1 Comment:    SYN: the client asks = hopes
Packet 2 Comment:    ACK
Number of interfaces in file: 1
Interface #0 info:
                     Name = eth0
                     Filter string = arp or (ip[6:2] & 0x1fff = 0)
                     Number of packets = 12344
File name:           b.pcapng
Number of packets:   1
"""


def line(**values: str) -> str:
    """A line as tshark writes it; only the fields named have a value."""
    named = {key.replace("__", "."): value for key, value in values.items()}
    assert set(named) <= set(tshark.FIELDS)
    return "\t".join(named.get(name, "") for name in tshark.FIELDS)


def segment(**values: str) -> str:
    usual = {
        "frame__interface_id": "0",
        "frame__time_epoch": "1.000000009",
        "ip__src": "192.0.2.20",
        "tcp__srcport": "40000",
        "tcp__dstport": "7",
        "tcp__len": "6",
        "tcp__flags": "0x0018",
        "tcp__seq_raw": "4294967295",
        "tcp__ack_raw": "5",
    }
    return line(**(usual | values))


def test_a_row_has_the_numbers_of_its_segment() -> None:
    ((row,),) = tshark.parse([segment(tcp__analysis__retransmission="1")])
    assert (row.time_ns, row.address, row.port, row.payload_octets) == (1_000_000_009, "192.0.2.20", 40000, 6)
    assert (row.flags, row.seq, row.ack, row.number) == (0x18, 0xFFFFFFFF, 5, 1)
    assert row.marks == {"retransmission"}
    assert not row.damaged


def test_a_quoted_segment_in_an_icmp_error_is_no_segment() -> None:
    ((quoted, own),) = tshark.parse([segment(icmp__type="3"), segment()])
    assert not quoted.is_tcp
    assert quoted.payload_octets == 0
    assert own.is_tcp


def test_frames_are_counted_anew_in_every_capture() -> None:
    lines = [segment(), segment(frame__interface_id="2"), segment(frame__interface_id="2")]
    assert [[row.number for row in rows] for rows in tshark.parse(lines)] == [[1], [], [1, 2]]


def test_a_line_with_a_field_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="fields"):
        tshark.parse([segment().rpartition("\t")[0]])


@pytest.mark.parametrize(("status", "ffff", "damaged"), [("0", "", True), ("0", "1", False), ("1", "", False)])
def test_0xffff_for_a_checksum_of_zero_is_no_damage(status: str, ffff: str, damaged: bool) -> None:
    ((row,),) = tshark.parse([segment(tcp__checksum__status=status, tcp__checksum__ffff=ffff)])
    assert row.damaged is damaged


def test_opinions_come_from_the_reading_without_damaged_frames() -> None:
    bad = segment(tcp__checksum__status="0", tcp__analysis__retransmission="1")
    every = tshark.parse([segment(), bad, segment(tcp__analysis__out_of_order="1")])
    sound = tshark.parse([segment(), segment(tcp__analysis__keep_alive="1")])
    (rows,) = tshark.judged(every, sound)
    assert [sorted(row.marks) for row in rows] == [[], [], ["keep_alive"]]
    assert [row.number for row in rows] == [1, 2, 3]


def test_a_connection_has_both_ends_and_their_numbers() -> None:
    (connection,) = tcptrace.parse(TRACE)
    assert connection.ends == [("2001:db8:101::20", 36305), ("2001:db8:101::10", 7104)]
    assert connection.verdict == "RESET"
    assert [connection.number(end, "total packets") for end in (0, 1)] == [9, 8]
    assert connection.pair(1, "SYN/FIN pkts sent") == (1, 0)
    assert connection.number(0, "mss requested") == 1440


def test_a_listing_that_breaks_off_is_an_error() -> None:
    with pytest.raises(ValueError, match="not whole"):
        tcptrace.parse(TRACE.partition("complete conn")[0])


def test_no_connection_is_no_error() -> None:
    assert tcptrace.parse("0 packets seen, 0 TCP packets traced\n") == []


def test_every_file_has_its_own_facts() -> None:
    first, second = capinfos.parse(INFO)
    assert (first.values["Number of packets"], first.interface["Number of packets"]) == ("12345", "12344")
    assert first.interface["Filter string"] == "arp or (ip[6:2] & 0x1fff = 0)"
    assert first.comments == 2
    assert first.time_ns("Earliest packet time") % 1_000_000_000 == 7
    assert (second.values["Number of packets"], second.comments, second.interface) == ("1", 0, {})
