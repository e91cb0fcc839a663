"""The kit against servers whose process is wrong on purpose: each fails in the cases that name its fault, and in no
other."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.conformance import Result, process_cases, run_process_cases
from lab.conformance.output import told
from tests.contract.verdicts import verdict

# So right is no program of 160 lines: a sentence when no memory is left, each read in the log.
ALL = {case.id for case in process_cases()} - {"no-memory", "stalled"}
PANEL = {"sigterm", "both-versions", "server-help", "server-port-word"}
WRONG = {"server-port-word", "server-flush-high", "server-log-word", "server-no-option"}
LISTENS = {"server-port-taken", "server-no-address"}
# Flaw: the cases that it must fail, and those that are run besides.
FAULTS: dict[str, tuple[set[str], set[str]]] = {
    "right": (set(), ALL),
    "ignores-signals": ({"sigterm", "sigterm-refuses"}, PANEL),
    "no-handler": ({"sigterm", "sigint"}, PANEL),
    "status-143": ({"sigterm", "sigint"}, PANEL),
    "loses-unfinished": ({"sigterm-unfinished", "sigterm-quit", "flush-variable"}, PANEL | {"sigterm-refuses"}),
    "waits-for-all": ({"sigterm-deaf"}, PANEL | {"sigterm-unfinished"}),
    "asks-on": ({"deaf-at-rest"}, PANEL | {"sigterm-unfinished"}),
    "no-reuse": ({"port-again"}, PANEL | {"sigterm-refuses"}),
    "ipv4-only": ({"both-versions"}, PANEL | {"server-environment"}),
    "says-no-end": ({"log-life", "both-versions"}, PANEL | {"log-messages"}),
    "logs-text": ({"log-life", "both-versions", "log-connections", "log-messages"}, PANEL),
    "minds-its-log": ({"log-unread"}, PANEL | {"log-life"}),
    "environment-wins": ({"server-arguments-win"}, PANEL | {"server-environment"}),
    "no-variables": ({"max-line-variable", "max-line-cr", "flush-variable", "log-messages", "log-life"}, PANEL),
    "stack-trace": (WRONG | LISTENS, PANEL),
    "wrong-words": (WRONG | LISTENS, PANEL),
    "status-1": (WRONG, PANEL | LISTENS),
    "accepts-no-more": ({"no-descriptor"}, PANEL),
    "one-sentence": ({"server-port-taken"}, PANEL | LISTENS),
}


def verdicts(flaw: str) -> dict[str, Result]:
    command = [sys.executable, "-m", "tests.contract.cheat_programs", flaw]
    return {result.case: result for result in run_process_cases(command, only=set.union(*FAULTS[flaw]), patience_s=1.5)}


@pytest.fixture(scope="module")
def all_verdicts() -> dict[str, dict[str, Result]]:
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(FAULTS, pool.map(verdicts, FAULTS), strict=True))


@pytest.mark.parametrize("flaw", FAULTS)
def test_each_flaw_is_named_and_nothing_else_is_blamed(flaw: str, all_verdicts: dict[str, dict[str, Result]]) -> None:
    found = verdict(all_verdicts[flaw], lambda: verdicts(flaw), FAULTS[flaw][0], set())
    assert not found.missed, f"{flaw} passed {sorted(found.missed)}"
    assert not found.wrongly, "\n".join(line for case in sorted(found.wrongly) for line in told(found.results[case]))
    for result in found.failed:
        assert result.outcome == "fail"
        assert result.expected
        assert result.got
