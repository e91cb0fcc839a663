"""Every server case of the conformance kit, each a test of its own."""

from __future__ import annotations

import pytest

from lab.conformance import Case, Result, server_cases
from tests.contract.conftest import passed


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in server_cases()])
def test_the_server(case: Case, server_results: dict[str, Result]) -> None:
    passed(server_results[case.id])
