"""Nothing that restarts blinds the lab: after each of these, the next session is captured whole."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.live.conftest import Lab, until


def healthy(lab: Lab, service: str) -> bool:
    state = lab.container(service).attrs["State"]
    return bool(state["Running"] and state["Health"]["Status"] == "healthy")


def play(lab: Lab) -> None:
    """One session; it must be captured whole."""
    before = len(lab.ended())
    done = lab.client("after\nquit\n")
    assert "AFTER" in done.stdout
    assert lab.new_session(before)["certificate"]["complete"] is True


def kill(lab: Lab, service: str) -> None:
    """SIGKILL, as the kernel's memory killer would: the engine must not see it as the user's own stop."""
    if os.geteuid() != 0:
        pytest.skip("killing a container's process from outside takes root")
    os.kill(lab.container(service).attrs["State"]["Pid"], signal.SIGKILL)


def restarted(lab: Lab, service: str, since: str) -> bool:
    return bool(lab.container(service).attrs["State"]["StartedAt"] != since and healthy(lab, service))


@pytest.mark.parametrize("service", ["server", "server-tap"])
def test_after_a_restart_the_next_session_is_captured_whole(lab: Lab, service: str) -> None:
    since = lab.container(service).attrs["State"]["StartedAt"]
    began = time.monotonic()
    lab.compose("restart", service)
    assert time.monotonic() - began < 8, "it did not obey SIGTERM"
    until(lambda: restarted(lab, service, since), f"{service} healthy again")
    play(lab)


@pytest.mark.parametrize("service", ["server", "server-tap"])
def test_after_a_kill_the_next_session_is_captured_whole(lab: Lab, service: str) -> None:
    since = lab.container(service).attrs["State"]["StartedAt"]
    kill(lab, service)
    until(lambda: restarted(lab, service, since), f"{service} back by itself")
    play(lab)


def test_a_restarted_host_takes_its_server_and_tap_with_it(lab: Lab) -> None:
    lab.compose("restart", "server-host")
    until(lambda: healthy(lab, "server") and healthy(lab, "server-tap"), "server and tap healthy again")
    play(lab)


def test_a_tap_that_is_stopped_closes_its_files_within_a_second(lab: Lab) -> None:
    with lab.connect() as connection:
        connection.sendall(b"open\n")
        assert connection.recv(10) == b"OPEN\n"
        running = until(lambda: [s for s in lab.sessions() if s["verdict"] == "open"], "a session in progress")
        began = time.monotonic()
        lab.compose("kill", "--signal", "SIGTERM", "server-tap")
        until(lambda: not lab.container("server-tap").attrs["State"]["Running"], "the tap's end", every_s=0.02)
        assert time.monotonic() - began < 2.5  # the command itself takes up to half of that
        assert lab.container("server-tap").attrs["State"]["ExitCode"] == 0
        cut = next(s for s in lab.sessions() if s["_path"] == running[0]["_path"])
        assert cut["verdict"] == "cut"
        assert cut["certificate"]["complete"] is False
        lab.compose("up", "--detach", "server-tap")
        until(lambda: healthy(lab, "server-tap"), "the tap again")
        before = len(lab.ended())
        connection.sendall(b"quit\n")
        assert b"Good bye" in connection.recv(100)
    # The new tap sees the rest of that conversation: it keeps it, and says that it came midstream.
    assert lab.new_session(before, "midstream")["certificate"]["complete"] is False
    play(lab)
