"""Telling a running wire what to do: the socket, the log's bound, the command's words. The wire itself is a small
stand-in here; the live tests have the real one."""

from __future__ import annotations

import io
import json
import select
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.router import control, logbook, place, ready
from lab.router.__main__ import main
from lab.router.errors import WireError
from lab.router.logbook import Logbook


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Path]:
    """A folder in which something answers as a wire does."""

    def answer(request: control.Answer) -> control.Answer:
        if request["do"] == "load" and "boom" in request["text"]:
            return {"error": "no"}
        if request["do"] == "fail":
            raise ValueError(request)
        return {"name": request.get("name", "empty"), "rules": [], "forwarded": 3, "missed": 0, "refused": 0}

    listener = control.Listener(tmp_path, answer)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            if select.select([listener], [], [], 0.05)[0]:
                listener.serve()

    thread = threading.Thread(target=serve)
    thread.start()
    yield tmp_path
    stop.set()
    thread.join()
    listener.close()


def test_an_asker_who_was_sent_away_asks_again(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / control.SOCKET))
        door.listen(8)
        seen: list[int] = []

        def serve() -> None:
            for number in range(control.ATTEMPTS):
                connection, _ = door.accept()
                with connection:
                    seen.append(number)
                    if number:
                        control.received(connection)
                        connection.sendall(b'{"forwarded": 1}\n')
                        return
                    connection.recv(1)  # the rest is left unread: so the asker is reset

        thread = threading.Thread(target=serve)
        thread.start()
        assert control.ask(tmp_path, {"do": "show"})["forwarded"] == 1
        thread.join()
        assert seen == [0, 1]


def test_a_request_is_answered(wire: Path) -> None:
    assert control.ask(wire, {"do": "show"})["forwarded"] == 3


def test_a_refusal_is_an_error_with_the_wire_s_words(wire: Path) -> None:
    with pytest.raises(WireError, match=r"^no$"):
        control.ask(wire, {"do": "load", "text": "boom"})


@pytest.mark.parametrize("octets", [b"\n", b"{\n", b"[]\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"])
def test_nonsense_is_answered_with_an_error(wire: Path, octets: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(wire / control.SOCKET))
        connection.sendall(octets)
        assert "error" in json.loads(control.received(connection))


def test_whatever_a_request_breaks_it_is_answered_and_the_wire_goes_on(wire: Path) -> None:
    with pytest.raises(WireError, match=r"failed to do that \(ValueError\); it goes on"):
        control.ask(wire, {"do": "fail"})
    assert control.ask(wire, {"do": "show"})["forwarded"] == 3


def test_nobody_waits_for_an_asker_who_says_nothing_or_a_letter_at_a_time(wire: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as slow:
        silent.connect(str(wire / control.SOCKET))
        slow.connect(str(wire / control.SOCKET))
        for letter in b'{"do": "show"}\n':
            slow.sendall(bytes((letter,)))
            assert control.ask(wire, {"do": "show"})["forwarded"] == 3
        assert json.loads(control.received(slow))["forwarded"] == 3


def test_serving_a_slow_asker_takes_no_time_at_all(tmp_path: Path) -> None:
    listener = control.Listener(tmp_path, lambda _: {"text": "x" * (1 << 21)})
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(tmp_path / control.SOCKET))
        listener.serve()
        slow.sendall(b'{"do": ')
        listener.serve()  # would wait for the rest of the request
        slow.sendall(b'"show"}\n')
        listener.serve()  # would wait for somebody to take the answer
        assert not select.select([listener], [], [], 0)[0]
        octets = b""
        while not octets.endswith(b"\n"):
            octets += slow.recv(1 << 20)
            listener.serve()
        assert len(octets) > 1 << 21
    listener.close()


def test_when_too_many_ask_the_one_who_has_been_there_longest_goes(tmp_path: Path) -> None:
    listener = control.Listener(tmp_path, lambda _: {"forwarded": 1})
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(control.MOST_ASKERS + 1)]
    for one in crowd:
        one.connect(str(tmp_path / control.SOCKET))
        listener.serve()
    assert crowd[0].recv(1) == b""
    crowd[1].sendall(b"{}\n")
    listener.serve()
    assert json.loads(control.received(crowd[1])) == {"forwarded": 1}
    for one in crowd:
        one.close()
    listener.close()


def test_without_a_wire_the_sentence_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(WireError, match="docker compose --profile wire up"):
        control.ask(tmp_path, {"do": "show"})


def test_the_command_loads_a_scenario_by_its_name(wire: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(wire), "load", "lost-syn"]) == 0
    assert "script lost-syn" in capsys.readouterr().out


def test_a_broken_script_never_reaches_the_wire(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "x.wire"
    script.write_text("client dta: drop\n")
    assert main(["--folder", str(tmp_path), "load", str(script)]) == 2
    assert capsys.readouterr().err.startswith("line 1, column 8: ")


def test_octets_that_are_no_utf_8_on_standard_input_are_refused_with_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'client data with "\xff": drop\n')))
    assert main(["--folder", str(tmp_path), "load", "-"]) == 2
    assert capsys.readouterr().err.startswith("line 1, column 19: an octet here is no UTF-8")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\udcff"])
def test_a_name_that_no_file_has_is_one_sentence(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(tmp_path), "check", name]) == 1
    assert capsys.readouterr().err.startswith("wire: ")


def test_an_unknown_script_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(tmp_path), "check", "nowhere"]) == 1
    assert "there is no script 'nowhere'" in capsys.readouterr().err


def test_the_log_is_written_on_flush_and_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Logbook(tmp_path)
    book.add({"event": "in", "frame": 1})
    assert logbook.lines(tmp_path) == []
    book.flush()
    assert main(["--folder", str(tmp_path), "log"]) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "in", "frame": 1}
    book.clear()
    assert logbook.lines(tmp_path) == []


def test_the_log_keeps_two_files_and_no_more(tmp_path: Path) -> None:
    book = Logbook(tmp_path, full_bytes=100)
    for number in range(50):
        book.add({"frame": number})
        book.flush()
    kept = [json.loads(line)["frame"] for line in logbook.lines(tmp_path)]
    assert kept == list(range(kept[0], 50))
    assert 8 < len(kept) < 20
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 200


def test_the_last_lines_alone_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Logbook(tmp_path)
    for number in range(5):
        book.add({"frame": number})
    book.close()
    assert main(["--folder", str(tmp_path), "log", "--last", "2"]) == 0
    assert [json.loads(line)["frame"] for line in capsys.readouterr().out.splitlines()] == [3, 4]


def test_hosts_come_from_the_hosts_file() -> None:
    table = "127.0.0.1 localhost\n192.0.2.10 server # s\n192.0.2.20\tclient\n2001:db8::10 server6\n192.0.2.30 gate\n"
    assert {address.hex(): side for address, side in place.hosts_of(table).items()} == {
        "c000020a": "server",
        "c0000214": "client",
        "20010db8000000000000000000000010": "server",
    }


def test_spare_addresses_are_of_the_network_and_nobody_s() -> None:
    import ipaddress

    net = ipaddress.ip_interface("192.0.2.40/25")
    found = place.spare(net, [bytes((192, 0, 2, 126))])
    assert len(found) == 30
    assert all(ipaddress.ip_address(address) in net.network for address in found)
    assert bytes((192, 0, 2, 126)) not in found
    assert bytes((192, 0, 2, 127)) not in found


def test_the_probe_tells_a_living_wire_from_a_stuck_and_a_missing_one(tmp_path: Path) -> None:
    import os
    import time

    sign = tmp_path / "ready"
    assert ready.main(str(sign)) == 1
    sign.touch()
    assert ready.main(str(sign)) == 0
    os.utime(sign, (time.time() - 60,) * 2)
    assert ready.main(str(sign)) == 1
