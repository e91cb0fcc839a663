"""Running cases: most side by side (they mostly wait), those that measure or press hard one after another.

A case that this machine spoilt by being busy is tried again, up to three times; then it is an error, not a failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from lab.conformance import (
    client_limits,
    client_talk,
    client_trouble,
    server_life,
    server_load,
    server_process,
    server_short,
    server_text,
    server_words,
    terminal,
)
from lab.conformance.model import Busy, Case, Failed, Result, Target, Unable
from lab.conformance.program import Program
from lab.conformance.server_program import ServerProgram

_TRIES = 3
_SIDE_BY_SIDE = 16
_AGAIN_S = 20.0  # so long, at most, failed cases are repeated
_PROGRAMS_SIDE_BY_SIDE = 4  # each is a process of its own

Progress = Callable[[Result], None]


def server_cases() -> list[Case]:
    """All cases for a server that runs, in the order of the rules that they check."""
    return _in_order([*server_text.CASES, *server_life.CASES, *server_load.CASES])


def process_cases() -> list[Case]:
    """All cases for servers that the kit can start itself: signals, log, settings, errors."""
    return [*server_process.CASES, *server_words.CASES, *server_short.CASES]


def client_cases() -> list[Case]:
    """All cases for clients."""
    return [*client_talk.CASES, *client_trouble.CASES, *client_limits.CASES, *terminal.CASES]


def run_server_cases(
    host: str,
    port: int,
    *,
    flush_ms: int = 200,
    max_line_octets: int = 1_048_576,
    connections: int = 1000,
    patience_s: float = 5.0,
    only: Iterable[str] = (),
    progress: Progress | None = None,
) -> list[Result]:
    """Run the cases against the server at host and port; returns a result for each, in the order of server_cases().

    flush_ms, max_line_octets: what the server was started with. connections: how many at once. patience_s: how long an
    answer may take. only: ids of cases, if not all. progress: called with each result as it comes. Raises
    ValueError for an unknown id.
    """
    target = Target(host, port, flush_ms, max_line_octets, patience_s, connections)
    return run(chosen(server_cases(), only), target, progress)


def run_process_cases(
    command: Sequence[str], *, patience_s: float = 5.0, only: Iterable[str] = (), progress: Progress | None = None
) -> list[Result]:
    """Run the cases with servers that this command starts (--host and --port are appended); returns a result for each.

    patience_s, only, progress: as for run_server_cases().
    """
    subject = ServerProgram(tuple(command), patience_s)
    return run(chosen(process_cases(), only), subject, progress, _PROGRAMS_SIDE_BY_SIDE)


def run_client_cases(
    command: Sequence[str], *, patience_s: float = 5.0, only: Iterable[str] = (), progress: Progress | None = None
) -> list[Result]:
    """Run the cases with the client that this command starts (HOST and PORT are appended); returns a result for each.

    patience_s, only, progress: as for run_server_cases().
    """
    return run(chosen(client_cases(), only), Program(tuple(command), patience_s), progress, _PROGRAMS_SIDE_BY_SIDE)


def chosen(cases: list[Case], only: Iterable[str]) -> list[Case]:
    """The cases with these ids, or all. Raises ValueError with a sentence for an id that doesn't exist."""
    wanted = set(only)
    unknown = sorted(wanted - {case.id for case in cases})
    if unknown:
        raise ValueError(f"there is no case {', '.join(unknown)}: --list shows them all")
    return [case for case in cases if not wanted or case.id in wanted]


def run(
    cases: list[Case], subject: Any, progress: Progress | None = None, at_once: int = _SIDE_BY_SIDE
) -> list[Result]:
    """Run the cases with what they test; returns their results in the order of the cases."""
    results: dict[str, Result] = {}
    with ThreadPoolExecutor(at_once) as pool:
        together = [case for case in cases if not case.alone]
        results |= {result.case: result for result in pool.map(lambda case: run_case(case, subject), together)}
    if server_load.SIDE_BY_SIDE in results:
        results |= _again_alone(together, results, subject)
    for case in cases:
        if case.alone:
            results[case.id] = run_case(case, subject)
        if progress:
            progress(results[case.id])
    return [results[case.id] for case in cases]


def _again_alone(cases: list[Case], results: dict[str, Result], subject: Any) -> dict[str, Result]:
    """Repeat what failed, alone: who fails then has a fault of its own. Returns the results that changed.

    A server that takes one client after another would else fail nearly everything, and nobody could see why. Nothing is
    forgiven: what goes wrong only beside others fails as the case "side by side".
    """
    changed: dict[str, Result] = {}
    deadline = time.monotonic() + _AGAIN_S
    for case in cases:
        if results[case.id].outcome == "fail" and case.id != server_load.SIDE_BY_SIDE and time.monotonic() < deadline:
            again = run_case(case, subject)
            if again.outcome == "pass":
                changed[case.id] = again
    own = results[server_load.SIDE_BY_SIDE]
    if changed and own.outcome == "pass":
        case = next(case for case in cases if case.id == own.case)
        expected = "the same answers, whether or not others talk at the same time"
        got = f"wrong answers only while others talked, in: {', '.join(changed)}"
        changed[own.case] = replace(own, outcome="fail", expected=expected, got=got, advice=case.advice)
    return changed


def run_case(case: Case, subject: Any) -> Result:
    """Run one case; returns pass, fail or error. Only errors of the kit itself are raised."""
    began = time.monotonic()
    for tries_left in reversed(range(_TRIES)):
        try:
            case.play(subject)
        except Failed as failed:
            return _result(case, "fail", began, failed.expected, failed.got, failed.sent)
        except Busy as busy:
            if tries_left:
                continue
            return _result(case, "error", began, got=str(busy))
        except Unable as unable:
            return _result(case, "error", began, got=str(unable))
        except OSError as error:
            return _result(case, "error", began, got=f"this machine could not do it: {error}")
        break
    return _result(case, "pass", began)


def _result(case: Case, outcome: str, began: float, expected: str = "", got: str = "", sent: str = "") -> Result:
    seconds = round(time.monotonic() - began, 3)
    advice = case.advice if outcome == "fail" else ""
    return Result(case.id, case.name, case.rule, outcome, sent, expected, got, advice, seconds)


def _in_order(cases: list[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: int(case.rule.removeprefix("P")))
