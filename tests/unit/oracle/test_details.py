"""Frame by frame beside tshark: equal numbers agree, an explained one has its name, any other stays unexplained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from lab.analysis.model import Analysis
from tests.oracle import known_details
from tests.oracle.by_details import details
from tests.oracle.case import Case, Finding
from tests.oracle.stream import reckon
from tests.oracle.table import _EVERY
from tests.oracle.tshark import Row, parse
from tests.unit.analysis.scenes import OPEN, WHOLE, look
from tests.unit.oracle.test_parsers import segment

ENDS = (("192.0.2.20", 40312), ("192.0.2.10", 7))
AGAIN = OPEN + '> P. 1 ack 1 "hello\\n"\n +210 > P. 1 ack 1 "hello\\n"\n < . 1 ack 7'


def rows_of(analysis: Analysis, changes: dict[int, dict[str, str]] | None = None) -> list[Row]:
    """What a tshark that agrees would say. changes: other fields, by frame."""
    samples = {one.ack_frame: one.rtt_ns for role in ("client", "server") for one in stream(analysis, role).rtt_samples}
    flights = {one.frame: one for role in ("client", "server") for one in stream(analysis, role).in_flight}
    lines = []
    for record in analysis.frames:
        here, there = ENDS if record.sender == "client" else ENDS[::-1]
        told = {
            "ip__src": here[0],
            "tcp__srcport": str(here[1]),
            "tcp__dstport": str(there[1]),
            "tcp__len": str(record.payload_bytes),
            "tcp__flags": str(record.bits),
            "tcp__seq_raw": str(record.seq_raw),
            "tcp__ack_raw": str(record.ack_raw or 0),
        }
        if record.number in samples:
            told["tcp__analysis__ack_rtt"] = f"0.{samples[record.number]:09d}"
        if record.payload_bytes and record.number in flights:
            told["tcp__analysis__bytes_in_flight"] = str(flights[record.number].in_flight_bytes)
        lines.append(segment(**{**told, **(changes or {}).get(record.number, {})}))
    return parse(lines)[0]


def stream(analysis: Analysis, role: str) -> Any:
    return analysis.stream(cast("Any", role))


def compared(trace: str, changes: dict[int, dict[str, str]] | None = None) -> list[Finding]:
    analysis = look(trace)
    rows = rows_of(analysis, changes)
    case = cast("Case", SimpleNamespace(rows=rows, brought=reckon(rows, ENDS)))
    return [*details(case, analysis, 0, "client"), *details(case, analysis, 1, "server")]


def unexplained(findings: list[Finding]) -> list[str]:
    return [finding.quantity.split(",")[0] for finding in findings if finding.unexplained]


def test_equal_numbers_agree() -> None:
    found = compared(WHOLE)
    assert all(finding.agrees for finding in found)
    assert {finding.quantity.split(",")[0]: finding.ours for finding in found[:6]}["round trips"] == 3
    assert len(found) == 12


def test_another_number_stays_unexplained() -> None:
    assert unexplained(compared(WHOLE, {5: {"tcp__analysis__ack_rtt": "0.000000007"}})) == ["round trips"]
    assert unexplained(compared(WHOLE, {4: {"tcp__analysis__bytes_in_flight": "7"}})) == ["octets in flight"]
    assert unexplained(compared(WHOLE, {4: {"tcp__analysis__zero_window": "1"}})) == ["zero windows"]
    assert unexplained(compared(WHOLE, {4: {"tcp__analysis__spurious_retransmission": "1"}})) == [
        "spurious retransmissions"
    ]


def test_karn_s_rule_explains_the_round_trip_of_what_was_sent_twice_and_nothing_else() -> None:
    theirs = {6: {"tcp__analysis__ack_rtt": "0.001000000"}, 5: {"tcp__analysis__bytes_in_flight": "12"}}
    found = compared(AGAIN, theirs)
    assert unexplained(found) == []
    reasons = {reason for finding in found for reason in finding.known}
    assert {known_details.KARN, known_details.FLIGHT_OF_COPY} <= reasons
    assert unexplained(compared(WHOLE, {5: {"tcp__analysis__ack_rtt": ""}})) == ["round trips"]


def test_every_known_difference_is_in_the_table() -> None:
    assert set(known_details.EVERY) <= set(_EVERY)
    assert len({reason.name for reason in _EVERY}) == len(_EVERY)
