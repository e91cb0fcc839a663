"""The commands that look at captures: what they print, for people and programs, and the one sentence for what cannot be
looked at."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.cli.command import main, parser
from lab.cli.completion import subcommands
from lab.report.text import columns
from lab.router.decisions import identity
from lab.store.reader import read_capture
from tests.commands import PAGE, page
from tests.golden.canonical import CAPTURES
from tests.unit.analysis.scenes import OPEN, TALK, WHOLE, frames_of
from tests.unit.cli.files import pcap

GOLDEN = CAPTURES[0].parent
DEMO = str(GOLDEN / "demo.pcapng")
TAPS = [str(GOLDEN / "two-taps" / f"{side}.pcap") for side in ("client", "server")]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    """What a command prints on standard output; on standard error where it is refused."""
    assert main(words) == status
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err if status else captured.out


def test_show_tells_every_finding_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", DEMO)
    assert "complete · 20 frames" in text
    assert "SYN, SYN-ACK and ACK opened the connection" in text
    assert "RFC 9293" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    assert "\x1b" in said(capsys, "show", "--color", "always", DEMO)


def test_show_as_json_is_the_whole_analysis(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "show", "--json", DEMO))
    assert len(found["frames"]) == 20
    assert found["teardown"]["first_closer"] == "server"
    assert json.loads(said(capsys, "show", "--json", "--no-frames", DEMO))["frames"] == []


def test_the_ladder_comes_as_text_picture_and_diagram(capsys: pytest.CaptureFixture[str]) -> None:
    assert "SYN-SENT" in said(capsys, "ladder", DEMO)
    ElementTree.fromstring(said(capsys, "ladder", "--svg", "--to-scale", "--explain", DEMO))
    assert said(capsys, "ladder", "--mermaid", DEMO).startswith("sequenceDiagram")
    relative, raw = said(capsys, "ladder", "--svg", DEMO), said(capsys, "ladder", "--svg", "--raw", DEMO)
    assert "seq 2319196977" in raw
    assert "seq 2319196977" not in relative
    assert said(capsys, "ladder", "--ascii", DEMO).isascii()


def test_the_terminal_s_ladder_hears_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    plain = said(capsys, "ladder", DEMO)
    found = {plain}
    for option in ("--raw", "--to-scale", "--explain"):
        found.add(said(capsys, "ladder", option, DEMO))
    assert len(found) == 4
    assert "(2319196977)" in plain


@pytest.mark.parametrize(
    "words",
    [
        ("ladder", "--mermaid", "--to-scale"),
        ("ladder", "--svg", "--whole"),
        ("ladder", "--svg", "--width", "90"),
        ("ladder", "--mermaid", "--ascii"),
        ("show", "--no-frames"),
        ("compare", "--json", "--raw", DEMO),
        ("compare", "--svg", "--width", "90", DEMO),
    ],
    ids=" ".join,
)
def test_options_that_mean_nothing_together_are_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "leave" in said(capsys, *words, DEMO, status=2)


@pytest.mark.parametrize("command", [("ladder",), ("follow",), ("explain", "4"), ("show",)], ids=" ".join)
def test_wide_characters_stay_within_80_columns(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "wide.pcap"
    capture.write_bytes(pcap(frames_of(OPEN + f'> P. 1 ack 1 "{"漢字かな交じり文" * 20}\\n"')))
    printed = said(capsys, *command, str(capture))
    assert "漢字" in printed or command[0] == "show"
    assert max(columns(one) for one in printed.splitlines()) <= 80


def test_explain_names_every_field_of_a_frame(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "explain", "3", DEMO)
    for field in ("Maximum segment size = 1460 octets", "SYN = 1", "Time to live = 64", "EtherType = 0x0800 (IPv4)"):
        assert field in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("number", ["0", "21", "-1", "x"])
def test_a_frame_that_is_not_there_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "echolab" in said(capsys, "explain", number, DEMO, status=2)


def test_follow_shows_both_sides_in_the_order_of_their_words(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "follow", DEMO).splitlines()
    assert [line.split()[2] for line in lines[:4]] == ["client", "server", "client", "server"]
    assert '"hello\\n"' in lines[0]
    assert '"HELLO\\n"' in lines[1]


def test_follow_gives_one_sides_octets_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["follow", "--raw", "server", DEMO]) == 0
    assert capfdbinary.readouterr().out.decode().endswith("STRASSE, ΚΌΣΜΟΣ, ÇA VA?\n\nGood bye\n")


def test_stats_count_every_session_of_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "stats", DEMO, str(GOLDEN / "lossy-server.pcapng"))
    assert "198.51.100.20:43838" in text
    assert text.count("verdict") == 2
    rows = json.loads(said(capsys, "stats", "--json", *(str(one) for one in CAPTURES)))
    assert len(rows) == len(CAPTURES)
    lossy = next(row for row in rows if row["file"].endswith("lossy-server.pcapng"))
    assert lossy["from_server"]["retransmissions"] == 4


def test_report_writes_one_file_and_the_plots_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "r.html"
    said(capsys, "report", DEMO, "--output", str(target), "--plots", str(tmp_path / "plots"))
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(list((tmp_path / "plots").glob("*.svg"))) == 9
    assert said(capsys, "report", DEMO, "-o", "-").startswith("<!doctype html>")


def test_a_report_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = said(capsys, "report", DEMO, "-o", str(tmp_path / "no" / "r.html"), status=1)
    assert "name another file" in sentence
    assert "docker compose run --rm -T lab report ... -o - > r.html" in sentence


def test_two_taps_tell_what_was_lost_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "compare", *TAPS)
    assert "13 segments left, 12 arrived (1 lost)" in text
    assert "[lost]" in text
    found = json.loads(said(capsys, "compare", "--json", *TAPS))
    assert [one["near"] for one in found["crossings"] if one["fate"] == "lost"] == [8]
    ElementTree.fromstring(said(capsys, "compare", "--svg", *TAPS))
    assert "C-xS: " in said(capsys, "compare", "--mermaid", *TAPS)


def test_the_wire_s_log_says_what_took_a_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = read_capture(Path(TAPS[0])).frames[7]
    log = tmp_path / "wire.jsonl"
    line = {"event": "in", "frame": 1, "did": ["drop"], "rules": [4], **identity(lost.data)}
    log.write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert "[lost] wire: drop (line 4)" in said(capsys, "compare", "--log", str(log), *TAPS)
    found = json.loads(said(capsys, "compare", "--json", "--log", str(log), *TAPS))
    assert [words for words in found["wire"] if words] == ["drop (line 4)"]
    log.write_text("[1]\n", encoding="utf-8")
    assert "is no log of the wire" in said(capsys, "compare", "--log", str(log), *TAPS, status=1)
    assert "cannot be read" in said(capsys, "compare", "--log", str(tmp_path / "none"), *TAPS, status=1)


def test_one_tap_twice_lost_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "lost" not in said(capsys, "compare", TAPS[0], TAPS[0]).replace("this is lost", "").replace("lost on", "")


def test_captures_of_two_sessions_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no session in common" in said(capsys, "compare", TAPS[0], DEMO, status=1)


COMMANDS = ["show", "ladder", "report", "follow", "stats"]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_capture_gets_one_sentence(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"garbage": b"\x01\x02garbage" * 50, "empty": b"", "one": b"\n", "text": b"{}"}
    for name, octets in files.items():
        (tmp_path / name).write_bytes(octets)
    for name in [*files, "missing.pcapng"]:
        sentence = said(capsys, command, str(tmp_path / name), status=1)
        assert sentence.startswith("echolab: ")
        assert len(sentence.splitlines()) == 1
    assert "is a folder" in said(capsys, command, str(tmp_path), status=1)


READING = [("show",), ("show", "--json"), ("ladder", "--svg"), ("explain", "3"), ("follow",), ("stats",)]
READING += [("stats", "--json"), ("compare", TAPS[0]), ("report", "-o", "-")]


@pytest.mark.parametrize("octets", [1, 17, 100])
@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_file_cut_at_its_end_is_read_as_far_as_it_goes_and_that_is_said(
    command: tuple[str, ...], octets: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.pcapng"
    whole = TAPS[1] if command[0] == "compare" else DEMO
    cut.write_bytes(Path(whole).read_bytes()[:-octets])
    assert main([*command, str(cut)]) == 0
    captured = capsys.readouterr()
    assert captured.out
    assert captured.err.count("cut.pcapng ends in the middle of a block") == 1
    assert main([*command, whole]) == 0
    assert "ends in the middle" not in "".join(capsys.readouterr())


def test_the_ladder_of_a_cut_file_is_not_certified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(Path(DEMO).read_bytes()[:-1])
    text = said(capsys, "ladder", str(cut))
    assert "Not certified: cut.pcapng ends in the middle of a block" in text
    assert "Certified: every frame" not in text
    assert "Certified: every frame" in said(capsys, "ladder", DEMO)


@pytest.mark.parametrize("command", [("show",), ("ladder",), ("ladder", "--svg"), ("follow",)], ids=" ".join)
def test_a_file_without_tcp_is_refused_alike(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arp = tmp_path / "arp.pcap"
    frames = [frame for frame in read_capture(Path(DEMO)).frames if frame.data[12:14] == b"\x08\x06"]
    assert frames
    arp.write_bytes(pcap(frames))
    assert "has no TCP session in it: look at it with Wireshark" in said(capsys, *command, str(arp), status=1)


def test_the_number_of_a_session_of_the_lab_is_that_of_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = json.loads(said(capsys, "show", "--json", "--no-frames", DEMO))["name"]
    assert name.startswith("0001-")
    capture = tmp_path / f"0207{name[4:]}.pcapng"
    capture.write_bytes(Path(DEMO).read_bytes())
    monkeypatch.chdir(tmp_path)
    for size in (None, 0):
        if size is not None:
            monkeypatch.setattr("lab.cli.large.LARGE_BYTES", size)
        assert f"Session {capture.stem} " in said(capsys, "show", str(capture))
        assert f"Session {capture.stem} " in said(capsys, "ladder", str(capture))
        told = json.loads(said(capsys, "show", "--json", "--no-frames", str(capture)))
        assert (told["name"], told["ordinal"], told["summary"]["id"]) == (capture.stem, 207, capture.stem)
        assert f"{capture.stem}.html" in said(capsys, "report", str(capture))
    other = tmp_path / "0207-other.pcapng"
    other.write_bytes(Path(DEMO).read_bytes())
    assert f"Session {name} " in said(capsys, "show", str(other))


def test_the_reports_of_two_sessions_of_one_file_are_two_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = tmp_path / "both.pcapng"
    both.write_bytes(Path(DEMO).read_bytes() + (GOLDEN / "refused.pcapng").read_bytes())
    monkeypatch.chdir(tmp_path)
    written = [said(capsys, "report", "--session", number, str(both)).split(":")[0] for number in "12"]
    assert written == ["both-1.html", "both-2.html"]


def reused() -> bytes:
    """Two sessions from the same port, the second two seconds later."""
    again = frames_of((OPEN + TALK).replace("hello", "again").replace("HELLO", "AGAIN"), isns=(70_000, 80_000))
    return pcap([*frames_of(WHOLE), *(frame._replace(time_ns=frame.time_ns + 2 * 10**9) for frame in again)])


@pytest.mark.parametrize("command", [("show",), ("ladder",), ("ladder", "--svg"), ("follow",)], ids=" ".join)
def test_of_a_large_file_with_a_port_used_twice_the_session_meant_is_drawn(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = tmp_path / "reuse.pcap"
    capture.write_bytes(reused())
    small = [said(capsys, *command, "--session", number, str(capture)) for number in "12"]
    monkeypatch.setattr("lab.cli.large.LARGE_BYTES", 0)
    assert [said(capsys, *command, "--session", number, str(capture)) for number in "12"] == small
    assert small[0] != small[1]


@pytest.mark.parametrize("form", [(), ("--json",), ("--svg",)], ids=" ".join)
def test_large_files_of_two_taps_are_compared_a_session_at_a_time(
    form: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [str(tmp_path / f"{side}.pcap") for side in ("client", "server")]
    for path, tap in zip(paths, TAPS, strict=True):
        Path(path).write_bytes(reused() + Path(tap).read_bytes()[24:])
    small = [said(capsys, "compare", *form, "--session", number, *paths) for number in "123"]
    assert "lost" in small[2]
    assert "both have 3 sessions" in said(capsys, "compare", *paths, status=2)
    monkeypatch.setattr("lab.cli.large.LARGE_BYTES", 0)
    large = [said(capsys, "compare", *form, "--session", number, *paths) for number in "123"]
    assert large == small
    assert "both have 3 sessions" in said(capsys, "compare", *paths, status=2)
    assert "no session in common" in said(capsys, "compare", paths[0], DEMO, status=1)


def test_several_sessions_want_a_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = tmp_path / "both.pcapng"
    both.write_bytes(Path(DEMO).read_bytes() + (GOLDEN / "refused.pcapng").read_bytes())
    assert "has 2 sessions" in said(capsys, "show", str(both), status=2)
    assert "refused" in said(capsys, "show", "--session", "2", str(both))
    assert "there is no session 3" in said(capsys, "show", "--session", "3", str(both), status=2)


def test_open_without_wireshark_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("lab.cli.look._WIRESHARKS", ())
    sentence = said(capsys, "open", DEMO, status=1)
    assert "wireshark -r" in sentence
    assert "https://www.wireshark.org/download.html" in sentence


@pytest.mark.parametrize("octets", [b"", b"garbage" * 99, b"{}"], ids=["empty", "garbage", "text"])
def test_open_refuses_what_is_no_capture(octets: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.pcapng").write_bytes(octets)
    assert said(capsys, "open", str(tmp_path / "x.pcapng"), status=1).startswith("echolab: x.pcapng ")
    assert "there" in said(capsys, "open", str(tmp_path / "none.pcapng"), status=1)


def test_one_session_is_no_sessions(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("show", "ladder"):
        assert "has 1 session: there is no session 2" in said(capsys, command, DEMO, "--session", "2", status=2)
    monkeypatch.setattr("lab.cli.large.LARGE_BYTES", 0)
    assert "has 1 session: there is no session 2" in said(capsys, "show", DEMO, "--session", "2", status=2)


def test_open_starts_wireshark_with_the_profile_where_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "told"
    program = tmp_path / "wireshark"
    program.write_text(f'#!/bin/sh\necho "$@" > {told}.new && mv {told}.new {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "wireshark-profile").mkdir()
    monkeypatch.setattr("lab.cli.look._profiles", lambda: tmp_path / "profiles")
    (tmp_path / "profiles" / "EchoLab").mkdir(parents=True)
    said(capsys, "open", DEMO)
    from tests.live.conftest import until

    until(told.exists, "the program's start")
    assert told.read_text().strip() == f"-C EchoLab -r {DEMO}"


def test_the_page_of_commands_is_the_help_word_for_word() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.commands"
    for name, sub in subcommands(parser()):
        if name == "conformance":
            continue
        assert f"\n## {name}\n" in page()
        for action in sub._actions:
            assert all(option in page() for option in action.option_strings), action.option_strings


@pytest.mark.parametrize("name", [name for name, _ in subcommands(parser()) if name != "conformance"])
def test_help_has_examples_that_are_understood_and_the_exit_status(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\nexit status:\n" in text
    examples = [line.strip() for line in text.partition("\nexamples:\n")[2].partition("\n\n")[0].splitlines()]
    assert examples
    for line in examples:
        words = shlex.split(re.split(r"[|>]", line)[0], comments=True)
        if words[0] == "echolab":
            assert parser().parse_args(words[1:]).command == name


@pytest.mark.parametrize("command", [("show",), ("show", "--json"), ("follow",)])
def test_a_large_file_is_looked_at_a_session_at_a_time(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = tmp_path / "both.pcapng"
    both.write_bytes((GOLDEN / "lossy-server.pcapng").read_bytes() + Path(DEMO).read_bytes())
    small = said(capsys, *command, "--session", "2", str(both))
    monkeypatch.setattr("lab.cli.large.LARGE_BYTES", 0)
    large = said(capsys, *command, "--session", "2", str(both))
    if "--json" in command:
        told = [json.loads(text) for text in (small, large)]
        for one in told:
            for frame in one["frames"]:
                frame["file_number"] = 0
        assert told[0] == told[1]
    else:
        assert small == large
    assert "has 2 sessions" in said(capsys, *command, str(both), status=2)
    assert "there is no session 3" in said(capsys, *command, "--session", "3", str(both), status=2)


def test_the_ladder_of_one_session_of_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = tmp_path / "both.pcapng"
    both.write_bytes((GOLDEN / "lossy-server.pcapng").read_bytes() + Path(DEMO).read_bytes())
    assert "66 frames" in said(capsys, "ladder", str(both))
    for _ in range(2):
        text = said(capsys, "ladder", "--session", "2", str(both))
        assert "20 frames" in text
        assert "66 frames" not in text
        monkeypatch.setattr("lab.cli.large.LARGE_BYTES", 0)


def test_a_session_of_too_many_frames_is_refused_with_a_way_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.cli.large.LARGE_BYTES", 0)
    monkeypatch.setattr("lab.cli.large.MOST_FRAMES", 10)
    assert "editcap" in said(capsys, "show", DEMO, status=1)
