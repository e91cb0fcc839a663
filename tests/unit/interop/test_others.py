"""What the page calls a good tool: what it sent, what came back, what it showed, and how it ended are all compared."""

from __future__ import annotations

import pytest

from tests.interop.others import TALK, TOOLS, Tool, answer, judge

NC, GET = (next(tool for tool in TOOLS if tool.name == name) for name in ("nc", "curl's GET"))
GOOD = [(TALK, answer(TALK), "complete")]
REQUEST = b"GET /hello HTTP/1.1\r\nHost: server:7\r\nAccept: */*\r\n\r\n"


def test_the_expected_answer_is_not_the_question() -> None:
    assert answer(b"a\r\nQuit\nmore\n") == b"A\r\nGood bye\n"
    assert answer("ß\n\xe9".encode("latin-1")) == b"\xdf\n\xe9"
    assert answer(b"x") == b"X"


def test_a_tool_that_did_what_it_should_has_no_problem() -> None:
    assert judge(NC, GOOD, 0, answer(TALK)) == ""
    assert judge(GET, [(REQUEST, answer(REQUEST), "complete")], 28, answer(REQUEST)) == ""
    assert judge(GET, [(b"", b"", "reset"), (REQUEST, b"GET /H", "reset")], 28, answer(REQUEST)) == ""


@pytest.mark.parametrize(
    ("tool", "streams", "status", "shown", "words"),
    [
        (NC, [], 0, b"", "it sent []"),
        (NC, [(b"", b"", "complete")], 0, b"", "it sent [b'']"),
        (NC, [(TALK[:5], answer(TALK[:5]), "complete")], 0, b"HELLO", "it sent [b'hello']"),
        (NC, [(TALK, TALK, "complete")], 0, b"", "was answered"),
        (NC, [(TALK, b"HELLO\n", "complete")], 0, b"HELLO\n", "was answered"),
        (NC, GOOD, 0, b"HELLO\n", "it showed b'HELLO\\n'"),
        (NC, GOOD, 1, answer(TALK), "it ended with status 1, not 0"),
        (GET, [(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", "complete")], 28, b"", "it sent"),
    ],
)
def test_everything_else_is_a_problem(
    tool: Tool, streams: list[tuple[bytes, bytes, str]], status: int, shown: bytes, words: str
) -> None:
    assert words in judge(tool, streams, status, shown)
