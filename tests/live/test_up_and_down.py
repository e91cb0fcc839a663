"""The lab as a whole: several side by side, and gone without a trace but its captures."""

from __future__ import annotations

import time

import pytest

from tests.live.conftest import Lab, allowed_s, private_folder, until

LABEL = {"label": "com.docker.compose.project=echolab-second"}


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
        running = {c.id: c.name for c in second.docker.containers.list(filters=LABEL)}
        began = time.monotonic()
        second.compose("stop", "--timeout", "10")
        took_s = time.monotonic() - began
        codes = {name: second.docker.containers.get(key).attrs["State"]["ExitCode"] for key, name in running.items()}
        second.down()
    finally:
        second.down()
    assert second.docker.containers.list(all=True, filters=LABEL) == []
    assert second.docker.networks.list(filters=LABEL) == []
    assert session["_path"].exists()
    assert len(codes) == 5
    # 137 would be the engine's SIGKILL after ten seconds; 143 is what socat, in the gate, says of a SIGTERM it obeyed.
    assert set(codes.values()) <= {0, 143}, codes
    assert took_s < allowed_s(3), "some process does not obey SIGTERM at once"
    assert lab.container("server").attrs["State"]["Running"]
