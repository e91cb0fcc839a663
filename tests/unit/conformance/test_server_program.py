"""A server's command: what the kit sees of its log, its end and its errors. The servers are a line of Python each."""

from __future__ import annotations

import signal
import sys

import pytest

from lab.conformance.model import Failed, Unable
from lab.conformance.server_program import ServerProgram

LISTENS = "print('listening on 127.0.0.1:7', flush=True); "
WAITS = "import signal; signal.pause()"


def server(code: str) -> ServerProgram:
    return ServerProgram((sys.executable, "-c", code), patience_s=1)


def test_the_first_line_says_where_it_listens() -> None:
    with server(LISTENS + WAITS).start() as running:
        target = running.target(60_000)
        assert (target.host, target.port, target.flush_ms, target.patience_s) == ("127.0.0.1", 7, 60_000, 1)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('ready', flush=True); " + WAITS, "ready"),
        ("print('listening on port http', flush=True); " + WAITS, "port http"),
        ("import sys; sys.exit('no such thing')", "the end, with status 1; on standard error no such thing"),
        (WAITS, "silence"),
    ],
    ids=["other-words", "no-number", "an-end", "silence"],
)
def test_a_server_that_does_not_say_so_has_failed(code: str, words: str) -> None:
    with server(code).start() as running, pytest.raises(Failed) as failed:
        running.listening()
    assert words in failed.value.got


def test_arguments_and_only_the_variables_that_are_given_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_PORT", "9")
    code = "import os, sys; print(sys.argv[1:], os.environ.get('ECHO_PORT'), os.environ.get('ECHO_LOG'))"
    with server(code).start("--port", "0", env={"ECHO_LOG": "messages"}) as running:
        assert running.log() == ["['--port', '0'] None messages"]
        assert running.ended() == 0


def test_a_stop_is_status_0_within_a_second() -> None:
    leave = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit({})); "
    with server(leave.format(0) + LISTENS + WAITS).start() as running:
        running.listening()
        running.stops()
    for code, words in (
        (leave.format(143), "143"),
        ("", "-15 (ended by the signal 15, without a handler)"),
        ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); ", "it still runs"),
    ):
        with server(code + LISTENS + WAITS).start() as running:
            running.listening()
            with pytest.raises(Failed) as failed:
                running.stops(signal.SIGTERM)
        assert failed.value.got == words


def test_an_error_is_one_sentence_a_status_and_nothing_else() -> None:
    say = "import sys; print('echo-server: {}', file=sys.stderr); sys.exit({})"
    with server(say.format("no; try", 2)).start() as running:
        running.must_fail(2, "no; try")
    for code, words in (
        (say.format("no", 2), "echo-server: no\\n"),
        (say.format("no; try", 1), "1"),
        ("1 / 0", "a stack trace"),
        (LISTENS + WAITS, "listening on 127.0.0.1:7"),
    ):
        with server(code).start() as running, pytest.raises(Failed) as failed:
            running.must_fail(2, "no; try")
        assert words in failed.value.got


def test_a_command_that_is_not_there_is_no_verdict_on_the_server() -> None:
    with pytest.raises(Unable, match="cannot start /no/such/server: check the command after --server"):
        ServerProgram(("/no/such/server",)).start()
