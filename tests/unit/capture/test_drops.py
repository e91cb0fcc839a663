"""Drops and both lanes, through the whole tap on a scripted ring: who is charged for a gap, and who is not."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import lab.capture.intake
import lab.capture.tap
from lab.capture.intake import intake
from lab.capture.log import SessionLog
from lab.capture.tap import Clock, Tap
from lab.report.ladder import Style
from lab.session.tracker import Tracker
from lab.store.blocks import InterfaceFacts, SectionFacts
from lab.store.facts import RunFacts
from lab.store.reader import read_capture
from lab.store.sessions import SessionStore
from lab.wire.frame import Frame
from tests.unit.capture.library import made
from tests.unit.capture.scripted import ScriptedRing
from tests.unit.capture.traffic import ACK, FIN, START_NS, Talk, mixed

SECOND_NS = 1_000_000_000


class Scene:
    """A tap on a scripted ring; time passes only when ``later`` says so."""

    def __init__(self, captures: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        captures.mkdir()
        self.ring, self.said = ScriptedRing(), []
        self.monotonic_ns = 0
        monkeypatch.setattr(lab.capture.tap, "intake", partial(intake, library=library))
        self.store = SessionStore(
            captures,
            run=RunFacts(START_NS),
            section=SectionFacts("", "", ""),
            interface=InterfaceFacts("eth0", "", "", b"\x02\0\0\0\0\x0a"),
            clock_ns=lambda: START_NS,
        )
        log = SessionLog(self.said.append, lambda: 0.0, Style(80), ladders=False)  # type: ignore[attr-defined]
        clock = Clock(lambda: START_NS, lambda: self.monotonic_ns)
        self.tap = Tap(self.ring, Tracker(), self.store, log, clock)

    def lay(self, frames: list[Frame], *, marked: bool = False) -> None:
        self.ring.lay(frames, marked=marked)

    def later(self, seconds: float = 1.0) -> None:
        self.tap.turn(0)
        self.monotonic_ns += int(seconds * SECOND_NS)
        self.tap.turn(0)

    def end(self) -> None:
        self.tap.run(lambda: True, lambda: None)

    def session(self, port: int) -> dict[str, Any]:
        return next(json for json in self.sessions() if json["client"]["port"] == port)

    def sessions(self) -> list[dict[str, Any]]:
        paths = sorted(self.store.run.path.glob("*.json"))
        return [json.loads(path.read_text()) for path in paths if path.name != "run.json"]

    def run_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.store.run.path / "run.json").read_text())
        return facts

    def charged(self, *ports: int) -> list[int]:
        """What each of these sessions has been charged with; a certificate goes with none and only with none."""
        found = []
        for port in ports:
            session = self.session(port)
            dropped = session["tap"]["frames_dropped"]
            reasons = session["certificate"]["reasons"]
            assert session["certificate"]["complete"] == (not dropped), reasons
            assert not dropped or reasons[0].startswith(f"The kernel dropped {dropped} frames while"), reasons
            found.append(dropped)
        return found


class Part:
    """A session that is played in pieces: each piece is so many lines, the last one ends it."""

    def __init__(self, port: int) -> None:
        self.talk = Talk(random.Random(port), port)
        self.sent = 0

    def begin(self, lines: int = 40) -> list[Frame]:
        self.talk.play(lines, "open")
        return self._new()

    def go_on(self, lines: int = 40) -> list[Frame]:
        for number in range(lines):
            self.talk.send("client", ACK | 8, b"more %d\n" % number)
            self.talk.send("server", ACK | 8, b"MORE %d\n" % number)
        return self._new()

    def end(self) -> list[Frame]:
        self.talk.send("server", FIN | ACK)
        self.talk.send("client", FIN | ACK)
        self.talk.send("server", ACK)
        return self._new()

    def _new(self) -> list[Frame]:
        frames = [Frame(t, octets, len(octets), 0, way) for t, octets, way in self.talk.frames[self.sent :]]
        self.sent = len(self.talk.frames)
        return frames


@pytest.fixture
def built() -> Path:
    return made("lane")


@pytest.fixture(params=["C", "NumPy"])
def scene(
    request: pytest.FixtureRequest, tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    made = Scene(tmp_path / "captures", built if request.param == "C" else tmp_path / "none.so", monkeypatch)
    assert type(made.tap.intake).__name__ == {"C": "Direct", "NumPy": "Spooled"}[request.param]
    yield made
    made.ring.close()


@pytest.mark.parametrize("lines", [3, 150], ids=["one by one", "in bulk"])
def test_a_gap_is_charged_to_who_was_open_then_and_to_nobody_else(scene: Scene, lines: int) -> None:
    before, across, within, behind, after = (Part(port) for port in range(40001, 40006))
    scene.lay(before.begin(lines) + before.end())
    scene.later()  # its linger is over: the gap that follows cannot concern it
    scene.lay(across.begin(lines))
    scene.ring.drop(7)
    scene.lay(across.go_on(lines), marked=True)
    scene.lay(within.begin(lines) + within.end(), marked=True)
    scene.lay(behind.begin(lines), marked=True)
    scene.tap.turn(0)
    scene.lay(after.begin(lines) + after.end() + behind.end() + across.end())
    scene.later()
    scene.end()
    assert scene.charged(40001, 40002, 40003, 40004, 40005) == [0, 7, 7, 7, 0]
    assert scene.run_facts()["frames_dropped"] == 7
    assert sum("dropped 7 frames" in text for text in scene.said) == 1


def test_frames_in_plain_blocks_before_the_gap_are_taken_before_it_is_charged(scene: Scene) -> None:
    ended, across = Part(40001), Part(40002)
    scene.lay(ended.begin() + ended.end())
    scene.later()
    scene.lay(across.begin())
    scene.ring.drop(3)
    scene.lay(across.end(), marked=True)
    scene.later()
    scene.end()
    assert scene.charged(40001, 40002) == [0, 3]


def test_a_second_gap_is_added_to_the_first(scene: Scene) -> None:
    first, both, second = Part(40001), Part(40002), Part(40003)
    scene.lay(first.begin() + both.begin())
    scene.ring.drop(5)
    scene.lay(first.end(), marked=True)
    scene.later()
    scene.lay(second.begin())
    scene.ring.drop(11)
    scene.lay(both.end() + second.end(), marked=True)
    scene.later()
    scene.end()
    assert scene.charged(40001, 40002, 40003) == [5, 16, 11]
    assert scene.run_facts()["frames_dropped"] == 16


def test_a_loss_without_a_marked_block_is_charged_when_the_ring_is_empty(scene: Scene) -> None:
    gone, open_still = Part(40001), Part(40002)
    scene.lay(gone.begin() + gone.end())
    scene.later()
    scene.lay(open_still.begin())
    scene.ring.drop(2)
    scene.tap.turn(0)
    scene.lay(open_still.end())
    scene.later()
    scene.end()
    assert scene.charged(40001, 40002) == [0, 2]


def test_without_a_drop_the_kernel_is_asked_once_a_turn_and_nobody_is_charged(scene: Scene) -> None:
    one = Part(40001)
    scene.lay(one.begin())
    scene.lay(one.go_on())
    scene.lay(one.end())
    scene.tap.turn(0)
    assert scene.ring.asked == 1
    scene.later()
    scene.end()
    assert scene.charged(40001) == [0]


def test_many_marked_blocks_in_a_row_do_not_book_a_run_for_each_block(
    tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path / "captures", built, monkeypatch)
    part, booked = Part(40001), []
    handle = scene.store.handle_run
    monkeypatch.setattr(scene.store, "handle_run", lambda *words: (booked.append(words[2]), handle(*words)))
    scene.lay(part.begin(150))
    scene.tap.turn(0)
    scene.ring.drop(9)
    for _ in range(8):
        scene.lay(part.go_on(150), marked=True)
    scene.tap.turn(0)
    assert len(booked) <= 3
    scene.lay(part.end())
    scene.later()
    scene.end()
    assert scene.charged(40001) == [9]


def test_a_batch_ends_before_a_marked_block() -> None:
    ring, part = ScriptedRing(), Part(40001)
    ring.lay(part.begin())
    ring.lay(part.go_on())
    ring.lay(part.go_on(), marked=True)
    ring.lay(part.go_on(), marked=True)
    assert not ring.losing
    assert ring.batch(8).blocks == 2
    ring.release(2)
    assert ring.losing
    assert ring.batch(8).blocks == 1


@pytest.fixture
def direct(tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path / "captures", built, monkeypatch)
    yield made
    made.ring.close()


@pytest.mark.parametrize("lines", [3, 40], ids=["one by one", "in bulk"])
def test_a_ring_full_of_blocks_with_few_frames_has_room_again_before_they_are_looked_at(
    direct: Scene, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    part, more = Part(40001), Part(40002)
    direct.lay(part.begin(lines))
    for _ in range(direct.ring.blocks - 1):
        direct.lay(part.go_on(lines))
    act = direct.tap.intake._act  # type: ignore[attr-defined]

    def burst(events: Any) -> None:
        if not more.sent:  # at the very first frame
            for _ in range(direct.ring.blocks - 1):
                direct.lay(part.go_on(lines))  # the scripted ring says so if there is no room
            direct.lay(more.begin(lines) + more.end())
        act(events)

    monkeypatch.setattr(direct.tap.intake, "_act", burst)
    monkeypatch.setattr(direct.tap.intake._lane, "_act", burst)  # type: ignore[attr-defined]
    direct.tap.turn(0)
    direct.lay(part.end())
    direct.later()
    direct.end()
    assert direct.charged(40001, 40002) == [0, 0]
    for port, frames in ((40001, part.talk.frames), (40002, more.talk.frames)):
        session = direct.session(port)
        kept = read_capture(direct.store.run.path / session["file"]["name"]).packets
        assert [packet.frame.data for packet in kept] == [octets for _, octets, _ in frames]


def test_a_marked_block_waits_until_what_was_set_aside_before_it_is_taken(
    direct: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, fed, charged_at = Part(40001), 0, []
    blocks = [part.begin(3), *(part.go_on(3) for _ in range(7))]
    for block in blocks:
        direct.lay(block)
    direct.ring.drop(4)
    direct.lay(part.go_on(3), marked=True)
    feed, dropped = direct.tap.tracker.feed, direct.tap.tracker.dropped

    def counted(*words: Any, **named: Any) -> Any:
        nonlocal fed
        fed += 1
        return feed(*words, **named)

    monkeypatch.setattr(direct.tap.tracker, "feed", counted)
    monkeypatch.setattr(direct.tap.tracker, "dropped", lambda *w, **n: (charged_at.append(fed), dropped(*w, **n))[1])
    direct.tap.turn(0)
    assert charged_at[0] == sum(map(len, blocks))
    direct.lay(part.end())
    direct.later()
    direct.end()
    assert direct.charged(40001) == [4]


def test_a_stop_takes_what_was_set_aside_and_no_turn_sets_aside_more_than_its_limit(
    direct: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.capture.intake, "MOST_ASIDE_BYTES", 3000)
    part = Part(40001)
    direct.lay(part.begin(3))
    for _ in range(11):
        direct.lay(part.go_on(3))
    direct.tap.intake.take(1)
    waiting = direct.tap.intake.aside
    assert 0 < waiting < 11
    direct.tap.intake.take(1)
    assert direct.tap.intake.aside == waiting  # one was taken, and its room used again
    for _ in range(2):
        direct.lay(part.go_on(3))
    direct.end()
    [session] = direct.sessions()
    assert session["frames"] == len(part.talk.frames)


@pytest.mark.parametrize("trouble", [0.0, 0.05])
def test_either_lane_through_the_whole_tap_comes_to_what_one_by_one_comes_to(
    tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch, trouble: float
) -> None:
    frames = mixed(7, 30, trouble)
    found = []
    for name, library, at_once in (("c", built, 300), ("numpy", tmp_path / "none.so", 300), ("single", built, 20)):
        scene = Scene(tmp_path / name, library, monkeypatch)
        for number, at in enumerate(range(0, len(frames), at_once)):
            scene.lay(frames[at : at + at_once])
            if number % 8 == 7 or at_once == 20:
                scene.tap.turn(0)
        scene.later()
        scene.end()
        sessions = scene.sessions()
        for session in sessions:
            path = scene.store.run.path / session["file"]["name"]
            session["octets"] = [packet.frame.data for packet in read_capture(path).packets]
            del session["file"]
        found.append(sessions)
    assert found[0] == found[2]
    assert found[1] == found[2]
    assert sum(len(session["octets"]) for session in found[2]) == len(frames)
