"""``echolab compare`` without names: the latest session that a tap beside the client and one beside the server have."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from lab.cli.command import main
from lab.session.tracker import Tracker
from lab.store.blocks import InterfaceFacts, SectionFacts
from lab.store.facts import RunFacts
from lab.store.sessions import SessionStore
from lab.wire.frame import Frame
from tests.unit.capture.traffic import START_NS, Talk


def recorded(folder: Path, tap: str, ports: tuple[int, ...]) -> None:
    """One run of a tap: a session from each of these ports."""
    store = SessionStore(
        folder,
        run=RunFacts(START_NS, tap=tap),
        section=SectionFacts(),
        interface=InterfaceFacts("eth0"),
        clock_ns=lambda: START_NS,
    )
    tracker = Tracker(names={"192.0.2.20": "client", "192.0.2.10": "server"})
    for number, port in enumerate(ports):
        for time_ns, octets, direction in Talk(random.Random(number), port).play(2, "fin"):
            for event in tracker.feed(Frame(time_ns + number * 10**9, octets, len(octets), 0, direction)):
                store.handle(event)
    for event in tracker.stop(START_NS + 10**10):
        store.handle(event)
    store.close()


def compared(folder: Path, capsys: pytest.CaptureFixture[str], status: int = 0) -> str:
    assert main(["compare", "--json", "--captures", str(folder)]) == status
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err if status else captured.out


def test_the_latest_session_of_both_taps_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path, "server-tap", (40001, 40002, 40003))
    recorded(tmp_path, "client-tap", (40001, 40002))
    found = json.loads(compared(tmp_path, capsys))
    assert "40002" in found["client_capture"]
    assert "40002" in found["server_capture"]
    taps = [
        json.loads(Path(found[f"{side}_capture"]).with_suffix(".json").read_text(encoding="utf-8"))["tap"]["name"]
        for side in ("client", "server")
    ]
    assert taps == ["client-tap", "server-tap"]


def test_with_one_tap_alone_the_sentence_says_how_to_get_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path, "server-tap", (40001,))
    recorded(tmp_path, "server-tap", (40001,))
    assert "--profile wire up" in compared(tmp_path, capsys, status=1)


def test_one_name_alone_is_asked_wrongly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "latest", "--captures", str(tmp_path)]) == 2
    assert "name two captures" in capsys.readouterr().err
