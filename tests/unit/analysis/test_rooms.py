"""Windows: closed, probed, opened, updated, full; and keep-alives, which look so much like probes."""

from __future__ import annotations

from tests.unit.analysis.scenes import OPEN, WHOLE, kinds, look, only

CLOSED = OPEN + "> P. 1 ack 1 x100\n < . 1 ack 101 win 0\n"


def test_a_window_that_closes_and_opens_again_is_told_once_with_its_probes() -> None:
    probes = "+200 > . 100 ack 1\n < . 1 ack 101 win 0\n +400 > . 100 ack 1\n < . 1 ack 101 win 0\n"
    analysis = look(CLOSED + probes + "+300 < . 1 ack 101 win 500\n > P. 101 ack 1 x100")
    found = only(analysis, "zero-window")
    assert found.frames == (5, 6, 8, 10)
    assert (found.side, found.facts["probes"], found.facts["window_bytes"]) == ("server", 2, 64_000)
    assert found.facts["closed_ns"] == 902_000_000
    assert "window-opened" in analysis.frame(10).roles


def test_the_linux_form_of_a_probe_is_a_probe_and_wireshark_says_keep_alive() -> None:
    analysis = look(CLOSED + "+200 > . 100 ack 1\n < . 1 ack 101 win 0")
    found = only(analysis, "zero-window-probe")
    assert found.frames == (6, 7)
    assert "as Linux does" in found.sentence
    assert only(analysis, "wireshark-differs").facts["wireshark"] == "tcp.analysis.keep_alive"
    assert only(analysis, "zero-window-stays").facts["probes"] == 1
    assert "keep-alive" not in kinds(analysis)


def test_a_probe_with_the_next_octet_is_what_wireshark_says_too() -> None:
    analysis = look(CLOSED + '+200 > . 101 ack 1 "x"\n < . 1 ack 101 win 0\n +400 > . 101 ack 1 "x"')
    assert [f.facts["form"] for f in analysis.findings_of("zero-window-probe")] == ["the next octet", "the next octet"]
    assert "wireshark-differs" not in kinds(analysis)
    assert not analysis.client.retransmissions


REFUSED = '> . 101 ack 1 "x"\n < . 1 ack 101 win 0\n'
FALSE = {"ack-delayed", "ack-late", "duplicate-acks", "nagle-stall", "retransmission-timeout", "retransmission", "karn"}


def test_probes_with_the_next_octet_that_are_refused_are_nothing_else() -> None:
    opened = "+300 < . 1 ack 101 win 500\n > P. 101 ack 1 x100\n < . 1 ack 201 win 500"
    analysis = look(CLOSED + f"+200 {REFUSED} +400 {REFUSED} +800 {REFUSED}" + opened)
    assert [f.frames for f in analysis.findings_of("zero-window-probe")] == [(6, 7), (8, 9), (10, 11)]
    assert only(analysis, "zero-window").facts["probes"] == 3
    assert not FALSE & kinds(analysis)
    assert not analysis.client.retransmissions
    assert {analysis.frame(number).kind for number in (6, 8, 10)} == {"data"}
    assert all("Zero-window probe" in analysis.frame(number).comment for number in (6, 8, 10))
    assert not any("Duplicate ACK" in frame.comment for frame in analysis.frames)
    assert [sample.rtt_ns for sample in analysis.client.rtt_samples] == [1_000_000] * 3


def test_a_probe_whose_octet_is_taken_is_timed_from_itself() -> None:
    taken = '+800 > . 101 ack 1 "x"\n < . 1 ack 102 win 500\n > P. 102 ack 1 x100\n < . 1 ack 202 win 500'
    analysis = look(CLOSED + f"+200 {REFUSED} +400 {REFUSED}" + taken)
    assert only(analysis, "zero-window").frames == (5, 6, 8, 10, 11)
    assert not FALSE & kinds(analysis)
    assert {sample.rtt_ns for sample in analysis.client.rtt_samples} == {1_000_000}


def test_the_same_segment_with_an_open_window_is_a_keep_alive() -> None:
    analysis = look(OPEN + "> P. 1 ack 1 x100\n < . 1 ack 101\n +7200000 > . 100 ack 1\n < . 1 ack 101")
    found = only(analysis, "keep-alive")
    assert found.frames == (6, 7)
    assert found.facts["idle_ns"] == 7_200_000_000_000
    assert not {"zero-window", "zero-window-stays", "zero-window-probe", "wireshark-differs"} & kinds(analysis)
    assert "keep-alive-answer" in analysis.frame(7).roles


def test_a_keep_alive_that_nobody_answers_says_so() -> None:
    trace = OPEN + "> P. 1 ack 1 x100\n < . 1 ack 101\n +9000 > . 100 ack 1\n +9000 > . 100 ack 1"
    found = look(trace).findings_of("keep-alive")
    assert [f.frames for f in found] == [(6,), (7,)]
    assert all("no answer" in f.sentence for f in found)


def test_a_plain_session_has_no_window_trouble() -> None:
    kinds_found = kinds(look(WHOLE))
    assert not {"zero-window", "zero-window-stays", "window-update", "window-full", "keep-alive"} & kinds_found


def test_a_segment_that_changes_only_the_window_is_an_update() -> None:
    analysis = look(OPEN + "> P. 1 ack 1 x100\n < . 1 ack 101 win 100\n < . 1 ack 101 win 300")
    assert only(analysis, "window-update").frames == (6,)
    assert analysis.server.windows[-1].window_bytes == 300 << 7


def test_all_that_the_window_allows_makes_it_full() -> None:
    trace = OPEN + "< . 1 ack 1 win 1\n > P. 1 ack 1 x100\n > P. 101 ack 1 x28"
    narrow = trace.replace("win 8192", "")
    # A smaller window later takes back nothing that was allowed before, so it must be small from the SYN on.
    small = narrow.replace("< S. 0 ack 1 ", "< S. 0 ack 1 win 128")
    analysis = look(small)
    assert only(analysis, "window-full").frames == (6,)
    assert "window-full" not in kinds(look(trace))


def test_the_server_may_be_the_one_that_probes() -> None:
    trace = OPEN + "< P. 1 ack 1 x100\n > . 1 ack 101 win 0\n +200 < . 100 ack 1\n > . 1 ack 101 win 0"
    found = only(look(trace), "zero-window-probe")
    assert (found.side, found.frames) == ("server", (6, 7))
