"""The quirks server, live: each port misbehaves in its one way, over IPv4 and IPv6, and in no other port's way.

Every behaviour is told three times: by our own JSON of the session, by tshark in two passes over the same capture (rows
of fields, from the oracle's container), and by what a plain socket saw (tests/live/quirks_client.py) or ``ss`` on the
server's host. Each test has its twin: a port that must not show it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.live import quirks_client
from tests.live.conftest import Oracle, private_folder
from tests.live.quirks_client import (
    ALIVE,
    BACKLOG,
    HALF,
    LATE,
    LINGER,
    LONG,
    NAGLE,
    NEVER_ACCEPTS,
    NEVER_CLOSES,
    NO_DELAY,
    SINGLE,
    SLOW,
    SMALL,
    UNREAD,
)
from tests.wire.stand import Stand, until

FIELDS = (
    *("tcp.srcport", "tcp.dstport", "ipv6.version", "tcp.flags", "tcp.len", "tcp.ack", "tcp.nxtseq"),
    *("tcp.window_size_value", "frame.time_epoch", "tcp.analysis.zero_window", "tcp.analysis.keep_alive"),
    "tcp.analysis.keep_alive_ack",
)
FIN, SYN, RST, ACK = 1, 2, 4, 16
GOOD_WINDOW = 60_000
BOTH = pytest.mark.parametrize("version", [4, 6])


@dataclass
class Row:
    """A segment, as tshark tells it."""

    server: bool
    flags: int
    length: int
    ack: int
    next: int
    window: int
    time_s: float
    zero_window: bool
    keep_alive: bool
    keep_alive_ack: bool


@dataclass
class Visit:
    """One visit: what its socket saw and how long each step took, our JSON of it, tshark's rows of it."""

    saw: list[str]
    ms: list[float]
    facts: dict[str, Any]
    rows: list[Row] = field(default_factory=list)

    def of_server(self, flags: int = 0) -> list[Row]:
        return [row for row in self.rows if row.server and row.flags & flags == flags]

    def texts(self) -> list[Row]:
        """The server's segments with octets that had not come before. (tshark calls what is sent again a
        retransmission, or out of order, as the milliseconds have it.)"""
        found, highest = [], 0
        for row in self.rows:
            if row.server and row.length and row.next > highest:
                found.append(row)
                highest = row.next
        return found


@dataclass
class Evening:
    """All visits by port, IP version and number; the sockets of the server's host meanwhile, by ``ss``."""

    visits: dict[tuple[int, int, int], Visit]
    listening: list[list[str]]
    connected: list[list[str]]

    def at(self, port: int, version: int, number: int = 1) -> Visit:
        return self.visits[port, version, number]


def rows_of(oracle: Oracle, folder: Path) -> dict[tuple[int, int, int], list[Row]]:
    """tshark's rows, by IP version and both ports. The captures are put into one, so that it starts once."""
    options = " ".join(f"-e {name}" for name in FIELDS)
    merge = "mergecap -w /tmp/all.pcapng *.pcapng"
    shark = f"tshark -2 -r /tmp/all.pcapng -o tcp.check_checksum:TRUE -Y tcp -T fields -E occurrence=f {options}"
    found: dict[tuple[int, int, int], list[Row]] = {}
    for line in oracle.run(folder, "sh", "-c", f"{merge} && {shark}").splitlines():
        source, target, six, flags, length, ack, after, window, time_s, *marks = line.split("\t")
        server = int(source) < 7100
        numbers = (int(text or 0) for text in (length, ack, after, window))
        row = Row(server, int(flags, 16), *numbers, float(time_s), *map(bool, marks))
        ends = (int(target), int(source)) if server else (int(source), int(target))
        found.setdefault((6 if six else 4, *ends), []).append(row)
    return found


@pytest.fixture(scope="module")
def evening(images: None, oracle: Oracle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    stand = Stand("echolab-quirks", 120, private_folder(tmp_path_factory, "quirks"), ())
    try:
        stand.down()
        stand.compose("up", "--detach", "--wait", "--quiet-pull", "quirks", "server-tap", "client-tap")
        yield told(stand, oracle)
    finally:
        stand.down()
        shutil.rmtree(stand.captures, ignore_errors=True)


def told(stand: Stand, oracle: Oracle) -> Evening:
    """Visit every port, look at the server's sockets before the visitors leave, then let the tap close its files."""
    text = Path(quirks_client.__file__).read_text(encoding="utf-8")
    addresses = [stand.address("server", version) for version in (4, 6)]
    with subprocess.Popen(
        ["docker", "exec", "-i", f"{stand.project}-client-tap-1", "python3", "-c", text, *addresses],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        said = json.loads(client.stdout.readline())
        listening, connected = (sockets(stand, words) for words in ("-ltnH", "-tnH"))
        client.stdin.write("go\n")
    assert client.returncode == 0
    run = stand.run_of("server")
    until(lambda: len(list(run.glob("*.pcapng"))) >= len(said), "a capture of each visit")
    stand.compose("stop", "--timeout", "5", "server-tap")
    facts = {}
    for path in run.glob("0*.json"):
        one = json.loads(path.read_text(encoding="utf-8"))
        facts[one["ip_version"], one["client"]["port"], one["server"]["port"]] = one
    rows = rows_of(oracle, run)
    visits = {}
    for name, seen in said.items():
        port, version, number = [*map(int, name.split()), 1][:3]
        key = version, seen["port"], port
        visits[port, version, number] = Visit(seen["saw"], seen["ms"], facts[key], rows[key])
    return Evening(visits, listening, connected)


def sockets(stand: Stand, words: str) -> list[list[str]]:
    """ss on the server's host."""
    command = ["docker", "exec", f"{stand.project}-server-host-1", "ss", words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line.split() for line in done.stdout.splitlines()]


def silent_rst(visit: Visit) -> bool:
    """Whether the server ended it with a RST and without a FIN: by the JSON and by tshark."""
    ours = visit.facts["verdict"] == "reset" and visit.facts["reset_by"] == "server"
    theirs = bool(visit.of_server(RST)) and not visit.of_server(FIN)
    assert ours == theirs, (visit.facts, visit.rows)
    return ours


def closed_window(visit: Visit) -> bool:
    """Whether the server ever had no room: by the JSON and by tshark."""
    ours, theirs = visit.facts["from_server"]["zero_windows"] > 0, any(row.zero_window for row in visit.of_server())
    assert ours == theirs, (visit.facts, visit.rows)
    return ours


def gaps_ms(visit: Visit) -> list[tuple[float, bool]]:
    """For each answer's second half: ms after the first, and whether the ACK of the first had come before."""
    texts = visit.texts()
    found = []
    for first, second in zip(texts[::2], texts[1::2], strict=True):
        acks = [row for row in visit.rows if not row.server and row.ack >= first.next and row.time_s <= second.time_s]
        found.append(((second.time_s - first.time_s) * 1000, bool(acks)))
    return found


@BOTH
def test_the_slow_reader_closes_its_window_and_opens_it_again_until_all_is_read(evening: Evening, version: int) -> None:
    visit, twin = evening.at(SLOW, version), evening.at(SINGLE, version)
    assert visit.saw == ["connected", f"{len(LONG)} octets"]
    # Ten times a second 512 octets, less what the first look took.
    assert visit.ms[-1] > (len(LONG) / 512 - 2) * 100
    assert closed_window(visit)
    assert visit.facts["from_client"]["octets_new"] == len(LONG)
    assert not closed_window(twin)


@BOTH
def test_a_close_with_unread_data_is_a_rst_and_nothing_was_answered(evening: Evening, version: int) -> None:
    visit, twin = evening.at(UNREAD, version), evening.at(HALF, version)
    assert visit.saw[:2] == ["connected", "reset"]
    assert silent_rst(visit)
    assert visit.facts["from_server"]["octets_new"] == 0
    assert not silent_rst(twin)


@BOTH
def test_linger_0_is_a_rst_after_a_good_answer(evening: Evening, version: int) -> None:
    visit, twin = evening.at(LINGER, version), evening.at(BACKLOG, version)
    assert visit.saw == ["connected", "HELLO\n", "reset"]
    assert silent_rst(visit)
    assert [row.length for row in visit.texts()] == [6]
    assert visit.facts["from_server"]["octets_new"] == 6
    assert not silent_rst(twin)


@BOTH
def test_the_server_that_half_closes_first_still_takes_what_the_client_sends(evening: Evening, version: int) -> None:
    visit, twin = evening.at(HALF, version), evening.at(BACKLOG, version)
    assert visit.saw == ["connected", "end", "end"]
    assert (visit.facts["first_closer"], visit.facts["verdict"]) == ("server", "complete")
    assert visit.facts["time_wait"] == "server"
    fin = visit.of_server(FIN)[0]
    later = [row for row in visit.rows if not row.server and row.length and row.time_s > fin.time_s]
    assert sum(row.length for row in later) == len(b"one\ntwo\n")
    assert visit.of_server(ACK)[-1].ack >= later[-1].next
    assert twin.facts["first_closer"] == "client"


@BOTH
def test_who_is_never_accepted_is_connected_all_the_same_and_the_third_is_not(evening: Evening, version: int) -> None:
    for number in (1, 2):
        inside = evening.at(NEVER_ACCEPTS, version, number)
        assert inside.saw == ["connected", "silence"]
        assert inside.of_server(ACK)[-1].ack > 1  # its data are acknowledged: by the kernel
        assert inside.facts["from_server"]["octets_new"] == 0
    third = evening.at(NEVER_ACCEPTS, version, 3)
    assert third.saw == ["silence"]
    assert (third.facts["from_server"]["frames"], third.facts["states"]["client"]) == (0, "SYN-SENT")
    assert third.facts["from_client"]["syns"] == len(third.rows) > 1
    assert {(row.server, row.flags) for row in third.rows} == {(False, SYN)}
    family = "[::]" if version == 6 else "0.0.0.0"
    assert queue(evening, f"{family}:{NEVER_ACCEPTS}") == ("2", "1")
    assert queue(evening, f"{family}:{SINGLE}")[0] == "0"  # the twin: everybody has been accepted


def queue(evening: Evening, place: str) -> tuple[str, str]:
    """How many wait to be accepted, and the backlog."""
    (words,) = (words for words in evening.listening if words[3] == place)
    return words[1], words[2]


@BOTH
def test_the_small_backlog_is_small_and_the_server_behind_it_is_good(evening: Evening, version: int) -> None:
    visit = evening.at(BACKLOG, version)
    family = "[::]" if version == 6 else "0.0.0.0"
    assert queue(evening, f"{family}:{BACKLOG}")[1] == "8"
    assert int(queue(evening, f"{family}:{SINGLE}")[1]) > 8
    assert visit.saw == ["connected", "HELLO\n", "silence"]
    assert visit.facts["verdict"] == "complete"


@BOTH
def test_an_answer_in_single_octets_takes_a_segment_for_each(evening: Evening, version: int) -> None:
    visit, twin = evening.at(SINGLE, version), evening.at(LATE, version)
    assert visit.saw == ["connected", "HELLO\n"]
    assert [row.length for row in visit.texts()] == [1] * 6
    assert visit.facts["from_server"]["max_segment_octets"] == 1
    assert [row.length for row in twin.texts()] == [6]
    assert twin.facts["from_server"]["max_segment_octets"] == 6


@BOTH
def test_a_late_answer_comes_long_after_the_ack_of_its_line(evening: Evening, version: int) -> None:
    visit, twin = evening.at(LATE, version), evening.at(LINGER, version)
    assert visit.saw == ["connected", "HELLO\n"]
    assert twin.ms[1] < 1000
    (answer,) = visit.texts()
    line = next(row for row in visit.rows if not row.server and row.length)
    assert answer.time_s - line.time_s >= 1  # at the server's tap; a client may be late to look at its clock
    alone = [row for row in visit.of_server(ACK) if not row.length and row.ack == 7 and row.time_s < answer.time_s]
    assert alone
    assert answer.time_s - alone[0].time_s > 0.45  # the ACK waits for half a second at most (RFC 9293 §3.8.6.3)
    assert visit.facts["verdict"] == "complete"


@BOTH
def test_the_server_that_never_closes_acknowledges_the_fin_and_sends_none(evening: Evening, version: int) -> None:
    visit, twin = evening.at(NEVER_CLOSES, version), evening.at(BACKLOG, version)
    assert visit.saw == ["connected", "HELLO\n", "silence"]
    assert visit.facts["first_closer"] == "client"
    assert (visit.facts["from_client"]["fins"], visit.facts["from_server"]["fins"]) == (1, 0)
    assert visit.facts["from_client"]["fin_acknowledged"]
    assert visit.facts["states"]["server"] == "CLOSE-WAIT"
    assert not visit.of_server(FIN)
    waiting = [words[3].rpartition(":")[2] for words in evening.connected if words[0] == "CLOSE-WAIT"]
    assert waiting.count(str(NEVER_CLOSES)) == 2  # IPv4 and IPv6
    assert str(BACKLOG) not in waiting
    assert twin.facts["from_server"]["fins"] == 1


@BOTH
def test_the_small_receive_buffer_is_announced_from_the_syn_ack_on(evening: Evening, version: int) -> None:
    visit, twin = evening.at(SMALL, version), evening.at(SINGLE, version)
    assert visit.saw == ["connected", f"{len(LONG)} octets"]
    assert 0 < visit.of_server(SYN)[0].window < 3000
    shift = visit.facts["from_server"]["window_shift"] or 0
    assert max(row.window << shift for row in visit.of_server() if not row.flags & SYN) < 3000
    assert visit.facts["verdict"] == "complete"
    assert twin.of_server(SYN)[0].window > GOOD_WINDOW


@BOTH
def test_nagle_holds_the_second_half_until_the_ack_and_no_delay_does_not(evening: Evening, version: int) -> None:
    nagle, twin = evening.at(NAGLE, version), evening.at(NO_DELAY, version)
    for visit in (nagle, twin):
        assert visit.saw == ["connected", *["NAGLE WAITS\n"] * 3]
        assert visit.facts["from_server"]["max_segment_octets"] == 6
    assert all(acknowledged for _, acknowledged in gaps_ms(nagle))
    # The client delays its ACKs by 40 ms: who waits for them loses that, who does not wait does not.
    assert max(gap for gap, _ in gaps_ms(nagle)) > 30
    assert any(gap < 30 and not acknowledged for gap, acknowledged in gaps_ms(twin))
    assert max(gap for gap, _ in gaps_ms(twin)) < max(gap for gap, _ in gaps_ms(nagle))


@BOTH
def test_the_keep_alive_asks_every_second_and_a_good_server_does_not(evening: Evening, version: int) -> None:
    visit, twin = evening.at(ALIVE, version), evening.at(BACKLOG, version)
    assert visit.saw == twin.saw == ["connected", "HELLO\n", "silence"]
    probes = [row for row in visit.of_server() if row.keep_alive]
    assert visit.facts["from_server"]["keep_alives"] == len(probes) >= 2
    assert len([row for row in visit.rows if not row.server and row.keep_alive_ack]) == len(probes)
    assert 0.9 < probes[1].time_s - probes[0].time_s < 1.6
    assert twin.facts["from_server"]["keep_alives"] == 0
    assert not [row for row in twin.rows if row.keep_alive]


def test_the_list_names_every_port_that_listens_and_no_other(evening: Evening) -> None:
    places = [words[3].rpartition(":") for words in evening.listening]
    for family in ("0.0.0.0", "[::]"):
        assert sorted(int(port) for where, _, port in places if where == family) == list(range(SLOW, ALIVE + 1))


def test_the_whole_evening_is_short(evening: Evening) -> None:
    assert 0 < max(sum(visit.ms) for visit in evening.visits.values()) < 20_000
