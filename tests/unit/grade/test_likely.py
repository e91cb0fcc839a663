"""What no tap of the lab can have seen is refused, with a sentence that says what; what it can, is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.grade.check import CAPTURES, Result, check
from lab.grade.likely import damaged as damage
from lab.grade.likely import unlikely
from lab.grade.scenario import Plan
from lab.store.reader import read_capture
from lab.wire.checksum import checksum, pseudo_sum
from lab.wire.frame import Frame
from tests.exercises.mutate import CHANGES, KINDS, mutated, page
from tests.unit.grade.made import exercises, make, recorded_evidence, write_part

NAME, PART = "01-three-way-handshake", "talk"


def changed(folder: Path, change: object) -> Result:
    """berta's solved exercise with its frames changed, everything else written anew to fit."""
    make(exercises()[NAME], "berta", folder)
    path = folder / CAPTURES / f"{PART}.pcapng"
    capture = read_capture(path)
    write_part(change(list(capture.frames)), capture.names, path)  # type: ignore[operator]
    return check(exercises()[NAME], folder)


def data_at(frames: list[Frame]) -> int:
    """The first frame of the client with text."""
    return next(at for at, one in enumerate(frames) if one.data[12:14] == b"\x08\x00" and len(one.data) > 80)


def flip(frames: list[Frame]) -> list[Frame]:
    at = data_at(frames)
    data = bytearray(frames[at].data)
    data[-3] ^= 1
    return [*frames[:at], frames[at]._replace(data=bytes(data)), *frames[at + 1 :]]


def twice(frames: list[Frame]) -> list[Frame]:
    at = data_at(frames)
    return [*frames[: at + 1], frames[at], *frames[at + 1 :]]


def answered_otherwise(frames: list[Frame]) -> list[Frame]:
    """One letter of the server's answer is another one, and the checksum fits."""
    at = data_at(frames) + next(
        at
        for at, one in enumerate(frames[data_at(frames) :])
        if one.data[34:36] == bytes((0, 7)) and len(one.data) > 80
    )
    data = bytearray(frames[at].data)
    data[-3] ^= 1
    data[50:52] = bytes(2)
    data[50:52] = checksum(
        bytes(data[34:]), pseudo_sum(bytes(data[26:30]), bytes(data[30:34]), 6, len(data) - 34)
    ).to_bytes(2, "big")
    return [*frames[:at], frames[at]._replace(data=bytes(data)), *frames[at + 1 :]]


def early(frames: list[Frame]) -> list[Frame]:
    """The answer before the question."""
    at = data_at(frames)
    later = frames[at + 1]
    return [
        *frames[:at],
        later._replace(time_ns=frames[at].time_ns),
        frames[at]._replace(time_ns=later.time_ns),
        *frames[at + 2 :],
    ]


def backwards(frames: list[Frame]) -> list[Frame]:
    at = data_at(frames)
    return [*frames[:at], frames[at]._replace(time_ns=frames[at].time_ns - 10**9), *frames[at + 1 :]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (flip, "is damaged"),
        (twice, "stands there twice"),
        (answered_otherwise, "not what the echo server answers"),
        (early, "has not sent"),
        (backwards, "is older than the one before it"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, change: object, says: str) -> None:
    result = changed(tmp_path, change)
    assert result.outcome == "refused"
    assert says in result.reason
    assert "lay the exercise again" in result.retake


def test_the_same_frames_written_anew_pass(tmp_path: Path) -> None:
    assert changed(tmp_path, lambda frames: frames).outcome == "passed"


def test_what_a_script_asks_for_is_allowed(tmp_path: Path) -> None:
    make(exercises()[NAME], "berta", tmp_path)
    evidence = recorded_evidence(NAME).part(PART)
    frames = evidence.frames
    at = next(number for number, one in enumerate(frames) if one.payload_bytes)
    damaged = replace(evidence, frames=(*frames[:at], replace(frames[at], checksum="bad"), *frames[at + 1 :]))
    copied = replace(evidence, frames=(*frames[: at + 1], frames[at], *frames[at + 1 :]))
    plain = Plan(PART, "server", 7, ())
    assert "damaged" in damage(damaged, plain)
    assert "twice" in unlikely(PART, copied, plain)
    # With a script it is on the wire, and the hosts' SYN has lost a hop on the way to the server.
    routed = tuple(replace(one, ip_ttl=63) if one.ip_ttl else one for one in frames)
    corrupt = replace(plain, wire="client data 1: corrupt")
    assert damage(damaged, corrupt) == unlikely(PART, replace(evidence, frames=routed), corrupt) == ""
    assert (
        unlikely(PART, replace(copied, frames=(*routed[: at + 1], *routed[at:])), replace(plain, wire="duplicate"))
        == ""
    )


def test_no_recorded_run_is_unlikely() -> None:
    for name, exercise in exercises().items():
        for part, told in recorded_evidence(name).parts.items():
            plan = exercise.scenario.plan_of(part)
            assert plan is not None
            assert unlikely(part, told.analysis, plan) == "", (name, part)


@pytest.mark.parametrize("name", sorted(exercises()))
def test_bits_copies_and_swaps_are_found_in_every_exercise(name: str) -> None:
    found = mutated(exercises()[name], 1).found
    assert set(found) == set(KINDS)
    refused = {kind: counts["refused"] for kind, counts in found.items()}
    assert refused["bit"] + refused["duplicate"] + refused["time"] >= 2, refused
    assert sum(found["swap"].values()) == refused["swap"], found["swap"]


def test_the_page_counts_what_was_refused() -> None:
    row = mutated(exercises()[NAME], 1)
    text = page([row], 1)
    assert f"| 01 Three-way handshake | {row.cell('bit')} |" in text
    assert all(f"| {kind} |" in text for kind in CHANGES)


def test_frames_that_the_kernel_dropped_are_nobodys_fault(tmp_path: Path) -> None:
    make(exercises()[NAME], "berta", tmp_path)
    path = tmp_path / CAPTURES / f"{PART}.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "kernel_drops": 3}))
    result = check(exercises()[NAME], tmp_path)
    assert result.outcome == "refused"
    assert "The tap lost 3 frames" in result.reason
    assert "not your doing" in result.retake
    assert not any(word in result.reason.casefold() for word in ("you ", "your", "wrong", "mistake"))
    path.write_text(json.dumps({**told, "kernel_drops": 0}))
    assert check(exercises()[NAME], tmp_path).outcome == "passed"
