"""The third reckoning: what a segment brought, and when a known difference may excuse a disagreement."""

from __future__ import annotations

from pathlib import Path

from tests.oracle import known, tshark
from tests.oracle.box import batches
from tests.oracle.stream import Brought, reckon
from tests.oracle.table import COMMAND
from tests.oracle.tshark import ACK, FIN, SYN, Row
from tests.unit.oracle.test_parsers import segment

CLIENT, SERVER = ("192.0.2.20", 40000), ("192.0.2.10", 7)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "oracle.md"


def row(
    seq: int, octets: int = 0, flags: int = ACK, ack: int = 1, server: bool = False, window: int = 500, **more: str
) -> Row:
    source, destination = (SERVER, CLIENT) if server else (CLIENT, SERVER)
    text = segment(
        ip__src=source[0],
        tcp__srcport=str(source[1]),
        tcp__dstport=str(destination[1]),
        tcp__len=str(octets),
        tcp__seq_raw=str(seq % (1 << 32)),
        tcp__ack_raw=str(ack % (1 << 32)),
        tcp__flags=str(flags),
        tcp__window_size_value=str(window),
        **more,
    )
    return tshark.parse([text])[0][0]


def last(*rows: Row) -> Brought:
    return reckon(rows, (CLIENT, SERVER))[-1]


def test_octets_are_new_once() -> None:
    once, again = row(100, 6), row(103, 6)
    assert last(once).seen == 0
    assert (last(once, again).numbers, last(once, again).seen, last(once, again).before_next) == (6, 3, 3)
    assert last(once, row(106, 6)).before_next == 0


def test_numbers_go_on_past_two_to_the_32() -> None:
    assert last(row(-3, 6), row(3, 6)).ahead == 0
    assert last(row(-3, 6), row(4, 6)).ahead == 1


def test_syn_and_fin_take_a_number_each() -> None:
    assert last(row(100, flags=SYN), row(100, flags=SYN)).seen == 1
    assert last(row(100, 2, FIN | ACK)).numbers == 3
    assert last(row(100, flags=SYN), row(101, flags=FIN | ACK), row(101)).at_fin
    assert not last(row(100, flags=SYN), row(101, flags=FIN | ACK), row(102)).at_fin


def test_an_acknowledgment_counts_before_its_segment_only_if_it_came_before() -> None:
    start, answer = row(100, 1), row(1, ack=107, server=True)
    assert last(start, answer, row(101, 6)).acked == 6
    assert last(start, row(101, 6)).acked == 0


def test_a_damaged_segment_brings_nothing() -> None:
    damaged = row(100, 6, tcp__checksum__status="0")
    assert last(row(99, 1), damaged, row(100, 6)).seen == 0
    assert last(row(99, 1), row(100, 6), row(100, 6)).seen == 6


def test_text_that_met_a_closed_window_is_told_apart() -> None:
    closed = row(1, ack=1, server=True, window=0)
    opened = row(1, ack=1, server=True)
    assert last(closed, row(1, 6)).closed_window
    assert last(closed, row(1, 6), opened, row(1, 6)).probed == 6
    assert last(opened, row(1, 6), row(1, 6)).probed == 0


def test_a_retransmission_that_only_tshark_sees_needs_its_acknowledgment_before_it() -> None:
    frame = row(101, 6)
    assert known.mark("retransmission", False, frame, Brought(0, 6, acked=6)) is known.ACKED_FIRST
    assert known.mark("retransmission", False, frame, Brought(0, 6)) is None
    assert known.mark("retransmission", True, frame, Brought(0, 6, acked=6)) is None
    assert known.mark("retransmission", False, frame, Brought(0, 6, seen=6, acked=6)) is None


def test_text_behind_an_acknowledgment_may_be_out_of_order_and_nothing_else() -> None:
    frame, behind = row(101, 6), Brought(0, 6, behind_ack=True)
    assert known.mark("retransmission", False, frame, behind) is known.ACK_OVERTOOK
    assert known.mark("out_of_order", True, frame, behind) is known.ACK_OVERTOOK
    assert known.mark("retransmission", True, frame, behind) is None


def test_a_keep_alive_that_only_tshark_sees_must_stand_at_the_fin() -> None:
    assert known.mark("keep_alive", False, row(101), Brought(0, at_fin=True)) is known.FIN_OVERTOOK
    assert known.mark("keep_alive", False, row(101), Brought(0)) is None
    assert known.mark("keep_alive", True, row(101), Brought(0, at_fin=True)) is None


def test_a_duplicate_that_only_tshark_sees_must_have_nothing_outstanding() -> None:
    assert known.mark("duplicate_ack", False, row(101), Brought(0)) is known.NOTHING_OUTSTANDING
    assert known.mark("duplicate_ack", False, row(101), Brought(0, outstanding=True)) is None


def test_a_window_update_that_only_the_json_sees_needs_its_reason() -> None:
    plain, twice = row(101), row(101, tcp__analysis__duplicate_ack="1")
    assert known.mark("window_update", True, twice, Brought(0)) is known.DSACK_WINDOW
    assert known.mark("window_update", True, twice, Brought(0, outstanding=True)) is None
    assert known.mark("window_update", True, row(101, window=0), Brought(0)) is known.CLOSING
    assert known.mark("window_update", True, plain, Brought(0, before_next=1)) is known.OLD_SEGMENT
    assert known.mark("window_update", True, plain, Brought(0)) is None
    assert known.mark("window_update", False, row(101, window=0), Brought(0)) is None


def test_the_same_ends_are_never_in_one_call() -> None:
    facts = {"client": {"address": CLIENT[0], "port": 40000}, "server": {"address": SERVER[0], "port": 7}}
    other = {**facts, "client": {"address": CLIENT[0], "port": 40001}}
    groups = batches([(Path("a"), facts), (Path("b"), facts), (Path("c"), other)])
    assert [[path.name for path, _ in group] for group in groups] == [["a", "c"], ["b"]]


def test_the_page_tells_every_known_difference_and_nothing_unexplained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for difference in known.EVERY:
        assert f"| {difference.name} | {difference.tool} | {difference.why} |" in page
    assert COMMAND in page
    total = next(line for line in page.splitlines() if line.startswith("| all |"))
    assert total.split("|")[-2].strip() == "0"
