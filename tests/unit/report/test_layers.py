"""A frame taken apart: every octet belongs to a field, whatever the octets are, and the fields say what tshark says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.layers import Layer, layers
from tests.golden.canonical import CAPTURES, frames_of

DEMO = next(capture for capture in CAPTURES if capture.stem == "demo")


def values(found: tuple[Layer, ...]) -> dict[str, str]:
    """Every field's value by its name (the last of a name)."""
    return {field.name: field.value for layer in found for field in layer.fields}


def test_a_syn_is_named_field_by_field() -> None:
    found = layers(frames_of(DEMO)[2].data, "good", "client")
    assert [layer.name for layer in found] == ["Ethernet II", "IPv4", "TCP"]
    said = values(found)
    assert said["SYN"] == "1"
    assert said["ACK"] == "0"
    assert said["Maximum segment size"] == "1460 octets"
    assert said["Window scale"] == "10 (windows times 1024)"
    assert said["Source address"] == "198.51.100.20"
    assert said["Checksum"].endswith("(right)")


def test_the_payload_is_shown_as_text_that_cannot_do_harm() -> None:
    frame = bytearray(frames_of(DEMO)[5].data)
    frame[-3:] = b"\x1b[2"
    found = layers(bytes(frame))
    assert found[-1].name == "Payload"
    assert "\\x1b" in found[-1].fields[0].value
    assert "\x1b" not in found[-1].fields[0].value


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_every_octet_of_every_frame_belongs_to_exactly_one_place(capture: object) -> None:
    for frame in frames_of(capture):  # type: ignore[arg-type]
        covers(frame.data)


@given(st.binary(max_size=200))
def test_any_octets_can_be_taken_apart(octets: bytes) -> None:
    covers(octets)


@given(st.sampled_from(CAPTURES), st.integers(0, 30), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255))))
def test_damaged_frames_can_be_taken_apart(capture: object, number: int, damage: list[tuple[int, int]]) -> None:
    frames = frames_of(capture)  # type: ignore[arg-type]
    data = bytearray(frames[number % len(frames)].data)
    for at, value in damage:
        data[at % len(data)] = value
    covers(bytes(data))


@given(st.sampled_from(CAPTURES), st.integers(0, 30), st.integers(0, 200))
def test_cut_frames_can_be_taken_apart(capture: object, number: int, octets: int) -> None:
    frames = frames_of(capture)  # type: ignore[arg-type]
    covers(frames[number % len(frames)].data[:octets])


def covers(data: bytes) -> None:
    """The layers follow each other, and their fields cover each octet; only fields of bits share some."""
    at = 0
    for layer in layers(data):
        assert layer.start == at
        assert layer.end > layer.start
        for field in layer.fields:
            assert field.start in ((at,) if not field.bits else (at, field.start))
            assert field.end <= len(data)
            if not field.bits or field.start == at:
                at = field.end
        assert at == layer.end
    assert at == len(data)
