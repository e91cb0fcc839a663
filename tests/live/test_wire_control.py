"""Telling the running wire what to do: a script in the middle of a session, a broken one, the command of the host; and
the wire's death: sessions stall and end when TCP says so, nothing hangs, and the taps tell it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import private_folder
from tests.wire import expect
from tests.wire.play import Play, patiently, settle, verdict
from tests.wire.seen import SIDES, Story, frames_of
from tests.wire.stand import ROOT, Agent, Stand, until

SHORT = """services:
  client-host: {sysctls: {net.ipv4.tcp_retries2: "3", net.ipv4.tcp_syn_retries: "1"}}
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
    assert f"{lost.name} sent 2 times" in one.differences  # others may be, too, if the machine pauses
    assert [words for words in one.differences if " sent " not in words] == [f"{lost.name} lost"]
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
    for text, words in (("client data " + "1" * 5000 + ": drop", "5000 digits"), ('client "\udcff"', "no UTF-8")):
        answer = stand.agent("wire").ask("load", request={"do": "load", "name": "broken", "text": text})
        assert words in answer["error"]  # asked directly, past the command that would have refused it
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


WORDS = """\
rate 20 Mbit/s from client queue 20000 octets
client data with "two", session 1: duplicate 2 times after 5 ms
client data, session 2: drop
client data, size 6: set TTL 9
client data every 4, seq 15 to 19: set ECN CE
server data 3: truncate to 2 checksum wrong
client data 5: hold until server FIN within 80 ms
server data 5: hold until client ACK within 60 ms, duplicate
client data 1, port 7: set window 9 checksum wrong
"""
"""Rules with the words that no ready scenario has."""


@pytest.fixture(scope="module")
def spoken(stand: Stand) -> dict[int, Play]:
    """A talk of six lines through them, over either IP version."""
    plays = {}
    for version in (4, 6):
        stand.quiet()
        assert stand.load("words", WORDS)["name"] == "words"
        steps, end = expect.CONVERSATIONS["talk"]
        address = stand.address("server", version)
        told = stand.beside("client").ask("converse", address=address, port=7, steps=steps, end=end, patience_s=20)
        expected = expect.Expectation("words", "words", "talk", "", "echoed", (), way_ms=0)
        plays[version] = Play(expected, version, stand.project, outcome=told["outcome"], port=told["port"])
        stand.quiet()
        settle(stand, plays[version])
    return plays


@pytest.mark.parametrize("version", [4, 6])
def test_the_words_that_no_scenario_has_do_what_they_say(spoken: dict[int, Play], version: int) -> None:
    one = spoken[version]
    assert (one.outcome, one.complaints) == ("echoed", [])
    assert one.differences == [
        "client data 1 changed: window, checksum wrong",
        "client data 1 sent 2 times",
        "client data 2 copied 2 times",
        "server data 3 changed: payload, checksum wrong",
        "server data 3 sent 2 times",
        "server data 5 copied",
    ]
    story = one.story
    assert story is not None
    got = {frame.name: frame for frame in story.far["client"]}
    assert [name for name, frame in got.items() if frame.ttl != 63] == ["client data 3"]
    assert got["client data 3"].ttl == 9
    ecn = {name: (frame.data[15] if version == 4 else frame.data[15] >> 4) & 3 for name, frame in got.items()}
    assert [name for name, bits in ecn.items() if bits] == ["client data 4"]
    assert ecn["client data 4"] == 3
    (cut,) = [frame for frame in story.far["server"] if frame.payload == b"TH"]
    assert not cut.sound
    waits = {f"{line['from']} {line['is'][-1]}": line["why"] for line in one.log if line["event"] == "released"}
    assert waits == {"client data 5": "its time was up", "server data 5": "its time was up"}
    assert all(line["queue"] < 20_000 for line in one.log if line["event"] == "queued")


def test_the_held_segment_waits_its_time(spoken: dict[int, Play]) -> None:
    for one in spoken.values():
        assert one.story is not None
        (sent,) = one.story.times_ns["client data 5"]
        (arrived,) = [frame.time_ns for frame in one.story.far["client"] if frame.name == "client data 5"]
        assert 80_000_000 <= arrived - sent < 200_000_000


@pytest.mark.parametrize("version", [4, 6])
def test_the_two_captures_and_the_log_are_put_together_by_the_command(
    stand: Stand, spoken: dict[int, Play], version: int, tmp_path: Path
) -> None:
    one = spoken[version]
    log = tmp_path / "wire.jsonl"
    log.write_text("".join(f"{json.dumps(line)}\n" for line in one.log), encoding="utf-8")
    names = [str(one.paths[side][-1]) for side in SIDES]
    command = [sys.executable, "-m", "lab", "compare", *names, "--log", str(log), "--width", "200", "--ascii"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("wire: duplicate (line 2)") == 1
    assert done.stdout.count("[duplicated] wire: copy") == 3
    assert done.stdout.count("wire: truncate (line 6)") == 1, done.stdout


@pytest.mark.parametrize("version", [4, 6])
def test_rules_about_icmp_and_frames_mean_what_no_session_has(stand: Stand, version: int) -> None:
    stand.quiet()
    stand.load("icmp", "server ICMP 1: drop\nclient frame 3: drop\n")
    knocks = [
        stand.beside("client").ask("knock", address=stand.address("server", version), patience_s=0.5)["outcome"]
        for _ in range(3)
    ]
    assert knocks == ["no answer", "refused", "no answer"]
    lost = [(line["from"], line["rules"]) for line in stand.log() if "drop" in line.get("did", ())]
    assert lost == [("server", [1]), ("client", [2])]


@pytest.mark.parametrize(("service", "uid"), [("wire", None), ("client-tap", None), ("quirks", 65532)])
def test_the_programs_of_the_profile_have_no_privilege_left(stand: Stand, service: str, uid: int | None) -> None:
    text = stand.compose("exec", "-T", service, "cat", "/proc/1/status").stdout
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert [int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")] == [0, 0, 0, 0]
    assert fields["NoNewPrivs"] == "1"
    owner = stand.captures.stat().st_uid if service == "client-tap" else uid
    if owner is not None:
        assert set(fields["Uid"].split()) == {str(owner)}


def test_nobody_is_left_who_may_set_routes(stand: Stand) -> None:
    words = ("ps", "--all", "--filter", f"label=com.docker.compose.project={stand.project}", "--format", "{{.Names}}")
    there = subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.split()
    assert f"{stand.project}-wire-1" in there
    assert not [name for name in there if "steer" in name]


DEAD = ("before", "either segment: delay 50 ms\n")


@pytest.fixture(scope="module")
def death(stand: Stand) -> dict[int, dict[str, Any]]:
    """The wire killed while two sessions are open, one over either IP version, and what becomes of them and of two that
    begin meanwhile. Then it stands again."""
    stand.quiet()
    stand.load(*DEAD)
    told: dict[int, dict[str, Any]] = {}
    agents = {(version, what): Agent(f"{stand.project}-client-tap-1") for version in (4, 6) for what in ("old", "new")}
    words = {version: {"address": stand.address("server", version), "port": ASKS} for version in (4, 6)}
    for version in (4, 6):
        steps = expect.lines("one", "two")
        told[version] = agents[version, "old"].ask("converse", steps=steps, end="keep", patience_s=60, **words[version])
    stand.forget("wire")
    stand.compose("kill", "wire")
    for (version, what), agent in agents.items():
        more = {"go_on": True} if what == "old" else {}
        agent.begin("converse", steps=expect.lines("three"), end="close", patience_s=60, **words[version], **more)
    for (version, what), agent in agents.items():
        told[version][what] = agent.answer()
        agent.close()
    stand.quiet()  # the server's ends have given up, too: three of their keep-alives had no answer
    stand.compose("up", "--detach", "--wait", "--no-deps", "wire")
    return told


def story_of(stand: Stand, port: int, version: int) -> tuple[Story, list[str]]:
    """What both taps have of a session, and what they say of it."""
    files = {side: stand.captures_of(side, f"*-client*-{port}-server*-{ASKS}.pcapng", 0) for side in SIDES}
    frames = {side: [frame for path in files[side] for frame in frames_of(path)] for side in SIDES}
    verdicts = [verdict(path) for side in SIDES for path in files[side]]
    return Story(frames["client"], frames["server"], {side: stand.address(side, version) for side in SIDES}), verdicts


@pytest.mark.parametrize("version", [4, 6])
def test_when_the_wire_dies_a_session_stalls_and_ends_as_tcp_says_and_both_taps_tell_it(
    stand: Stand, death: dict[int, dict[str, Any]], version: int
) -> None:
    told = death[version]
    assert told["outcome"] == "echoed"
    # Nobody answers at the wire's address: TCP tells that if it knows (RFC 1122 §4.2.3.9), else that time is up.
    assert told["old"]["outcome"] in ("timed out", "No route to host")
    assert 1_000 < told["old"]["took_ms"] < 30_000

    story, verdicts = story_of(stand, told["port"], version)
    third = [words for words in story.differences if words.startswith("client data 3 ")]
    assert [words.split()[3] for words in sorted(third)] == ["lost", "sent"]  # and never at the server
    assert not [one for one in story.far["client"] if b"three" in one.payload]
    others = sorted(words for words in story.differences if words not in third and "neighbour" not in words)
    assert others[:2] == ["server RST 1 lost", "server probe lost 3 times"]
    assert re.fullmatch("server probe sent [3-9] times", others[2])  # a probe may have been answered before
    assert len(others) == 3
    assert "complete" not in verdicts


@pytest.mark.parametrize("version", [4, 6])
def test_nobody_gets_past_a_dead_wire(stand: Stand, death: dict[int, dict[str, Any]], version: int) -> None:
    told = death[version]["new"]
    assert told["outcome"] in ("timed out", "No route to host")
    assert 1_000 < told["took_ms"] < 30_000
    assert stand.captures_of("server", f"*-client*-{told['port']}-server*.pcapng", 0) == []


@pytest.mark.parametrize("version", [4, 6])
def test_a_wire_that_stands_again_is_used_at_once(stand: Stand, death: dict[int, dict[str, Any]], version: int) -> None:
    expected = expect.named("lost-syn", version)
    assert expected is not None
    assert patiently(stand, expected, version).complaints == []
