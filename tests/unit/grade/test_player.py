"""The player, against a little echo server on this machine's loopback: each step does what it is called."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Iterator, Mapping

import pytest

from lab.grade import player


class Server:
    """Answers in capital letters until the peer ends. ended: how each connection ended, ``fin`` or ``rst``."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.ended: list[str] = []
        self.over = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        how = "fin"
        with peer:
            try:
                while octets := peer.recv(65536):
                    peer.sendall(octets.upper())
            except OSError:
                how = "rst"
        with self.over:
            self.ended.append(how)
            self.over.notify_all()

    def wait(self, count: int) -> list[str]:
        """How the first so many connections ended, once they have."""
        with self.over:
            assert self.over.wait_for(lambda: len(self.ended) >= count, 10), "the connections did not end"
            return list(self.ended)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.listener.close()


def play(server: Server, *steps: Mapping[str, object], **options: object) -> tuple[bool, list[dict[str, object]]]:
    told: list[dict[str, object]] = []
    plan = {"names": ["a"], "to": "127.0.0.1", "port": server.port, "steps": [[step] for step in steps], **options}
    return player.play({"connections": [plan]}, lambda event: told.append(dict(event))), told


def test_a_line_is_sent_and_its_answer_read(server: Server) -> None:
    ok, told = play(
        server,
        {"do": "connect"},
        {"do": "send", "pieces": ["hel", "lo\n"]},
        {"do": "read", "lines": 1, "text": "HELLO"},
        {"do": "wait_acknowledged"},
        {"do": "close"},
    )
    assert ok, told
    assert "2 writes" in str(told[1]["say"])
    assert server.wait(1) == ["fin"]


def test_the_source_port_is_told(server: Server) -> None:
    _, told = play(server, {"do": "connect"}, {"do": "close"})
    assert isinstance(told[0]["local_port"], int)


def test_a_bound_source_port_is_used_twice_running(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    for _ in range(2):
        ok, told = play(server, {"do": "connect"}, {"do": "reset"}, source_port=port)
        assert ok, told
        assert told[0]["local_port"] == port


def test_an_abort_is_a_reset(server: Server) -> None:
    play(server, {"do": "connect"}, {"do": "send", "pieces": ["x\n"]}, {"do": "read"}, {"do": "reset"})
    assert server.wait(1) == ["rst"]


def test_closing_with_text_unread_is_a_reset(server: Server) -> None:
    steps = ({"do": "connect"}, {"do": "send", "pieces": ["x\n"]}, {"do": "wait_answer", "octets": 2}, {"do": "close"})
    assert play(server, *steps)[0]
    assert server.wait(1) == ["rst"]


def test_after_a_half_close_the_rest_is_read(server: Server) -> None:
    ok, told = play(
        server, {"do": "connect"}, {"do": "send", "pieces": ["x"]}, {"do": "half_close"}, {"do": "read_end"}
    )
    assert ok
    assert "1 more octets" in str(told[-1]["say"])


def test_slow_reading_takes_all_octets(server: Server) -> None:
    ok, told = play(
        server,
        {"do": "connect"},
        {"do": "send", "pieces": ["x" * 100]},
        {"do": "read_slowly", "octets": 100, "bite": 30, "pause_ms": 0},
        {"do": "pause", "ms": 0},
        {"do": "close"},
        receive_buffer=4096,
        nodelay=True,
    )
    assert ok, told


def test_a_refused_connection_is_what_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    told: list[Mapping[str, object]] = []
    plan = {"names": ["a"], "to": "127.0.0.1", "port": port, "steps": [[{"do": "connect", "expect": "refused"}]]}
    assert player.play({"connections": [plan]}, told.append)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([{"do": "connect", "expect": "refused"}], "accepted, and should have refused"),
        ([{"do": "dance"}], "no step 'dance'"),
        ([{"do": "send", "pieces": ["x"]}], "not open"),
        ([{"do": "connect"}, {"do": "send", "pieces": ["x\n"]}, {"do": "read", "text": "Y"}], "the answer was b'X'"),
        ([{"do": "connect"}, {"do": "half_close"}, {"do": "read"}], "closed after 0 of 1 lines"),
    ],
)
def test_what_does_not_go_as_planned_is_one_sentence(server: Server, steps: list[dict[str, object]], says: str) -> None:
    ok, told = play(server, *steps)
    assert not ok
    assert says in str(told[-1]["problem"])


def test_a_group_plays_in_step(server: Server) -> None:
    told: list[Mapping[str, object]] = []
    steps = [[{"do": "connect"}] * 3, [{"do": "close"}] * 3]
    plan = {"names": ["a", "b", "c"], "to": "127.0.0.1", "port": server.port, "steps": steps}
    assert player.play({"connections": [plan]}, told.append)
    assert [event["part"] for event in told] == ["a", "b", "c", "a", "b", "c"]


def test_too_many_connections_are_refused() -> None:
    told: list[Mapping[str, object]] = []
    plan = {"names": [str(number) for number in range(65)], "to": "127.0.0.1", "port": 1, "steps": []}
    assert not player.play({"connections": [plan]}, told.append)
    assert "at most 64" in str(told[0]["problem"])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"connections": [{}]}', '{"connections": 3}'])
def test_a_program_that_is_none_ends_with_a_sentence(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert player.main() == 2
    assert "cannot be read" in json.loads(capsys.readouterr().out)["problem"]


def test_patience_with_somebody_who_does_not_answer_ends(server: Server) -> None:
    """A listener whose queue is full answers no SYN."""
    step = {"do": "connect", "expect": "silence", "patience_ms": 150}
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        plan = {"names": ["a"], "to": "127.0.0.1", "port": address[1], "steps": [[step]]}
        told: list[dict[str, object]] = []
        assert player.play({"connections": [plan]}, lambda event: told.append(dict(event))), told
        assert "no answer" in str(told[0]["say"])
        for one in waiting:
            one.close()
    ok, told = play(server, step)
    assert not ok
    assert "should have been silent" in str(told[-1]["problem"])


def test_a_reset_that_was_awaited_is_no_failure_and_a_fin_is_one() -> None:
    for linger, good in ((b"\x01\0\0\0\0\0\0\0", True), (b"\0\0\0\0\0\0\0\0", False)):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            plan = {"names": ["a"], "to": "127.0.0.1", "port": listener.getsockname()[1]}
            steps = [[{"do": "connect"}], [{"do": "send", "pieces": ["x"]}], [{"do": "await_reset"}]]

            def hang_up(listener: socket.socket = listener, linger: bytes = linger) -> None:
                peer, _ = listener.accept()
                peer.recv(1)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                peer.close()

            other = threading.Thread(target=hang_up)
            other.start()
            assert player.play({"connections": [{**plan, "steps": steps}]}, lambda _event: None) is good
            other.join()


def test_hops_to_live_are_set_on_the_open_connection(server: Server) -> None:
    connection = player.Connection("a", {"to": "127.0.0.1", "port": server.port}, lambda _event: None)
    connection.step({"do": "connect"})
    connection.step({"do": "ttl", "hops": 7})
    assert connection.open_socket.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 7
    connection.close_quietly()
