"""Two taps and the wire's log: which rule did what to each frame. The log is the wire's own (an engine without a
network), the captures are what a tap on either side of it would have."""

from __future__ import annotations

from lab.analysis.compare import Comparison, compare
from lab.analysis.wirelog import deeds
from lab.router.decisions import identity
from lab.router.script import Side
from lab.wire.frame import Frame
from tests.unit.analysis.scenes import look
from tests.unit.router.made import MS, START_NS, Bench, Talk

Made = tuple[Comparison, list[dict[str, object]]]


def played(script: str, version: int = 4, text: bytes = b"hello\n") -> Made:
    """A session through a wire with this script: both captures compared, and the log."""
    bench, talk = Bench(script), Talk(version)
    sent: list[tuple[Side, bytes]] = [
        *talk.handshake(),
        ("client", talk.data("client", text)),
        ("server", talk.ack("server")),
        ("server", talk.data("server", b"HELLO\n")),
        ("client", talk.ack("client")),
    ]
    client, server = [], []
    for side, data in sent:
        near, far = (client, server) if side == "client" else (server, client)
        near.append(Frame(bench.now_ns + MS, data, len(data)))
        for out in bench.put(side, data):
            arrives = far if identity(out)["src"] == identity(data)["src"] else near
            arrives.append(Frame(bench.now_ns + 1000, out, len(out)))
    assert bench.now_ns > START_NS
    return compare(look(client), look(server)), bench.log


def by_fate(made: Made, fate: str) -> list[str]:
    found = zip(made[0].crossings, deeds(*made), strict=True)
    return [words for crossing, words in found if crossing.fate == fate]


def test_a_lost_frame_is_told_with_the_rule_that_took_it() -> None:
    for version in (4, 6):
        made = played("# a comment\nclient data 1: drop", version)
        assert by_fate(made, "lost") == ["drop (line 2)"]
        assert set(by_fate(made, "arrived")) == {""}


def test_what_nobody_sent_is_told_by_what_the_wire_made_it() -> None:
    made = played('client data 1: inject data "x" from client')
    assert by_fate(made, "appeared") == ["inject data"]
    assert by_fate(played("client data 1: duplicate"), "duplicated") == ["copy"]


def test_a_frame_that_was_too_big_is_told_with_the_mtu() -> None:
    made = played("mtu 100 from client silent", text=b"x" * 200)
    assert by_fate(made, "lost") == ["too big for an MTU of 100"]
    assert by_fate(played("mtu 240 from client silent", text=b"x" * 200), "lost") == []


def test_a_frame_that_waited_is_told_with_what_it_waited_for() -> None:
    made = played("client data 1: hold until server ACK 1")
    assert "hold (line 1); went on: its event came" in deeds(*made)


def test_without_a_script_nothing_is_told() -> None:
    assert set(deeds(*played(""))) == {""}


def test_a_log_of_another_session_and_lines_that_say_nothing_are_passed_over() -> None:
    comparison, log = played("client data 1: drop")
    other = [{**line, "sport": 1} for line in log]
    assert set(deeds(comparison, [{}, {"event": "in"}, {"event": "queued", "frame": 99}, *other])) == {""}
