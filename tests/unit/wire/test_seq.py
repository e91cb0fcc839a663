"""Sequence arithmetic modulo 2**32 (RFC 9293 §3.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.wire.seq import HALF, MODULUS, distance, precedes, unwrap, wrap

raw = st.integers(0, MODULUS - 1)


@pytest.mark.parametrize(
    ("seq", "isn", "checkpoint", "offset"),
    [
        (1, 0, 0, 1),
        (0, MODULUS - 1, 0, 1),
        (MODULUS - 1, 0, 0, -1),
        (5, 0, MODULUS, MODULUS + 5),
        (MODULUS - 2, 0, 3 * MODULUS, 3 * MODULUS - 2),
        (HALF, 0, 0, -HALF),
    ],
)
def test_a_raw_number_is_unwrapped_near_its_checkpoint(seq: int, isn: int, checkpoint: int, offset: int) -> None:
    assert unwrap(seq, isn, checkpoint) == offset


@given(raw, st.integers(-(2**40), 2**40), st.integers(-HALF, HALF - 1))
def test_unwrap_undoes_wrap_within_half_the_circle(isn: int, checkpoint: int, away: int) -> None:
    offset = checkpoint + away
    assert unwrap(wrap(offset, isn), isn, checkpoint) == offset


@given(raw, raw, st.integers(-(2**40), 2**40))
def test_unwrap_never_goes_further_than_half_the_circle(seq: int, isn: int, checkpoint: int) -> None:
    offset = unwrap(seq, isn, checkpoint)
    assert -HALF <= offset - checkpoint < HALF
    assert wrap(offset, isn) == seq


def test_the_number_after_the_last_one_is_0() -> None:
    assert precedes(MODULUS - 1, 0)
    assert not precedes(0, MODULUS - 1)
    assert not precedes(7, 7)
    assert distance(MODULUS - 2, 3) == 5
    assert distance(3, MODULUS - 2) == -5
