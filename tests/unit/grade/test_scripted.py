"""A capture of another fault script than this name gets is told from the student's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.grade.asked import compare
from lab.grade.errors import EvidenceError
from lab.grade.scripted import differs
from lab.grade.seed import fill
from tests.unit.grade.made import ANNA, exercises, recorded_evidence

# exercise, part, number of the script, another value of it, what is said
OTHERS = [
    ("19-ttl-and-fragments", "way-at-server", "hops", 5, "passed 7 routers, and there should be 5"),
    ("19-ttl-and-fragments", "cut-at-server", "mtu", 580, "no more than 580"),
    ("20-path-mtu", "told-at-client", "mtu", 1100, "and it should be 1100"),
    ("22-lost-and-found", "loss-at-client", "lost", 3, "segment 5 of the client was lost"),
    ("23-back-off", "wait-at-client", "lost", 6, "the wire loses it 6 times"),
    ("26-forged-reset", "near-at-client", "ahead", 77, "and it should be 77"),
]


@pytest.mark.parametrize(("name", "part", "number", "other", "says"), OTHERS)
def test_another_number_in_the_script_is_refused(name: str, part: str, number: str, other: int, says: str) -> None:
    exercise, evidence = exercises()[name], recorded_evidence(name)
    plan = exercise.scenario.plan_of(part)
    assert plan is not None
    values = dict(exercise.values(ANNA))
    compare(part, evidence.part(part), plan, exercise.seed(ANNA), values, "")
    with pytest.raises(EvidenceError, match=says):
        compare(part, evidence.part(part), plan, exercise.seed(ANNA), {**values, number: other}, "")


def test_the_recorded_runs_show_their_own_scripts() -> None:
    for name, exercise in exercises().items():
        for part, told in recorded_evidence(name).parts.items():
            plan = exercise.scenario.plan_of(part)
            assert plan is not None
            assert differs(part, told.analysis, fill(plan.wire, exercise.values(ANNA))) == ""


def test_what_is_no_rule_is_not_looked_at() -> None:
    plan = replace(
        exercises()["22-lost-and-found"].scenario.plans[0], wire="rate 1000 kbit/s from client queue 5 frames"
    )
    assert differs("loss-at-client", recorded_evidence("22-lost-and-found").part("loss-at-client"), plan.wire) == ""
