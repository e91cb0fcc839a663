"""How sessions begin and end: one oddity a trace, each with its negative twin."""

from __future__ import annotations

import json

import pytest

from lab.session.events import Closed, Opened, Recorded
from lab.session.limits import Limits
from tests.unit.session.notation import CLOSE, HANDSHAKE, MS, TALK, WHOLE, play


def test_a_whole_conversation_is_complete_and_certified() -> None:
    played = play(WHOLE).wait(60)
    session = played.session
    assert (session.verdict, session.zeek_state, session.history) == ("complete", "SF", "ShADadfF")
    assert session.certificate.complete
    assert session.certificate.reasons == ()
    assert session.first_closer == "server"
    assert session.name == "0001-client-40312-server-7"
    assert played.kinds == [
        "syn", "syn-ack", "handshake-ack", "data", "ack", "data", "ack", "fin", "ack", "fin", "ack",
    ]  # fmt: skip
    assert session.findings == []


def test_the_same_over_ipv6() -> None:
    session = play(WHOLE, version=6).wait(60).session
    assert (session.verdict, session.zeek_state) == ("complete", "SF")
    assert str(session.client) == "[2001:db8:7::20]:40312"
    assert session.certificate.complete


def test_it_stays_open_until_the_linger_is_over() -> None:
    played = play(WHOLE).wait(49)
    assert played.session.verdict == "open"
    assert played.wait(2).session.verdict == "complete"
    assert played.closed == 1
    assert played.tracker.open_sessions == []


def test_the_linger_leaves_room_for_a_finished_file_within_100_ms() -> None:
    assert Limits().linger_ns < 100 * MS


LINES = [line for line in WHOLE.splitlines() if line.strip()]


@pytest.mark.parametrize("left_out", range(len(LINES)))
def test_no_session_with_a_frame_missing_is_certified(left_out: int) -> None:
    # Four pure ACKs say nothing that later frames don't say as well: without them nothing is missing or unproven.
    harmless = {2, 4, 6, 8}
    played = play("\n".join(LINES[:left_out] + LINES[left_out + 1 :])).wait(60).stop()
    complete = all(session.certificate.complete for session in played.sessions)
    assert complete == (left_out in harmless), played.session.certificate.reasons


def test_events_come_in_the_order_opened_recorded_closed() -> None:
    played = play(WHOLE).wait(60)
    kinds = [type(event) for event in played.events]
    assert kinds == [Opened] + [Recorded] * 11 + [Closed]


def test_a_refused_connection() -> None:
    played = play("> S 0\n < R. 0 isn 0 ack 1").wait(60)
    session = played.session
    assert (session.verdict, session.zeek_state, session.history) == ("refused", "REJ", "Sr")
    assert not session.certificate.complete
    assert "start the server" in session.certificate.reasons[0]


def test_a_reset_right_after_the_handshake_is_not_refused() -> None:
    session = play(HANDSHAKE + "< R. 1 ack 1").wait(60).session
    assert (session.verdict, session.zeek_state) == ("reset", "RSTR")


def test_rst_after_data_ends_the_session_and_is_certified() -> None:
    session = play(HANDSHAKE + TALK + "> R. 7 ack 7").wait(60).session
    assert (session.verdict, session.zeek_state) == ("reset", "RSTO")
    assert session.certificate.complete
    assert session.summary()["reset_by"] == "client"


def test_a_rst_that_does_not_fit_ends_nothing() -> None:
    played = play(HANDSHAKE + TALK + "> R 5000\n < . 7 ack 7\n" + CLOSE).wait(60)
    assert played.session.verdict == "complete"
    assert "rst-not-acceptable" in played.rules
    assert "challenge-ack" in played.rules


def test_a_rst_in_syn_sent_needs_the_right_acknowledgment() -> None:
    assert play("> S 0\n < R. 0 isn 0 ack 77").wait(60).session.verdict == "open"
    assert play("> S 0\n < R. 0 isn 0 ack 1").wait(60).session.verdict == "refused"


def test_a_syn_without_an_answer_is_half_open_after_a_while() -> None:
    played = play("> S 0\n +1000 > S 0\n +1000 > S 0")
    assert played.session.client_side.retransmissions == 2
    assert played.wait(70_000).session.verdict == "open"
    played.wait(10_000)
    assert (played.session.verdict, played.session.zeek_state) == ("half-open", "S0")


def test_a_syn_without_an_answer_waits_no_longer_than_the_idle_limit() -> None:
    played = play("> S 0", limits=Limits(idle_ns=6_000 * MS))
    assert played.wait(5_900).session.verdict == "open"
    assert played.wait(200).session.verdict == "half-open"


def test_a_retransmitted_syn_is_no_new_session() -> None:
    played = play("> S 0\n+1000 " + WHOLE.strip()).wait(60)
    assert played.session.verdict == "complete"
    assert "retransmission" in played.notes[1].trouble
    assert played.session.initial_rtt_ns is None  # Karn: it can't be told which SYN was answered


def test_the_initial_rtt_is_from_syn_to_ack() -> None:
    assert play(WHOLE).session.initial_rtt_ns == 2 * MS


def test_a_syn_with_a_new_isn_is_a_new_session_also_within_time_wait() -> None:
    played = play(WHOLE + WHOLE.replace("> S  0", "> S  0 isn 777000").replace("< S. 0", "< S. 0 isn 888000")).wait(60)
    first, second = played.sessions
    assert (first.verdict, second.verdict) == ("complete", "complete")
    assert first.ordinal + 1 == second.ordinal
    assert second.certificate.complete
    assert [f.rule for f in second.findings] == ["reuse"]


def test_the_old_session_is_closed_before_the_new_one_opens() -> None:
    played = play(WHOLE + "> S 0 isn 777000")
    kinds = [type(event).__name__ for event in played.events if not isinstance(event, Recorded)]
    assert kinds == ["Opened", "Closed", "Opened"]


def test_a_new_syn_over_a_running_session_cuts_that_when_it_is_answered() -> None:
    played = play(HANDSHAKE + "> S 0 isn 777000\n < S. 0 isn 888000 ack 1\n > . 1 ack 1\n" + TALK + CLOSE).wait(60)
    old, new = played.sessions
    assert (old.verdict, new.verdict, new.certificate.complete) == ("cut", "complete", True)
    assert "replaced" in {f.rule for f in old.findings}
    assert [f.rule for f in new.findings] == []


def test_a_stray_syn_inside_a_connection_is_answered_with_a_challenge_ack_and_the_session_goes_on() -> None:
    stray = "> S 0 isn 777000\n < . 7 ack -775993\n"  # the number that the server expects of the old client
    played = play(HANDSHAKE + TALK + stray + "> F. 7 ack 7 isn 1000\n < F. 7 ack 8\n > . 8 ack 8").wait(60)
    assert (played.session.verdict, played.session.certificate.complete) == ("complete", True)
    assert {"state", "challenge-ack"} <= {f.rule for f in played.session.findings}
    assert len(played.sessions) == 1


def test_who_lost_the_older_connection_resets_it_at_the_challenge_ack_and_asks_again() -> None:
    # RFC 9293 §3.5.1, figure 9: the server still has the old connection and answers the new SYN with a challenge ACK.
    lost = "> S 0 isn 9000000\n < . 7 ack -8998993\n > R -8998993\n"
    played = play(HANDSHAKE + TALK + lost + "> S 0\n < S. 0 isn 888000 ack 1\n > . 1 ack 1\n" + TALK + CLOSE).wait(60)
    old, new = played.sessions
    assert (old.verdict, new.verdict, new.certificate.complete) == ("reset", "complete", True)
    assert "challenge-ack" in {f.rule for f in old.findings}


def test_a_syn_ack_with_a_new_isn_after_the_end_is_a_new_session_whose_syn_was_not_captured() -> None:
    played = play(WHOLE).wait(60)
    played.wire.isns = [90_000, 700_000]
    played.feed("< S. 0 ack 1\n> . 1 ack 1\n" + TALK + CLOSE).wait(60)
    old, new = played.sessions
    assert (old.verdict, old.certificate.complete, old.late_frames) == ("complete", True, 0)
    assert (new.verdict, new.certificate.complete, new.client) == ("complete", False, old.client)
    assert "SYN is not in the capture" in new.certificate.reasons[0]


def test_the_same_syn_ack_again_after_the_end_is_a_late_frame() -> None:
    played = play(WHOLE).wait(60).feed("< S. 0 ack 1").wait(60)
    assert (played.session.late_frames, played.session.certificate.complete) == (1, True)


def test_a_retransmitted_fin() -> None:
    # The last ACK is lost: the client repeats its FIN, the server acknowledges again.
    played = play(WHOLE + "+20 > F. 7 ack 8\n < . 8 ack 8").wait(60)
    assert played.session.verdict == "complete"
    assert played.session.client_side.fin_count == 2
    assert played.session.client_side.retransmissions == 1
    assert "again" in played.notes[-2].comment
    assert played.session.certificate.complete


def test_a_missing_syn_is_told_and_not_certified() -> None:
    session = play(WHOLE.replace("> S  0             <mss 1460, sackok, ts 1 0, ws 7>", "")).wait(60).session
    assert session.verdict == "complete"
    assert str(session.server).endswith(":7")
    assert not session.certificate.complete
    assert "SYN is not in the capture" in session.certificate.reasons[0]


def test_a_simultaneous_close() -> None:
    played = play(HANDSHAKE + TALK + "> F. 7 ack 7\n < F. 7 ack 7\n > . 8 ack 8\n < . 8 ack 8").wait(60)
    session = played.session
    assert session.simultaneous_close
    assert session.summary()["time_wait"] == "both"
    states = [(n.client_state, n.server_state) for n in played.notes[-4:]]
    assert states == [
        ("FIN-WAIT-1", "CLOSE-WAIT"),
        ("CLOSING", "CLOSING"),
        ("CLOSING", "TIME-WAIT"),
        ("TIME-WAIT", "TIME-WAIT"),
    ]
    assert (session.verdict, session.certificate.complete) == ("complete", True)


def test_closing_one_after_the_other_is_not_simultaneous() -> None:
    session = play(WHOLE).wait(60).session
    assert not session.simultaneous_close
    assert session.summary()["time_wait"] == "server"
    assert session.summary()["states"] == {"client": "CLOSED", "server": "TIME-WAIT"}


def test_a_close_in_three_packets() -> None:
    session = play(HANDSHAKE + TALK + "> F. 7 ack 7\n < F. 7 ack 8\n > . 8 ack 8").wait(60).session
    assert (session.verdict, session.first_closer) == ("complete", "client")
    assert session.summary()["states"] == {"client": "TIME-WAIT", "server": "CLOSED"}


def test_data_after_half_close_is_still_delivered() -> None:
    trace = HANDSHAKE + (
        '> F. 1 ack 1\n < . 1 ack 2\n < P. 1 ack 2 "later\\n"\n > . 2 ack 7\n < F. 7 ack 2\n > . 2 ack 8'
    )
    played = play(trace).wait(60)
    assert played.session.verdict == "complete"
    assert played.session.server_side.octets_new == 6
    assert played.session.findings == []


def test_data_after_its_own_fin_is_a_finding() -> None:
    played = play(HANDSHAKE + '> F. 1 ack 1\n > P. 2 ack 1 "more"')
    assert {"state", "data-after-fin"} <= played.rules


def test_a_simultaneous_open() -> None:
    played = play("> S 0\n < S 0\n > S. 0 ack 1\n < S. 0 ack 1\n" + TALK + CLOSE).wait(60)
    session = played.session
    states = [(n.client_state, n.server_state) for n in played.notes[:4]]
    assert states == [
        ("SYN-SENT", "LISTEN"),
        ("SYN-RECEIVED", "SYN-RECEIVED"),
        ("SYN-RECEIVED", "ESTABLISHED"),
        ("ESTABLISHED", "ESTABLISHED"),
    ]
    assert session.simultaneous_open
    assert session.verdict == "complete"


def test_a_late_retransmission_is_recorded_and_closes_the_session_again() -> None:
    played = play(WHOLE).wait(60).feed("+500 > F. 7 ack 8")
    assert played.closed == 2
    assert [type(e) for e in played.events[-2:]] == [Recorded, Closed]
    assert "late" in played.notes[-1].trouble
    assert played.session.verdict == "complete"
    assert played.session.late_frames == 1


def test_a_frame_within_the_linger_is_not_late() -> None:
    played = play(WHOLE + "+20 > F. 7 ack 8")
    assert "late" not in played.notes[-1].trouble
    assert played.closed == 0


def test_a_silent_session_that_goes_on_is_opened_again() -> None:
    played = play(HANDSHAKE).wait(301_000)
    assert played.session.verdict == "cut"
    played.feed(TALK + CLOSE).wait(60)
    assert played.closed == 2
    assert played.session.verdict == "complete"
    assert "late" in played.notes[3].trouble


def test_midstream_is_kept_and_says_so() -> None:
    session = play(TALK + CLOSE).wait(60).session
    assert (session.verdict, session.zeek_state) == ("midstream", "OTH")
    assert not session.certificate.complete
    assert session.summary()["from_client"]["isn"] is None  # type: ignore[index]


def test_midstream_takes_the_known_port_for_the_server_whoever_speaks_first() -> None:
    for ports in ((40312, 7), (40312, 8080), (5000, 22)):
        for first in ("> . 7 ack 7", "< . 7 ack 7"):
            assert play(first, ports=ports).session.server.port == ports[1], (ports, first)


def test_stop_cuts_what_runs_and_spares_what_is_complete() -> None:
    assert play(HANDSHAKE + TALK).stop().session.verdict == "cut"
    assert play(WHOLE).stop().session.verdict == "complete"
    assert play("> S 0").stop().session.verdict == "cut"


def test_one_side_only_is_told_by_the_certificate() -> None:
    only_client = "\n".join(line for line in WHOLE.splitlines() if ">" in line.split("<mss")[0])
    session = play(only_client).stop().session
    assert session.zeek_state == "SH"
    reasons = " ".join(session.certificate.reasons)
    assert "SYN-ACK is not in the capture" in reasons
    assert "of the server are missing" in reasons


def test_the_server_side_only() -> None:
    only_server = "\n".join(line for line in WHOLE.splitlines() if line.strip().startswith("<"))
    session = play(only_server).stop().session
    assert session.client.port == 40312
    assert session.zeek_state == "SHR"
    assert not session.certificate.complete


def test_kernel_drops_withhold_the_certificate_of_open_sessions_only() -> None:
    played = play(WHOLE).wait(60)
    played.feed(WHOLE.replace("> S  0", "> S  0 isn 777000"))
    played.tracker.dropped(3, played.wire.time_ns)
    played.wait(60)
    first, second = played.sessions
    assert (first.kernel_drops, second.kernel_drops) == (0, 3)
    assert first.certificate.complete
    assert "dropped 3 frames" in second.certificate.reasons[0]


def test_a_frame_cut_by_the_capture_withholds_the_certificate() -> None:
    cut = play(WHOLE.replace('"hello\\n"', '"hello\\n" cut 57')).wait(60).session
    assert cut.verdict == "complete"
    assert cut.client_side.octets_new == 6  # the IP length says how many there were
    assert any("cut by the capture" in reason for reason in cut.certificate.reasons)


def test_arp_before_the_session_comes_first_in_its_file() -> None:
    played = play("arp who-has\n arp is-at\n" + WHOLE)
    assert played.kinds[:3] == ["arp", "arp", "syn"]
    assert isinstance(played.events[0], Opened)
    times = [e.frame.time_ns for e in played.events if isinstance(e, Recorded)]
    assert times == sorted(times)
    assert played.session.first_ns == times[0]


def test_arp_that_is_too_old_or_another_sessions_stays_out() -> None:
    assert play("arp who-has\n+6000 " + WHOLE.strip()).kinds[0] == "syn"
    played = play("arp who-has\n" + WHOLE + "> S 0 isn 777000")
    assert played.kinds.count("arp") == 1


@pytest.mark.parametrize(("version", "words", "kind"), [(4, "arp announce", "arp"), (6, "ndp announce", "ndp")])
def test_an_address_announced_to_all_is_told_in_the_sessions_that_run(version: int, words: str, kind: str) -> None:
    played = play(f"{HANDSHAKE}\n {words}\n{TALK}{CLOSE}", version=version)
    assert played.kinds.count(kind) == 1
    assert played.session.summary()["frames"] == len(played.kinds)
    assert kind not in play(f"{WHOLE}\n {words}", version=version).kinds
    assert kind not in play(f" {words}\n{WHOLE}", version=version).kinds


def test_an_announcement_of_the_other_ip_version_stays_out() -> None:
    assert "ndp" not in play(f"{HANDSHAKE}\n ndp announce\n{TALK}").kinds
    assert "arp" not in play(f"{HANDSHAKE}\n arp announce\n{TALK}", version=6).kinds


def test_ndp_belongs_to_the_session_too() -> None:
    played = play("ndp solicit\n ndp advert\n" + WHOLE, version=6)
    assert played.kinds[:3] == ["ndp", "ndp", "syn"]


def test_ndp_between_syn_and_syn_ack_belongs_to_it() -> None:
    played = play("> S 0\n ndp solicit\n ndp advert\n < S. 0 ack 1\n > . 1 ack 1", version=6)
    assert played.kinds == ["syn", "ndp", "ndp", "syn-ack", "handshake-ack"]


def test_an_icmp_port_unreachable_refuses() -> None:
    played = play("> S 0\n icmp 3 3").wait(60)
    assert played.kinds == ["syn", "icmp"]
    assert played.session.verdict == "refused"
    assert "nothing takes packets for that port" in played.notes[1].comment


def test_an_icmp_time_exceeded_refuses_nothing() -> None:
    played = play("> S 0\n icmp 11 0").wait(60)
    assert played.kinds == ["syn", "icmp"]
    assert played.session.verdict == "open"


def test_an_icmp_error_about_nobody_opens_nothing() -> None:
    played = play("> S 0")
    played.wire.last_packet = b"\x45" + bytes(27)
    assert len(played.feed("icmp 3 3").notes) == 1


def test_sequence_numbers_that_wrap_are_still_complete() -> None:
    for isns in ((2**32 - 3, 2**32 - 1), (2**32 - 1, 2**32 - 4)):
        played = play(WHOLE, isns=isns).wait(60)
        assert played.session.certificate.complete
        assert [n.seq_rel for n in played.notes] == [0, 0, 1, 1, 1, 1, 7, 7, 7, 7, 8]
        assert played.session.findings == []


def test_a_session_over_the_limit_evicts_the_one_silent_longest() -> None:
    limits = Limits(max_sessions=2)
    played = play("> S 0", limits=limits)
    for port in (50001, 50002):
        played.wire.ports = (port, 7)
        played.feed("> S 0")
    assert [s.client.port for s in played.tracker.open_sessions] == [50001, 50002]
    assert played.sessions[0].closed_because == "evicted"
    assert "evicted" in {f.rule for f in played.sessions[0].findings}


def test_time_going_backwards_breaks_nothing() -> None:
    played = play(HANDSHAKE + TALK)
    first_ns, last_ns = played.session.first_ns, played.session.last_ns
    played.wire.time_ns -= 3_600_000 * MS
    played.feed(CLOSE).wait(60)
    assert played.session.verdict == "complete"
    assert "clock-set-back" in played.rules
    assert (played.session.first_ns, played.session.last_ns) == (first_ns, last_ns), "it did not last an hour"


def test_a_clock_set_back_within_the_handshake_leaves_no_round_trip() -> None:
    played = play("> S 0\n < S. 0 ack 1")
    played.wire.time_ns -= 3_600_000 * MS
    played.feed("> . 1 ack 1\n" + TALK + CLOSE).wait(60)
    assert (played.session.verdict, played.session.certificate.complete) == ("complete", True)
    assert played.session.initial_rtt_ns is None


def test_a_session_that_opens_after_the_step_and_before_the_next_look_at_the_clock_is_not_moved_by_it() -> None:
    """As the fast lane feeds: no frame looks at the clock, only the tick between turns does."""
    old, new = (play("", ports=(port, 7)) for port in (40_001, 40_002))
    tracker = old.tracker
    for played in (old, new):
        for line in HANDSHAKE.strip().splitlines():
            frame = played.wire.frame(line)
            assert frame is not None
            tracker.feed(frame, expire=False)
        if played is old:
            tracker.tick(old.wire.time_ns)
            new.wire.time_ns = old.wire.time_ns - 3_600_000 * MS
    now_ns = new.wire.time_ns
    assert tracker.tick(now_ns) == []
    first, second = tracker.open_sessions
    assert ["clock-set-back" in {one.rule for one in session.findings} for session in (first, second)] == [True, False]
    assert tracker.tick(now_ns + 299_000 * MS) == []
    assert len(tracker.tick(now_ns + 301_000 * MS)) == 2, "both had been silent for as long"


def test_frames_in_slight_disorder_are_no_clock_set_back() -> None:
    played = play(HANDSHAKE + TALK)
    played.wire.time_ns -= 5 * MS
    played.feed(CLOSE).wait(60)
    assert played.session.verdict == "complete"
    assert "clock-set-back" not in played.rules


def test_the_summary_is_json_and_complete() -> None:
    summary = play("arp who-has\n" + WHOLE).wait(60).session.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["first_time"] == "2023-11-14T22:13:20.001000000Z"
    assert summary["client"] == {
        "address": "192.0.2.20",
        "port": 40312,
        "name": "client",
        "mac": "02:00:00:00:00:14",
    }
    assert summary["from_client"]["isn"] == 1000  # type: ignore[index]
    assert summary["from_client"]["window_shift"] == 7  # type: ignore[index]
    assert summary["from_client"]["syn_options"]["mss_bytes"] == 1460  # type: ignore[index]
    assert summary["frames"] == 12


def test_a_lost_syn_ack_takes_the_client_back_to_syn_sent() -> None:
    # Seen at the server: its SYN-ACK goes out and gets lost on the way, so the client repeats its SYN.
    played = play("> S 0\n < S. 0 ack 1\n +1000 > S 0\n < S. 0 ack 1\n > . 1 ack 1\n" + TALK + CLOSE).wait(60)
    assert [n.client_state for n in played.notes[:5]] == [
        "SYN-SENT", "ESTABLISHED", "SYN-SENT", "ESTABLISHED", "ESTABLISHED",
    ]  # fmt: skip
    assert played.rules == {"retransmission"}
    assert played.session.certificate.complete


def test_a_duplicate_of_the_syn_inside_the_session_moves_nobody() -> None:
    played = play(HANDSHAKE + TALK + "> S 0\n" + CLOSE).wait(60)
    assert played.session.verdict == "complete"
    assert played.rules == {"retransmission"}


def test_a_syn_that_passes_after_its_answer_is_out_of_order() -> None:
    played = play("< S. 0 ack 1\n > S 0\n > . 1 ack 1\n" + TALK + CLOSE).wait(60)
    assert played.session.certificate.complete
    assert played.session.client_side.retransmissions == 0
    assert played.notes[1].trouble == ("out-of-order",)
    assert played.session.summary()["states"] == {"client": "CLOSED", "server": "TIME-WAIT"}


def test_data_under_way_when_the_reset_passes_is_no_breach_of_the_state_table() -> None:
    played = play(HANDSHAKE + '> R. 1 ack 1\n < P. 1 ack 1 "hello"\n > R 1').wait(60)
    assert "state" not in played.rules
    assert played.session.verdict == "reset"
    assert played.notes[-1].comment == "RST from the client: one more, the connection is reset already."


def test_frames_in_disorder_leave_one_entry_in_the_queue() -> None:
    played = play(HANDSHAKE)
    for number in range(100):
        played.wire.time_ns -= 2 * MS
        played.feed(f"> P. {1 + number} ack 1 x1")
    assert len(played.tracker._schedule) == 1


@pytest.mark.parametrize("version", [4, 6])
def test_segments_of_an_older_connection_get_no_negative_offsets(version: int) -> None:
    """A SYN that is astray (or forged) begins a session; what the old connection goes on saying is not its own."""
    stray = play("> S 900000", version=version)
    stray.feed('< . 0 ack 7 "x"\n > P. 7 ack 1 "more"\n > . 11 ack 1\n > F. 11 ack 1\n < . 1 ack 11')
    notes = stray.notes
    assert all((note.seq_rel or 0) >= 0 and (note.ack_rel or 0) >= 0 for note in notes)
    assert all("-" not in note.comment.replace("SYN-", "") for note in notes if "octets" in note.comment)
    assert "other-connection" in stray.rules
    assert [note.kind for note in notes if "other-connection" in note.trouble] == ["data", "ack", "fin"]
    assert "retransmission" not in stray.rules
    assert not stray.session.client_side.fin_count
    assert "other-connection" not in play(WHOLE, version=version).rules
