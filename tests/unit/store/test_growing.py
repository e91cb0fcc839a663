"""The new packet blocks of captures that are being written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.store.growing import GrowingRun
from lab.store.reader import parse_capture
from tests.unit.store.scenes import Bench, FakeSession


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "captures")


def comments(bench: Bench, run: GrowingRun) -> list[str]:
    """The comments of what is new, read behind the header of a file of the run."""
    new = b"".join(block for _, block in run.look())
    path = next(bench.folder.glob("*.pcapng"))
    head = path.read_bytes()
    begin = head.index(b"\x06\0\0\0", 1000) if new else 0
    return parse_capture([head[:begin] + new]).comments if new else []


def test_only_what_is_new_comes_and_each_frame_once(bench: Bench) -> None:
    run = GrowingRun(bench.folder, from_start=True)
    assert run.look() == []
    session = FakeSession()
    bench.open(session)
    bench.record(session, 0, 1)
    bench.store.flush()
    assert comments(bench, run) == ["a segment 0", "a segment 1"]
    assert run.look() == []
    bench.record(session, 2)
    bench.store.flush()
    assert comments(bench, run) == ["a segment 2"]


def test_the_closing_statistics_are_left_out_and_a_late_frame_behind_them_comes(bench: Bench) -> None:
    run = GrowingRun(bench.folder, from_start=True)
    session = FakeSession()
    bench.open(session)
    bench.record(session, 0)
    bench.end(session)
    bench.store.flush()
    assert comments(bench, run) == ["a segment 0"]
    bench.record(session, 1)
    bench.store.flush()
    assert comments(bench, run) == ["a segment 1"]


def test_what_was_there_before_is_passed_over_unless_asked_for(bench: Bench) -> None:
    one, two = FakeSession("0001-a", 1), FakeSession("0002-b", 2)
    bench.open(one)
    bench.record(one, 0, 1)
    bench.end(one)
    bench.open(two)
    bench.record(two, 2)
    bench.store.flush()
    late, early = (GrowingRun(bench.folder, from_start=from_start) for from_start in (False, True))
    bench.record(two, 3)
    bench.store.flush()
    assert comments(bench, late) == ["a segment 3"]
    assert len(early.look()) == 4


def test_only_the_wanted_files_are_read(bench: Bench) -> None:
    run = GrowingRun(bench.folder, from_start=True, wanted=lambda name: name.startswith("0002-"))
    for number in (1, 2):
        session = FakeSession(f"{number:04d}-x", number)
        bench.open(session)
        bench.record(session, number)
    bench.store.flush()
    assert len(run.look()) == 1


@pytest.mark.parametrize("octets", [b"", b"no capture", b"\x0a\x0d\x0d\x0a\x07\0\0\0" + bytes(40), bytes(64)])
def test_a_foreign_file_and_a_folder_that_is_gone_bring_nothing(tmp_path: Path, octets: bytes) -> None:
    run = GrowingRun(tmp_path, from_start=True)
    (tmp_path / "x.pcapng").write_bytes(octets)
    assert run.look() == []
    (tmp_path / "x.pcapng").write_bytes(octets + bytes(100))
    assert run.look() == []
    assert GrowingRun(tmp_path / "nosuch", from_start=True).look() == []


def test_a_block_that_is_not_whole_yet_comes_when_it_is(bench: Bench, tmp_path: Path) -> None:
    session = FakeSession()
    bench.open(session)
    bench.record(session, 0, 1)
    bench.store.flush()
    whole = (bench.folder / f"{session.name}.pcapng").read_bytes()
    there = tmp_path / "there"
    there.mkdir()
    run = GrowingRun(there, from_start=True)
    found = []
    for size in range(0, len(whole) + 1, 7):
        (there / "0001.pcapng").write_bytes(whole[:size])
        found += run.look()
    (there / "0001.pcapng").write_bytes(whole)
    found += run.look()
    assert len(found) == 2
    assert [time_ns for time_ns, _ in found] == sorted(time_ns for time_ns, _ in found)


def test_begun_in_the_middle_of_a_long_write_it_goes_on_with_the_block_that_was_not_whole(
    bench: Bench, tmp_path: Path
) -> None:
    session = FakeSession()
    bench.open(session)
    bench.record(session, 0, 1, 2)
    bench.store.flush()
    whole = (bench.folder / f"{session.name}.pcapng").read_bytes()
    blocks = [block for _, block in GrowingRun(bench.folder, from_start=True).look()]
    begins = [whole.index(block) for block in blocks]
    there = tmp_path / "there"
    there.mkdir()
    for size in range(begins[0], len(whole) + 1, 5):
        (there / "0001.pcapng").write_bytes(whole[:size])
        run = GrowingRun(there, from_start=False)
        (there / "0001.pcapng").write_bytes(whole)
        new = [block for begin, block in zip(begins, blocks, strict=True) if begin + len(block) > size]
        assert [block for _, block in run.look()] == new, size
