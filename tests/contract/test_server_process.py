"""The server as a process: its log, its errors and how it stops (images/CONTRACT.md, and P26 of docs/protocol.md)."""

from __future__ import annotations

import re
import signal
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from lab.conformance import Target
from lab.conformance.peer import Peer
from lab.conformance.server_load import raise_descriptor_limit
from tests.contract.conftest import EchoServer

Start = Callable[..., EchoServer]
LINE = b"x" * 999 + b"\n"


def connect(server: EchoServer) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), 5)
    connection.settimeout(5)
    return connection


def name_of(connection: socket.socket) -> str:
    host, port = connection.getsockname()
    return f"{host}:{port}"


def read_to_end(connection: socket.socket) -> bytes:
    octets = b""
    while piece := connection.recv(65536):
        octets += piece
    return octets


def send_for_ever(connection: socket.socket) -> None:
    """Send lines without reading, until an exception ends it."""
    while True:
        connection.send(LINE * 100)


# ---- Stopping: P26 ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_an_idle_server_with_status_0(start: Start, number: signal.Signals) -> None:
    server = start()
    assert server.stop(number) < 1
    assert server.process.returncode == 0
    assert server.log() == ["stopping"]
    assert server.errors() == ""


def test_at_sigterm_everything_that_has_arrived_is_answered_also_an_unfinished_line(start: Start) -> None:
    server = start(ECHO_FLUSH_MS="60000")
    with connect(server) as connection:
        connection.sendall(b"whole\nunfinished")
        assert connection.recv(6) == b"WHOLE\n"
        assert server.stop() < 1
        assert read_to_end(connection) == b"UNFINISHED"
    assert server.process.returncode == 0


def test_at_sigterm_an_unfinished_quit_is_said_good_bye_to(start: Start) -> None:
    server = start(ECHO_FLUSH_MS="60000")
    with connect(server) as connection:
        connection.sendall(b"0\nquit")
        assert connection.recv(2) == b"0\n"
        assert server.stop() < 1
        assert read_to_end(connection) == b"Good bye"


def test_sigterm_with_1000_connections_takes_less_than_a_second_and_each_gets_its_answer_and_a_fin(
    start: Start,
) -> None:
    raise_descriptor_limit(4096)
    server = start(ECHO_FLUSH_MS="60000")
    target = Target("127.0.0.1", server.port)
    peers: list[Peer] = []
    try:
        for number in range(1000):
            peers.append(Peer(target))
            peers[-1].send(b"line\n%d" % number)
            peers[-1].read(b"LINE\n")
        assert server.stop() < 1
        assert server.process.returncode == 0
        for number, peer in enumerate(peers):
            peer.read(b"%d" % number)
            peer.end()
    finally:
        for peer in peers:
            peer.socket.close()


def test_a_client_that_does_not_read_does_not_delay_the_stop(start: Start) -> None:
    server = start()
    with connect(server) as deaf:
        deaf.setblocking(False)
        with pytest.raises(BlockingIOError):
            send_for_ever(deaf)
        assert server.stop() < 1
    assert server.process.returncode == 0


def test_a_client_that_goes_on_sending_does_not_delay_the_stop(start: Start) -> None:
    server = start()
    with connect(server) as chatty:
        chatty.sendall(LINE * 50)
        assert chatty.recv(1) == b"X"
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(chatty)  # until the server is gone: then our octets are answered with RST
        stopping.join(1.5)
    assert server.process.returncode == 0


def test_a_stopped_server_refuses_new_connections(start: Start) -> None:
    server = start()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 5)


def test_a_server_gets_its_port_back_at_once_though_old_connections_are_in_time_wait(start: Start) -> None:
    first = start()
    with connect(first) as connection:
        connection.sendall(b"quit\n")
        assert read_to_end(connection) == b"Good bye\n"  # the server closed first: it holds TIME_WAIT
    first.stop()
    second = start("--host", "127.0.0.1", "--port", str(first.port))
    assert second.first == f"listening on 127.0.0.1:{first.port}"


# ---- The log ----


def test_the_log_tells_the_life_of_each_connection_in_the_words_of_the_contract(start: Start) -> None:
    server = start(ECHO_MAX_LINE="10")
    expected = Counter[str]()
    with connect(server) as leaver:
        leaver.sendall(b"quit\n")
        read_to_end(leaver)
        expected.update(f"{name_of(leaver)} {word}" for word in ("connected", "said quit", "closed"))
    with connect(server) as talker:
        talker.sendall(b"x" * 11)
        assert read_to_end(talker) == b"ERROR line longer than 10 bytes\n"
        words = ("connected", "sent a line longer than 10 bytes", "closed")
        expected.update(f"{name_of(talker)} {word}" for word in words)
    with connect(server) as quiet:
        quiet.shutdown(socket.SHUT_WR)
        assert read_to_end(quiet) == b""
        expected.update(f"{name_of(quiet)} {word}" for word in ("connected", "closed"))
    rude = connect(server)
    rude.sendall(b"a\n")
    assert rude.recv(2) == b"A\n"
    expected.update(f"{name_of(rude)} {word}" for word in ("connected", "reset"))
    rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    rude.close()
    seen = Counter(server.line() for _ in range(sum(expected.values())))
    assert seen == expected
    server.stop()
    assert server.log() == ["stopping"]
    assert server.errors() == ""


def test_messages_are_not_logged_unless_asked_for(start: Start) -> None:
    for env, lines in (({}, 0), ({"ECHO_LOG": "messages"}, 2)):
        server = start(**env)
        with connect(server) as connection:
            connection.sendall(b"secret\n")
            assert connection.recv(7) == b"SECRET\n"
            connection.shutdown(socket.SHUT_WR)
            read_to_end(connection)
        server.stop()
        log = "\n".join(server.log())
        assert "secret" not in log.lower()
        assert len(re.findall(r" (received|sent) 7 octets$", log, re.MULTILINE)) == lines


def test_by_default_both_ip_versions_are_served_and_an_ipv4_client_is_named_as_such(start: Start) -> None:
    if not socket.has_dualstack_ipv6():
        assert start("--port", "0").first.startswith("listening on 0.0.0.0:")
        return
    server = start("--port", "0")
    assert server.first == f"listening on [::]:{server.port}"
    for host, name in (("127.0.0.1", r"127\.0\.0\.1:\d+"), ("::1", r"\[::1\]:\d+")):
        with socket.create_connection((host, server.port), 5) as connection:
            connection.sendall(b"quit\n")
            assert connection.makefile("rb").read() == b"Good bye\n"
        for word in ("connected", "said quit", "closed"):
            assert re.fullmatch(f"{name} {word}", server.line())


# ---- Settings ----


def test_the_limit_of_a_line_comes_from_the_environment(start: Start) -> None:
    server = start(ECHO_MAX_LINE="4")
    with connect(server) as connection:
        connection.sendall(b"abcd\r\nabcde\n")
        assert read_to_end(connection) == b"ABCD\r\nERROR line longer than 4 bytes\n"


def test_a_cr_that_fin_shows_to_be_no_line_end_is_counted(start: Start) -> None:
    server = start(ECHO_MAX_LINE="4")
    with connect(server) as connection:
        connection.sendall(b"abcd\r")
        connection.shutdown(socket.SHUT_WR)
        assert read_to_end(connection) == b"ERROR line longer than 4 bytes\n"


def test_the_silence_comes_from_the_environment(start: Start) -> None:
    server = start(ECHO_FLUSH_MS="60000")
    with connect(server) as connection:
        connection.sendall(b"no line end")
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        connection.settimeout(10)
        connection.shutdown(socket.SHUT_WR)
        assert read_to_end(connection) == b"NO LINE END"


def test_an_argument_goes_before_the_environment_and_an_empty_variable_counts_as_none(start: Start) -> None:
    server = start("--host", "127.0.0.1", "--port", "0", ECHO_PORT="1", ECHO_HOST="203.0.113.1", ECHO_MAX_LINE="")
    assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+", server.first)


def test_host_and_port_come_from_the_environment(start: Start) -> None:
    assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+", start("--port", "0", ECHO_HOST="127.0.0.1").first)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    assert start("--host", "127.0.0.1", ECHO_PORT=port).first == f"listening on 127.0.0.1:{port}"


USAGE = "usage: echo-server [--host ADDR] [--port N]"


@pytest.mark.parametrize(
    ("args", "env", "status", "sentence"),
    [
        (["--port", "abc"], {}, 2, 'the port is "abc"; it must be a number from 0 to 65535'),
        (["--port", "65536"], {}, 2, 'the port is "65536"; it must be a number from 0 to 65535'),
        (["--port", "-1"], {}, 2, 'the port is "-1"; it must be a number from 0 to 65535'),
        (["--port", "٨٠"], {}, 2, 'the port is "٨٠"; it must be a number from 0 to 65535'),
        (["--host", "::"], {"ECHO_PORT": "x"}, 2, 'the port is "x"; it must be a number from 0 to 65535'),
        (["--port"], {}, 2, f"--port needs a value; {USAGE}"),
        (["--loud"], {}, 2, f'"--loud" is not an option; {USAGE}'),
        (["8080"], {}, 2, f'"8080" is not an option; {USAGE}'),
        (["--port", "0"], {"ECHO_MAX_LINE": "1e6"}, 2,
         'ECHO_MAX_LINE is "1e6"; it must be a number from 1 to 67108864'),
        (["--port", "0"], {"ECHO_MAX_LINE": "0"}, 2, 'ECHO_MAX_LINE is "0"; it must be a number from 1 to 67108864'),
        (["--port", "0"], {"ECHO_FLUSH_MS": "60001"}, 2,
         'ECHO_FLUSH_MS is "60001"; it must be a number from 1 to 60000'),
        (["--port", "0"], {"ECHO_LOG": "all"}, 2, 'ECHO_LOG is "all"; it must be connections or messages'),
        (["--port", "x"], {"ECHO_MAX_LINE": "y"}, 2, 'the port is "x"; it must be a number from 0 to 65535'),
        (["--host", "203.0.113.77", "--port", "0"], {}, 1,
         "203.0.113.77 is not an address of this machine; choose another with --host"),
        (["--host", "no-such-host.invalid", "--port", "0"], {}, 1,
         'there is no host named "no-such-host.invalid"; check --host'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_the_next_step(
    start: Start, args: list[str], env: dict[str, str], status: int, sentence: str
) -> None:
    server = start(*args, **env)
    assert server.process.wait(10) == status
    assert server.errors() == f"echo-server: {sentence}\n"
    assert server.first == ""


def test_a_port_in_use_is_named_with_the_next_step(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        server = start("--host", "127.0.0.1", "--port", port)
        assert server.process.wait(10) == 1
    sentence = f"port {port} is in use by another program; stop it, or choose another with --port"
    assert server.errors() == f"echo-server: {sentence}\n"


def test_help_prints_the_usage_and_nothing_is_started(start: Start) -> None:
    server = start("--help")
    assert server.process.wait(10) == 0
    assert server.first == USAGE
