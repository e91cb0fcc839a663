"""Every case of the kit on what is short or in a server's way, each a test of its own."""

from __future__ import annotations

import pytest

from lab.conformance import Case, Result, server_short
from tests.contract.conftest import passed


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in server_short.CASES])
def test_what_is_short(case: Case, short_results: dict[str, Result]) -> None:
    passed(short_results[case.id])
