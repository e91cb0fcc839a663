"""Every case of the kit on a server's process (its log, its errors, how it stops), each a test of its own."""

from __future__ import annotations

import pytest

from lab.conformance import Case, Result, process_cases
from tests.contract.conftest import passed


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in process_cases()])
def test_the_process(case: Case, process_results: dict[str, Result]) -> None:
    passed(process_results[case.id])
