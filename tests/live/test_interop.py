"""Every language plays: each as a server once and as a client once, in a ring. All pairs: ``python -m
tests.interop``."""

from __future__ import annotations

import pytest

from tests.interop.matrix import languages, play
from tests.live.conftest import Oracle, private_folder

ALL = languages()
RING = [(server, ALL[(number + 1) % len(ALL)]) for number, server in enumerate(ALL)]


@pytest.mark.parametrize("pair", RING, ids=lambda pair: f"{pair[0]}-server-{pair[1]}-client")
def test_a_client_plays_with_a_server_in_another_language(
    pair: tuple[str, str], oracle: Oracle, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cell = play(pair, private_folder(tmp_path_factory, "interop"), oracle, "echolab-interop")
    assert cell.problem == ""
