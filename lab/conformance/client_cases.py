"""Client cases: the kit plays the server, starts the client, and looks at what it sent, printed and how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence

from lab.conformance import terminal, wording
from lab.conformance.model import Case, Failed, Unable, shown
from lab.conformance.program import Done, Program, script_file, send_signal
from lab.conformance.stand_in import Guest, StandIn, Talk

_PASS = "Passing through, copy octets: standard input to the socket, the socket to standard output, both at once."
_SCRIPT = "Send a line, wait for its answer, print it, take the next line."
_FIN = "At the end of the input call shutdown(fd, SHUT_WR) and go on reading until recv() returns 0; only then close."
_ENDS = "recv() returning 0 is the server's FIN: stop and close, whether or not there is more to send."
_RESET = "A RST is ECONNRESET from recv() or EPIPE from send(): say the sentence, exit with status 1."
_TIME = "Bound connect() and the wait for an answer by ECHO_TIMEOUT_S seconds."
_ERROR = "The sentences, and which exit status goes with them, are in images/CONTRACT.md, to the letter."
_SIGNAL = "128 plus the number of the signal: 130 for Ctrl-C (SIGINT), 143 for SIGTERM."

Play = Callable[[Program], None]


def check(done: Done, status: int, *, out: bytes | None = None, err: str | None = None) -> None:
    """Compare an ended client with what it should be. err: its sentences, a line each. Raises Failed."""
    if b"Traceback" in done.err or b"Exception in" in done.err:
        raise Failed("a sentence", f"a stack trace: {done.err[-300:].decode('utf-8', 'replace')}")
    if out is not None and done.out != out:
        raise Failed(f"on standard output {shown(out)}", shown(done.out))
    if err is not None and done.err != err.encode():
        raise Failed(f"on standard error {shown(err.encode(), 400)}", shown(done.err, 400))
    if done.status != status:
        said = shown(done.err, 400)
        raise Failed(f"exit status {status}", f"{done.status}, and on standard error {said}")


def sentence(*lines: str) -> str:
    """What standard error has: each line with its line end."""
    return "".join(f"{line}\n" for line in lines)


def failure(text: str) -> str:
    """An error sentence as the client prints it."""
    return f"echo-client: {text}\n"


def _piped(sent: bytes, out: bytes, talk: Talk = Guest.echo, *, keep_open: bool = False) -> Play:
    """Pass octets through to a server that talks so; the server must get them all, and standard output its answers."""

    def play(program: Program) -> None:
        with StandIn(talk, program.patience_s) as server:
            done = program.run("127.0.0.1", server.port, input=sent, keep_open=keep_open)
            got = server.result()
        if got != sent:
            raise Failed(f"the server gets {shown(sent)}", shown(got))
        check(done, 0, out=out, err="")

    return play


def _scripted(script: bytes, sent: bytes, out: bytes, last: str, talk: Talk = Guest.echo) -> Play:
    """Play a script; the server must get exactly these octets, and the output must read so."""

    def play(program: Program) -> None:
        with script_file(script) as path, StandIn(talk, program.patience_s) as server:
            done = program.run("--script", path, "127.0.0.1", server.port, keep_open=True)
            got = server.result()
        if got != sent:
            raise Failed(f"the server gets {shown(sent)}", shown(got))
        check(done, 0, out=out, err=sentence(wording.connected("127.0.0.1", "127.0.0.1", server.port), last))

    return play


def _one_after_the_other(guest: Guest) -> None:
    for line in (b"one\n", b"two\n"):
        guest.line(line)
        guest.quiet(0.15)
        guest.send(line.upper())
    guest.until_fin()
    guest.end()


def _in_pieces(guest: Guest) -> None:
    guest.until_fin()
    for piece in (b"STRA", b"SSE \xce", b"\x9a\xce\x8c", b"\xce\xa3\nEND", b"\n", b"no line end"):
        guest.send(piece)
    guest.end()


def _only_good_bye(guest: Guest) -> None:
    guest.send(b"Good bye\n")
    guest.end()
    guest.until_fin()


def _only_fin(guest: Guest) -> None:
    guest.end()
    guest.until_fin()


def _reset_mid_line(guest: Guest) -> None:
    guest.line()
    guest.send(b"HEL")
    guest.reset()


def _reset_after_good_bye(guest: Guest) -> None:
    guest.line(b"quit\n")
    guest.send(b"Good bye\n")
    guest.reset()


def _large(program: Program) -> None:
    """3 MB through small buffers: a client that only reads when all is sent would wait for ever, and so would the server."""
    block = b"a line that is long enough to fill the buffers soon\n" * 60_000
    with StandIn(Guest.echo, program.patience_s, small_buffers=True) as server:
        done = program.run("127.0.0.1", server.port, input=block, within_s=6 * program.patience_s)
        got = server.result()
    if got != block:
        raise Failed(f"the server gets {len(block)} octets", f"{len(got)}, or other ones")
    check(done, 0, out=block.upper(), err="")


def _reset(talk: Talk, status: int, err: str) -> Play:
    def play(program: Program) -> None:
        with StandIn(talk, program.patience_s) as server:
            done = program.run("127.0.0.1", server.port, input=b"quit\n" if not status else b"hello\n", keep_open=True)
        check(done, status, err=err)

    return play


def _refused(program: Program) -> None:
    with socket.socket() as taken:  # bound, but nobody listens: nobody else can, either
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        done = program.run("127.0.0.1", port, input=b"hello\n")
    check(done, 1, out=b"", err=failure(wording.refused("127.0.0.1", port, "127.0.0.1")))


def _unknown_host(program: Program) -> None:
    # RFC 6761 §6.4: names in .invalid never exist.
    done = program.run("no-such-host.invalid", "7", within_s=6 * program.patience_s)
    check(done, 1, out=b"", err=failure(wording.no_host("no-such-host.invalid")))


def _answer_time_out(program: Program) -> None:
    with script_file(b"hello\n") as path, StandIn(_listen_only, 4 * program.patience_s) as server:
        done = program.run("--script", path, "127.0.0.1", server.port, env={"ECHO_TIMEOUT_S": "1"}, keep_open=True)
    connected = sentence(wording.connected("127.0.0.1", "127.0.0.1", server.port))
    check(done, 1, err=connected + failure(wording.no_answer(1)))


def _rest_time_out(program: Program) -> None:
    """Passing through, the wait counts from the end of the input."""
    with StandIn(_listen_only, 4 * program.patience_s) as server:
        done = program.run("127.0.0.1", server.port, input=b"hello\n", env={"ECHO_TIMEOUT_S": "1"})
    check(done, 1, err=failure(wording.no_answer(1)))


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
        done = program.run("127.0.0.1", str(port), input=b"hello\n", env={"ECHO_TIMEOUT_S": "1"})
    check(done, 1, out=b"", err=failure(wording.no_answer_to_syn("127.0.0.1", str(port), 1, "127.0.0.1")))


def _wrong(args: Sequence[str], text: str, env: Mapping[str, str] | None = None) -> Play:
    """Wrong arguments or variables: status 2 and this sentence, and nobody is called."""

    def play(program: Program) -> None:
        with StandIn(Guest.until_fin, program.patience_s) as server:
            words = [server.port if word == "PORT" else word for word in args]
            done = program.run(*words, env={"ECHO_PORT": server.port, **(env or {})}, input=b"hello\n")
            check(done, 2, out=b"", err=failure(text))
            server.nobody_came()

    return play


def _help(program: Program) -> None:
    check(program.run("--help"), 0, out=f"{wording.USAGE}\n".encode(), err="")


def _environment(program: Program) -> None:
    with StandIn(Guest.echo, program.patience_s) as server:
        env = {"ECHO_HOST": "127.0.0.1", "ECHO_PORT": server.port, "ECHO_TIMEOUT_S": ""}
        check(program.run(input=b"hello\nquit\n", env=env), 0, out=b"HELLO\nGood bye\n", err="")
        server.result()


def _arguments_win(program: Program) -> None:
    with StandIn(Guest.echo, program.patience_s) as server:
        env = {"ECHO_HOST": "no-such-host.invalid", "ECHO_PORT": "1"}
        done = program.run("127.0.0.1", server.port, input=b"quit\n", env=env)
        check(done, 0, out=b"Good bye\n", err="")
        server.result()


def _by_name(program: Program) -> None:
    """localhost often has ::1 before 127.0.0.1, where nobody listens: the next address must be tried."""
    with StandIn(Guest.echo, program.patience_s) as server:
        check(program.run("localhost", server.port, input=b"quit\n"), 0, out=b"Good bye\n", err="")
        server.result()


def _signal(number: signal.Signals, status: int) -> Play:
    def play(program: Program) -> None:
        with StandIn(Guest.until_fin, program.patience_s) as server:
            during = send_signal(number, server.came, program.patience_s)
            done = program.run("127.0.0.1", server.port, keep_open=True, during=during)
            server.result()
        check(done, status)
        if b"echo-client" in done.err:
            raise Failed("no sentence on standard error", shown(done.err))

    return play


def _nobody_reads(program: Program) -> None:
    """Standard output is a pipe whose reader is gone, as in `| head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    with StandIn(Guest.echo, program.patience_s) as server:
        try:
            process = program.start("127.0.0.1", server.port, stdin=subprocess.PIPE, stdout=writing)
        finally:
            os.close(writing)
        try:
            _, err = process.communicate(b"hello\n" * 100, timeout=program.patience_s)
        except subprocess.TimeoutExpired as expired:
            process.kill()
            process.communicate()
            raise Failed("an end", "it still runs") from expired
    check(Done(process.returncode, b"", err), 1, err="")


PASSING = [
    Case("pipe", "Lines come back in capital letters, and nothing else is printed", "P28", _PASS,
         _piped(b"hello\nquit\n", b"HELLO\nGood bye\n")),
    Case("pipe-octets", "Passing through changes no octet", "P28", _PASS,
         _piped(b"a\r\n\x00b\xff\xc3\n\xef\xbb\xbfc\n\n# d\nlast", b"A\r\n\x00B\xff\xc3\n\xef\xbb\xbfC\n\n# D\nLAST")),
    Case("pipe-fin", "At the end of the input the client ends its side and reads on", "P32", _FIN,
         _piped(b"hello", b"HELLO")),
    Case("pipe-nothing", "An empty input is a FIN at once", "P32", _FIN, _piped(b"", b"")),
    Case("pipe-pieces", "Answers in pieces are put together", "P29", _PASS,
         _piped(b"x\n", "STRASSE ΚΌΣ\nEND\nno line end".encode(), _in_pieces)),
    Case("pipe-large", "3 MB: the client reads while it sends", "P30", _PASS, _large),
    Case("server-ends", "After the server's FIN the client ends, though its input is still open", "P33", _ENDS,
         _piped(b"", b"", _only_fin, keep_open=True)),
    Case("server-says-good-bye", "After Good bye the client ends, though its input is still open", "P31", _ENDS,
         _piped(b"", b"Good bye\n", _only_good_bye, keep_open=True)),
]  # fmt: skip

SCRIPTED = [
    Case("script", "A script is played: prompt, line, answer", "contract: script", _SCRIPT,
         _scripted(b"hello\nquit\n", b"hello\nquit\n", b"> hello\nHELLO\n> quit\nGood bye\n", wording.SAID_GOOD_BYE)),
    Case("script-waits", "Each line waits for the answer to the one before", "contract: script", _SCRIPT,
         _scripted(b"one\ntwo\n", b"one\ntwo\n", b"> one\nONE\n> two\nTWO\n", wording.CLOSED, _one_after_the_other)),
    Case("script-comments", "Lines that begin with # are not sent, empty ones are", "contract: script", _SCRIPT,
         _scripted(b"# no\na\n\n#\n #b\n", b"a\n\n #b\n", b"> a\nA\n> \n\n>  #b\n #B\n", wording.CLOSED)),
    Case("script-windows", "A script with CRLF and a byte order mark is sent with LF, without the mark", "contract: script",
         _SCRIPT, _scripted(b"\xef\xbb\xbfa\r\nb\r\n", b"a\nb\n", b"> a\nA\n> b\nB\n", wording.CLOSED)),
    Case("script-no-last-lf", "A last line without LF is sent with LF", "contract: script", _SCRIPT,
         _scripted(b"a\nb", b"a\nb\n", b"> a\nA\n> b\nB\n", wording.CLOSED)),
    Case("script-after-quit", "Lines after quit are not sent", "contract: script", _SCRIPT,
         _scripted(b"quit\nmore\n", b"quit\n", b"> quit\nGood bye\n", wording.SAID_GOOD_BYE)),
    Case("script-text", "Text in several scripts arrives as it is", "P28", _SCRIPT,
         _scripted("straße κόσμος 🙂\n".encode(), "straße κόσμος 🙂\n".encode(),
                   "> straße κόσμος 🙂\nSTRASSE ΚΌΣΜΟΣ 🙂\n".encode(), wording.CLOSED)),
    Case("script-long", "A line of 300,000 octets is sent and answered whole", "P29", _SCRIPT,
         _scripted(b"x" * 300_000 + b"\n", b"x" * 300_000 + b"\n", b"> " + b"x" * 300_000 + b"\n" + b"X" * 300_000 + b"\n",
                   wording.CLOSED)),
]  # fmt: skip

TROUBLE = [
    Case("refused", "Nobody listens: a sentence, status 1", "contract: errors", _ERROR, _refused),
    Case("unknown-host", "A name that doesn't exist: a sentence, status 1", "contract: errors", _ERROR, _unknown_host),
    Case("reset", "A RST in the middle of a line: a sentence, status 1", "P31", _RESET,
         _reset(_reset_mid_line, 1, failure(wording.RESET))),
    Case("reset-after-good-bye", "A RST after Good bye changes nothing: status 0", "P31", _RESET,
         _reset(_reset_after_good_bye, 0, "")),
    Case("answer-time-out", "No answer in time: a sentence, status 1", "contract: time", _TIME, _answer_time_out),
    Case("rest-time-out", "No FIN in time after our own: a sentence, status 1", "contract: time", _TIME, _rest_time_out),
    Case("handshake-time-out", "No SYN-ACK in time: a sentence, status 1", "contract: time", _TIME, _handshake_time_out),
    Case("sigint", "Ctrl-C ends the client with status 130", "contract: signals", _SIGNAL, _signal(signal.SIGINT, 130)),
    Case("sigterm", "SIGTERM ends the client with status 143", "contract: signals", _SIGNAL, _signal(signal.SIGTERM, 143)),
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
         _wrong(["127.0.0.1", "PORT"], wording.bad_number("ECHO_TIMEOUT_S", "1.5", 1, 3600), {"ECHO_TIMEOUT_S": "1.5"})),
    Case("first-wrong-first", "Of several mistakes the first is told: arguments, variables, script", "contract: errors", _ERROR,
         _wrong(["--script", "/no/such/file", "127.0.0.1", "x"], wording.bad_number("the port", "x", 1, 65535),
                {"ECHO_TIMEOUT_S": "x"})),
]  # fmt: skip

CASES = PASSING + SCRIPTED + TROUBLE + WORDS + terminal.CASES
