"""nc, socat, telnet, curl and a browser talk to the server; each of their sessions is recorded, certified and right."""

from __future__ import annotations

import pytest

from tests.interop.others import TOOLS, Tool, images, play
from tests.live.conftest import Lab, Oracle


@pytest.fixture(scope="module")
def built() -> tuple[str, str]:
    return images()


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name.replace(" ", "-"))
def test_a_program_that_nobody_here_wrote_is_served(
    tool: Tool, lab: Lab, oracle: Oracle, built: tuple[str, str]
) -> None:
    assert play(lab, oracle, tool, built) == ""
