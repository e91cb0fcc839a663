"""The session store: events in, files and JSON out, whatever the disk does."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.store.digest import verify
from lab.store.errors import StoreError
from lab.store.pcapng import SessionFile
from lab.store.reader import read_capture
from tests.unit.store.scenes import START_NS, Bench, FakeCertificate, FakeSession, frame, no_file_beyond


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "captures")


def facts(bench: Bench, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((bench.folder / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def test_a_session_in_progress_can_be_read_after_a_flush(bench: Bench) -> None:
    session = FakeSession()
    bench.open(session)
    bench.record(session, 0, 1)
    assert not list(bench.folder.glob("0001*"))
    bench.store.flush()
    assert read_capture(bench.folder / f"{session.name}.pcapng").comments == ["a segment 0", "a segment 1"]
    told = facts(bench, session.name)
    assert (told["verdict"], told["certificate"]["complete"]) == ("open", False)
    assert told["certificate"]["reasons"] == ["The session is still open: wait until it has ended."]
    assert told["file"]["sha256"] is None
    assert bench.store.open_sessions == 1


def test_a_finished_session_tells_all_its_facts(bench: Bench) -> None:
    session = bench.play("0001-client-40000", 1, frames=3)
    path = bench.folder / "0001-client-40000.pcapng"
    told = facts(bench, session.name)
    assert list(told) == [
        "name",
        "ordinal",
        "run",
        "verdict",
        "certificate",
        "client",
        "languages",
        "lab_version",
        "tap",
        "file",
        "digest",
    ]
    assert (told["name"], told["ordinal"], told["run"]) == (session.name, 1, bench.folder.name)
    assert (told["verdict"], told["certificate"]) == ("complete", {"complete": True, "reasons": []})
    assert told["client"] == {"name": "client", "port": 40000}
    assert told["languages"] == {"server": "python", "client": "c"}
    assert (told["lab_version"], told["tap"]) == ("0.1.0", {"name": "server-tap", "frames_dropped": 0})
    assert told["file"] == {
        "name": path.name,
        "frames": 3,
        "frames_not_written": 0,
        "first_frame_ns": START_NS,
        "last_frame_ns": START_NS + 2002,
        "octets": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert told["digest"] == "unsigned"
    comment = read_capture(path).sections[0].comment
    assert comment == (
        f"Session 0001-client-40000 of run {path.parent.name}. Verdict: complete. "
        "Certificate: complete; every frame of this session is in this file."
    )
    assert bench.store.open_sessions == 0
    assert not list(bench.folder.glob("*.tmp"))


def test_a_withheld_certificate_says_why_in_both_files(bench: Bench) -> None:
    session = FakeSession(verdict="midstream", certificate=FakeCertificate(False, ("No SYN was seen.",)))
    bench.open(session)
    bench.record(session, 0)
    bench.end(session)
    assert facts(bench, session.name)["certificate"] == {"complete": False, "reasons": ["No SYN was seen."]}
    comment = read_capture(bench.folder / f"{session.name}.pcapng").sections[0].comment
    assert comment.endswith("Verdict: midstream. Certificate withheld: No SYN was seen.")


def test_an_incomplete_certificate_without_a_reason_is_not_turned_into_a_complete_one(bench: Bench) -> None:
    session = FakeSession(certificate=FakeCertificate(False, ()))
    bench.open(session)
    bench.end(session)
    assert facts(bench, session.name)["certificate"]["complete"] is False


def test_the_session_cannot_overwrite_what_is_the_stores_to_say(bench: Bench) -> None:
    session = FakeSession(facts={"verdict": "forged", "file": "forged", "frames": {"client": 2}})
    bench.open(session)
    bench.end(session)
    told = facts(bench, session.name)
    assert (told["verdict"], told["frames"]) == ("complete", {"client": 2})
    assert told["file"]["name"] == f"{session.name}.pcapng"


def test_a_late_frame_opens_the_file_again_and_the_second_end_closes_it(bench: Bench) -> None:
    session = bench.play("0001-client-40000", 1, frames=2)
    before = facts(bench, session.name)
    bench.record(session, 7, comment="late")
    bench.store.flush()
    assert facts(bench, session.name)["verdict"] == "open"
    bench.end(session)
    bench.later(0.3)
    bench.store.flush()
    after = facts(bench, session.name)
    assert after["verdict"] == "complete"
    assert (before["file"]["frames"], after["file"]["frames"]) == (2, 3)
    assert after["file"]["first_frame_ns"] == START_NS
    assert after["file"]["sha256"] != before["file"]["sha256"]
    capture = read_capture(bench.folder / f"{session.name}.pcapng")
    assert capture.comments[-1] == "late 7"
    statistics = capture.interfaces[0].statistics
    assert statistics is not None
    assert (statistics.received, statistics.start_ns) == (3, START_NS)
    assert bench.store.totals.sessions_finished == 1


def test_a_flood_of_late_frames_does_not_finish_the_file_each_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = bench.play("0001-client-40000", 1, frames=2)
    finished: list[None] = []
    finish = SessionFile.finish
    monkeypatch.setattr(SessionFile, "finish", lambda file, **told: finished.append(finish(file, **told)))
    for number in range(100):
        bench.record(session, number)
        bench.end(session)
        bench.store.flush()
        bench.later(0.01)
    assert 1 <= len(finished) <= 5
    bench.record(session, 100)
    bench.end(session)
    bench.store.close()
    assert facts(bench, session.name)["file"]["frames"] == 103
    assert facts(bench, session.name)["verdict"] == "complete"


def test_a_late_frame_waits_no_longer_than_the_clock_allows_even_when_it_is_set_back(bench: Bench) -> None:
    session = bench.play("0001-client-40000", 1)
    bench.record(session, 5)
    bench.end(session)
    bench.store.flush()
    assert facts(bench, session.name)["verdict"] == "open"
    bench.later(-3600)
    bench.store.flush()
    assert facts(bench, session.name)["verdict"] == "complete"


def test_a_late_frame_of_a_session_that_was_removed_is_counted_and_brings_nothing_back(bench: Bench) -> None:
    session = bench.play("0001-client-40000", 1)
    for path in bench.folder.glob("0001*"):
        path.unlink()
    bench.record(session, 9)
    bench.end(session)
    bench.store.flush()
    assert not list(bench.folder.glob("0001*"))
    assert bench.store.totals.frames_not_written == 1
    assert bench.said == []


def test_drops_belong_to_the_sessions_that_were_open_meanwhile(bench: Bench) -> None:
    early = FakeSession("0001-early", 1)
    bench.open(early)
    bench.record(early, 0)
    bench.store.kernel_dropped(5)
    late = FakeSession("0002-late", 2)
    bench.open(late)
    bench.record(late, 1)
    bench.store.kernel_dropped(2)
    bench.end(early)
    bench.end(late)
    assert facts(bench, early.name)["tap"]["frames_dropped"] == 7
    assert facts(bench, late.name)["tap"]["frames_dropped"] == 2
    for name, dropped in ((early.name, 7), (late.name, 2)):
        statistics = read_capture(bench.folder / f"{name}.pcapng").interfaces[0].statistics
        assert statistics is not None
        assert statistics.dropped == dropped


def test_the_run_tells_its_totals_while_it_lives_and_its_end_when_it_is_closed(bench: Bench) -> None:
    path = bench.folder / "run.json"
    assert json.loads(path.read_text(encoding="utf-8"))["end_ns"] is None
    bench.play("0001-client-40000", 1, frames=4)
    bench.later(2)
    bench.store.flush()
    told = json.loads(path.read_text(encoding="utf-8"))
    assert (told["sessions"], told["sessions_finished"], told["frames"]) == (1, 1, 4)
    assert told["filter"] == "tcp or arp"
    assert told["interface"]["mac"] == "02:42:0a:00:02:0a"
    assert told["names"]["192.0.2.10"] == ["server"]
    bench.store.close()
    assert json.loads(path.read_text(encoding="utf-8"))["end_ns"] == bench.now_ns


def test_a_clock_set_back_does_not_stop_the_totals(bench: Bench) -> None:
    bench.later(3600)
    bench.store.flush()
    bench.later(-7200)
    bench.play("0001-client-40000", 1, frames=4)
    assert json.loads((bench.folder / "run.json").read_text(encoding="utf-8"))["frames"] == 4


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "captures", buffer_limit_bytes=10_000)
    session = FakeSession()
    bench.open(session)
    for number in range(500):
        bench.record(session, number)
        assert bench.store.pending_bytes <= 10_000
    assert (bench.folder / f"{session.name}.pcapng").stat().st_size > 40_000


def test_a_thousand_open_sessions_need_few_descriptors(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "captures", descriptor_limit=16)
    before = len(list(Path("/proc/self/fd").iterdir()))
    open_sessions = [FakeSession(f"{number:05}-client", number) for number in range(1000)]
    for session in open_sessions:
        bench.open(session)
    for turn in range(2):
        for session in open_sessions:
            bench.record(session, turn)
        bench.store.flush()
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 16
    for session in open_sessions:
        bench.end(session)
    bench.store.close()
    assert all(len(read_capture(path).packets) == 2 for path in bench.folder.glob("*.pcapng"))
    assert bench.store.totals.sessions_finished == 1000


def test_a_full_disk_is_told_once_counted_and_got_over(bench: Bench) -> None:
    done = bench.play("0001-done", 1)
    untouched = {path.name: path.read_bytes() for path in bench.folder.glob("0001*")}
    session = FakeSession("0002-unlucky", 2)
    bench.open(session)
    bench.record(session, 0, 1)
    bench.store.flush()
    with no_file_beyond((bench.folder / "0002-unlucky.pcapng").stat().st_size):
        for number in range(2, 6):
            bench.record(session, number)
            bench.store.flush()
        bench.end(session)
        bench.store.flush()
        assert bench.store.trouble is not None
    assert len(bench.said) == 1
    assert "cannot write the capture" in bench.said[0]
    assert facts(bench, "0002-unlucky")["verdict"] == "open"
    assert bench.store.open_sessions == 1
    for _ in range(2):  # the first flush finishes what waited, the second has had a whole second without trouble
        bench.later(1.5)
        bench.store.flush()
    assert bench.said[1:] == [f"writing to {bench.folder} works again; 4 frames were not written meanwhile"]
    assert bench.store.trouble is None
    told = facts(bench, "0002-unlucky")
    assert told["verdict"] == "complete"
    assert told["certificate"] == {
        "complete": False,
        "reasons": ["4 frames could not be written to the disk: make room and take the session again."],
    }
    assert (told["file"]["frames"], told["file"]["frames_not_written"]) == (2, 4)
    assert len(read_capture(bench.folder / "0002-unlucky.pcapng").packets) == 2
    assert {path.name: path.read_bytes() for path in bench.folder.glob("0001*")} == untouched
    assert facts(bench, done.name)["certificate"]["complete"]
    assert bench.store.totals.frames_not_written == 4


def test_a_new_session_after_the_trouble_is_certified_again(bench: Bench) -> None:
    with no_file_beyond(64):
        bench.play("0001-unlucky", 1)
    bench.later(2)
    bench.store.flush()
    bench.play("0002-lucky", 2)
    assert not facts(bench, "0001-unlucky")["certificate"]["complete"]
    assert facts(bench, "0002-lucky")["certificate"]["complete"]


def test_a_late_frame_while_the_end_could_not_be_written_is_kept(bench: Bench) -> None:
    session = FakeSession()
    bench.open(session)
    bench.record(session, 0)
    bench.store.flush()
    with no_file_beyond((bench.folder / f"{session.name}.pcapng").stat().st_size):
        bench.end(session)
    bench.record(session, 1, comment="late")
    bench.end(session)
    bench.later(0.3)
    bench.store.flush()
    assert read_capture(bench.folder / f"{session.name}.pcapng").comments == ["a segment 0", "late 1"]
    assert facts(bench, session.name)["file"]["frames"] == 2


def test_captures_removed_under_the_tap_are_made_again(bench: Bench) -> None:
    session = FakeSession()
    bench.open(session)
    bench.record(session, 0, 1)
    bench.store.flush()
    shutil.rmtree(bench.folder)
    bench.record(session, 2)
    bench.store.flush()
    assert len(bench.said) == 1
    assert "gone" in bench.said[0]
    bench.record(session, 3)
    bench.store.flush()
    bench.end(session)
    assert len(read_capture(bench.folder / f"{session.name}.pcapng").packets) == 1
    assert facts(bench, session.name)["certificate"]["reasons"] == [
        "3 frames could not be written to the disk: make room and take the session again."
    ]
    assert (bench.captures / "latest.txt").read_text(encoding="utf-8").strip() == bench.folder.name


def test_a_captures_folder_that_is_gone_for_good_stops_nothing(bench: Bench) -> None:
    shutil.rmtree(bench.captures)
    for number in range(50):
        bench.play(f"{number:04}-lost", number)
        bench.later(1)
    bench.store.close()
    assert len(bench.said) == 1
    assert not bench.captures.exists()


def test_a_store_without_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.write_text("a file", encoding="utf-8")
    with pytest.raises((StoreError, FileExistsError)):
        Bench(captures)


def test_an_event_for_a_frame_keeps_its_direction(bench: Bench) -> None:
    bench.play("0001-client-40000", 1, frames=1)
    assert read_capture(bench.folder / "0001-client-40000.pcapng").frames == [frame(0)]


@pytest.fixture
def large(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    """A session that has ended and whose capture is too large to be digested between two flushes."""
    monkeypatch.setattr("lab.store.finish.DIGESTED_A_FLUSH", 1)
    session = FakeSession("0001-large", 1)
    bench.open(session)
    bench.record(session, *range(400), size=1400)
    bench.store.flush()
    bench.end(session)
    return session


def test_a_large_capture_is_digested_a_piece_at_a_time_and_is_open_until_that_is_done(
    bench: Bench, large: FakeSession
) -> None:
    path = bench.folder / f"{large.name}.json"
    small = FakeSession("0002-small", 2)
    flushes = 0
    while facts(bench, large.name)["verdict"] == "open":
        assert bench.store.open_sessions >= 1
        assert read_capture(path.with_suffix(".pcapng")).interfaces[0].statistics is not None, "the capture is whole"
        if flushes == 1:
            bench.open(small)
            bench.record(small, 1000)
        bench.store.kernel_dropped(1)  # none of a session that has ended
        bench.store.flush()
        flushes += 1
    assert flushes > 2
    assert facts(bench, large.name)["tap"]["frames_dropped"] == 0
    assert facts(bench, large.name)["file"]["frames"] == 400
    assert facts(bench, small.name)["verdict"] == "open", "others go on meanwhile"
    assert verify(path, None).state == "unsigned"


def test_a_late_frame_while_a_large_capture_is_digested_is_added_and_all_is_digested_anew(
    bench: Bench, large: FakeSession
) -> None:
    bench.store.flush()
    assert facts(bench, large.name)["verdict"] == "open"
    bench.store.kernel_dropped(5)
    bench.record(large, 401)
    bench.end(large)
    bench.store.close()
    told = facts(bench, large.name)
    assert (told["verdict"], told["file"]["frames"], told["tap"]["frames_dropped"]) == ("complete", 401, 0)
    assert verify(bench.folder / f"{large.name}.json", None).state == "unsigned"
    assert bench.store.totals.sessions_finished == 1


def test_a_large_capture_that_is_removed_while_it_is_digested_stops_nothing(bench: Bench, large: FakeSession) -> None:
    (bench.folder / f"{large.name}.pcapng").unlink()
    bench.store.flush()
    assert bench.said
    bench.play("0002-after", 2)
    bench.later(1)
    bench.store.close()
    assert facts(bench, "0002-after")["verdict"] == "complete"


def test_while_no_json_can_be_written_only_one_session_is_tried_again_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk with room for nothing, a thousand sessions that have ended must not keep the tap from its ring."""
    written: list[str] = []

    def full(*_arguments: object) -> None:
        raise StoreError("cannot write", "here", "make room", errno.ENOSPC)

    monkeypatch.setattr("lab.store.sessions.write_final", full)
    for ordinal in range(1, 31):
        bench.play(f"{ordinal:04}-unlucky", ordinal)
    put = SessionFile.finish

    def counted(file: SessionFile, **what: Any) -> None:
        written.append(file.path.name)
        put(file, **what)

    monkeypatch.setattr(SessionFile, "finish", counted)
    for _ in range(5):
        bench.later(1)
        bench.store.flush()
    assert 1 <= len(written) <= 10
    monkeypatch.undo()
    bench.later(1)
    bench.store.flush()
    bench.store.close()
    assert bench.store.totals.sessions_finished == 30
    assert {facts(bench, f"{ordinal:04}-unlucky")["verdict"] for ordinal in range(1, 31)} == {"complete"}
