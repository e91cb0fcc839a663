"""Client cases on trouble: networks that say no, signals, wrong arguments; each is a sentence and an exit status."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence

from lab.conformance import wording
from lab.conformance.client_talk import Play, failure, sentence
from lab.conformance.model import Case, Failed, Unable, shown
from lab.conformance.program import Done, Program, script_file, send_signal, unread_pipe
from lab.conformance.stand_in import Guest, StandIn, Talk

_RESET = "A RST is ECONNRESET from recv() or EPIPE from send(): say the sentence, exit with status 1."
_TIME = "Bound connect() and the wait for an answer by ECHO_TIMEOUT_S seconds."
_ERROR = "The sentences, and which exit status goes with them, are in images/CONTRACT.md, to the letter."
_SIGNAL = "128 plus the number of the signal: 130 for Ctrl-C (SIGINT), 143 for SIGTERM."


def _reset_mid_line(guest: Guest) -> None:
    guest.line()
    guest.send(b"HEL")
    guest.reset()


def _reset_after_good_bye(guest: Guest) -> None:
    guest.line(b"quit\n")
    guest.send(b"Good bye\n")
    guest.reset()


def _reset(talk: Talk, status: int, err: str) -> Play:
    def play(program: Program) -> None:
        with StandIn(talk, program.patience_s) as server:
            done = program.run("127.0.0.1", server.port, stdin=b"quit\n" if not status else b"hello\n", keep_open=True)
        done.must_be(status, err=err)

    return play


def _refused(program: Program) -> None:
    with socket.socket() as taken:  # bound, but nobody listens: nobody else can, either
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        done = program.run("127.0.0.1", port, stdin=b"hello\n")
    done.must_be(1, out=b"", err=failure(wording.refused("127.0.0.1", port, "127.0.0.1")))


def _unknown_host(program: Program) -> None:
    # RFC 6761 §6.4: names in .invalid never exist.
    done = program.run("no-such-host.invalid", "7", within_s=6 * program.patience_s)
    done.must_be(1, out=b"", err=failure(wording.no_host("no-such-host.invalid")))


def _answer_time_out(program: Program) -> None:
    with script_file(b"hello\n") as path, StandIn(_listen_only, 4 * program.patience_s) as server:
        done = program.run("--script", path, "127.0.0.1", server.port, env={"ECHO_TIMEOUT_S": "1"}, keep_open=True)
    connected = sentence(wording.connected("127.0.0.1", "127.0.0.1", server.port))
    done.must_be(1, err=connected + failure(wording.no_answer(1)))


def _rest_time_out(program: Program) -> None:
    """Passing through, the wait counts from the end of the input."""
    with StandIn(_listen_only, 4 * program.patience_s) as server:
        done = program.run("127.0.0.1", server.port, stdin=b"hello\n", env={"ECHO_TIMEOUT_S": "1"})
    done.must_be(1, err=failure(wording.no_answer(1)))


def _good_bye_without_fin(program: Program) -> None:
    """All is said after Good bye: a server that never closes is not waited for longer than ECHO_TIMEOUT_S."""

    def talk(guest: Guest) -> None:
        guest.line(b"quit\n")
        guest.send(b"Good bye\n")

    with script_file(b"quit\n") as path, StandIn(talk, program.patience_s) as server:
        done = program.run("--script", path, "127.0.0.1", server.port, env={"ECHO_TIMEOUT_S": "1"}, keep_open=True)
    last = sentence(wording.connected("127.0.0.1", "127.0.0.1", server.port), wording.SAID_GOOD_BYE)
    done.must_be(0, out=b"> quit\nGood bye\n", err=last)


def _listen_only(guest: Guest) -> None:
    """Answer nothing. (When this returns the connection stays open until the case is over.)"""
    guest.until_fin()


def _handshake_time_out(program: Program) -> None:
    """A server whose queue of connections is full drops further SYNs: nothing answers the client's."""
    with contextlib.ExitStack() as open_ones:
        full = open_ones.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(4):
            filler = open_ones.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with contextlib.suppress(TimeoutError):
            socket.create_connection(("127.0.0.1", port), 0.3).close()
            raise Unable(
                "this system answers although the queue is full: no way to test a handshake without an answer here"
            )
        done = program.run("127.0.0.1", str(port), stdin=b"hello\n", env={"ECHO_TIMEOUT_S": "1"})
    done.must_be(1, out=b"", err=failure(wording.no_answer_to_syn("127.0.0.1", str(port), 1, "127.0.0.1")))


def _wrong(args: Sequence[str], text: str, env: Mapping[str, str] | None = None) -> Play:
    """Wrong arguments or variables: status 2 and this sentence, and nobody is called."""

    def play(program: Program) -> None:
        with StandIn(Guest.until_fin, program.patience_s) as server:
            words = [server.port if word == "PORT" else word for word in args]
            done = program.run(*words, env={"ECHO_PORT": server.port, **(env or {})}, stdin=b"hello\n")
            done.must_be(2, out=b"", err=failure(text))
            server.nobody_came()

    return play


def _help(program: Program) -> None:
    program.run("--help").must_be(0, out=f"{wording.USAGE}\n".encode(), err="")


def _environment(program: Program) -> None:
    with StandIn(Guest.echo, program.patience_s) as server:
        env = {"ECHO_HOST": "127.0.0.1", "ECHO_PORT": server.port, "ECHO_TIMEOUT_S": ""}
        program.run(stdin=b"hello\nquit\n", env=env).must_be(0, out=b"HELLO\nGood bye\n", err="")
        server.result()


def _arguments_win(program: Program) -> None:
    with StandIn(Guest.echo, program.patience_s) as server:
        env = {"ECHO_HOST": "no-such-host.invalid", "ECHO_PORT": "1"}
        done = program.run("127.0.0.1", server.port, stdin=b"quit\n", env=env)
        done.must_be(0, out=b"Good bye\n", err="")
        server.result()


def _by_name(program: Program) -> None:
    """localhost often has ::1 before 127.0.0.1, where nobody listens: the next address must be tried."""
    with StandIn(Guest.echo, program.patience_s) as server:
        program.run("localhost", server.port, stdin=b"quit\n").must_be(0, out=b"Good bye\n", err="")
        server.result()


def _signal(number: signal.Signals, status: int) -> Play:
    def play(program: Program) -> None:
        with StandIn(Guest.until_fin, program.patience_s) as server:
            during = send_signal(number, server.came, program.patience_s)
            done = program.run("127.0.0.1", server.port, keep_open=True, during=during)
            server.result()
        done.must_be(status)
        if b"echo-client" in done.err:
            raise Failed("no sentence on standard error", shown(done.err))

    return play


def _nobody_reads(program: Program) -> None:
    """Standard output is a pipe whose reader is gone, as in `| head -1`."""
    with StandIn(Guest.echo, program.patience_s) as server:
        with unread_pipe() as unread:
            process = program.start("127.0.0.1", server.port, stdin=subprocess.PIPE, stdout=unread)
        try:
            _, err = process.communicate(b"hello\n" * 100, timeout=program.patience_s)
        except subprocess.TimeoutExpired as expired:
            process.kill()
            process.communicate()
            raise Failed("an end", "it still runs") from expired
    Done(process.returncode, b"", err).must_be(1, err="")


TROUBLE = [
    Case("refused", "Nobody listens: a sentence, status 1", "contract: errors", _ERROR, _refused),
    Case("unknown-host", "A name that doesn't exist: a sentence, status 1", "contract: errors", _ERROR, _unknown_host),
    Case("reset", "A RST in the middle of a line: a sentence, status 1", "P31", _RESET,
         _reset(_reset_mid_line, 1, failure(wording.RESET))),
    Case("reset-after-good-bye", "A RST after Good bye changes nothing: status 0", "P31", _RESET,
         _reset(_reset_after_good_bye, 0, "")),
    Case("good-bye-no-fin", "A server that doesn't close after Good bye is not waited for long: status 0", "P31", _TIME,
         _good_bye_without_fin),
    Case("answer-time-out", "No answer in time: a sentence, status 1", "contract: time", _TIME, _answer_time_out),
    Case("rest-time-out", "No FIN in time after our own: a sentence, status 1", "contract: time", _TIME,
         _rest_time_out),
    Case("handshake-time-out", "No SYN-ACK in time: a sentence, status 1", "contract: time", _TIME,
         _handshake_time_out),
    Case("sigint", "Ctrl-C ends the client with status 130", "contract: signals", _SIGNAL, _signal(signal.SIGINT, 130)),
    Case("sigterm", "SIGTERM ends the client with status 143", "contract: signals", _SIGNAL,
         _signal(signal.SIGTERM, 143)),
    Case("nobody-reads", "Whoever reads the output is gone: status 1, no word", "contract: signals",
         "Writing to standard output fails with EPIPE then: exit with status 1.", _nobody_reads),
]  # fmt: skip

WORDS = [
    Case("help", "--help prints the usage", "contract: arguments", _ERROR, _help),
    Case("environment", "Host and port come from the environment", "contract: environment", _ERROR, _environment),
    Case("arguments-win", "Arguments go before the environment", "contract: arguments", _ERROR, _arguments_win),
    Case("by-name", "Each address of a name is tried", "contract: addresses", _ERROR, _by_name),
    Case("script-missing", "A script that isn't there: a sentence, status 2", "contract: errors", _ERROR,
         _wrong(["--script", "/no/such/file", "127.0.0.1", "PORT"], wording.no_script("/no/such/file"))),
    Case("no-option", "An unknown option: a sentence, status 2", "contract: errors", _ERROR,
         _wrong(["--loud", "127.0.0.1"], wording.no_option("--loud"))),
    Case("no-value", "--script without a file: a sentence, status 2", "contract: errors", _ERROR,
         _wrong(["127.0.0.1", "--script"], f"--script needs a value; {wording.USAGE}")),
    Case("too-many", "A third place: a sentence, status 2", "contract: errors", _ERROR,
         _wrong(["127.0.0.1", "PORT", "x"], wording.too_many("x"))),
    *(
        Case(f"port-{name}", f"The port {text!r} is none: a sentence, status 2", "contract: errors", _ERROR,
             _wrong(["127.0.0.1", text], wording.bad_number("the port", text, 1, 65535)))
        for name, text in (("word", "abc"), ("zero", "0"), ("high", "65536"), ("sign", "+80"), ("space", "80 "),
                           ("other-digits", "٨٠"), ("huge", "9" * 30))
    ),
    Case("port-variable", "ECHO_PORT is no port: a sentence, status 2", "contract: errors", _ERROR,
         _wrong(["127.0.0.1"], wording.bad_number("the port", "http", 1, 65535), {"ECHO_PORT": "http"})),
    Case("time-out-variable", "ECHO_TIMEOUT_S is no number: a sentence, status 2", "contract: errors", _ERROR,
         _wrong(["127.0.0.1", "PORT"], wording.bad_number("ECHO_TIMEOUT_S", "1.5", 1, 3600),
                {"ECHO_TIMEOUT_S": "1.5"})),
    Case("first-wrong-first", "Of several mistakes the first is told: arguments, variables, script", "contract: errors",
         _ERROR,
         _wrong(["--script", "/no/such/file", "127.0.0.1", "x"], wording.bad_number("the port", "x", 1, 65535),
                {"ECHO_TIMEOUT_S": "x"})),
]  # fmt: skip

CASES = TROUBLE + WORDS
