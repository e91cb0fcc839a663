"""Blocks built in bulk: octet for octet those that enhanced_packet builds one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.store.blocks import enhanced_packet
from lab.store.bulk import Packets, packet_blocks, shapes
from lab.store.forms import LARGEST_NUMBER, NUMBER, Form
from lab.wire.frame import Direction, Frame

FORMS = (
    Form(f"Data from the client, octets {NUMBER} to {NUMBER}: in order (§3.4)."),
    Form(f"Data from the server, octets {NUMBER} to {NUMBER}: in order (§3.4)."),
    Form(f"ACK up to {NUMBER}."),
)

ROW = st.tuples(
    st.binary(max_size=90),
    st.integers(0, 40),
    st.integers(0, 2**63 - 1),
    st.sampled_from([1, 2]),
    st.integers(0, 2),
    st.integers(0, LARGEST_NUMBER),
    st.integers(0, LARGEST_NUMBER),
)


@given(st.lists(ROW, max_size=12))
def test_blocks_in_bulk_are_those_built_one_by_one(rows: list[tuple[bytes, int, int, int, int, int, int]]) -> None:
    memory = bytearray()
    start = []
    for data, *_ in rows:
        memory += b"\xaa" * (6 + len(memory) % 2)
        start.append(len(memory))
        memory += data
    memory += b"\xaa" * 8

    def column(of: list[int]) -> np.ndarray:
        return np.array(of, np.int64)

    packets = Packets(
        np.frombuffer(bytes(memory), np.uint8),
        column(start),
        column([len(r[0]) for r in rows]),
        column([len(r[0]) + r[1] for r in rows]),
        column([r[2] for r in rows]),
        column([r[3] for r in rows]),
        column([r[4] for r in rows]),
        (column([r[5] for r in rows]), column([r[6] for r in rows])),
    )
    octets, offsets = packet_blocks(packets, FORMS)
    assert shapes(packets) <= max(1, len(rows))
    assert len(offsets) == len(rows) + 1
    for i, (data, more, time_ns, direction, form, one, two) in enumerate(rows):
        comment = FORMS[form].fill((one, two)[: FORMS[form].text.count(NUMBER)])
        expected = enhanced_packet(Frame(time_ns, data, len(data) + more, 0, Direction(direction)), comment)
        assert octets[offsets[i] : offsets[i + 1]].tobytes() == expected


def test_a_number_stands_right_aligned_in_twelve_columns() -> None:
    assert FORMS[2].fill([0]) == "ACK up to            0."
    assert FORMS[2].fill([LARGEST_NUMBER]) == "ACK up to 999999999999."
