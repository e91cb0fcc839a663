"""Telling the running wire what to do: a script in the middle of a session, a broken one, the command of the host; and
the wire's death: sessions stall and end when TCP says so, nothing hangs, and the taps tell it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.live.conftest import private_folder
from tests.wire import expect
from tests.wire.play import Play, play, settle, verdict
from tests.wire.seen import SIDES, Story, frames_of
from tests.wire.stand import ROOT, Agent, Stand, until

SHORT = """services:
  client-host: {sysctls: {net.ipv4.tcp_retries2: "3"}}
  server-host: {sysctls: {net.ipv4.tcp_retries2: "3", net.ipv4.tcp_synack_retries: "1"}}
"""
"""TCP gives up after three retransmissions and not after fifteen: a few seconds, not a quarter of an hour."""

LATE, ASKS = 7008, 7013
"""Ports of the quirks server: one answers each line after a second, so there is time to do something meanwhile; one
asks every second of silence whether the client is still there."""


@pytest.fixture(scope="module")
def stand(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A lab whose TCP gives up soon."""
    made = Stand("echolab-wire-control", 119, private_folder(tmp_path_factory, "wire-control"), (SHORT,))
    made.up()
    yield made
    made.down()
    shutil.rmtree(made.captures, ignore_errors=True)


def talking(stand: Stand, version: int, lines: int) -> Agent:
    """Somebody beside the client who talks to the slow port; ``answer`` tells how it went."""
    talker = Agent(f"{stand.project}-client-tap-1")
    steps = expect.lines(*(f"line {number}" for number in range(1, lines + 1)))
    address = stand.address("server", version)
    talker.begin("converse", address=address, port=LATE, steps=steps, end="close", patience_s=30)
    return talker


def answered(stand: Stand, count: int) -> bool:
    """Whether so many answers have passed the wire since the script was loaded."""
    return any(f"data {count}" in line.get("is", ()) for line in stand.log() if line.get("from") == "server")


@pytest.mark.parametrize("version", [4, 6])
def test_a_script_loaded_in_the_middle_of_a_session_acts_at_once_and_nothing_else_changes(
    stand: Stand, version: int
) -> None:
    stand.quiet()
    stand.load("before", "either segment: delay 50 ms\n")
    talker = talking(stand, version, 3)
    until(lambda: answered(stand, 1), "the first answer")
    request = {"do": "load", "name": "during", "text": "client data 1: drop\neither segment: delay 50 ms\n"}
    assert stand.agent("wire").ask("load", request=request)["name"] == "during"
    told = talker.answer()
    talker.close()
    stand.quiet()
    assert told["outcome"] == "echoed"

    expected = expect.named("lost-data", version)
    assert expected is not None
    one = Play(expected, version, stand.project, port=told["port"])
    settle(stand, one)
    assert one.complaints == []  # captures and log agree, frame by frame, also across the load
    dropped = [line for line in one.log if "drop" in line.get("did", ())]
    assert [(line["session"], line["is"][-1], line["transmission"]) for line in dropped] == [(0, "data 1", 1)]
    assert one.story is not None
    (lost,) = [one for one in one.story.near["client"] if one.seq == dropped[0]["seq"] and one.payload][:1]
    assert one.differences == [f"{lost.name} lost", f"{lost.name} sent 2 times"]
    assert lost.name != "client data 1"  # the wire counts from the load on


def test_a_broken_script_is_refused_with_line_and_column_and_the_old_one_stays(stand: Stand) -> None:
    stand.quiet()
    expected = expect.named("lost-data", 4)
    assert expected is not None
    stand.compose("exec", "-T", "wire", "wire", "load", "lost-data")
    broken = "client data 1: drop\nclient data 2: dropp\nserver ACK: delay 5\n"
    done = stand.compose("exec", "-T", "wire", "wire", "load", "-", text=broken, check=False)
    assert done.returncode == 2
    assert "line 2, column 16: 'dropp' is no action" in done.stderr
    assert "line 3, column 20: expected a unit of time" in done.stderr
    answer = stand.agent("wire").ask("load", request={"do": "load", "name": "broken", "text": broken})
    assert "line 2, column 16" in answer["error"]  # the wire itself refuses it, too
    assert "script lost-data, 1 rules" in stand.compose("exec", "-T", "wire", "wire", "show").stdout


def test_the_command_of_the_host_loads_shows_tells_and_clears(stand: Stand) -> None:
    def told(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        env = {**stand.env, "COMPOSE_PROJECT_NAME": stand.project}
        command = [sys.executable, "-m", "lab", "wire", *words]
        return subprocess.run(command, cwd=ROOT, env=env, input=text, capture_output=True, text=True, check=False)

    assert "script lost-syn, 1 rules" in told("load", "lost-syn").stdout
    assert "client SYN 1: drop" in told("show").stdout
    assert '"event":"script","name":"lost-syn"' in told("log", "--last", "1").stdout
    assert "script standard input, 2 rules" in told("load", "-", text="client FIN: drop\nclient RST: drop\n").stdout
    assert "script empty" in told("clear", "--log").stdout
    refused = told("load", "-", text="nonsense\n")
    assert refused.returncode == 2
    assert "line 1, column 1" in refused.stderr


def test_when_the_wire_dies_a_session_stalls_and_ends_as_tcp_says_and_both_taps_tell_it(stand: Stand) -> None:
    stand.quiet()
    stand.load("before", "either segment: delay 50 ms\n")
    words = {"address": stand.address("server", 4), "port": ASKS, "patience_s": 60}
    talker = stand.beside("client")
    begun = talker.ask("converse", steps=expect.lines("one", "two"), end="keep", **words)
    assert begun["outcome"] == "echoed"
    stand.forget("wire")
    stand.compose("kill", "wire")
    told = talker.ask("converse", steps=expect.lines("three"), end="close", go_on=True, **words)
    # ARP finds nobody at the address of the wire: TCP tells that if it knows (RFC 1122 §4.2.3.9), else that time is up.
    assert told["outcome"] in ("timed out", "No route to host")
    assert 1_000 < told["took_ms"] < 30_000
    stand.quiet()  # the server's end has given up, too: three of its keep-alives had no answer

    pattern = f"*-client-{told['port']}-server-{ASKS}.pcapng"
    files = {side: stand.captures_of(side, pattern, 0) for side in SIDES}
    frames = {side: [frame for path in files[side] for frame in frames_of(path)] for side in SIDES}
    story = Story(frames["client"], frames["server"], {side: stand.address(side, 4) for side in SIDES})
    third = [words for words in story.differences if words.startswith("client data 3 ")]
    assert [words.split()[3] for words in sorted(third)] == ["lost", "sent"]  # and never at the server
    assert not [one for one in story.far["client"] if b"three" in one.payload]
    others = sorted(words for words in story.differences if words not in third)
    assert others == ["server RST 1 lost", "server probe lost 3 times", "server probe sent 3 times"]
    assert all(verdict(files[side][-1]) != "complete" for side in SIDES)

    stand.compose("up", "--detach", "--wait", "--no-deps", "wire")
    expected = expect.named("lost-syn", 4)
    assert expected is not None
    one = play(stand, expected, 4)
    assert one.complaints == []
