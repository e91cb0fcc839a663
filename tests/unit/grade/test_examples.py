"""The examples for GitHub Classroom and Gradescope do what they say: the commands in them are run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli import main
from lab.cli.command import parser
from tests.unit.grade.made import ANNA, exercises, make

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "docs" / "examples"
WORKFLOW = (EXAMPLES / "classroom.yml").read_text(encoding="utf-8")
NAME = "01-three-way-handshake"


def command() -> list[str]:
    """The words behind ``python3 -m lab`` in the workflow."""
    (line,) = re.findall(r"run: python3 -m (lab .*)", WORKFLOW)
    return shlex.split(line)[1:]


@pytest.fixture
def pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A student's repository: work/ with one exercise, all right."""
    make(exercises()[NAME], ANNA, tmp_path / "work" / NAME)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_workflow_is_yaml_of_the_simple_kind() -> None:
    depth = 0
    for line in WORKFLOW.splitlines():
        indent = len(line) - len(line.lstrip())
        assert "\t" not in line
        assert indent % 2 == 0
        assert indent <= depth + 2 or line.lstrip().startswith("- "), line
        depth = indent + (2 if line.lstrip().startswith("- ") else 0)
        plain = line.strip().removeprefix("- ")
        assert plain.startswith(("#", "junit", "results", "report")) or re.fullmatch(r"[a-z_A-Z-]+:( .*)?", plain), line
    assert {"name", "on", "permissions", "jobs"} == set(re.findall(r"^([a-z]+):", WORKFLOW, flags=re.MULTILINE))


def test_the_workflow_is_green_for_all_right_and_red_for_less(pushed: Path) -> None:
    assert parser().parse_args(command()).least == 100
    assert main(command()) == 0
    sheet = pushed / "work" / NAME / "answers.toml"
    sheet.write_text(re.sub(r'server-isn = ".*"', 'server-isn = "0"', sheet.read_text()))
    assert main(command()) == 1


def test_the_workflow_uploads_what_it_writes_also_when_it_is_red(pushed: Path) -> None:
    main(command())
    written = {path.name for path in pushed.iterdir() if path.is_file()}
    uploaded = set(re.findall(r"^            (\S+)$", WORKFLOW.split("path: |\n")[1], flags=re.MULTILINE))
    assert uploaded == written == {"junit.xml", "results.json", "report.html"}
    assert "if: always()" in WORKFLOW.split("upload-artifact")[1]


@pytest.mark.parametrize("least", ["-1", "101", "nan"])
def test_a_least_that_is_no_percentage_is_one_sentence(
    pushed: Path, capsys: pytest.CaptureFixture[str], least: str
) -> None:
    assert main(["grade", "work", "--least", least]) == 1
    assert "--least must be from 0 to 100" in capsys.readouterr().err


def gradescope(root: Path) -> dict[str, object]:
    """Run the autograder as Gradescope does; returns results.json."""
    (root / "source").mkdir(exist_ok=True)
    if not (root / "source" / "lab").exists():
        (root / "source" / "lab").symlink_to(ROOT / "lab")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = shutil.copy(EXAMPLES / "gradescope" / "run_autograder", root / "run_autograder")
    subprocess.run([script], env={**os.environ, "AUTOGRADER": str(root), "PATH": path}, check=True, timeout=120)
    told: dict[str, object] = json.loads((root / "results" / "results.json").read_text())
    return told


def test_gradescope_gets_its_results(pushed: Path) -> None:
    (pushed / "work").rename(pushed / "submission")
    told = gradescope(pushed)
    assert told["score"] == 100
    assert len(told["tests"]) == 7  # type: ignore[arg-type]


def test_gradescope_gets_a_sentence_for_what_is_no_submission(tmp_path: Path) -> None:
    (tmp_path / "submission").mkdir()
    told = gradescope(tmp_path)
    assert told["score"] == 0
    assert "no submission in there" in str(told["output"])
