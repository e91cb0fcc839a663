"""Scripts are read, or refused with every mistake's line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.router.errors import Fault, ScriptError
from lab.router.grammar import GRAMMAR, MOST_OCTETS, read
from lab.router.library import SCENARIOS, headline, text_of
from lab.router.script import (
    ALL,
    END,
    Blackhole,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Flood,
    Hold,
    Inject,
    Range,
    Rate,
    Reorder,
    SetField,
    Truncate,
)

PAGE = Path(__file__).parents[3] / "docs" / "wire.md"


def test_an_empty_script_and_one_of_comments_do_nothing() -> None:
    for text in ("", "\n\n", "# a comment\n   # another\n"):
        assert read(text).empty


def test_settings_are_read() -> None:
    script = read("seed 4\nhops 3\nmtu 1400 silent\nmtu 900 from server\nrate 1.5 Mbit/s from client queue 9 octets")
    assert (script.seed, script.hops) == (4, 3)
    assert script.mtu_bytes == {"client": 1400, "server": 900}
    assert script.silent == {"client"}
    assert script.rates == {"client": Rate(1_500_000, 9, "octets")}
    assert not script.empty


def test_a_selector_with_all_its_clauses_is_read() -> None:
    text = 'client data 3 to 5, transmission 2 to end, session 2, with "a#\\"b\\x00", size 1 to 9, seq 7, port 7, IPv6'
    (rule,) = read(f"seed 1\n{text}, chance 2.5 %, after server FIN 1: drop # why").rules
    selector = rule.selector
    assert (selector.sides, selector.kind, selector.ordinals) == (("client",), "data", Range(3, 5))
    assert (selector.transmissions, selector.session, selector.text) == (Range(2, END), 2, b'a#"b\0')
    assert (selector.size, selector.seq, selector.port, selector.version) == (Range(1, 9), Range(7, 7), 7, 6)
    assert selector.chance == 0.025
    assert selector.after is not None
    assert (selector.after.sides, selector.after.kind) == (("server",), "FIN")
    assert rule.line == 2


def test_without_an_ordinal_all_are_meant_the_first_time() -> None:
    (rule,) = read("either segment: drop").rules
    assert rule.selector.ordinals == ALL
    assert rule.selector.transmissions == Range(1, 1)
    assert rule.selector.sides == ("client", "server")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop", Drop()),
        ("delay 1.5 ms", Delay(1_500_000)),
        ("duplicate", Duplicate()),
        ("duplicate 3 times after 2 us", Duplicate(3, 2000)),
        ("reorder by 4", Reorder(4)),
        ("reorder by 4 within 2 s", Reorder(4, 2_000_000_000)),
        ("corrupt", Corrupt()),
        ("corrupt bit 7 octet 3 of TCP checksum right", Corrupt(7, 3, "TCP", True)),
        ("truncate to 0", Truncate(0)),
        ("truncate to 10 checksum wrong", Truncate(10, False)),
        ("set window 0", SetField("window", 0)),
        ("set TTL 1", SetField("TTL", 1)),
        ("set ECN ECT0", SetField("ECN", 2)),
        ("set DF off", SetField("DF", 0)),
        ("set window 9 checksum wrong", SetField("window", 9, False)),
        ("inject RST from server", Inject("RST", "server")),
        ("inject SYN from client at seq", Inject("SYN", "client")),
        ("inject RST from client at seq-1", Inject("RST", "client", -1)),
        ('inject data "x" from client at seq + 10', Inject("data", "client", 10, b"x")),
        ("flood 10 SYN every 1 ms", Flood(10, 1_000_000)),
        ("blackhole either for 2 min", Blackhole(("client", "server"), 120_000_000_000)),
        ("blackhole client forever", Blackhole(("client",))),
    ],
)
def test_each_action_is_read(text: str, expected: object) -> None:
    (rule,) = read(f"client data 1: {text}").rules
    assert rule.actions == (expected,)


def test_hold_has_an_event_and_perhaps_a_limit() -> None:
    (rule,) = read("client data 1: hold until server ACK 2 within 3 s").rules
    (hold,) = rule.actions
    assert isinstance(hold, Hold)
    assert hold.until.ordinals == Range(2, 2)
    assert hold.limit_ns == 3_000_000_000


def test_several_actions_are_in_their_order() -> None:
    (rule,) = read("client data 1: duplicate, delay 1 s, drop").rules
    assert [type(action) for action in rule.actions] == [Duplicate, Delay, Drop]


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("clent data: drop", 1, "a line begins with a side"),
        ("client dta: drop", 8, "expected a kind of frame"),
        ("client data 0: drop", 13, "must be from 1"),
        ("client data 5 to 4: drop", 18, "must be from 5"),
        ("client data 1.5: drop", 13, "a whole number"),
        ("client data 1 drop", 15, "expected a ':'"),
        ("client data 1:", 15, "the end of the line is no action"),
        ("client data 1: drp", 16, "'drp' is no action"),
        ("client data 1: drop it", 21, "the line should end here"),
        ("client data 1, sesion 2: drop", 16, "is no clause"),
        ("client data 1: delay 5", 23, "expected a unit of time"),
        ("client data 1: delay 5 hours", 24, "expected a unit of time"),
        ("client data 1: delay 4000 s", 22, "at most an hour"),
        ("client data: set MSS 536", 14, "SYN and SYN-ACK only"),
        ("client data: set TTL 0", 22, "from 1 to 255"),
        ("client data: set window 70000", 25, "from 0 to 65535"),
        ("client data: corrupt bit 8", 26, "from 0 to 7"),
        ("client frame, session 1: drop", 15, "about TCP segments"),
        ("client frame: reorder by 1", 15, "needs a TCP segment"),
        ('client data with "": drop', 18, "is empty"),
        ('client data with "a: drop', 18, "does not end"),
        (r'client data with "a\q": drop', 20, "is unknown"),
        ("client data; drop", 12, "means nothing here"),
        ("mtu 67", 5, "from 68 to 65535"),
        ("mtu 1400 silently", 10, "the line should end"),
        ("rate 5 mbit/s", 8, "expected a unit"),
        ("rate 0.1 bit/s", 10, "must be from 1 bit/s"),
        ("client data " + "1" * 5000 + ": drop", 13, "has 5000 digits; at most 20"),
        ("client data 1: delay " + "9" * 400 + " s", 22, "has 400 digits"),
        ("client data 1: delay 99999999999999999999 min", 22, "at most an hour"),
        ("rate " + "9" * 400 + " Gbit/s", 6, "has 400 digits"),
        ("rate 99999999999999999999 Gbit/s", 27, "must be from 1 bit/s to 1000 Gbit/s"),
        ("seed 1\nclient data, chance " + "9" * 400 + " %: drop", 21, "has 400 digits"),
        ('client data with "\udcff": drop', 19, "no UTF-8"),
        ("client data: drop # \ud800", 21, "no UTF-8"),
        ("client " + "d" * 5000 + ": drop", 8, "found 'dddddddddddddddddddddddddddddddddddddddd...'"),
        ("client data, IPv6: set DF off", 20, "IPv6 has no DF flag"),
        ("client data, IPv6: set TTL 9 checksum wrong", 39, "no checksum to be wrong"),
        ("client data, IPv6: set ECN CE checksum wrong", 40, "no checksum to be wrong"),
        ("seed", 5, "expected the seed"),
        ("seed -4", 6, "expected the seed"),
        ("client data, chance 5 %: drop", 14, "need a line 'seed NUMBER'"),
        ("client data: delay 1 ms jitter 1 ms", 14, "need a line 'seed NUMBER'"),
        ("seed 1\nclient data, chance 101 %: drop", 21, "from 0 to 100"),
        ("seed 1\nclient data, chance 5: drop", 22, "expected '%'"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, column: int, sentence: str) -> None:
    with pytest.raises(ScriptError) as caught:
        read(text)
    (fault,) = caught.value.faults
    assert (fault.line, fault.column) == (text.count("\n") + 1, column)
    assert sentence in fault.sentence


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(ScriptError) as caught:
        read("client data 1: drop\nfoo\n\nclient data 1: bar\nserver x: drop\n")
    assert [fault.line for fault in caught.value.faults] == [2, 4, 5]
    assert str(caught.value).splitlines()[0].startswith("line 2, column 1: ")


def test_a_seed_makes_chance_and_jitter_right() -> None:
    assert len(read("client data, chance 5 %: delay 1 ms jitter 1 ms\nseed 3").rules) == 1


def test_a_script_too_long_is_refused() -> None:
    with pytest.raises(ScriptError, match="at most"):
        read("#" * (MOST_OCTETS + 1))
    assert read("#" * MOST_OCTETS).empty


def faults_of(text: str) -> tuple[Fault, ...]:
    """The mistakes of a script; none if it is right. Anything but a ScriptError fails the test."""
    try:
        read(text)
    except ScriptError as error:
        return error.faults
    return ()


def test_a_file_that_is_no_utf_8_is_refused_with_the_place_of_the_octet(tmp_path: Path) -> None:
    path = tmp_path / "x.wire"
    path.write_bytes(b'client SYN: drop\nclient data with "\xff": drop\n')
    with pytest.raises(ScriptError) as caught:
        read(*text_of(str(path)))
    assert [(fault.line, fault.column) for fault in caught.value.faults] == [(2, 19)]
    path.write_bytes(b"\xef\xbb\xbfclient SYN: drop\r\n")  # with a byte order mark, as some editors write it
    assert len(read(*text_of(str(path))).rules) == 1


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    faults = faults_of(text)
    assert all(fault.line >= 1 and fault.column >= 1 for fault in faults)


WORDS = sorted(set(re.findall(r'"([^"]+)"', GRAMMAR)) | {"1", "5", '"x"', "100", "session 1"})


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_words_of_the_grammar_are_read_or_refused(found: list[str]) -> None:
    assert all(fault.line == 2 for fault in faults_of("seed 1\nclient data 1: " + " ".join(found)))


def test_the_page_has_the_grammar_word_by_word() -> None:
    assert GRAMMAR in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.wire")), ids=lambda path: path.stem)
def test_a_ready_scenario_is_right_and_says_what_it_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    script = read(text, path.stem)
    assert len(headline(text)) > 20
    assert not script.empty or path.stem in ("syn-flood", "zero-window", "tiny-buffer")
    assert f"| `{path.stem}` | {headline(text)} |" in PAGE.read_text(encoding="utf-8")
    assert path.with_suffix(".toml").is_file()


def test_there_are_scenarios() -> None:
    assert len(list(SCENARIOS.glob("*.wire"))) >= 25
