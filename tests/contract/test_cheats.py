"""The kit against servers that are wrong on purpose: each fails in the cases that name its fault, and in no other.

The panel has a case or more for every rule, and none that takes long. So it is also shown which cases do *not* mind: a
kit that failed everything for one fault would be no help to whoever looks for it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.conformance import Result, run_server_cases
from tests.contract import cheats
from tests.contract.cheats import RightServer

LETTERS = {"ascii", "sharp-s", "ligatures", "greek-sigma", "dotless-i"}
PANEL = LETTERS | {
    "one-line", "byte-by-byte", "split-in-two", "joined", "split-and-joined", "pipelined", "crlf", "mixed-ends", "lone-cr",
    "bom", "spaces", "empty-lf", "latin-1", "surrogate", "quit-lf", "quit-crlf", "quit-any-case", "not-quit", "quit-after-lines",
    "lines-after-quit", "quit-in-batch", "talks-on", "quit-harms-nobody", "fin-only", "fin-after-lines", "fin-unfinished",
    "silent-at-first", "silence", "silence-quit", "silence-nothing", "silent-clients", "comes-and-goes", "over-limit-unended",
    "at-limit-lf",
}  # fmt: skip

# Fault: cases of the panel that it must fail, and more cases that are run for it alone.
FAULTS: dict[type[RightServer], tuple[set[str], set[str]]] = {
    RightServer: (set(), {"gives-up", "backpressure", "slow-reader", "at-once", "silence-200-ms", "slow-typing", "resets"}),
    cheats.AsciiOnly: ({"sharp-s", "ligatures", "greek-sigma", "dotless-i"}, {"every-code-point"}),
    cheats.OneForOne: ({"sharp-s", "ligatures"}, {"every-code-point"}),
    cheats.Turkish: (set(), set()),
    cheats.Replaces: ({"latin-1", "surrogate"}, {"all-octets"}),
    cheats.OnlyLf: ({"crlf", "mixed-ends", "quit-crlf", "not-quit"}, {"empty-crlf", "late-crlf"}),
    cheats.WaitsForLineEnd: ({"silence", "silence-quit"}, {"late-lf", "silence-200-ms"}),
    cheats.WrongGoodbye: (set(), set()),
    cheats.QuitPrefix: ({"not-quit"}, set()),
    cheats.QuitLowerCase: ({"quit-any-case"}, set()),
    cheats.ReadsForEver: (set(), {"gives-up"}),
    cheats.LosesLastLine: ({"fin-unfinished"}, {"fin-cut-letter", "fin-batch"}),
    cheats.EatsByteOrderMark: ({"bom", "not-quit"}, set()),
}
