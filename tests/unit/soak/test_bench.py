"""``python -m tests.bench``: nothing is forgotten, and one that fails keeps no other from running."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.soak.__main__ import Repeat

ROOT = Path(__file__).resolve().parents[3]


def test_the_list_is_that_of_the_files() -> None:
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("tests/bench/**/bench_*.py")}
    assert {one.words[1] for one in bench.BENCHES} == files
    assert len({one.name for one in bench.BENCHES}) == len(bench.BENCHES)
    assert all(one.words[0] == "-m" for one in bench.BENCHES)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two quick ones instead of the long ones. The first fails."""
    benches = (
        Repeat("bad", "a bad one", ("-c", "raise SystemExit(3)")),
        Repeat("good", "a good one", ("-c", "print('12 a second')")),
    )
    monkeypatch.setattr(bench, "BENCHES", benches)


def test_one_that_fails_is_told_at_the_end_and_the_next_is_run(two: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([]) == 1
    said = capsys.readouterr().out
    assert "12 a second" in said
    assert [line.split(" after")[0].split() for line in said.splitlines()[-2:]] == [["bad", "FAILED"], ["good", "done"]]


def test_only_what_is_named_is_run(two: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["good"]) == 0
    assert "bad" not in capsys.readouterr().out
    assert bench.main(["--list"]) == 0
    assert "a bad one" in capsys.readouterr().out


def test_an_unknown_name_is_refused_with_status_2(two: None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bench.main(["godo"])
    assert caught.value.code == 2
    assert "nothing here is named godo" in capsys.readouterr().err
