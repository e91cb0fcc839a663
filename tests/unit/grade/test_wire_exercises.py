"""Exercises through the wire: what the engine does for them, and that a capture is of the student's own scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lab.grade.asked import compare, sent_by
from lab.grade.check import CAPTURES, check
from lab.grade.classroom import Course, grade_one
from lab.grade.errors import EvidenceError, NotShownError
from lab.grade.evidence import Evidence
from lab.grade.manifest import EXERCISES, load
from lab.grade.pack import pack
from lab.grade.play import Run
from lab.grade.progress import Work
from lab.grade.scenario import Scenario, read, stages
from lab.grade.submission import find
from lab.grade.vocabulary import VOCABULARY
from tests.unit.grade.made import ANNA, exercises, make, recorded_evidence
from tests.unit.grade.test_play import pretended

LOST, SILENT = "22-lost-and-found", "21-nobody-answers"
STEPS = [{"do": "connect"}, {"do": "send", "text": "{nonce} {n}\n", "times": "{count}"}, {"do": "close"}]


def scenario(**more: object) -> tuple[Scenario, list[str]]:
    return read({"connection": [{"name": "talk", "steps": STEPS, **more}]})


def test_both_taps_make_two_parts_of_one_connection() -> None:
    found, mistakes = scenario(tap="both")
    assert not mistakes
    assert found.parts({}) == ["talk-at-client", "talk-at-server"]
    assert found.plans[0].names({}) == ["talk"]
    assert found.plan_of("talk-at-server") is found.plans[0]
    assert found.plan_of("talk") is None
    assert found.several
    assert found.through_wire


def test_one_tap_makes_one_part_and_needs_no_wire_if_it_is_the_servers() -> None:
    found, _ = scenario()
    assert found.parts({}) == ["talk"]
    assert not found.several
    assert not found.through_wire
    assert scenario(tap="none")[0].parts({}) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"tap": "left"}, "tap = 'left'"),
        ({"tap": "both", "count": 3}, "captures of both taps"),
        ({"wire": 3}, "script"),
    ],
)
def test_what_no_tap_and_no_script_is_is_told(words: Mapping[str, object], complaint: str) -> None:
    assert any(complaint in mistake for mistake in scenario(**words)[1])


def test_connections_with_another_script_are_played_for_themselves() -> None:
    steps = {"steps": STEPS}
    entries = [
        {"name": "one", "wire": "client data {lost}: drop", **steps},
        {"name": "two", "wire": "client data {lost}: drop", **steps},
        {"name": "three", **steps},
    ]
    found, _ = read({"connection": entries})
    played = [(script, [plan.name for plan in plans]) for _language, script, plans in stages(found, {"lost": 4})]
    assert played == [("client data 4: drop", ["one", "two"]), ("", ["three"])]


def test_a_run_loads_the_script_and_leaves_the_lab_without_one(tmp_path: Path) -> None:
    exercise = exercises()[LOST]
    lab = pretended(tmp_path, LOST, {"loss": 40001})
    values = exercise.values("berta")
    both = exercise.scenario.plans[0]
    one_tap = replace(exercise, scenario=Scenario((replace(both, tap="server"),)))
    for suffix in (".pcapng", ".json"):
        (lab.ready / f"loss-at-server{suffix}").rename(lab.ready / f"loss{suffix}")
    said: list[str] = []
    found = Run(one_tap, values, lab, said.append).go()
    assert set(found) == {"loss"}
    script = f"client data {values['lost']}: drop"
    assert lab.done == ["up wired", "through", f"script {script}", "play", "script", "direct"]
    assert said[0] == f"the wire: {script}"


def test_a_wire_that_stands_there_is_out_of_the_way_of_other_exercises(tmp_path: Path) -> None:
    exercise = exercises()["01-three-way-handshake"]
    lab = pretended(tmp_path, exercise.name, {"talk": 40001})
    lab.wire_is_on = True
    Run(exercise, exercise.values("berta"), lab, lambda _words: None).go()
    assert lab.done == ["up", "script", "direct", "play"]


def test_a_connection_that_nobody_answers_is_evidence_only_where_that_was_planned(tmp_path: Path) -> None:
    exercise = exercises()[SILENT]
    folder = make(exercise, "berta", tmp_path)
    assert check(exercise, folder).outcome == "passed"
    plans = tuple(replace(plan, verdict="complete") for plan in exercise.scenario.plans)
    wanting = replace(exercise, scenario=Scenario(plans))
    result = check(wanting, folder)
    assert result.outcome == "refused"


def test_the_two_captures_of_one_connection_cannot_be_swapped_unnoticed(tmp_path: Path) -> None:
    exercise = exercises()[LOST]
    folder = make(exercise, "berta", tmp_path) / CAPTURES
    for suffix in (".pcapng", ".json"):
        client, server = folder / f"loss-at-client{suffix}", folder / f"loss-at-server{suffix}"
        kept = client.read_bytes()
        client.write_bytes(server.read_bytes())
        server.write_bytes(kept)
    result = check(exercise, tmp_path)
    assert result.outcome != "passed"


def test_what_was_sent_is_compared_octet_by_octet_but_for_the_seal() -> None:
    exercise = exercises()[LOST]
    evidence = recorded_evidence(LOST)
    plan, found = exercise.scenario.plans[0], evidence.part("loss-at-client")
    values = exercise.values(ANNA)
    compare("loss-at-client", found, plan, exercise.seed(ANNA), values, "")
    assert b"??????????" in sent_by("loss-at-client", plan, values)
    with pytest.raises(EvidenceError, match="octets of text, and it should be"):
        compare("loss-at-client", found, plan, exercise.seed(ANNA), {**values, "lines": 3}, "")
    with pytest.raises(EvidenceError, match="octet 1 of what the client said"):
        compare("loss-at-client", found, plan, exercise.seed(ANNA), {**values, "nonce": "ZZZZZZZZZZ"}, "")
    with pytest.raises(EvidenceError, match="port 7, and the exercise asks for port 9"):
        compare("loss-at-client", found, replace(plan, port=9), exercise.seed(ANNA), values, "")
    with pytest.raises(EvidenceError, match="of IPv4"):
        compare("loss-at-client", found, replace(plan, to="server6"), exercise.seed(ANNA), values, "")
    with pytest.raises(EvidenceError, match="written in c, and it should be java"):
        compare("loss-at-client", found, replace(plan, server="java"), exercise.seed(ANNA), values, "c")
    with pytest.raises(EvidenceError, match="MSS of 1460, and it should be 1000"):
        compare("loss-at-client", found, replace(plan, options={"segment_size": 1000}), exercise.seed(ANNA), values, "")
    with pytest.raises(EvidenceError, match="not one of those"):
        compare(
            "loss-at-client", found, replace(plan, options={"source_port": "{port}"}), exercise.seed(ANNA), values, ""
        )


def ask(evidence: Evidence, name: str, **told: object) -> object:
    return VOCABULARY[name].function(evidence, told).value


def test_the_lost_packet_is_at_one_tap_only_and_its_copy_at_both() -> None:
    evidence = recorded_evidence(LOST)
    here = {"part": "loss-at-client", "other": "loss-at-server"}
    assert ask(evidence, "arrived", at="original", **here) is False
    assert ask(evidence, "arrived", at="retransmission", **here) is True
    with pytest.raises(NotShownError, match="did not pass the other tap"):
        ask(evidence, "found-again", at="original", **here)
    assert ask(evidence, "copies", part="loss-at-client") == 1


def test_the_same_question_without_a_loss_is_not_shown() -> None:
    evidence = recorded_evidence("01-three-way-handshake")
    for name, told in (
        ("copies", {}),
        ("back-off", {}),
        ("icmp-mtu", {}),
        ("fragments", {"what": "count"}),
        ("rst-ahead", {}),
        ("frame-at", {"at": "third-duplicate"}),
        ("frame-at", {"at": "healed"}),
    ):
        with pytest.raises(NotShownError):
            ask(evidence, name, **told)
    assert ask(evidence, "frames-of-kind", kind="icmp") == 0
    assert ask(evidence, "ends-with") == "fin"


def test_hops_fragments_and_what_the_router_says() -> None:
    evidence = recorded_evidence("19-ttl-and-fragments")
    values = exercises()["19-ttl-and-fragments"].values(ANNA)
    assert ask(evidence, "hops", at="syn", part="way-at-client", other="way-at-server") == values["hops"]
    assert ask(evidence, "ttl", at="icmp-about", part="way-at-client") == values["short"]
    offset = ask(evidence, "fragments", what="offset", part="cut-at-server")
    assert offset == ask(evidence, "fragments", what="length", part="cut-at-server")
    assert offset == (int(values["mtu"]) - 20) // 8 * 8
    path = recorded_evidence("20-path-mtu")
    mtu = exercises()["20-path-mtu"].values(ANNA)["mtu"]
    assert ask(path, "icmp-mtu", part="told-at-client") == mtu
    assert ask(path, "room-after", at="icmp", part="told-at-client") == int(mtu) - 52
    assert ask(path, "ends-with", part="silent") == "rst"


def test_a_forged_rst_is_as_far_ahead_as_the_script_says() -> None:
    evidence = recorded_evidence("26-forged-reset")
    ahead = exercises()["26-forged-reset"].values(ANNA)["ahead"]
    assert ask(evidence, "rst-ahead", part="near-at-client") == ahead
    assert ask(evidence, "rst-ahead", part="hit-at-client") == 0


def test_each_wait_is_twice_the_one_before() -> None:
    assert ask(recorded_evidence("23-back-off"), "back-off", part="wait-at-client") == 2


def test_a_submission_with_captures_of_both_taps_is_packed_and_graded(tmp_path: Path) -> None:
    """anna's own: her numbers are the recorded ones."""
    work = tmp_path / "work"
    make(exercises()[LOST], ANNA, work / LOST)
    (work / "student.toml").write_text(f'id = "{ANNA}"\n')
    packed = pack(Work(work), [load(EXERCISES / LOST)], tmp_path / "anna.zip")
    (submission,) = find([tmp_path / "anna.zip"])
    graded = grade_one(submission, Course(), None)
    assert packed == tmp_path / "anna.zip"
    assert [(one.exercise, one.outcome) for one in graded.results] == [(LOST, "passed")], graded
