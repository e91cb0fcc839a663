"""A session's file: valid after every flush, whole blocks only, finished, opened again, and on a disk without room."""

from __future__ import annotations

import errno
import gc
from pathlib import Path

import pytest

from lab.store.errors import StoreError
from lab.store.files import DescriptorPool
from lab.store.pcapng import SessionFile, in_progress
from lab.store.reader import read_capture
from tests.unit.store.scenes import HEADER, NAMES, START_NS, frame, no_file_beyond, walk

SHB, IDB, NRB, ISB, EPB = 0x0A0D0D0A, 1, 4, 5, 6


@pytest.fixture
def pool() -> DescriptorPool:
    return DescriptorPool(4)


@pytest.fixture
def file(tmp_path: Path, pool: DescriptorPool) -> SessionFile:
    return SessionFile(tmp_path / "one.pcapng", HEADER, pool)


def kinds(path: Path) -> list[int]:
    return [block_type for block_type, _body in walk(path.read_bytes())]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def finish(file: SessionFile, received: int, comment: str = "Verdict: complete.") -> None:
    file.finish(start_ns=START_NS, end_ns=START_NS + 9000, received=received, dropped=2, comment=comment, words="done")


def test_nothing_is_on_disk_before_the_first_flush(file: SessionFile) -> None:
    file.append(frame(), "first")
    assert not file.path.exists()
    file.flush()
    assert kinds(file.path) == [SHB, IDB, NRB, EPB]


def test_the_file_is_valid_after_every_flush(file: SessionFile) -> None:
    for number in range(5):
        file.append(frame(number), f"frame {number}")
        file.flush()
        capture = read_capture(file.path)
        assert capture.comments == [f"frame {n}" for n in range(number + 1)]
        assert capture.frames == [frame(n) for n in range(number + 1)]
        assert not capture.truncated
        assert capture.sections[0].comment == in_progress(file.path)
        assert capture.names == NAMES


def test_a_flush_is_one_write_and_a_flush_with_nothing_to_say_is_none(
    file: SessionFile, monkeypatch: pytest.MonkeyPatch, pool: DescriptorPool
) -> None:
    file.flush()
    handle = pool.get(str(file.path))
    writes: list[int] = []

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(handle, name)

        def write(self, octets: bytes) -> int:
            writes.append(len(octets))
            return handle.write(octets)

    monkeypatch.setattr(pool, "get", lambda *_path, **_create: Counting())
    sizes = [file.append(frame(number), "some words") for number in range(20)]
    file.flush()
    file.flush()
    assert writes == [sum(sizes)]


def test_a_finished_file_ends_in_statistics_and_begins_with_the_verdict(file: SessionFile) -> None:
    file.append(frame(0), "first")
    file.flush()
    file.append(frame(1), "second")
    finish(file, 2)
    assert kinds(file.path) == [SHB, IDB, NRB, EPB, EPB, ISB]
    capture = read_capture(file.path)
    assert capture.sections[0].comment == "Verdict: complete."
    statistics = capture.interfaces[0].statistics
    assert statistics is not None
    assert (statistics.start_ns, statistics.end_ns) == (START_NS, START_NS + 9000)
    assert (statistics.received, statistics.dropped, statistics.delivered) == (2, 2, 2)
    assert statistics.comment == "done"


def test_a_session_that_is_never_flushed_is_finished_in_one_go(file: SessionFile) -> None:
    file.append(frame(0), "only")
    finish(file, 1)
    assert kinds(file.path) == [SHB, IDB, NRB, EPB, ISB]
    assert read_capture(file.path).sections[0].comment == "Verdict: complete."


def test_a_late_frame_takes_the_place_of_the_statistics(file: SessionFile, pool: DescriptorPool) -> None:
    file.append(frame(0), "first")
    finish(file, 1)
    again = SessionFile.reopen(file.path, HEADER, pool)
    again.append(frame(1), "late")
    again.flush()
    assert kinds(file.path) == [SHB, IDB, NRB, EPB, EPB]
    finish(again, 2, "Verdict: complete, with a late frame.")
    assert kinds(file.path) == [SHB, IDB, NRB, EPB, EPB, ISB]
    capture = read_capture(file.path)
    assert capture.comments == ["first", "late"]
    assert capture.sections[0].comment == "Verdict: complete, with a late frame."


def test_a_late_frame_shorter_than_the_statistics_leaves_nothing_behind(
    file: SessionFile, pool: DescriptorPool
) -> None:
    file.finish(start_ns=1, end_ns=2, received=0, comment="x", words="w" * 900)
    again = SessionFile.reopen(file.path, HEADER, pool)
    again.append(frame(1, b"\1"), "")
    again.flush()
    assert kinds(file.path) == [SHB, IDB, NRB, EPB]


@pytest.mark.parametrize("octets", [b"", b"short", bytes(40), b"\xff" * 400])
def test_a_file_that_does_not_end_in_a_block_is_not_reopened(
    tmp_path: Path, pool: DescriptorPool, octets: bytes
) -> None:
    path = tmp_path / "broken.pcapng"
    path.write_bytes(octets)
    with pytest.raises(StoreError, match="does not end in a whole block"):
        SessionFile.reopen(path, HEADER, pool)
    assert path.read_bytes() == octets
    assert len(pool) == 0


def test_a_file_that_is_gone_is_not_reopened(tmp_path: Path, pool: DescriptorPool) -> None:
    with pytest.raises(StoreError, match="reopen the capture: the folder or file is gone"):
        SessionFile.reopen(tmp_path / "none.pcapng", HEADER, pool)


def test_an_existing_file_is_never_overwritten(file: SessionFile) -> None:
    file.path.write_bytes(b"somebody's")
    with pytest.raises(StoreError, match="cannot write the capture"):
        file.flush()
    assert file.path.read_bytes() == b"somebody's"


def test_many_files_share_few_descriptors(tmp_path: Path) -> None:
    pool = DescriptorPool(8)
    files = [SessionFile(tmp_path / f"{number}.pcapng", HEADER, pool) for number in range(100)]
    gc.collect()  # what other tests left open must not be closed in between
    before = open_descriptors()
    for turn in range(3):
        for number, one in enumerate(files):
            one.append(frame(turn), f"{turn} of {number}")
            one.flush()
            assert len(pool) <= 8
    assert open_descriptors() - before <= 8
    for number, one in enumerate(files):
        assert read_capture(one.path).comments == [f"{turn} of {number}" for turn in range(3)]
    pool.close()
    assert open_descriptors() == before


def test_a_pool_closes_the_file_that_was_idle_longest(tmp_path: Path) -> None:
    pool = DescriptorPool(2)
    first = pool.get(str(tmp_path / "1"), create=True)
    second = pool.get(str(tmp_path / "2"), create=True)
    assert pool.get(str(tmp_path / "1")) is first
    pool.get(str(tmp_path / "3"), create=True)
    assert second.closed
    assert not first.closed


def test_a_pool_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one file"):
        DescriptorPool(0)


def test_what_does_not_fit_is_cut_off_at_a_block_and_counted_and_told(file: SessionFile) -> None:
    file.append(frame(0), "fits")
    file.flush()
    size = file.path.stat().st_size
    sizes = [file.append(frame(number), f"frame {number}") for number in (1, 2, 3)]
    with no_file_beyond(size + sizes[0] + sizes[1] + 10), pytest.raises(StoreError) as caught:
        file.flush()
    assert caught.value.number == errno.EFBIG
    assert str(file.path) in str(caught.value)
    assert read_capture(file.path).comments == ["fits", "frame 1", "frame 2"]
    assert not read_capture(file.path).truncated
    assert (file.frames_written, file.frames_not_written) == (3, 1)
    file.append(frame(4), "room again")
    file.append(frame(5), "and on")
    finish(file, 6)
    capture = read_capture(file.path)
    assert capture.comments[-2:] == ["[1 frame before this one could not be written.] room again", "and on"]
    assert capture.interfaces[0].drops_told == 1
    statistics = capture.interfaces[0].statistics
    assert statistics is not None
    assert (statistics.received, statistics.delivered) == (6, 5)


def test_a_gap_grows_while_nothing_fits(file: SessionFile) -> None:
    file.append(frame(0), "fits")
    file.flush()
    with no_file_beyond(file.path.stat().st_size):
        for number in (1, 2, 3):
            file.append(frame(number), "lost")
            with pytest.raises(StoreError):
                file.flush()
    file.append(frame(4), "back")
    file.flush()
    assert read_capture(file.path).comments == ["fits", "[3 frames before this one could not be written.] back"]
    assert file.frames_not_written == 3


def test_a_file_whose_header_does_not_fit_is_not_left_behind(file: SessionFile) -> None:
    file.append(frame(0), "lost")
    with no_file_beyond(100), pytest.raises(StoreError):
        file.flush()
    assert not file.path.exists()
    file.append(frame(1), "first that fits")
    file.flush()
    assert read_capture(file.path).comments == ["[1 frame before this one could not be written.] first that fits"]


def test_statistics_that_do_not_fit_can_be_tried_again(file: SessionFile) -> None:
    file.append(frame(0), "fits")
    file.flush()
    with no_file_beyond(file.path.stat().st_size + 20), pytest.raises(StoreError):
        finish(file, 1)
    assert kinds(file.path) == [SHB, IDB, NRB, EPB]
    finish(file, 1)
    assert kinds(file.path) == [SHB, IDB, NRB, EPB, ISB]


@pytest.mark.parametrize("descriptor_open", [True, False])
def test_a_file_deleted_under_the_tap_is_noticed_and_made_anew(
    file: SessionFile, pool: DescriptorPool, descriptor_open: bool
) -> None:
    file.append(frame(0), "before")
    file.flush()
    if not descriptor_open:
        pool.close()
    file.path.unlink()
    file.append(frame(1), "into the void")
    with pytest.raises(StoreError, match="gone"):
        file.flush()
    assert file.frames_not_written == 2
    file.append(frame(2), "anew")
    file.flush()
    assert read_capture(file.path).comments == ["[2 frames before this one could not be written.] anew"]


def test_a_missing_folder_is_one_sentence_with_the_next_step(tmp_path: Path, pool: DescriptorPool) -> None:
    with pytest.raises(StoreError) as caught:
        SessionFile(tmp_path / "none" / "one.pcapng", HEADER, pool).flush()
    assert str(caught.value).endswith("make it again: 'mkdir -p captures', then restart the tap")
    assert "\n" not in str(caught.value)
