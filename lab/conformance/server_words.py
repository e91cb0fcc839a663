"""Server cases on words: settings from arguments and environment, and the sentences for what is wrong with them
(images/CONTRACT.md)."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from lab.conformance import wording
from lab.conformance.model import Case
from lab.conformance.peer import Peer
from lab.conformance.server_process import NEVER_MS, PATIENT, Play, must_be, must_match
from lab.conformance.server_program import ON_A_FREE_PORT, ServerProgram, free_port

_SETTINGS = "An argument goes before the environment, the environment before the default; an empty variable is none."
_ERROR = "The sentences, and which exit status goes with them, are in images/CONTRACT.md, to the letter."


# ---- Settings ----


def _long_line_limit(program: ServerProgram) -> None:
    with program.start(env={"ECHO_MAX_LINE": "4"}) as server, Peer(server.target()) as peer:
        peer.send(b"abcd\r\nabcde\n")
        peer.read(b"ABCD\r\nERROR line longer than 4 bytes\n")
        peer.end()


def _limit_and_cr(program: ServerProgram) -> None:
    """A CR that FIN shows to be no line end is counted."""
    with program.start(env={"ECHO_MAX_LINE": "4"}) as server, Peer(server.target()) as peer:
        peer.send(b"abcd\r")
        peer.half_close()
        peer.read(b"ERROR line longer than 4 bytes\n")
        peer.end()


def _long_silence(program: ServerProgram) -> None:
    with program.start(env=PATIENT) as server, Peer(server.target(NEVER_MS)) as peer:
        peer.send(b"no line end")
        peer.quiet(0.5)
        peer.half_close()
        peer.read(b"NO LINE END")
        peer.end()


def _arguments_win(program: ServerProgram) -> None:
    env = {"ECHO_PORT": "1", "ECHO_HOST": "203.0.113.1", "ECHO_MAX_LINE": ""}
    with program.start(*ON_A_FREE_PORT, env=env) as server:
        must_match("it listens on", r"127\.0\.0\.1:\d+", server.listening())


def _environment(program: ServerProgram) -> None:
    with program.start("--port", "0", env={"ECHO_HOST": "127.0.0.1"}) as server:
        must_match("with ECHO_HOST it listens on", r"127\.0\.0\.1:\d+", server.listening())
    port = str(free_port())
    with program.start("--host", "127.0.0.1", env={"ECHO_PORT": port}) as server:
        must_be("with ECHO_PORT it listens on", f"127.0.0.1:{port}", server.listening())


# ---- What is wrong ----


def wrong(args: Sequence[str], status: int, text: str, env: Mapping[str, str] | None = None) -> Play:
    def play(program: ServerProgram) -> None:
        with program.start(*args, env=env) as server:
            server.must_fail(status, text)

    return play


def _taken(program: ServerProgram) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with program.start("--host", "127.0.0.1", "--port", str(port)) as server:
            server.must_fail(1, wording.port_in_use(port))


def _help(program: ServerProgram) -> None:
    with program.start("--help") as server:
        must_be("standard output", [wording.SERVER_USAGE], server.log())
        must_be("the exit status", 0, server.ended())


SETTINGS = [
    Case("max-line-variable", "ECHO_MAX_LINE is the longest message", "P22", _SETTINGS, _long_line_limit),
    Case("max-line-cr", "A CR that FIN shows to be no line end counts", "P22", _SETTINGS, _limit_and_cr),
    Case("flush-variable", "ECHO_FLUSH_MS is how long silence is", "P19", _SETTINGS, _long_silence),
    Case("server-arguments-win", "Arguments go before the environment; an empty variable is none",
         "contract: arguments", _SETTINGS, _arguments_win),
    Case("server-environment", "ECHO_HOST and ECHO_PORT say where to listen", "contract: environment", _SETTINGS,
         _environment),
    Case("server-help", "--help prints the usage", "contract: arguments", _ERROR, _help),
]  # fmt: skip

ERRORS = [
    *(
        Case(f"server-port-{name}", f"The port {text!r} is none: a sentence, status 2", "contract: errors", _ERROR,
             wrong(["--port", text], 2, wording.bad_number("the port", text, 0, 65535)))
        for name, text in (("word", "abc"), ("high", "65536"), ("sign", "-1"), ("other-digits", "٨٠"))
    ),
    Case("server-port-variable", "ECHO_PORT is no port: a sentence, status 2", "contract: errors", _ERROR,
         wrong(["--host", "::"], 2, wording.bad_number("the port", "x", 0, 65535), {"ECHO_PORT": "x"})),
    Case("server-no-value", "--port without a number: a sentence, status 2", "contract: errors", _ERROR,
         wrong(["--port"], 2, f"--port needs a value; {wording.SERVER_USAGE}")),
    Case("server-no-option", "An unknown option: a sentence, status 2", "contract: errors", _ERROR,
         wrong(["--loud"], 2, f'"--loud" is not an option; {wording.SERVER_USAGE}')),
    Case("server-no-place", "An argument that is no option: a sentence, status 2", "contract: errors", _ERROR,
         wrong(["8080"], 2, f'"8080" is not an option; {wording.SERVER_USAGE}')),
    *(
        Case(f"server-{name}", f"{variable}={text} is out of range: a sentence, status 2", "contract: errors", _ERROR,
             wrong(["--port", "0"], 2, wording.bad_number(variable, text, 1, most), {variable: text}))
        for name, variable, text, most in (("max-line-word", "ECHO_MAX_LINE", "1e6", 1 << 26),
                                           ("max-line-zero", "ECHO_MAX_LINE", "0", 1 << 26),
                                           ("flush-high", "ECHO_FLUSH_MS", "60001", 60_000))
    ),
    Case("server-log-word", "ECHO_LOG=all is none: a sentence, status 2", "contract: errors", _ERROR,
         wrong(["--port", "0"], 2, 'ECHO_LOG is "all"; it must be connections or messages', {"ECHO_LOG": "all"})),
    Case("server-first-wrong-first", "Of several mistakes the first is told", "contract: errors", _ERROR,
         wrong(["--port", "x"], 2, wording.bad_number("the port", "x", 0, 65535), {"ECHO_MAX_LINE": "y"})),
    Case("server-no-address", "An address that this machine does not have: a sentence, status 1", "contract: errors",
         _ERROR, wrong(["--host", "203.0.113.77", "--port", "0"], 1,
                        "203.0.113.77 is not an address of this machine; choose another with --host")),
    Case("server-no-host", "A name that does not exist: a sentence, status 1", "contract: errors", _ERROR,
         wrong(["--host", "no-such-host.invalid", "--port", "0"], 1,
                'there is no host named "no-such-host.invalid"; check --host')),
    Case("server-port-taken", "A port that another program has: a sentence, status 1", "contract: errors", _ERROR,
         _taken),
]  # fmt: skip

CASES = SETTINGS + ERRORS
