"""Playing, with a lab that is none: what is waited for, what is fetched, and what is said when it goes wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.grade.errors import GradeError
from lab.grade.manifest import Exercise
from lab.grade.play import Done, Lab, Run
from lab.grade.scenario import Scenario
from lab.store.run import RunFolder
from tests.unit.grade.made import RECORDED, exercises, make_captures

START_NS = 1_800_000_000_000_000_000


@dataclass
class Pretended(Lab):
    """A lab that plays by copying finished captures into its captures folder."""

    folder: Path = Path()
    ready: Path = Path()
    parts: Mapping[str, int] = field(default_factory=dict)
    fails: str = ""
    wire_is_on: bool = False
    answer: Done | None = None
    done: list[str] = field(default_factory=list)

    def captures(self) -> Path:
        return self.folder

    def gate(self) -> str:
        return "127.0.0.1 8089"

    def up(self, language: str = "", *, wired: bool = False) -> None:
        self.done.append(f"up {language}{'wired' if wired else ''}".strip())

    def wire_runs(self) -> bool:
        return self.wire_is_on

    def steer(self, way: str) -> None:
        self.done.append(way)

    def script(self, text: str) -> None:
        self.done.append(f"script {text}".strip())

    def fresh_quirks(self) -> None:
        self.done.append("fresh quirks")

    def fresh_host(self) -> None:
        self.done.append("fresh")

    def play(self, told: Mapping[str, Any]) -> Done:
        self.done.append("play")
        if self.answer is not None:
            return self.answer
        if self.fails:
            return Done(1, json.dumps({"part": "talk", "problem": self.fails}) + "\nnot json\n3\n")
        run = RunFolder.create(self.folder, START_NS).path
        events = []
        for number, (part, port) in enumerate(self.parts.items(), 1):
            facts = json.loads((self.ready / f"{part}.json").read_text())
            facts["client"].update(port=port, name="client")
            facts["ordinal"] = number
            shutil.copyfile(self.ready / f"{part}.pcapng", run / f"{number:04d}-x.pcapng")
            (run / f"{number:04d}-x.json").write_text(json.dumps(facts))
            events.append(json.dumps({"part": part, "say": "connect", "local_port": port}))
        return Done(0, "\n".join(events))


def pretended(tmp_path: Path, name: str, parts: Mapping[str, int]) -> Pretended:
    make_captures(exercises()[name], "berta", tmp_path / "ready", {})
    (tmp_path / "captures").mkdir()
    return Pretended(folder=tmp_path / "captures", ready=tmp_path / "ready", parts=parts)


def test_a_run_fetches_the_capture_of_each_part(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "05-fin-and-time-wait", {"quit": 40001, "leave": 40002})
    exercise = exercises()["05-fin-and-time-wait"]
    said: list[str] = []
    found = Run(exercise, exercise.values("berta"), lab, said.append).go()
    assert {part: path.name for part, path in found.items()} == {"quit": "0001-x.pcapng", "leave": "0002-x.pcapng"}
    assert lab.done == ["up", "play"]
    assert said == ["quit: connect", "leave: connect"]


def test_two_parts_from_the_same_port_are_told_apart_by_their_order(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "08-port-reuse", {"first": 40001, "again": 40001, "other": 40002})
    exercise = exercises()["08-port-reuse"]
    found = Run(exercise, exercise.values("berta"), lab, lambda _words: None).go()
    assert [found[part].name[:4] for part in ("first", "again", "other")] == ["0001", "0002", "0003"]


def test_a_fresh_host_is_asked_for_where_the_scenario_wants_it(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "12-arp-and-the-lan", {"talk": 40001})
    exercise = exercises()["12-arp-and-the-lan"]
    Run(exercise, exercise.values("berta"), lab, lambda _words: None).go()
    assert lab.done == ["up", "fresh", "play"]


def test_the_server_is_changed_and_changed_back(tmp_path: Path) -> None:
    exercise = exercises()["16-six-languages-one-protocol"]
    values = exercise.values("berta")
    languages = [plan.server for plan in exercise.scenario.plans]
    lab = pretended(tmp_path, exercise.name, {name: 40001 + at for at, name in enumerate(languages)})
    found = Run(exercise, values, lab, lambda _words: None).go()
    assert list(found) == languages
    assert [word for word in lab.done if word.startswith("up")] == [
        "up wired",
        *(f"up {one}" for one in languages),
        "up",
    ]
    assert lab.done.count("play") == len(languages)


def test_what_the_player_could_not_do_is_told(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "01-three-way-handshake", {})
    lab.fails = "talk, step 3: read: the server closed"
    exercise = exercises()["01-three-way-handshake"]
    with pytest.raises(GradeError, match="step 3: read: the server closed; run it again"):
        Run(exercise, exercise.values("berta"), lab, lambda _words: None).go()


def test_a_capture_that_does_not_come_is_waited_for_and_then_told(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "01-three-way-handshake", {"talk": 40001})
    shutil.rmtree(lab.ready)
    lab.parts = {}
    lab.answer = Done(0, json.dumps({"part": "talk", "local_port": 40001}))
    now = iter(range(0, 1000, 10))
    exercise = exercises()["01-three-way-handshake"]
    run = Run(exercise, exercise.values("berta"), lab, lambda _words: None, lambda: next(now), lambda _seconds: None)
    with pytest.raises(GradeError, match="has not finished the capture of talk"):
        run.go()


def test_sessions_of_others_with_the_same_port_are_not_taken(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "01-three-way-handshake", {"talk": 40001})
    lab.play(told={})  # an earlier session from the very same port
    exercise = exercises()["01-three-way-handshake"]
    found = Run(exercise, exercise.values("berta"), lab, lambda _words: None).go()
    assert found["talk"].parent.name.endswith("-2")


def by_hand(exercise: Exercise) -> Exercise:
    """The same exercise with its one connection made by the student."""
    plan = replace(exercise.scenario.plans[0], by_hand=True, steps=())
    return replace(exercise, scenario=Scenario((plan,)))


def test_a_session_made_by_hand_is_found_by_its_mark(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "01-three-way-handshake", {"talk": 40001})
    exercise = by_hand(exercises()["01-three-way-handshake"])
    said: list[str] = []

    def talk(_seconds: float) -> None:
        lab.play({})

    run = Run(exercise, exercise.values("berta"), lab, said.append, pause=talk)
    assert run.go()["talk"].name == "0001-x.pcapng"
    assert "your turn" in said[0]


def test_a_session_made_by_somebody_elses_hand_is_not_taken(tmp_path: Path) -> None:
    lab = pretended(tmp_path, "01-three-way-handshake", {"talk": 40001})
    exercise = by_hand(exercises()["01-three-way-handshake"])
    now = iter(range(0, 10_000, 400))
    played: list[Done] = []
    run = Run(
        exercise,
        exercise.values("carl"),
        lab,
        lambda _words: None,
        lambda: next(now),
        lambda _seconds: played.append(lab.play({})) if not played else None,
    )
    with pytest.raises(GradeError, match="no session with"):
        run.go()
    assert played


def test_what_the_player_sent_is_not_taken_for_what_a_hand_did(tmp_path: Path) -> None:
    """Both have the student's mark in them; the player's session is there first."""
    exercise = exercises()["14-from-echo-to-http"]
    lab = pretended(tmp_path, exercise.name, {"browser": 40001})
    said: list[str] = []
    typed: list[Done] = []

    def talk(_seconds: float) -> None:
        if not typed:
            lab.parts = {"hand": 50123}
            typed.append(lab.play({}))

    found = Run(exercise, exercise.values("berta"), lab, said.append, pause=talk).go()
    assert found["browser"] != found["hand"]
    assert found["hand"].read_bytes() == (lab.ready / "hand.pcapng").read_bytes()
    assert any("docker compose exec client-host socat - TCP:server:7" in words for words in said)
    assert any(words.endswith("nc 127.0.0.1 8089") for words in said)


@pytest.mark.parametrize(
    ("told", "where"), [("127.0.0.1:8081\n", "127.0.0.1 8081"), ("", "127.0.0.1 8080"), (":0 no\n", "127.0.0.1 8080")]
)
def test_the_gate_s_port_is_the_one_that_compose_published(
    monkeypatch: pytest.MonkeyPatch, told: str, where: str
) -> None:
    monkeypatch.setattr(
        Lab, "compose", lambda _lab, words: Done(0, told) if words == ["port", "gate", "8080"] else None
    )
    assert Lab().gate() == where


def test_every_recorded_part_belongs_to_an_exercise() -> None:
    for path in RECORDED.glob("*/*.pcapng"):
        assert exercises()[path.parent.name].scenario.plan_of(path.stem) is not None


def test_without_docker_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(GradeError, match="make up"):
        Lab(root=tmp_path, env={"PATH": str(tmp_path)}).up()
