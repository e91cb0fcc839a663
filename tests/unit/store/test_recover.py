"""What a killed tap leaves is mended by the next one, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.store.digest import verify
from lab.store.index import sessions
from lab.store.reader import Packet, read_capture
from lab.store.recover import recover
from tests.unit.store.scenes import NAMES, START_NS, Bench, FakeSession


@pytest.fixture
def killed(tmp_path: Path) -> Bench:
    """A run whose tap is dead: one session finished, one open with three frames."""
    bench = Bench(tmp_path / "captures")
    bench.play("0001-done", 1)
    bench.play("0002-open", 2, finish=False)
    bench.store.run.close()  # what the kernel does when a process is killed
    return bench


def facts(bench: Bench, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((bench.folder / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def test_an_open_session_of_a_dead_tap_is_marked_as_cut(killed: Bench) -> None:
    done = {path.name: path.read_bytes() for path in killed.folder.glob("0001*")}
    [mended] = recover(killed.captures, now_ns=START_NS + 10)
    assert (mended.run, mended.name) == (killed.folder.name, "0002-open")
    assert str(mended).startswith(f"session 0002-open of run {killed.folder.name} is marked as cut: The tap ended")
    told = facts(killed, "0002-open")
    assert told["verdict"] == "cut"
    assert told["certificate"] == {"complete": False, "reasons": [mended.reason]}
    assert told["client"] == {"name": "client", "port": 40000}
    assert (told["file"]["frames"], told["file"]["last_frame_ns"]) == (3, START_NS + 2002)
    capture = read_capture(killed.folder / "0002-open.pcapng")
    assert "Verdict: cut. Certificate withheld: The tap ended" in capture.sections[0].comment
    statistics = capture.interfaces[0].statistics
    assert statistics is not None
    assert (statistics.received, statistics.end_ns) == (3, START_NS + 2002)
    assert {path.name: path.read_bytes() for path in killed.folder.glob("0001*")} == done
    assert [entry.problem for entry in sessions(killed.captures)] == ["", ""]


def test_cut_at_every_octet_the_file_is_whole_afterwards(killed: Bench) -> None:
    path = killed.folder / "0002-open.pcapng"
    whole = path.read_bytes()
    json_text = (killed.folder / "0002-open.json").read_bytes()
    run_text = (killed.folder / "run.json").read_bytes()
    frames_seen = set()
    for size in [*range(40), *range(len(whole) - 300, len(whole) + 1)]:
        path.write_bytes(whole[:size])
        (killed.folder / "0002-open.json").write_bytes(json_text)
        (killed.folder / "run.json").write_bytes(run_text)
        [mended] = recover(killed.captures, now_ns=START_NS)
        told = facts(killed, "0002-open")
        assert told["verdict"] == "cut"
        if size < 40:
            assert path.read_bytes() == whole[:size]
            assert len(told["certificate"]["reasons"]) == 2
            continue
        capture = read_capture(path)
        assert not capture.truncated
        assert ("octets of a cut block" in mended.reason) == _inside_a_block(whole, size)
        assert len(capture.packets) == told["file"]["frames"]
        frames_seen.add(len(capture.packets))
    assert {1, 2, 3} <= frames_seen


def _inside_a_block(whole: bytes, size: int) -> bool:
    at = 0
    while at < size:
        at += int.from_bytes(whole[at + 4 : at + 8], "little")
    return at != size


def test_a_second_recovery_finds_nothing_to_do(killed: Bench) -> None:
    assert len(recover(killed.captures, now_ns=START_NS)) == 1
    before = {path.name: path.read_bytes() for path in killed.folder.iterdir()}
    assert recover(killed.captures, now_ns=START_NS + 99) == []
    assert {path.name: path.read_bytes() for path in killed.folder.iterdir()} == before


def test_the_run_of_a_living_tap_is_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "captures")
    session = bench.play("0001-open", 1, finish=False)
    before = {path.name: path.read_bytes() for path in bench.folder.iterdir()}
    assert recover(bench.captures, now_ns=START_NS) == []
    assert {path.name: path.read_bytes() for path in bench.folder.iterdir()} == before
    bench.end(session)
    assert facts(bench, "0001-open")["verdict"] == "complete"


def test_a_run_that_was_closed_well_is_not_even_looked_into(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "captures")
    bench.play("0001-open", 1, finish=False)
    bench.store.close()
    assert recover(bench.captures, now_ns=START_NS) == []


def test_a_capture_without_json_gets_one(killed: Bench) -> None:
    (killed.folder / "0002-open.json").unlink()
    (killed.folder / "0002-open.json.tmp").write_text('{"half', encoding="utf-8")
    recover(killed.captures, now_ns=START_NS)
    told = facts(killed, "0002-open")
    assert (told["name"], told["ordinal"], told["run"]) == ("0002-open", 2, killed.folder.name)
    assert told["verdict"] == "cut"
    assert not list(killed.folder.glob("*.tmp"))


def test_json_without_a_capture_is_marked_too(killed: Bench) -> None:
    (killed.folder / "0002-open.pcapng").unlink()
    [mended] = recover(killed.captures, now_ns=START_NS)
    assert "does not exist" in mended.reason
    assert facts(killed, "0002-open")["verdict"] == "cut"


@pytest.mark.parametrize("octets", [b"", b"not a capture at all", b"\x0a\x0d\x0d\x0a\x1c\0\0\0"])
def test_a_file_that_is_no_capture_is_left_as_it_is(killed: Bench, octets: bytes) -> None:
    path = killed.folder / "0002-open.pcapng"
    path.write_bytes(octets)
    recover(killed.captures, now_ns=START_NS)
    assert path.read_bytes() == octets
    assert len(facts(killed, "0002-open")["certificate"]["reasons"]) == 2


def test_damage_in_the_middle_is_told_and_not_cut_away(killed: Bench) -> None:
    path = killed.folder / "0002-open.pcapng"
    octets = path.read_bytes() + bytes(64)
    path.write_bytes(octets)
    [mended] = recover(killed.captures, now_ns=START_NS)
    assert "is damaged at octet" in mended.reason
    assert path.read_bytes() == octets


def test_with_a_key_the_mended_session_is_signed(killed: Bench) -> None:
    recover(killed.captures, now_ns=START_NS, key=b"teacher")
    assert verify(killed.folder / "0002-open.json", b"teacher").state == "genuine"
    assert verify(killed.folder / "0002-open.json", b"pupil").state == "other-key"


def test_the_summary_is_made_anew_from_the_frames_that_are_left(killed: Bench) -> None:
    def summarise(packets: Iterable[Packet], names: Mapping[str, Sequence[str]]) -> dict[str, object]:
        return {"frames_counted": sum(1 for _ in packets), "names": dict(names), "verdict": "forged"}

    recover(killed.captures, now_ns=START_NS, summarise=summarise)
    told = facts(killed, "0002-open")
    assert (told["frames_counted"], told["verdict"], told["file"]["frames"]) == (3, "cut", 3)
    assert told["names"] == NAMES


def test_the_next_tap_goes_on_in_a_run_of_its_own(killed: Bench) -> None:
    recover(killed.captures, now_ns=START_NS)
    again = Bench(killed.captures)
    again.play("0001-done", 1)
    assert again.folder != killed.folder
    assert [entry.verdict for entry in sessions(killed.captures)] == ["complete", "cut", "complete"]


def test_a_session_cut_while_a_late_frame_was_added_is_mended(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "captures")
    session = bench.play("0001-late", 1)
    bench.record(session, 8)
    bench.store.flush()
    bench.store.run.close()
    recover(bench.captures, now_ns=START_NS)
    assert facts(bench, "0001-late")["verdict"] == "cut"
    assert facts(bench, "0001-late")["file"]["frames"] == 4
    assert isinstance(session, FakeSession)
