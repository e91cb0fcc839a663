"""A seventh language plays with the others, by a folder and nothing else: no list names the languages.

The test puts a pair in Perl into a copy of the repository, as a student would into the repository itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import matrix
from tests.live import conftest
from tests.live.conftest import ROOT, Oracle, private_folder
from tests.live.test_languages import KIT, contract_image, keeps_to_the_contract

FOLDER = Path(__file__).parent / "new_language" / "perl"


@pytest.fixture
def with_perl(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of what compose needs, with one folder more."""
    copy = private_folder(tmp_path_factory, "repository")
    shutil.copy(ROOT / "compose.yaml", copy)
    for name in ("images", "lab"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(FOLDER, copy / "images" / "perl")
    monkeypatch.setattr(conftest, "ROOT", copy)
    monkeypatch.setattr(matrix, "ROOT", copy)
    yield copy
    shutil.rmtree(copy)


@pytest.mark.parametrize("pair", [("perl", "c"), ("python", "perl")], ids="-".join)
def test_a_folder_is_all_that_a_new_language_needs(
    with_perl: Path, pair: tuple[str, str], oracle: Oracle, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert "perl" in matrix.languages()
    assert not (ROOT / "images" / "perl").exists()
    cell = matrix.play(pair, private_folder(tmp_path_factory, "captures"), oracle, "echolab-newlang")
    assert cell.problem == ""


def test_the_new_pair_keeps_to_the_contract_like_the_others(with_perl: Path) -> None:
    """It was written after images/CONTRACT.md: so that page is enough."""
    keeps_to_the_contract("perl", contract_image("perl", with_perl / "images"), KIT)
