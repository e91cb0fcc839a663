"""The lab as a whole: several side by side, and gone without a trace but its captures."""

from __future__ import annotations

import time

import pytest

from tests.live.conftest import Lab, private_folder, until


def test_two_labs_run_side_by_side_and_down_takes_one_away(
    lab: Lab, images: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    second = Lab("echolab-second", private_folder(tmp_path_factory, "second"), "198.18.71", "2001:db8:71")
    try:
        second.up()
        session = until(lambda: second.ended()[:1], "the second lab's demo session")[0]
        assert session["server"]["address"] == "198.18.71.10"
        before = len(lab.ended())
        second.client("only here\nquit\n")
        until(lambda: len(second.ended()) >= 2, "the second lab's second session")
        assert len(lab.ended()) == before, "the first lab's tap saw the second lab's session"
        began = time.monotonic()
        second.down()
        took_s = time.monotonic() - began
    finally:
        second.down()
    label = {"label": "com.docker.compose.project=echolab-second"}
    assert second.docker.containers.list(all=True, filters=label) == []
    assert second.docker.networks.list(filters=label) == []
    assert session["_path"].exists()
    assert took_s < 10, "some process does not obey SIGTERM (the aim is 3 s on an idle machine)"
    assert lab.container("server").attrs["State"]["Running"]
