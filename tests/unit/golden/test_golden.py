"""Golden traces: what the analysis says of captures of real kernels, word for word; and what it says when one frame of
them is taken away, damaged or moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.analysis import analyse
from lab.analysis.model import Analysis
from lab.wire.frame import Frame
from tests.golden.canonical import CAPTURES, analysis_of, canonical, frames_of

FOLDER = CAPTURES[0].parent


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.stem)
def test_the_analysis_says_what_it_said(capture: Path) -> None:
    for suffix, text in canonical(capture).items():
        before = capture.with_suffix(suffix).read_text(encoding="utf-8")
        assert text == before, f"{capture.stem}{suffix} has changed: python -m tests.golden, then look at git diff"


def test_every_capture_has_its_texts_and_no_text_is_left_over() -> None:
    stems = {capture.stem for capture in CAPTURES}
    for suffix in (".json", ".txt"):
        assert {path.stem for path in FOLDER.glob(f"*{suffix}")} == stems


def numbers(analysis: Analysis, kind: str) -> list[int]:
    """The places in the file (from 0) of frames of one kind."""
    return [record.file_number - 1 for record in analysis.frames if record.kind == kind]


def mutated(name: str, change: Callable[[list[Frame], Analysis], list[Frame]]) -> tuple[Analysis, Analysis]:
    """The analysis of a golden trace before and after a change of its frames."""
    capture = FOLDER / f"{name}.pcapng"
    before = analysis_of(capture)
    after = analyse(change(frames_of(capture), before), names={})
    return before, after[0]


def kinds(analysis: Analysis) -> set[str]:
    """Every kind of finding."""
    return {finding.kind for finding in analysis.findings}


def without(frames: list[Frame], place: int) -> list[Frame]:
    """All frames but one."""
    return [frame for number, frame in enumerate(frames) if number != place]


def test_without_its_fins_a_session_is_not_closed() -> None:
    def change(frames: list[Frame], analysis: Analysis) -> list[Frame]:
        gone = set(numbers(analysis, "fin"))
        return [frame for number, frame in enumerate(frames) if number not in gone]

    before, after = mutated("demo", change)
    assert (before.teardown.way, before.teardown.time_wait) == ("fin", "server")
    assert (after.teardown.way, after.teardown.time_wait) == ("open", None)
    assert before.verdict == "complete" != after.verdict


def test_without_the_second_fin_one_side_stays_open() -> None:
    before, after = mutated("demo", lambda frames, a: without(frames, numbers(a, "fin")[1]))
    assert before.teardown.client_fin is not None
    assert after.teardown.way == "half"
    assert after.teardown.client_fin is None


def test_a_flipped_checksum_is_found_and_only_there() -> None:
    def change(frames: list[Frame], analysis: Analysis) -> list[Frame]:
        place = numbers(analysis, "data")[0]
        data = bytearray(frames[place].data)
        data[-1] ^= 0x20
        frames[place] = frames[place]._replace(data=bytes(data))
        return frames

    before, after = mutated("demo", change)
    assert "bad-checksum" not in kinds(before)
    (finding,) = after.findings_of("bad-checksum")
    assert finding.frames == (before.stream("client").data_frames[0],)


def test_a_data_segment_taken_away_leaves_a_hole_that_the_acknowledgment_shows() -> None:
    before, after = mutated("demo", lambda frames, a: without(frames, numbers(a, "data")[2]))
    assert before.stream("client").missing_octets + before.stream("server").missing_octets == 0
    assert after.stream("client").missing_octets + after.stream("server").missing_octets > 0


def test_two_data_segments_swapped_are_out_of_order() -> None:
    def change(frames: list[Frame], analysis: Analysis) -> list[Frame]:
        sent = [
            n - 1
            for n in analysis.stream("client").data_frames
            if n < len(frames) and analysis.frame(n).sender == analysis.frame(n + 1).sender == "client"
            if analysis.frame(n + 1).payload_bytes
        ]
        first = sent[0]
        one, two = frames[first], frames[first + 1]
        frames[first] = two._replace(time_ns=one.time_ns)
        frames[first + 1] = one._replace(time_ns=two.time_ns)
        return frames

    before, after = mutated("zero-window-v6", change)
    assert before.stream("client").out_of_order == ()
    assert len(after.stream("client").out_of_order) == 1
    assert len(after.stream("client").retransmissions) == len(before.stream("client").retransmissions)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_without_the_original_a_retransmission_is_still_one(which: int) -> None:
    """What passed after it, and the duplicate ACKs, tell that a first copy had been sent."""
    capture = FOLDER / "lossy-server.pcapng"
    before = analysis_of(capture)
    again = before.stream("server").retransmissions
    original = again[which].original
    assert original is not None
    after = analyse(without(frames_of(capture), before.frame(original).file_number - 1), names={})[0]
    left = after.stream("server").retransmissions
    assert [one.cause for one in left] == [one.cause for one in again] == ["fast", "recovery", "recovery", "recovery"]
    assert [one.frame + 1 for one in left] == [one.frame for one in again]
    assert [number for number, one in enumerate(left) if one.original is None] == [which]
    assert after.stream("server").octets == before.stream("server").octets


def having(kind: str, least: int = 1) -> list[Path]:
    """The golden traces with so many frames of one kind."""
    return [capture for capture in CAPTURES if len(numbers(analysis_of(capture), kind)) >= least]


def name(capture: Path) -> str:
    return capture.stem


def changed(capture: Path, frames: list[Frame]) -> Analysis:
    """The analysis of a trace with these frames, under the same names."""
    return analyse(frames, names={})[0]


@pytest.mark.parametrize("capture", having("fin", 2), ids=name)
def test_without_fins_every_trace_says_that_they_are_missing(capture: Path) -> None:
    before = analysis_of(capture)
    gone = set(numbers(before, "fin"))
    after = changed(capture, [frame for place, frame in enumerate(frames_of(capture)) if place not in gone])
    assert {"teardown", "time-wait"} <= kinds(before)
    assert not {"teardown", "time-wait"} & kinds(after)
    assert (before.teardown.way, after.teardown.way) == ("fin", "open")
    assert not after.summary["certificate"]["complete"]  # type: ignore[index,call-overload]


@pytest.mark.parametrize("capture", having("rst"), ids=name)
def test_without_its_resets_every_trace_ends_otherwise(capture: Path) -> None:
    before = analysis_of(capture)
    gone = set(numbers(before, "rst"))
    after = changed(capture, [frame for place, frame in enumerate(frames_of(capture)) if place not in gone])
    assert before.resets
    assert not after.resets
    assert before.verdict in ("reset", "refused")
    assert after.verdict not in ("reset", "refused")


@pytest.mark.parametrize("capture", CAPTURES, ids=name)
def test_a_flipped_checksum_is_found_in_every_trace(capture: Path) -> None:
    before, frames = analysis_of(capture), frames_of(capture)
    last = max(record.file_number for record in before.frames if record.is_tcp) - 1
    data = bytearray(frames[last].data)
    place = 14 + (20 if before.ip_version == 4 else 40) + 16
    data[place] ^= 1
    frames[last] = frames[last]._replace(data=bytes(data))
    after = changed(capture, frames)
    assert "bad-checksum" not in kinds(before)
    assert [found.frames for found in after.findings_of("bad-checksum")] == [(last + 1,)]
    assert after.frames[-1].damaged


@pytest.mark.parametrize("capture", having("data"), ids=name)
def test_a_segment_taken_away_leaves_a_hole_in_every_trace(capture: Path) -> None:
    before = analysis_of(capture)
    role = next(one for one in ("client", "server") if before.stream(one).data_frames)  # type: ignore[arg-type]
    first = before.stream(role).data_frames[0]  # type: ignore[arg-type]
    octets = before.frame(first).payload_bytes
    after = changed(capture, without(frames_of(capture), before.frame(first).file_number - 1))
    holes = after.stream(role).missing_octets, before.stream(role).missing_octets  # type: ignore[arg-type]
    assert (holes[0] - holes[1]) == octets
    assert {"octets-missing", "ack-of-unseen"} & kinds(after)
    assert not {"wrong-answer", "unanswered"} & kinds(after) - kinds(before)


@pytest.mark.parametrize("capture", having("data"), ids=name)
def test_a_copied_segment_is_told_as_a_copy_in_every_trace(capture: Path) -> None:
    before, frames = analysis_of(capture), frames_of(capture)
    first = next(record for record in before.frames if record.kind == "data")
    place = first.file_number
    frames.insert(place, frames[place - 1]._replace(time_ns=frames[place - 1].time_ns + 1_000))
    after = changed(capture, frames)
    assert "duplicate-frame" not in kinds(before)
    assert [found.frames for found in after.findings_of("duplicate-frame")] == [(first.number, first.number + 1)]
    assert after.stream("client").octets == before.stream("client").octets
    retransmitted = [one.cause for role in ("client", "server") for one in after.stream(role).retransmissions]  # type: ignore[arg-type]
    assert retransmitted.count("duplicate") == 1
