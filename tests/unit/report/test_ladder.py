"""The ladder: what it shows of a session, within the width it is given, on any terminal."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import replace

import pytest

from lab.report.ladder import MIN_WIDTH, Style, ladder
from lab.report.text import columns
from lab.session.events import Opened, Recorded
from lab.session.session import Session
from lab.session.tracker import Tracker
from lab.wire.frame import Frame
from tests.unit.capture.traffic import RST, Talk

PSH_ACK = 24


def played(ending: str = "fin", text: bytes = b"hello\n", turns: int = 0) -> tuple[Session, list[Recorded]]:
    """One session with one line and its answer."""
    talk = Talk(random.Random(1), 40000)
    talk.send("client", 2)
    talk.send("server", 18)
    talk.send("client", 16)
    talk.send("client", PSH_ACK, text)
    talk.send("server", PSH_ACK, text.upper())
    if ending == "fin":
        talk.send("server", 17)
        talk.send("client", 17)
        talk.send("server", 16)
    else:
        talk.send("client", RST | 16)
    tracker = Tracker(names={"192.0.2.20": "client", "192.0.2.10": "server"})
    events = [e for t, octets, d in talk.frames for e in tracker.feed(Frame(t, octets, len(octets), 0, d))]
    events += tracker.stop(talk.time_ns + 10**9)
    session = next(e.session for e in events if isinstance(e, Opened))
    return session, [e for e in events if isinstance(e, Recorded)]


def test_every_frame_has_its_arrow_its_numbers_and_its_words() -> None:
    session, frames = played()
    text = ladder(session, frames)
    assert text.count("▶") == 4
    assert text.count("◀") == 4
    for number, record in enumerate(frames, 1):
        line = next(line for line in text.splitlines() if f"#{number} " in line)
        assert f"seq {record.note.seq_rel} ({record.note.seq_raw})" in line
        assert record.note.comment.split(":")[0].split(",")[0] in text
    assert "Certified: every frame of this session is here." in text
    assert "complete · 8 frames" in text


def test_time_counts_in_milliseconds_from_the_first_frame() -> None:
    session, frames = played()
    text = ladder(session, frames)
    assert "    0.000 SYN-SENT" in text
    last_ms = (frames[-1].frame.time_ns - frames[0].frame.time_ns) / 1e6
    assert f"{last_ms:.3f} CLOSED" in text


@pytest.mark.parametrize("width", [MIN_WIDTH, 72, 80, 120])
def test_no_line_is_wider_than_asked(width: int) -> None:
    session, frames = played(text=b"a rather long line of text " * 20 + b"\n")
    assert max(len(line) for line in ladder(session, frames, Style(width)).splitlines()) <= width


def test_a_narrower_terminal_gets_the_least_width_that_can_be_read() -> None:
    session, frames = played()
    assert ladder(session, frames, Style(10)) == ladder(session, frames, Style(MIN_WIDTH))


def test_ascii_only_means_ascii_only() -> None:
    session, frames = played(text="κόσμος\n".encode())
    text = ladder(session, frames, Style(80, ascii_only=True))
    assert text.isascii()
    assert "-->" in text


def test_without_colour_there_is_no_escape_and_with_it_there_is() -> None:
    session, frames = played()
    assert "\x1b" not in ladder(session, frames)
    assert "\x1b[32m" in ladder(session, frames, Style(colour=True))


def test_a_payload_cannot_play_tricks_on_the_terminal() -> None:
    session, frames = played(text=b"\x1b[2Jgone\x07" + b"x" * 80 + b"\xe2\x80\xae\n")
    text = ladder(session, frames)
    assert {c for c in text if unicodedata.category(c) in ("Cc", "Cf")} == {"\n"}


def test_a_short_text_stands_once_and_a_long_one_gets_a_line_of_its_own() -> None:
    session, frames = played()
    assert ladder(session, frames).count('"hello\\n"') == 1
    long = b"more text than a comment quotes, and all of it can be read"
    session, frames = played(text=long + b"\n")
    assert long.decode() in ladder(session, frames)


def test_a_session_that_is_not_certified_says_why() -> None:
    _, frames = played()
    tracker = Tracker()
    events = [e for record in frames[:-3] for e in tracker.feed(record.frame)]
    events += tracker.stop(frames[-1].frame.time_ns)
    cut = next(e.session for e in events if isinstance(e, Opened))
    text = ladder(cut, [e for e in events if isinstance(e, Recorded)])
    assert "Not certified:" in text
    assert "Certified: every" not in text


def test_frames_that_are_left_out_are_counted_and_the_numbers_go_on() -> None:
    session, frames = played()
    text = ladder(session, frames[:3], tail=frames[-2:], left_out=3)
    assert "3 frames are not drawn here" in text
    assert "#3 " in text
    assert "#7 " in text
    assert "#8 " in text
    assert "#4 " not in text
    assert "8 frames" in text


def test_a_reset_is_drawn_as_one() -> None:
    session, frames = played("rst")
    text = ladder(session, frames)
    assert "RST, ACK" in text
    assert "reset" in text.splitlines()[0]


@pytest.mark.parametrize("text", ["漢字かな交じり文" * 12, "e\u0301" * 90, "mixed 漢 words 字 " * 9])
@pytest.mark.parametrize("width", [60, 80])
def test_wide_characters_keep_the_lines_within_the_terminal(text: str, width: int) -> None:
    session, frames = played(text=f"{text}\n".encode())
    for style in (Style(width), Style(width, explain=True)):
        lines = ladder(session, frames, style).splitlines()
        assert max(columns(line) for line in lines) <= width
        if not style.explain:
            assert max(columns(line) for line in lines if text[:2] in line) > width * 2 // 3


def test_raw_numbers_stand_alone() -> None:
    session, frames = played()
    text = ladder(session, frames, Style(raw=True))
    note = frames[3].note
    assert f"#4 seq {note.seq_raw} ack {note.ack_raw} len 6" in text
    assert f"({note.seq_raw})" not in text
    assert "the numbers of the header" in text


def test_with_explain_every_frame_has_one_line_of_explanation() -> None:
    session, frames = played()
    lines = ladder(session, frames, Style(explain=True)).splitlines()
    for number, record in enumerate(frames, 1):
        place = next(index for index, line in enumerate(lines) if f" #{number} " in line)
        assert lines[place + 1].strip().rstrip("…") == record.note.comment[: len(lines[place + 1].strip().rstrip("…"))]
        assert not lines[place + 2].startswith(" " * 10) or "Certified" in "".join(lines[place + 2 :])[:40]
    assert len(lines) < len(ladder(session, frames).splitlines())
    assert max(len(line) for line in lines) <= 80


def test_to_scale_the_lifelines_go_on_while_nothing_is_sent() -> None:
    session, frames = played()
    shift_ns = 40_000_000
    frames = [
        *frames[:4],
        *(replace(r, frame=r.frame._replace(time_ns=r.frame.time_ns + shift_ns)) for r in frames[4:]),
    ]
    lines = ladder(session, frames, Style(to_scale=True)).splitlines()
    waiting = [index for index, line in enumerate(lines) if line.rstrip().endswith("│")]
    assert 8 <= len(waiting) <= 24
    assert waiting == list(range(waiting[0], waiting[-1] + 1))
    assert " #4 " in "".join(lines[waiting[0] - 4 : waiting[0]])
    assert any(lines[index].lstrip().startswith("+4") for index in waiting)
    columns_of = {(lines[index].index("│"), lines[index].rindex("│")) for index in waiting}
    arrow = next(line for line in lines if "▶" in line)
    assert columns_of == {(arrow.index("──"), arrow.index("▶"))}
    assert "│" not in ladder(session, frames)
