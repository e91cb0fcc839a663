"""One change to a good trace, one change in the findings: a FIN removed, a checksum flipped, a segment gone or
moved."""

from __future__ import annotations

import random

import pytest

from lab.analysis import analyse
from lab.analysis.kinds import KINDS
from lab.analysis.model import ROLE_WORDS
from lab.wire.frame import Direction, Frame
from tests.unit.analysis.scenes import WHOLE, flipped, frames_of, kinds, look, only, swapped, without

STORY = WHOLE.replace('"hello\\n"', '"he"\n > P. 3 ack 1 "llo\\n"')


def test_without_the_second_fin_it_is_missing() -> None:
    whole, cut = frames_of(WHOLE), without(without(frames_of(WHOLE), 11), 10)
    assert kinds(look(cut)) - kinds(look(whole)) == {"fin-missing", "wireshark-differs"}
    assert kinds(look(whole)) - kinds(look(cut)) == {"teardown", "time-wait"}


def test_with_a_flipped_checksum_the_segment_counts_for_nothing() -> None:
    whole, bad = look(STORY), look(flipped(frames_of(STORY), 4))
    assert only(bad, "bad-checksum").frames == (4,)
    assert "bad-checksum" not in kinds(whole)
    assert bad.frame(4).damaged
    assert [message.octets for message in bad.client.messages] == [b"llo\n"]
    assert bad.client.missing_octets == 2


def test_with_a_segment_dropped_its_octets_are_missing() -> None:
    dropped = look(without(frames_of(STORY), 4))
    assert only(dropped, "octets-missing").facts["octets"] == 2
    assert "octets-missing" not in kinds(look(STORY))
    assert not {"wrong-answer", "unanswered"} & kinds(dropped)  # the capture's hole is not the server's fault


def test_with_two_segments_swapped_one_is_out_of_order() -> None:
    changed = look(swapped(frames_of(STORY), 4, 5))
    assert kinds(changed) - kinds(look(STORY)) == {"out-of-order"}


def test_with_the_ack_of_the_data_removed_it_is_carried_along() -> None:
    assert "ack-piggybacked" not in kinds(look(WHOLE))
    assert only(look(without(frames_of(WHOLE), 5)), "ack-piggybacked").frames == (5,)


def test_a_mirror_of_time_changes_no_frame_record() -> None:
    later = [frame._replace(time_ns=frame.time_ns + 86_400 * 10**9) for frame in frames_of(STORY)]
    assert [f.kind for f in look(later).findings] == [f.kind for f in look(STORY).findings]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_to_the_octets_it_never_fails_and_every_word_is_known(seed: int) -> None:
    dice = random.Random(seed)
    frames = frames_of(STORY + "> P. 8 ack 8 x1\n icmp 3 4\n < R 8", version=dice.choice((4, 6)))
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(frames))
        frame = frames[at]
        data = bytearray(frame.data)
        action = dice.randrange(5)
        if action == 0:
            data[dice.randrange(len(data))] = dice.randrange(256)
        elif action == 1:
            del data[dice.randrange(len(data)) :]
        elif action == 2:
            frames.insert(dice.randrange(len(frames)), frame)
        elif action == 3:
            frames.pop(at)
        else:
            frame = frame._replace(time_ns=frame.time_ns + dice.randrange(-(10**9), 10**9))
        if action != 3:
            frames[at if at < len(frames) else -1] = frame._replace(data=bytes(data))
    for analysis in analyse(frames):
        assert [record.number for record in analysis.frames] == list(range(1, len(analysis.frames) + 1))
        for found in analysis.findings:
            assert found.kind in KINDS
            assert all(1 <= number <= len(analysis.frames) for number in found.frames)
            assert "None" not in found.sentence
            assert found.sentence.endswith((".", '"'))
        for record in analysis.frames:
            assert set(record.roles) <= set(ROLE_WORDS)


def test_directions_tell_where_the_tap_was() -> None:
    def marked(frames: list[Frame], out_port: int) -> list[Frame]:
        ports = [int.from_bytes(frame.data[34:36], "big") for frame in frames]
        ways = [Direction.OUTBOUND if port == out_port else Direction.INBOUND for port in ports]
        return [frame._replace(direction=way) for frame, way in zip(frames, ways, strict=True)]

    assert look(marked(frames_of(WHOLE), 7)).vantage == "server"
    assert look(marked(frames_of(WHOLE), 40312)).vantage == "client"
    assert look(WHOLE).vantage is None


def test_sessions_of_one_file_keep_the_numbers_of_the_file() -> None:
    one, two = frames_of(WHOLE), frames_of(WHOLE, ports=(40313, 7))
    mixed = [frame for pair in zip(one, two, strict=True) for frame in pair]
    first, second = analyse(mixed)
    assert [record.file_number for record in first.frames] == list(range(1, 23, 2))
    assert [record.file_number for record in second.frames] == list(range(2, 23, 2))
    assert first.findings == look(WHOLE).findings
