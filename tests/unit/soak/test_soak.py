"""``python -m tests.soak``: order, page, exit status. The repeats themselves are played by ``make soak``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak import __main__ as soak
from tests.soak.__main__ import REPEATS, Outcome, Repeat, document, main, play, recorded


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two quick repeats instead of the long ones, and a page of their own. The second one fails."""
    repeats = (
        Repeat("good", "a good one", ("-c", "print('first'); print('3 | 4 of 4'); print('written: x')")),
        Repeat("bad", "a bad one", ("-c", "print('2 of 4'); raise SystemExit(1)")),
    )
    monkeypatch.setattr(soak, "REPEATS", repeats)
    monkeypatch.setattr(soak, "PAGE", tmp_path / "soak.md")
    return tmp_path / "soak.md"


def test_each_is_run_and_the_page_has_their_last_lines(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert "good: a good one" in capsys.readouterr().out
    good, bad = [line for line in two.read_text().splitlines() if line.startswith("| a ")]
    assert good.endswith("| 3 \\| 4 of 4 |")
    assert bad.endswith("| **failed**: 2 of 4 |")


def test_one_that_is_named_is_run_alone_and_the_others_rows_stay(two: Path) -> None:
    main([])
    before = two.read_text()
    assert main(["good"]) == 0
    assert [o.said for o in recorded(two)] == ["3 | 4 of 4", "2 of 4"]
    assert "a bad one" in two.read_text()
    assert "a bad one" in before


def test_an_unknown_name_is_refused_with_status_2(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["godo"])
    assert caught.value.code == 2
    assert "nothing here is named godo" in capsys.readouterr().err
    assert not two.exists()


def test_a_repeat_that_says_nothing_still_has_an_outcome() -> None:
    assert play(Repeat("silent", "", ("-c", ""))).ok


def test_the_page_takes_over_only_what_still_exists(tmp_path: Path) -> None:
    page = tmp_path / "soak.md"
    kept = Outcome(REPEATS[0].name, True, 1.5, "fine")
    page.write_text(
        document([kept]).replace("<!-- [", '<!-- [{"name": "gone", "ok": true, "seconds": 1, "said": ""}, ')
    )
    assert recorded(page) == [kept]
    assert recorded(tmp_path / "none.md") == []


def test_every_page_that_a_repeat_writes_exists_and_every_command_is_a_module_of_the_tests() -> None:
    for repeat in REPEATS:
        assert repeat.words[0] == "-m"
        assert repeat.words[1].startswith("tests.")
        assert not repeat.page or (soak.ROOT / "docs" / repeat.page).exists()
