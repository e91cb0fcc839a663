"""ECHO_KEEP_MIB in the composed lab: the oldest sessions go while the tap runs, and its log says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.conftest import Lab, private_folder, until

LINE = "x" * 1000 + "\n"


@pytest.fixture
def small(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that keeps one mebibyte."""
    folder = private_folder(tmp_path_factory, "quota")
    lab = Lab("echolab-quota", folder, "198.18.84", "2001:db8:84", ECHO_KEEP_MIB="1", ECHO_LADDER="off")
    lab.down()
    lab.compose("up", "--detach", "--wait", "--quiet-pull", "server", "server-tap", "client-host", "gate")
    yield lab
    lab.down()


def test_the_oldest_sessions_go_the_open_one_stays_and_it_is_told(small: Lab) -> None:
    with small.connect() as first:
        first.sendall(b"I stay open\n")
        assert first.recv(100) == b"I STAY OPEN\n"
        for number in range(1, 4):
            small.client(LINE * 300 + "quit\n")
            until(lambda n=number: len(small.ended()) >= n or "quota" in small.tail(), "the session's end")  # type: ignore[misc]
        until(lambda: "quota: removed the" in small.tail(), "the quota's sentence in the log")
        left = [session["ordinal"] for session in small.sessions()]
        assert 1 in left
        assert 2 not in left
        first.sendall(b"quit\n")
        assert first.recv(100) == b"Good bye\n"
    until(
        lambda: [s for s in small.ended() if s["ordinal"] == 1 and s["certificate"]["complete"]], "the first one's end"
    )
