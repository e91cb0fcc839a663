"""``python3 -m lab.conformance``: what it is given, what it answers, and its exit status."""

from __future__ import annotations

import json
import socket
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.conformance.__main__ import Refusal, address, main
from tests.contract.cheats import AsciiOnly, RightServer


@pytest.fixture
def right() -> Iterator[str]:
    with RightServer() as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
def wrong() -> Iterator[str]:
    with AsciiOnly() as server:
        yield f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("words", "host", "port"),
    [
        ("127.0.0.1:7", "127.0.0.1", 7),
        ("localhost", "localhost", 8080),
        ("[::1]:7", "::1", 7),
        ("[2001:db8::1]", "2001:db8::1", 8080),
    ],
)
def test_an_address_is_read_as_people_write_it(words: str, host: str, port: int) -> None:
    assert address(words) == (host, port)


@pytest.mark.parametrize("words", [":7", "::1", "host:", "host:0", "host:65536", "host:http", "host:-1", ""])
def test_what_is_no_address_is_refused_with_a_sentence(words: str) -> None:
    with pytest.raises(Refusal, match=r"HOST:PORT|must be a number from 1 to 65535"):
        address(words)


def test_all_passed_is_status_0(right: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([right, "--only", "one-line,sharp-s"]) == 0
    assert capsys.readouterr().out.endswith("2 cases: 2 pass, 0 fail\n")


def test_a_failure_is_status_1_and_tells_its_story(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([wrong, "--only", "one-line,sharp-s", "--quiet"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  P9   sharp-s" in out
    assert "one-line" not in out
    assert "sent        stra\\xc3\\x9fe" in out
    assert "u8_toupper" in out


def test_json_is_all_that_is_printed(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([wrong, "--only", "one-line,sharp-s", "--json"]) == 1
    read = json.loads(capsys.readouterr().out)
    assert read["subject"] == wrong
    assert {result["case"]: result["outcome"] for result in read["results"]} == {"one-line": "pass", "sharp-s": "fail"}


def test_junit_goes_to_its_file(wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.xml"
    assert main([wrong, "--only", "one-line,sharp-s", "--junit", str(path)]) == 1
    assert ET.parse(path).getroot().get("failures") == "1"
    assert "2 cases" in capsys.readouterr().out


def test_the_cases_are_listed_without_any_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    servers = capsys.readouterr().out
    assert "quit-in-batch            P16" in servers
    assert "sigterm " not in servers
    assert main(["--list", "--server"]) == 0
    commands = capsys.readouterr().out
    assert commands.startswith(servers)
    assert "sigterm                  P26" in commands
    assert main(["--list", "--client"]) == 0
    assert capsys.readouterr().out not in ("", servers, commands)


def test_a_client_is_named_by_its_words_or_by_one_word_in_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    client = Path(__file__).resolve().parents[3] / "images" / "python" / "client.py"
    assert main(["--only", "help", "--client", sys.executable, str(client)]) == 0
    assert main(["--only", "help", "--client", f"{sys.executable} '{client}'"]) == 0
    assert main(["--only", "help", "--client", "cat"]) == 1
    assert "FAIL" in capsys.readouterr().out


SERVER = Path(__file__).resolve().parents[3] / "images" / "python" / "server.py"


def test_a_server_is_started_for_the_wire_and_for_its_process(capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--only", "one-line,over-limit,server-port-word", "--max-line", "100"]
    assert main([*only, "--server", sys.executable, str(SERVER)]) == 0
    assert capsys.readouterr().out.endswith("3 cases: 3 pass, 0 fail\n")
    assert main(["--only", "server-help", "--json", "--server", f"{sys.executable} '{SERVER}'"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["case"], result["rule"], result["outcome"]) == ("server-help", "contract: arguments", "pass")


def test_a_server_that_does_not_listen_is_one_sentence_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "one-line", "--patience", "0.5", "--server", "echo hello"]) == 2
    assert main(["--only", "one-line", "--server", "/no/such/server"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("conformance: echo hello does not listen: expected as the first line on standard output")
    assert said[0].endswith("got hello --host 127.0.0.1 --port 0; start it by hand first")
    assert said[1] == "conformance: cannot start /no/such/server: check the command after --server"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "name one thing to check"),
        (["--server"], "--server needs a command, such as ./my-server"),
        (["a:1", "--client", "b"], "name one thing to check"),
        (["--client"], "--client needs a command"),
        (["--client", "'unfinished"], "write the command as a shell would take it"),
        (["a:1", "--only", "nothing"], "there is no case nothing"),
        (["a:1", "--loud"], "--help shows how it is called"),
        (["a:x"], "must be a number from 1 to 65535"),
        (["a:1", "--flush-ms", "0"], "--flush-ms is 0: it must be 1 or more"),
        (["a:1", "--patience", "0"], "--patience is 0.0: it must be more than 0 seconds"),
    ],
)
def test_wrong_words_are_one_sentence_and_status_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("conformance: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_a_server_that_is_not_there_is_one_sentence_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert main([f"127.0.0.1:{taken.getsockname()[1]}"]) == 2
    assert "start the server first" in capsys.readouterr().err


def test_a_client_that_is_not_there_is_an_error_not_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "help", "--client", "/no/such/client"]) == 1
    assert "cannot start /no/such/client" in capsys.readouterr().out


def test_a_junit_file_that_cannot_be_written_is_told(right: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([right, "--only", "one-line", "--junit", "/no/such/folder/x.xml"]) == 2
    assert "choose another file with --junit" in capsys.readouterr().err
