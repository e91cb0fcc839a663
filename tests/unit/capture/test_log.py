"""The tap's log: a ladder for a session now and then, a line when many end, a count when very many do."""

from __future__ import annotations

import random

from lab.capture.log import FIRST_FRAMES, LADDERS_A_SECOND, LAST_FRAMES, SessionLog
from lab.report.ladder import Style
from lab.session.events import Recorded
from lab.session.tracker import Tracker
from lab.wire.frame import Frame
from tests.unit.capture.traffic import Talk


class Scene:
    """A log whose lines are kept and whose clock is set by hand."""

    def __init__(self, ladders: bool = True) -> None:
        self.said: list[str] = []
        self.now_s = 100.0
        self.log = SessionLog(self.said.append, lambda: self.now_s, Style(78), ladders)
        self.tracker = Tracker()
        self.port = 40000

    def play(self, turns: int = 1) -> None:
        self.port += 1
        for time_ns, octets, direction in Talk(random.Random(1), self.port).play(turns, "fin"):
            for event in self.tracker.feed(Frame(time_ns, octets, len(octets), 0, direction), expire=False):
                self.log.handle(event)
        for event in self.tracker.stop(2 * 10**18):
            self.log.handle(event)


def test_a_session_is_drawn_when_it_ends() -> None:
    scene = Scene()
    scene.play()
    assert len(scene.said) == 1
    assert "SYN, ACK" in scene.said[0]
    assert "Certified" in scene.said[0]


def test_without_ladders_a_session_is_one_line() -> None:
    scene = Scene(ladders=False)
    scene.play()
    assert len(scene.said) == 1
    assert scene.said[0].endswith("ended: complete")


def test_many_sessions_in_one_second_are_lines_and_then_a_count() -> None:
    scene = Scene()
    for _ in range(60):
        scene.play()
    drawn = [text for text in scene.said if "SYN, ACK" in text]
    assert len(drawn) == LADDERS_A_SECOND
    assert len(scene.said) == 10 * LADDERS_A_SECOND
    scene.now_s += 1
    scene.play()
    assert scene.said[20] == "tap: 40 more sessions ended and are in the captures folder"
    assert "SYN, ACK" in scene.said[21]


def test_a_long_session_is_drawn_at_its_two_ends() -> None:
    scene = Scene()
    scene.play(turns=100)
    text = scene.said[0]
    assert "frames are not drawn here" in text
    assert text.count("#") == FIRST_FRAMES + LAST_FRAMES


def test_frames_booked_in_a_run_are_counted_as_not_drawn() -> None:
    scene = Scene()
    talk = Talk(random.Random(1), 40001).play(4, "fin")
    events = [e for t, o, d in talk for e in scene.tracker.feed(Frame(t, o, len(o), 0, d), expire=False)]
    middle = [e for e in events if isinstance(e, Recorded)][5:9]
    for event in events:
        if event in middle:
            scene.log.passed_over(event.session, 1)
        else:
            scene.log.handle(event)
    for event in scene.tracker.stop(2 * 10**18):
        scene.log.handle(event)
    assert "4 frames are not drawn here" in scene.said[0]
    assert "#5 " in scene.said[0]
    assert "#6 " not in scene.said[0]
    assert "#10 " in scene.said[0]


def test_dropped_frames_are_told_with_what_to_do() -> None:
    scene = Scene()
    scene.log.dropped(17)
    assert "17 frames" in scene.said[0]
    assert "ECHO_RING_MIB" in scene.said[0]
