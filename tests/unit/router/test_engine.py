"""What each action does, and beside it what it must leave alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.router.script import Side
from lab.wire.packet import Flags
from tests.unit.router.made import ADDRESSES, ARP, ISN, MACS, MS, TCP, Bench, Ether, IPv6, Talk, opened, right, text_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
BOTH = pytest.mark.parametrize("version", [4, 6])


def words(frames: list[bytes]) -> list[bytes]:
    return [text_of(frame) for frame in frames]


@BOTH
def test_without_a_rule_every_frame_leaves_unchanged_at_once(version: int) -> None:
    talk = Talk(version)
    bench = Bench("")
    frames = [*talk.handshake(), ("client", talk.data("client", b"one"))]
    assert bench.play(frames) == [data for _, data in frames]
    assert [line["event"] for line in bench.log] == ["in", "out"] * 4


@BOTH
def test_a_dropped_segment_is_lost_and_its_retransmission_is_not(version: int) -> None:
    bench, talk = opened("client data 2: drop", Talk(version))
    assert words(bench.put("client", talk.data("client", b"one"))) == [b"one"]
    assert bench.put("client", talk.data("client", b"two")) == []
    assert words(bench.put("client", talk.data("client", b"three"))) == [b"three"]
    assert words(bench.put("client", talk.data("client", b"two", at=4))) == [b"two"]
    assert [line["did"] for line in bench.events("in")] == [[], [], [], [], ["drop"], [], []]


def test_with_transmission_1_to_end_the_retransmissions_are_lost_too() -> None:
    bench, talk = opened("client data 1, transmission 1 to end: drop")
    first = talk.data("client", b"one")
    assert [bench.put("client", first) for _ in range(4)] == [[], [], [], []]


def test_the_server_s_data_do_not_count_for_the_client() -> None:
    bench, talk = opened("client data 1: drop")
    assert words(bench.put("server", talk.data("server", b"x"))) == [b"x"]
    assert bench.put("client", talk.data("client", b"y")) == []


def test_either_means_both_sides_each_with_its_own_count() -> None:
    bench, talk = opened("either data 2: drop")
    for side in ("client", "server"):
        assert [bool(bench.put(side, talk.data(side, b"x"))) for _ in range(3)] == [True, False, True]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "lost"),
    [("SYN", 0), ("SYN-ACK", 1), ("handshake-ACK", 2), ("data", 3), ("ACK", 4), ("FIN", 6), ("RST", 7)],
)
def test_each_kind_means_its_segment_and_no_other(kind: str, lost: int) -> None:
    talk = Talk()
    bench = Bench(f"either {kind} 1: drop")
    frames = talk.handshake()
    frames.append(("client", talk.data("client", b"a")))
    frames.append(("server", talk.ack("server")))
    frames.append(("client", talk.segment("client", Flags.ACK | Flags.URG, b"")))
    frames.append(("client", talk.fin("client")))
    frames.append(("server", talk.segment("server", Flags.RST | Flags.ACK)))
    went = [bool(bench.put(side, data)) for side, data in frames]
    if kind == "ACK":
        frames_lost = [number for number, fine in enumerate(went) if not fine]
        assert frames_lost == [4, 5]  # the first bare ACK of each side
    else:
        assert [number for number, fine in enumerate(went) if not fine] == [lost]


def test_a_fin_with_data_is_both() -> None:
    bench, talk = opened("client FIN: drop")
    assert bench.put("client", talk.segment("client", Flags.FIN | Flags.ACK, b"bye")) == []
    bench, talk = opened("client data 1: drop")
    assert bench.put("client", talk.segment("client", Flags.FIN | Flags.ACK, b"bye")) == []


def test_session_2_is_the_second_syn_and_others_go_untouched() -> None:
    bench = Bench("client data, session 2: drop")
    talks = [Talk(port=40000 + number) for number in range(3)]
    for talk in talks:
        bench.play(talk.handshake())
    assert [bool(bench.put("client", talk.data("client", b"x"))) for talk in talks] == [True, False, True]


def test_a_session_that_was_open_before_the_script_is_session_0() -> None:
    talk = Talk()
    talk.handshake()
    bench = Bench("client data 2, session 0: drop")
    assert [bool(bench.put("client", talk.data("client", b"x"))) for _ in range(3)] == [True, False, True]
    bench = Bench("client data 2, session 1: drop")
    assert [bool(bench.put("client", talk.data("client", b"x"))) for _ in range(3)] == [True, True, True]


def test_a_port_used_again_with_another_isn_is_a_new_session() -> None:
    bench, talk = opened("client data 1, session 2: drop")
    assert bench.put("client", talk.data("client", b"x"))
    syn = bytearray(Talk().syn())
    syn[38:42] = b"\0\0\0\x63"
    bench.put("client", bytes(syn))
    assert bench.log[-1]["session"] == 2


@pytest.mark.parametrize(
    ("clause", "lost"),
    [
        ('with "two"', [1]),
        ('with "o"', [0, 1]),
        ("size 3", [0, 1]),
        ("size 4 to end", [2]),
        ("seq 4 to 6", [1]),
        ("seq 3 to 4", [0, 1]),
        ("port 7", [0, 1, 2]),
        ("port 8", []),
        ("IPv4", [0, 1, 2]),
        ("IPv6", []),
        ("after client data 1", [1, 2]),
        ('after client data with "two"', [2]),
        ("after server data 1", []),
    ],
)
def test_a_clause_narrows_the_rule(clause: str, lost: list[int]) -> None:
    bench, talk = opened(f"client data, {clause}: drop")
    went = [bool(bench.put("client", talk.data("client", text))) for text in (b"one", b"two", b"three")]
    assert [number for number, fine in enumerate(went) if not fine] == lost


def test_after_an_event_ordinals_count_from_there() -> None:
    bench, talk = opened("client ACK 1, after server FIN: drop")
    assert bench.put("client", talk.ack("client"))
    assert bench.put("server", talk.fin("server"))
    assert bench.put("client", talk.ack("client")) == []
    assert bench.put("client", talk.ack("client"))


def test_every_third_segment_is_lost() -> None:
    bench, talk = opened("client data every 3: drop")
    went = [bool(bench.put("client", talk.data("client", b"x"))) for _ in range(7)]
    assert went == [True, True, False, True, True, False, True]


def test_a_delayed_frame_leaves_after_its_time_and_not_before() -> None:
    bench, talk = opened("client data 1: delay 25 ms")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert bench.wait(24.9) == []
    assert words(bench.wait(0.1)) == [b"one"]


def test_the_next_moment_is_that_of_the_delayed_frame() -> None:
    bench, talk = opened("client data 1: delay 25 ms")
    assert bench.engine.next_ns() is None
    bench.put("client", talk.data("client", b"one"))
    assert bench.engine.next_ns() == bench.now_ns + 25 * MS


def leaving_times(seed: int) -> list[int]:
    bench, talk = opened(f"seed {seed}\nclient data: delay 5 ms jitter 10 ms")
    for _ in range(20):
        bench.put("client", talk.data("client", b"x"), after_ms=0)
    began, found = bench.now_ns, []
    for step in range(160):
        found += [step] * len(bench.wait(0.1))
    assert bench.now_ns - began == 16 * MS
    return found


def test_jitter_is_the_same_with_the_same_seed_and_another_with_another() -> None:
    first = leaving_times(1)
    assert len(first) == 20
    assert len(set(first)) > 5
    assert min(first) >= 49
    assert first == leaving_times(1)
    assert first != leaving_times(2)


def lost_by_chance(seed: int, beside: bool = False) -> list[bool]:
    bench = Bench(f"seed {seed}\nclient data, chance 30 %: drop")
    talk, other = Talk(), Talk(port=50000)
    bench.play(talk.handshake())
    if beside:
        bench.play(other.handshake())
    went = []
    for _ in range(60):
        went.append(bool(bench.put("client", talk.data("client", b"x"))))
        if beside:
            bench.put("client", other.data("client", b"y"))
    return went


def test_chance_depends_on_the_seed_and_not_on_other_sessions() -> None:
    first = lost_by_chance(7)
    assert 5 < first.count(False) < 35
    assert first == lost_by_chance(7)
    assert first == lost_by_chance(7, beside=True)
    assert first != lost_by_chance(8)


@pytest.mark.parametrize(("percent", "lost"), [(0, 0), (100, 10)])
def test_a_chance_of_nothing_and_of_all(percent: int, lost: int) -> None:
    bench, talk = opened(f"seed 1\nclient data, chance {percent} %: drop")
    assert [bool(bench.put("client", talk.data("client", b"x"))) for _ in range(10)].count(False) == lost


def test_a_duplicate_follows_its_frame_and_is_the_same() -> None:
    bench, talk = opened("client data 2: duplicate")
    one, two = talk.data("client", b"one"), talk.data("client", b"two")
    assert bench.put("client", one) == [one]
    assert bench.put("client", two) == [two, two]
    assert [line.get("forged") for line in bench.events("out")][-2:] == [None, "copy"]


def test_three_copies_each_ten_milliseconds_after_the_one_before() -> None:
    bench, talk = opened("client data 1: duplicate 3 times after 10 ms")
    assert len(bench.put("client", talk.data("client", b"one"))) == 1
    assert [len(bench.wait(10)) for _ in range(4)] == [1, 1, 1, 0]


@pytest.mark.parametrize("by", [1, 4])
def test_a_reordered_frame_leaves_when_so_many_have_overtaken_it(by: int) -> None:
    bench, talk = opened(f"client data 1: reorder by {by}")
    out = [text for number in range(6) for text in words(bench.put("client", talk.data("client", b"%d" % number)))]
    expected = [b"%d" % number for number in range(6)]
    expected.insert(by, expected.pop(0))
    assert out == expected


def test_frames_of_the_other_side_do_not_overtake() -> None:
    bench, talk = opened("client data 1: reorder by 1")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert words(bench.put("server", talk.data("server", b"x"))) == [b"x"]


def test_a_frame_that_nobody_overtakes_leaves_after_its_limit() -> None:
    bench, talk = opened("client data 1: reorder by 1 within 50 ms")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert bench.wait(49) == []
    assert words(bench.wait(1)) == [b"one"]
    assert bench.events("released")[0]["why"] == "its time was up"


@BOTH
def test_a_corrupted_frame_has_one_other_bit_and_the_old_checksum(version: int) -> None:
    bench, talk = opened("client data 1: corrupt bit 5 octet 1", Talk(version))
    before = talk.data("client", b"one")
    (after,) = bench.put("client", before)
    assert text_of(after) == b"oNe"
    assert Ether(after)[TCP].chksum == Ether(before)[TCP].chksum
    assert not right(after)


def test_a_corruption_with_a_right_checksum_can_not_be_noticed() -> None:
    bench, talk = opened("client data 1: corrupt bit 5 octet 1 checksum right")
    (after,) = bench.put("client", talk.data("client", b"one"))
    assert text_of(after) == b"oNe"
    assert right(after)


@pytest.mark.parametrize(("part", "at"), [("TCP", 34), ("IP", 14)])
def test_octets_are_counted_from_the_part_that_is_named(part: str, at: int) -> None:
    bench, talk = opened(f"client data 1: corrupt bit 0 octet 4 of {part}")
    before = talk.data("client", b"one")
    (after,) = bench.put("client", before)
    assert [number for number in range(len(before)) if before[number] != after[number]] == [at + 4]


def test_there_is_no_octet_behind_the_payload() -> None:
    bench, talk = opened("client data 1: corrupt octet 3")
    before = talk.data("client", b"one")
    assert bench.put("client", before) == [before]
    assert "no such octet" in bench.log[-2]["did"][0]


@BOTH
def test_a_truncated_segment_is_whole_in_itself(version: int) -> None:
    bench, talk = opened("client data 1: truncate to 2", Talk(version))
    (after,) = bench.put("client", talk.data("client", b"three"))
    assert text_of(after) == b"th"
    assert right(after)


def test_a_truncated_segment_with_its_old_checksum_is_damaged() -> None:
    bench, talk = opened("client data 1: truncate to 2 checksum wrong")
    (after,) = bench.put("client", talk.data("client", b"three"))
    assert text_of(after) == b"th"
    assert not right(after)


def test_what_is_short_enough_is_not_truncated() -> None:
    bench, talk = opened("client data 1: truncate to 5")
    before = talk.data("client", b"three")
    assert bench.put("client", before) == [before]


@BOTH
def test_a_window_is_set_and_the_checksum_made_right(version: int) -> None:
    bench, talk = opened("server ACK 1: set window 0", Talk(version))
    (after,) = bench.put("server", talk.ack("server"))
    assert Ether(after)[TCP].window == 0
    assert right(after)
    (next_one,) = bench.put("server", talk.ack("server"))
    assert Ether(next_one)[TCP].window == 500


def test_a_window_set_with_a_wrong_checksum_is_damaged() -> None:
    bench, talk = opened("server ACK 1: set window 0 checksum wrong")
    assert not right(bench.put("server", talk.ack("server"))[0])


@BOTH
def test_ttl_and_ecn_are_set(version: int) -> None:
    bench, talk = opened("client data 1: set TTL 3, set ECN CE", Talk(version))
    (after,) = bench.put("client", talk.data("client", b"x"))
    packet = Ether(after)
    if version == 4:
        assert (packet["IP"].ttl, packet["IP"].tos) == (3, 3)
    else:
        assert (packet[IPv6].hlim, packet[IPv6].tc) == (3, 3)
    assert right(after)


@BOTH
@pytest.mark.parametrize("field", ["TTL 3", "TTL 64", "ECN CE", "DF off"])
def test_an_ip_field_set_with_a_wrong_checksum_is_damaged_in_its_ipv4_header(field: str, version: int) -> None:
    bench, talk = opened(f"client data 1: set {field} checksum wrong", Talk(version))
    (after,) = bench.put("client", talk.data("client", b"x"))
    assert right(after) == (version == 6)  # IPv6 has no such checksum


@pytest.mark.parametrize("window", [0, 500])
def test_a_wrong_checksum_is_wrong_even_where_the_value_was_the_same(window: int) -> None:
    bench, talk = opened(f"client data 1: set window {window} checksum wrong")
    assert not right(bench.put("client", talk.data("client", b"x"))[0])


def test_df_is_cleared() -> None:
    bench, talk = opened("client data 1: set DF off")
    (after,) = bench.put("client", talk.data("client", b"x"))
    assert str(Ether(after)["IP"].flags) == ""
    assert right(after)
    assert str(Ether(bench.put("client", talk.data("client", b"x"))[0])["IP"].flags) == "DF"


@pytest.mark.parametrize(("rule", "side"), [("client SYN", "client"), ("server SYN-ACK", "server")])
def test_the_mss_is_set_wherever_the_option_stands(rule: str, side: str) -> None:
    bench, talk = Bench(f"{rule}: set MSS 536"), Talk()
    frames = dict(zip(("client", "server"), bench.play(talk.handshake()), strict=False))
    assert dict(Ether(frames[side])[TCP].options)["MSS"] == 536
    assert right(frames[side])
    other = "server" if side == "client" else "client"
    assert dict(Ether(frames[other])[TCP].options)["MSS"] == 1460


@BOTH
@pytest.mark.parametrize(("where", "ahead"), [("", 0), (" at seq+100", 100), (" at seq-1", -1)])
def test_an_injected_rst_stands_where_the_script_says(version: int, where: str, ahead: int) -> None:
    bench, talk = opened(f"client data 1: inject RST from server{where}", Talk(version))
    bench.put("server", talk.data("server", b"before"))
    data, rst = bench.put("client", talk.data("client", b"one"))
    assert text_of(data) == b"one"
    segment = Ether(rst)[TCP]
    assert str(segment.flags) == "RA"
    assert segment.seq == ISN["server"] + 7 + ahead
    assert (segment.sport, segment.dport) == (7, 40000)
    assert right(rst)


def test_an_injected_syn_is_in_the_session_and_forged_data_are_next() -> None:
    bench, talk = opened('client data 1: inject SYN from client at seq+9, inject data "evil\\n" from client')
    _, syn, data = bench.put("client", talk.data("client", b"one"))
    assert str(Ether(syn)[TCP].flags) == "S"
    assert Ether(syn)[TCP].seq == ISN["client"] + 4 + 9 & 0xFFFFFFFF
    assert text_of(data) == b"evil\n"
    assert Ether(data)[TCP].seq == ISN["client"] + 4 & 0xFFFFFFFF
    assert right(syn)
    assert right(data)


def test_forged_data_have_timestamps_where_the_session_has() -> None:
    for timestamps in (True, False):
        bench, talk = opened('client data 1: inject data "x" from client', Talk(timestamps=timestamps))
        _, data = bench.put("client", talk.data("client", b"one"))
        assert ("Timestamp" in dict(Ether(data)[TCP].options)) is timestamps


def test_what_is_forged_before_a_delay_goes_before_the_frame() -> None:
    bench, talk = opened("client data 1: inject RST from client, delay 10 ms")
    assert len(bench.put("client", talk.data("client", b"one"))) == 1
    assert words(bench.wait(10)) == [b"one"]
    bench, talk = opened("client data 1: delay 10 ms, inject RST from client")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert len(bench.wait(10)) == 2


@BOTH
def test_a_flood_comes_from_addresses_that_nobody_has(version: int) -> None:
    bench, talk = Bench("client SYN 1: flood 50 SYN"), Talk(version)
    frames = bench.put("client", talk.syn())
    assert len(frames) == 51
    taken = {bytes(address) for address in ADDRESSES[version].values()}
    sources = {frame[26:30] if version == 4 else frame[22:38] for frame in frames[1:]}
    assert not sources & taken
    ends = {(frame[26:30] if version == 4 else frame[22:38], Ether(frame)[TCP].sport) for frame in frames[1:]}
    assert len(ends) == 50
    assert all(Ether(frame)[TCP].dport == 7 and str(Ether(frame)[TCP].flags) == "S" for frame in frames[1:])
    assert all(right(frame) for frame in frames)
    assert bench.put("server", talk.syn_ack()) != []


@BOTH
def test_a_claim_tells_everybody_a_wrong_hardware_address(version: int) -> None:
    bench, talk = opened("client data 1: claim server", Talk(version))
    data, claim = bench.put("client", talk.data("client", b"one"))
    assert text_of(data) == b"one"
    packet = Ether(claim)
    assert packet.src not in {mac.hex(":") for mac in MACS.values()}
    if version == 4:
        assert (packet[ARP].op, packet[ARP].psrc, packet[ARP].pdst) == (2, "192.0.2.10", "192.0.2.10")
    else:
        assert packet["ICMPv6 Neighbor Discovery - Neighbor Advertisement"].tgt == "2001:db8:7::10"
        assert right(claim)


def test_a_held_frame_leaves_behind_its_event() -> None:
    bench, talk = opened("client data 1: hold until server data 1")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert words(bench.put("client", talk.data("client", b"two"))) == [b"two"]
    assert bench.wait(5000) == []
    assert words(bench.put("server", talk.data("server", b"x"))) == [b"x", b"one"]


def test_the_event_of_another_session_does_not_free_it() -> None:
    bench, talk = opened("client data 1, session 1: hold until server data 1")
    other = Talk(port=50000)
    bench.play(other.handshake())
    assert bench.put("client", talk.data("client", b"one")) == []
    assert words(bench.put("server", other.data("server", b"x"))) == [b"x"]


def test_a_held_frame_leaves_after_its_limit_if_there_is_one() -> None:
    bench, talk = opened("client data 1: hold until server RST within 30 ms")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert words(bench.wait(30)) == [b"one"]


def test_a_frame_is_not_its_own_event() -> None:
    bench, talk = opened("client data 1: hold until client data")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert words(bench.put("client", talk.data("client", b"two"))) == [b"two", b"one"]
    bench, talk = opened("client data 1: blackhole client until client data")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert bench.put("client", talk.data("client", b"two")) == []  # the hole's end, and still in it
    assert words(bench.put("client", talk.data("client", b"three"))) == [b"three"]


@pytest.mark.parametrize("actions", ["delay 30 ms, reorder by 1", "reorder by 1, delay 30 ms"])
def test_a_reordered_frame_keeps_its_delay(actions: str) -> None:
    bench, talk = opened(f"client data 1: {actions}")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert words(bench.put("client", talk.data("client", b"two"))) == [b"two"]
    assert bench.wait(29) == []
    assert words(bench.wait(1)) == [b"one"]


@pytest.mark.parametrize("actions", ["delay 30 ms, hold until server data 1", "hold until server data 1, delay 30 ms"])
def test_a_held_frame_keeps_its_delay(actions: str) -> None:
    bench, talk = opened(f"client data 1: {actions}")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert bench.wait(100) == []
    assert words(bench.put("server", talk.data("server", b"x"))) == [b"x"]
    assert bench.wait(29) == []
    assert words(bench.wait(1)) == [b"one"]


@pytest.mark.parametrize(
    "actions", ["duplicate, hold until server data 1", "hold until server data 1, duplicate", "reorder by 1, duplicate"]
)
def test_the_copy_of_a_frame_that_waits_waits_with_it(actions: str) -> None:
    bench, talk = opened(f"client data 1: {actions}")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert bench.wait(100) == []
    side: Side = "client" if "reorder" in actions else "server"
    assert words(bench.put(side, talk.data(side, b"x"))) == [b"x", b"one", b"one"]
    assert [line.get("forged") for line in bench.events("out")][-2:] == [None, "copy"]


def test_what_is_forged_behind_a_hold_follows_the_frame_and_what_is_forged_before_it_does_not() -> None:
    bench, talk = opened("client data 1: hold until server data 1, inject RST from client")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert [str(Ether(out)[TCP].flags) for out in bench.put("server", talk.data("server", b"x"))] == ["PA", "PA", "RA"]
    bench, talk = opened("client data 1: inject RST from client, hold until server data 1")
    assert [str(Ether(out)[TCP].flags) for out in bench.put("client", talk.data("client", b"one"))] == ["RA"]


def test_sessions_from_before_the_script_have_each_their_own_chance() -> None:
    bench = Bench("seed 7\nclient data, chance 50 %: drop")
    talks = [Talk(port=40000), Talk(port=50000)]
    for talk in talks:
        talk.handshake()  # before the wire looks
    went = [[bool(bench.put("client", talk.data("client", b"x"))) for _ in range(40)] for talk in talks]
    assert {line["session"] for line in bench.events("in")} == {0}
    assert went[0] != went[1]
    alone = Bench("seed 7\nclient data, chance 50 %: drop")
    first = Talk(port=40000)
    first.handshake()
    assert [bool(alone.put("client", first.data("client", b"x"))) for _ in range(40)] == went[0]


def test_a_blackhole_takes_all_frames_of_its_side_for_its_time() -> None:
    bench, talk = opened("client data 2: blackhole client for 100 ms")
    assert bench.put("client", talk.data("client", b"one"))
    assert bench.put("client", talk.data("client", b"two")) == []
    assert bench.put("client", talk.ack("client"), after_ms=50) == []
    assert bench.put("server", talk.data("server", b"x"))
    assert bench.put("client", talk.data("client", b"two", at=4), after_ms=50)
    assert [line["did"] for line in bench.events("in")][-4:] == [["blackhole"], ["blackhole"], [], []]


def test_a_blackhole_until_an_event_ends_with_it() -> None:
    bench, talk = opened("client data 1: blackhole either until server FIN")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert bench.put("server", talk.ack("server"), after_ms=60_000) == []
    assert bench.put("server", talk.fin("server")) == []
    assert bench.put("client", talk.ack("client"))


def test_a_blackhole_forever_does_not_end() -> None:
    bench, talk = opened("client data 1: blackhole server forever")
    assert bench.put("client", talk.data("client", b"one"))
    assert bench.put("server", talk.ack("server"), after_ms=3_600_000) == []


def test_rules_act_in_order_and_none_on_a_frame_that_is_gone() -> None:
    bench, talk = opened("client data 1: drop\nclient data 1: duplicate")
    assert bench.put("client", talk.data("client", b"one")) == []
    assert bench.events("in")[-1]["rules"] == [1]
    bench, talk = opened("client data 1: duplicate\nclient data 1: drop")
    assert len(bench.put("client", talk.data("client", b"one"))) == 1


def test_a_rule_about_frames_counts_everything_of_its_side() -> None:
    bench, talk = Bench("client frame 2: drop"), Talk()
    went = [bool(bench.put(side, data)) for side, data in talk.handshake()]
    assert went == [True, True, False]


def test_when_the_script_goes_what_waits_is_set_free_and_nothing_is_lost() -> None:
    bench, talk = opened("client data 1: hold until server RST\nclient data 2: delay 10 s\nclient data 3: reorder by 9")
    for text in (b"one", b"two", b"three"):
        assert bench.put("client", talk.data("client", text)) == []
    bench.engine.release(bench.now_ns)
    assert sorted(words(bench.left())) == [b"one", b"three", b"two"]
    assert not bench.engine.busy


SELECTORS = ("client data", "client data 2", "either segment", "server data", "client ACK", "either data every 2")
ACTIONS = (
    "drop",
    "delay 3 ms",
    "duplicate",
    "duplicate 2 times after 1 ms",
    "reorder by 1",
    "reorder by 2 within 20 ms",
    "hold until server data 1",
    "hold until client data within 5 ms",
    "corrupt",
    "truncate to 1",
    "set window 0",
    "set TTL 9 checksum wrong",
    "inject RST from server",
    'inject data "x" from client at seq+9',
    "flood 2 SYN",
    "claim wire",
    "blackhole client for 2 ms",
    "blackhole either until server data 2",
)


@given(
    st.lists(
        st.tuples(st.sampled_from(SELECTORS), st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3)), max_size=4
    )
)
def test_whatever_actions_come_together_a_frame_leaves_once_unless_the_log_says_why_not(
    rules: list[tuple[str, list[str]]],
) -> None:
    bench, talk = opened("".join(f"{selector}: {', '.join(actions)}\n" for selector, actions in rules))
    for number in range(3):
        bench.put("client", talk.data("client", b"abc"))
        bench.put("client", talk.data("client", b"def"))
        bench.put("server", talk.ack("server"), after_ms=number * 2)
        bench.put("server", talk.data("server", b"ABC"))
        bench.put("client", talk.ack("client"))
    bench.wait(5_000)
    bench.engine.release(bench.now_ns)
    bench.left()
    assert not bench.engine.busy
    left = Counter(line["frame"] for line in bench.events("out") if not line.get("forged"))
    for line in bench.events("in"):
        lost = {"drop", "blackhole"} & set(line["did"])
        assert left[line["frame"]] <= 1
        assert lost or left[line["frame"]] == 1


def test_every_line_of_the_log_names_its_frame() -> None:
    bench, talk = opened("client data 1: drop")
    bench.put("client", talk.data("client", b"one"))
    line = bench.log[-1]
    assert (line["event"], line["from"], line["session"], line["is"]) == ("in", "client", 1, ["segment 3", "data 1"])
    assert (line["src"], line["sport"], line["dport"], line["len"]) == ("192.0.2.20", 40000, 7, 3)
    assert line["seq"] == ISN["client"] + 1 & 0xFFFFFFFF
    assert line["time_ns"] == bench.now_ns
