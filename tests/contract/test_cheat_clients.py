"""The kit against clients that are wrong on purpose: each fails in the cases that name its fault, and in no other."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.conformance import Result, run_client_cases
from lab.conformance.output import told
from tests.contract.verdicts import verdict

CHEAT = Path(__file__).with_name("cheat_clients.py")
PIPED = {"pipe", "pipe-octets", "pipe-fin", "pipe-pieces", "pipe-large", "pipe-meanwhile", "server-ends"}
SCRIPTED = {"script", "script-waits", "script-comments", "script-after-quit"}
WORDS = {"refused"}
# Flaw: the cases that it must fail, and those that are run.
FAULTS: dict[str, tuple[set[str], set[str]]] = {
    "right": (set(), PIPED | SCRIPTED | WORDS),
    "changes-octets": ({"pipe-octets"}, PIPED | {"script"}),
    "no-fin": ({"pipe-octets", "pipe-fin", "pipe-pieces", "pipe-meanwhile"}, PIPED - {"pipe-large"}),
    "closes-early": ({"pipe-octets", "pipe-fin", "pipe-pieces"}, PIPED - {"pipe-large"} | WORDS),
    "first-segment-only": ({"pipe-large", "pipe-meanwhile"}, PIPED | WORDS),
    "sends-first": ({"pipe-meanwhile", "server-ends"}, PIPED | WORDS),
    "waits-for-input": ({"server-ends"}, PIPED | WORDS),
    "pipelines": ({"script-waits", "script-comments", "script-after-quit"}, SCRIPTED | {"pipe"}),
    "sends-comments": ({"script-comments"}, SCRIPTED | {"pipe"}),
    "sends-after-quit": ({"script-after-quit"}, SCRIPTED | {"pipe"}),
    "stack-trace": ({"refused"}, WORDS | {"pipe", "script"}),
    "wrong-words": ({"refused"}, WORDS | {"pipe", "script"}),
    "status-0": ({"refused"}, WORDS | {"pipe", "script"}),
}
# Either would be right: how much gets through before a client that closes early is gone, and what fits into the
# buffers of a kernel that takes 32 MB for one connection, is not up to the client.
OPEN = {
    "closes-early": {"pipe", "pipe-meanwhile"},
    "first-segment-only": {"pipe", "pipe-octets", "pipe-pieces"},
    "sends-first": {"pipe-large"},
}


def verdicts(flaw: str) -> dict[str, Result]:
    results = run_client_cases([sys.executable, str(CHEAT), flaw], only=FAULTS[flaw][1], patience_s=1.5)
    return {result.case: result for result in results}


@pytest.fixture(scope="module")
def all_verdicts() -> dict[str, dict[str, Result]]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(FAULTS, pool.map(verdicts, FAULTS), strict=True))


@pytest.mark.parametrize("flaw", FAULTS)
def test_each_flaw_is_named_and_nothing_else_is_blamed(flaw: str, all_verdicts: dict[str, dict[str, Result]]) -> None:
    found = verdict(all_verdicts[flaw], lambda: verdicts(flaw), FAULTS[flaw][0], OPEN.get(flaw, set()))
    assert not found.missed, f"{flaw} passed {sorted(found.missed)}"
    assert not found.wrongly, "\n".join(line for case in sorted(found.wrongly) for line in told(found.results[case]))
