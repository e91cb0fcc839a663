"""The index is made from the files each time: it lists what is there, also what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.store.errors import CaptureFileError, StoreError
from lab.store.index import lookup, sessions
from tests.unit.store.scenes import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path / "captures")
    for ordinal in (1, 2, 10):
        bench.play(f"{ordinal:04}-client-4000{ordinal}", ordinal)
    bench.play("0011-open-5000", 11, finish=False)
    return bench


def test_sessions_are_listed_by_run_and_ordinal(bench: Bench) -> None:
    again = Bench(bench.captures)
    again.play("0001-other-4", 1)
    listed = sessions(bench.captures)
    assert [(entry.run, entry.ordinal) for entry in listed] == [
        *((bench.folder.name, ordinal) for ordinal in (1, 2, 10, 11)),
        (again.folder.name, 1),
    ]
    assert [entry.problem for entry in listed] == [""] * 5
    assert [entry.is_open for entry in listed] == [False, False, False, True, False]
    assert [entry.certified for entry in listed] == [True, True, True, False, True]
    assert listed[0].octets == listed[0].pcapng_path.stat().st_size
    assert listed[0].start_ns > 0


def test_what_cannot_be_read_is_listed_with_its_problem(bench: Bench) -> None:
    one, two, ten, _open = (entry.json_path for entry in sessions(bench.captures))
    one.write_bytes(one.read_bytes()[:50])
    two.unlink()
    ten.with_suffix(".pcapng").unlink()
    (bench.folder / "0020-list.json").write_text("[]", encoding="utf-8")
    (bench.folder / "0021-empty.json").write_text("", encoding="utf-8")
    (bench.folder / "0022-strange.json").write_text('{"ordinal": "x", "verdict": 5}', encoding="utf-8")
    (bench.folder / "0023-folder.pcapng").mkdir()
    (bench.folder / "0024-deep.json").write_text("[" * 100_000, encoding="utf-8")
    problems = {entry.name[:4]: entry.problem for entry in sessions(bench.captures)}
    assert "not valid JSON (edited or cut short)" in problems["0001"]
    assert problems["0002"] == "0002-client-40002.json is missing"
    assert problems["0010"] == "0010-client-400010.pcapng is missing"
    assert problems["0011"] == ""
    assert problems["0020"] == "0020-list.pcapng is missing"
    assert problems["0021"] == "0021-empty.pcapng is missing"
    assert problems["0022"] == "0022-strange.pcapng is missing"
    assert problems["0023"] == "0023-folder.pcapng is not a file"
    assert problems["0024"] == "0024-deep.pcapng is missing"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "a JSON list where an object was expected"),
        ("", "the file is empty"),
        ('{"verdict": 5}', "has no verdict"),
        ("[" * 100_000, "not valid JSON"),
        ("\udcff{}", "not valid JSON"),
    ],
)
def test_strange_json_beside_a_good_capture_is_a_problem_not_a_crash(bench: Bench, text: str, words: str) -> None:
    entry = sessions(bench.captures)[0]
    entry.json_path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert words in sessions(bench.captures)[0].problem


def test_a_capture_cut_short_is_noticed_by_its_size(bench: Bench) -> None:
    entry = sessions(bench.captures)[0]
    entry.pcapng_path.write_bytes(entry.pcapng_path.read_bytes()[:-5])
    assert "octets, not the" in sessions(bench.captures)[0].problem
    entry.pcapng_path.write_bytes(b"")
    assert sessions(bench.captures)[0].problem == f"{entry.pcapng_path.name} is empty"


def test_no_captures_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot list the captures"):
        sessions(tmp_path / "none")


@pytest.mark.parametrize("wanted", ["2", "0002", "0002-client-40002", "0002-client-40002.pcapng", "latest/2"])
def test_a_session_is_found_by_ordinal_name_or_the_beginning_of_it(bench: Bench, wanted: str) -> None:
    assert lookup(bench.captures, wanted).ordinal == 2


@pytest.mark.parametrize("wanted", ["latest", "", "latest/latest", "11", "0011", "{run}", "{run}/latest"])
def test_latest_is_the_last_session_of_the_latest_run(bench: Bench, wanted: str) -> None:
    assert lookup(bench.captures, wanted.format(run=bench.folder.name)).ordinal == 11


def test_a_run_and_a_session_may_both_be_shortened(bench: Bench) -> None:
    again = Bench(bench.captures)
    again.play("0001-other-4", 1)
    assert lookup(bench.captures, "1").name == "0001-other-4"
    assert lookup(bench.captures, f"{bench.folder.name}/1").name == "0001-client-40001"
    assert lookup(bench.captures, f"{bench.folder.name}\\0001").name == "0001-client-40001"
    assert lookup(bench.captures, "2026-11-23/0010").ordinal == 10
    assert lookup(bench.captures, "0010-client").ordinal == 10
    with pytest.raises(CaptureFileError, match=r"'2026-11/1' fits 2 sessions: .*; write more of the name"):
        lookup(bench.captures, "2026-11/1")


def test_a_run_that_has_just_begun_does_not_hide_the_last_session(bench: Bench) -> None:
    Bench(bench.captures)
    assert lookup(bench.captures, "latest").ordinal == 11


@pytest.mark.parametrize("wanted", ["99", "nothing", "2020-01-01T00-00-00Z/1", "../../etc/passwd"])
def test_what_is_not_there_is_one_sentence(bench: Bench, wanted: str) -> None:
    with pytest.raises(CaptureFileError, match="'echolab sessions' lists them") as caught:
        lookup(bench.captures, wanted)
    assert "\n" not in str(caught.value)


def test_no_session_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CaptureFileError, match="'docker compose up' makes one"):
        lookup(tmp_path, "latest")
    Bench(tmp_path)
    with pytest.raises(CaptureFileError, match="docker compose run --rm client"):
        lookup(tmp_path, "latest")


def test_a_session_with_a_problem_can_still_be_looked_up(bench: Bench) -> None:
    (bench.folder / "0002-client-40002.json").write_text(json.dumps({"verdict": "open"})[:9], encoding="utf-8")
    assert lookup(bench.captures, "2").problem
