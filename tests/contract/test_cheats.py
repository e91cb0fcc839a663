"""The kit against servers that are wrong on purpose: each fails in the cases that name its fault, and in no other.

The panel has a case or more for nearly every rule, and none that takes long. So it is also shown which cases do *not*
mind: a kit that failed everything for one fault would be no help to whoever looks for it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from lab.conformance import run_server_cases
from lab.conformance.model import Result
from lab.conformance.output import told
from tests.contract import cheats
from tests.contract.cheats import RightServer
from tests.contract.verdicts import verdict

PANEL = frozenset({
    "one-line", "no-early-answer", "byte-by-byte", "split-in-two", "joined", "split-and-joined", "pipelined",
    "letters-cut", "crlf", "mixed-ends", "lone-cr", "bom", "spaces", "empty-lf", "ascii", "sharp-s", "ligatures",
    "greek-sigma", "dotless-i", "latin-1", "surrogate", "quit-lf", "quit-crlf", "quit-any-case", "quit-cut",
    "not-quit", "quit-dotless-i", "quit-after-lines", "lines-after-quit", "quit-in-batch", "talks-on",
    "quit-harms-nobody", "fin-only", "fin-after-lines", "fin-unfinished", "silent-at-first", "silence",
    "silence-quit", "silence-nothing", "silent-clients", "comes-and-goes", "over-limit-unended", "at-limit-lf",
    "at-limit-crlf",
})  # fmt: skip
# For faults that disturb others: what fails beside others is repeated alone, one by one, which takes its time.
SMALL = frozenset({
    "one-line", "byte-by-byte", "crlf", "ascii", "latin-1", "quit-lf", "not-quit", "fin-only", "side-by-side",
    "silent-clients", "quit-harms-nobody",
})  # fmt: skip
GOOD_BYES = frozenset({
    "quit-lf", "quit-crlf", "quit-any-case", "quit-cut", "quit-after-lines", "lines-after-quit", "quit-in-batch",
    "silence-quit", "talks-on",
})  # fmt: skip
TIME = frozenset({"silence-200-ms", "slow-typing", "at-once"})


@dataclass(frozen=True)
class Fault:
    """A cheat and the cases that it must fail; all the others that are run must pass. open: either would be right."""

    cheat: type[RightServer]
    fails: frozenset[str] | set[str]
    run: frozenset[str] | set[str] = PANEL
    open: frozenset[str] | set[str] = frozenset()


FAULTS = [
    Fault(RightServer, set(), PANEL | SMALL | TIME | {"tables-of-one-age", "gives-up", "backpressure", "slow-reader",
                                                      "resets", "talks-on"}),
    Fault(cheats.NoCapitals, {"one-line", "ascii", "sharp-s", "no-early-answer", "fin-unfinished", "silence"},
          {"one-line", "ascii", "sharp-s", "no-early-answer", "fin-unfinished", "silence", "empty-lf", "quit-lf",
           "quit-crlf", "quit-any-case", "quit-cut", "fin-only", "talks-on", "over-limit-unended", "silent-at-first"}),
    Fault(cheats.AsciiOnly, {"sharp-s", "ligatures", "greek-sigma", "dotless-i", "letters-cut",
                             "quit-dotless-i", "every-code-point"}, PANEL | {"every-code-point"}),
    Fault(cheats.OneForOne, {"sharp-s", "ligatures", "letters-cut", "every-code-point"}, PANEL | {"every-code-point"}),
    Fault(cheats.MixedTables, {"tables-of-one-age"}, {"tables-of-one-age", "every-code-point", "one-line", "sharp-s"}),
    Fault(cheats.Turkish, {"dotless-i", "ascii", "latin-1", "not-quit", "pipelined", "quit-harms-nobody"}),
    Fault(cheats.Replaces, {"latin-1", "surrogate", "all-octets"}, PANEL | {"all-octets"}),
    Fault(cheats.EatsByteOrderMark, {"bom"}),
    Fault(cheats.Trims, {"spaces", "not-quit"}),
    Fault(cheats.SegmentIsMessage, {"no-early-answer", "letters-cut", "quit-cut", "lines-after-quit",
                                    "quit-after-lines", "quit-in-batch"},
          open={"over-limit-unended", "crlf-cut", "mixed-ends"}),
    Fault(cheats.CrEndsToo, {"lone-cr", "crlf", "mixed-ends", "quit-crlf", "at-limit-crlf"}),
    Fault(cheats.OnlyLf, {"crlf", "mixed-ends", "quit-crlf", "at-limit-crlf", "empty-crlf"}, PANEL | {"empty-crlf"}),
    Fault(cheats.WaitsForLineEnd, {"silence", "silence-quit", "late-lf"}, PANEL | {"late-lf"}),
    Fault(cheats.Impatient, {"no-early-answer", "slow-typing", "silence-200-ms"}, PANEL | TIME,
          open={"byte-by-byte", "letters-cut", "quit-cut", "split-in-two", "split-and-joined"}),
    Fault(cheats.Slow, {"at-once"}, {"at-once", "one-line", "crlf"}),
    Fault(cheats.WrongGoodbye, GOOD_BYES | {"quit-harms-nobody"}),
    Fault(cheats.QuitPrefix, {"not-quit"}),
    Fault(cheats.QuitLowerCase, {"quit-any-case"}),
    Fault(cheats.LosesLinesBeforeQuit, {"quit-after-lines", "quit-in-batch"}),
    Fault(cheats.LosesLastLine, {"fin-unfinished", "fin-cut-letter", "fin-batch"},
          PANEL | {"fin-cut-letter", "fin-batch"}),
    Fault(cheats.TalksOnAfterQuit, GOOD_BYES),
    Fault(cheats.ClosesWithReset, GOOD_BYES | {"over-limit-unended"}),
    Fault(cheats.ClosesAtOnce, {"quit-in-batch", "talks-on"}, open={"over-limit-unended", "lines-after-quit"}),
    Fault(cheats.KeepsOpen, GOOD_BYES | {"over-limit-unended"}),
    Fault(cheats.ReadsForEver, {"gives-up"}, PANEL | {"gives-up"}),
    Fault(cheats.OneAtATime, {"side-by-side", "silent-clients", "quit-harms-nobody"}, SMALL),
    Fault(cheats.OneBuffer, {"side-by-side", "quit-harms-nobody"}, SMALL, open={"silent-clients"}),
    Fault(cheats.QuitsForAll, {"side-by-side", "quit-harms-nobody"}, SMALL),
    Fault(cheats.StopsAfterQuit, {"quit-harms-nobody"}, {"quit-harms-nobody"}),
    Fault(cheats.NoLimit, {"over-limit-unended"}),
    Fault(cheats.HoardsAnswers, {"backpressure"}, {"backpressure", "fin-after-lines", "fin-unfinished", "fin-only"}),
    Fault(cheats.Greets, {"silent-at-first"}, {"silent-at-first"}),
]  # fmt: skip


def verdicts(fault: Fault) -> dict[str, Result]:
    with fault.cheat() as server:
        return {r.case: r for r in run_server_cases("127.0.0.1", server.port, only=fault.run, patience_s=1)}


@pytest.fixture(scope="module")
def all_verdicts() -> dict[str, dict[str, Result]]:
    """Every cheat's results; three are run at the same time, for they mostly wait."""
    with ThreadPoolExecutor(3) as pool:
        return dict(zip((f.cheat.__name__ for f in FAULTS), pool.map(verdicts, FAULTS), strict=True))


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.cheat.__name__) for fault in FAULTS])
def test_each_fault_is_named_and_nothing_else_is_blamed(
    fault: Fault, all_verdicts: dict[str, dict[str, Result]]
) -> None:
    name = fault.cheat.__name__
    found = verdict(all_verdicts[name], lambda: verdicts(fault), fault.fails, fault.open)
    assert not found.missed, f"{name} passed {sorted(found.missed)}"
    assert not found.wrongly, "\n".join(line for case in sorted(found.wrongly) for line in told(found.results[case]))
    for case in fault.fails:
        assert found.results[case].outcome == "fail"
        assert found.results[case].advice
        assert found.results[case].expected
        assert found.results[case].got


def test_every_cheat_is_tried() -> None:
    all_cheats = {c for c in vars(cheats).values() if isinstance(c, type) and issubclass(c, RightServer)}
    assert {fault.cheat for fault in FAULTS} == all_cheats
