"""Every client case of the conformance kit, each a test of its own."""

from __future__ import annotations

import pytest

from lab.conformance import Case, Result, client_cases
from tests.contract.conftest import passed


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in client_cases()])
def test_the_client(case: Case, client_results: dict[str, Result]) -> None:
    passed(client_results[case.id])
