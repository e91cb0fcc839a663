"""What the matrix calls a good pair: each thing that it looks at can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.interop.matrix import COLUMNS, EXPECTED, SENT, judge

SESSION: dict[str, Any] = {
    "verdict": "complete",
    "certificate": {"complete": True, "reasons": []},
    "languages": {"server": "c", "client": "java"},
    "_path": Path("0001.pcapng"),
}
ROW = {"ip.version": "4", "tcp.completeness": "31", "tcp.checksum.status": "1", "tcp.flags.fin": "0"}
FIN = {**ROW, "tcp.flags.fin": "1"}
ROWS = [{**ROW, "tcp.srcport": "40000"}, {**FIN, "tcp.srcport": "7"}, {**FIN, "tcp.srcport": "40000"}]


class Tshark:
    """What tshark would say of a capture."""

    def __init__(self, rows: list[dict[str, str]], sent: bytes = SENT, received: bytes = EXPECTED) -> None:
        self.rows, self.both = rows, (sent, received)

    def fields(self, path: Path, condition: str, *names: str) -> list[list[str]]:
        assert names == COLUMNS
        return [[row.get(name, "") for name in names] for row in self.rows]

    def streams(self, path: Path) -> tuple[bytes, bytes]:
        return self.both


def judged(session: dict[str, Any], stdout: str | None, tshark: Tshark, version: int = 4) -> str:
    return judge(session, stdout, tshark, ("c", "java"), version)  # type: ignore[arg-type]


def test_a_good_pair_has_no_problem() -> None:
    assert judged(SESSION, EXPECTED.decode(), Tshark(ROWS)) == ""
    assert judged(SESSION, None, Tshark(ROWS, b"", b"")) == ""
    six = [{**row, "ip.version": "6"} for row in ROWS]
    assert judged(SESSION, EXPECTED.decode(), Tshark(six), 6) == ""


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"verdict": "cut"}, "cut: "),
        ({"certificate": {"complete": False, "reasons": ["frames were dropped"]}}, "frames were dropped"),
        ({"languages": {"server": "c", "client": "cpp"}}, "the JSON names"),
    ],
)
def test_the_json_must_say_complete_certified_and_the_languages(changed: dict[str, Any], word: str) -> None:
    assert word in judged({**SESSION, **changed}, EXPECTED.decode(), Tshark(ROWS))


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"ip.version": "6"}, "not run over IPv4"),
        ({"tcp.completeness": "15"}, "full session"),
        ({"tcp.checksum.status": "0"}, "bad checksums"),
        ({"tcp.checksum.partial": "Partial"}, "bad checksums"),
        ({"tcp.analysis.lost_segment": "1"}, "lost segments"),
        ({"tcp.analysis.ack_lost_segment": "1"}, "lost segments"),
    ],
)
def test_one_bad_frame_is_a_problem(changed: dict[str, str], word: str) -> None:
    assert word in judged(SESSION, EXPECTED.decode(), Tshark([*ROWS, {**ROWS[0], **changed}]))


def test_a_hole_is_one_until_a_segment_of_the_same_side_fills_it() -> None:
    ahead = {**ROWS[0], "tcp.analysis.lost_segment": "1"}
    behind = {**ROWS[0], "tcp.analysis.out_of_order": "1"}
    printed = EXPECTED.decode()
    assert judged(SESSION, printed, Tshark([*ROWS, ahead, behind])) == ""
    assert "lost_segment in segment 5" in judged(SESSION, printed, Tshark([*ROWS, behind, ahead]))
    assert "lost_segment in segment 4" in judged(
        SESSION, printed, Tshark([*ROWS, ahead, {**behind, "tcp.srcport": "7"}])
    )


def test_both_sides_must_send_a_fin() -> None:
    assert "FIN" in judged(SESSION, EXPECTED.decode(), Tshark(ROWS[:2]))


def test_the_streams_and_what_the_client_printed_are_compared_to_the_letter() -> None:
    printed = EXPECTED.decode()
    assert "the client sent 5 octets" in judged(SESSION, printed, Tshark(ROWS, b"other"))
    assert "the server answered" in judged(
        SESSION, printed, Tshark(ROWS, SENT, EXPECTED.replace(b"STRASSE", b"STRAssE"))
    )
    assert "the client printed" in judged(SESSION, "Good bye\n", Tshark(ROWS))
    assert "the client printed" in judged(SESSION, "HELLO\nGood bye\n", Tshark(ROWS))
