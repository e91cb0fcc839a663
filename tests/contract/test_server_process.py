"""Every case of the kit on a server's process (its log, its errors, how it stops), each a test of its own."""

from __future__ import annotations

import pytest

from lab.conformance import Case, Result, process_cases, server_short
from tests.contract.conftest import passed

CASES = [case for case in process_cases() if case not in server_short.CASES]  # those have a file of their own


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_the_process(case: Case, process_results: dict[str, Result]) -> None:
    passed(process_results[case.id])
