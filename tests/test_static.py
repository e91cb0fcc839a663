"""The static checks as tests: each tool runs over the whole repository, and its own words are the failure's message."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.setup import compose
from tests import marked

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
_SHELLS = ("sh", "bash", "dash")


def output_of(*argv: str) -> tuple[int, str]:
    """Run a tool of the tests' environment in the repository; its exit status and all that it said."""
    done = subprocess.run(
        [str(TOOLS / argv[0]), *argv[1:]], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


def shell_scripts(root: Path) -> list[Path]:
    """Every file whose first line calls a shell, and every .sh, outside of folders that tools have made."""
    found = []
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        made = any(part.startswith(".") and part != ".ci" for part in parts) or parts[0] == "captures"
        if not made and path.is_file() and is_shell(path):
            found.append(path)
    return found


def is_shell(path: Path) -> bool:
    """Whether a file is a script for a shell that shellcheck knows."""
    with path.open("rb") as file:
        first = file.readline(80)
    words = first.decode("ascii", "replace").removeprefix("#!").replace("/", " ").split()
    return path.suffix == ".sh" or (first.startswith(b"#!") and bool(set(_SHELLS) & set(words)))


@pytest.mark.parametrize(
    "argv",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "--diff", "."),
        ("mypy",),
        ("lint-imports",),
    ],
    ids=lambda argv: " ".join(argv[:2]),
)
def test_the_tool_finds_nothing(argv: tuple[str, ...]) -> None:
    status, said = output_of(*argv)
    assert status == 0, f"{' '.join(argv)}:\n{said}"


def test_shellcheck_finds_nothing_in_any_shell_script() -> None:
    scripts = shell_scripts(ROOT)
    assert ROOT / ".ci" / "run" in scripts
    status, said = output_of("shellcheck", *(str(script.relative_to(ROOT)) for script in scripts))
    assert status == 0, said


def test_scripts_are_found_by_their_first_line_and_other_files_are_not(tmp_path: Path) -> None:
    texts = {
        "run": "#!/bin/sh\n",
        "env": "#!/usr/bin/env bash\n",
        "x.sh": "echo\n",
        "py": "#!/usr/bin/python3\n",
        "fish": "sh\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert [path.name for path in shell_scripts(tmp_path)] == ["env", "run", "x.sh"]


def test_no_module_is_longer_than_one_idea() -> None:
    lengths = {
        path.relative_to(ROOT): len(path.read_text("utf-8").splitlines()) for path in (ROOT / "lab").rglob("*.py")
    }
    assert {path: lines for path, lines in lengths.items() if lines > 350} == {}


def test_every_module_opens_by_saying_what_it_is_for() -> None:
    modules = [path for path in (ROOT / "lab").rglob("*.py") if path.stat().st_size]
    assert [path for path in modules if not path.read_text("utf-8").startswith('"""')] == []


def test_no_text_file_has_a_carriage_return_in_the_repository_or_after_a_checkout() -> None:
    """A text file that needs one (a fixture of a test) is marked -text in .gitattributes."""
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = [(words.split(maxsplit=2), path) for words, path in (line.split("\t", 1) for line in listed.splitlines())]
    assert len(rows) > 500
    unmarked = [(stored, here, path) for ((stored, here, attributes), path) in rows if "/-text" not in attributes]
    assert [row for row in unmarked if {"crlf", "mixed"} & {row[0].removeprefix("i/"), row[1].removeprefix("w/")}] == []
    assert [row for row in unmarked if row[0] == "i/-text"] == [], "octets must be marked binary"
    assert [
        path for ((*_, attributes), path) in rows if "/-text" not in attributes and "eol=lf" not in attributes
    ] == []


def test_every_container_that_a_test_starts_without_compose_is_marked() -> None:
    """So that it is found when a run is broken off: tests/marked.py."""
    starts = re.compile(r'containers\.run\(|"docker", "run"(?!, .*\*MARK)')
    tests = [path for path in (ROOT / "tests").rglob("*.py") if "bench" not in path.parts and path != Path(__file__)]
    texts = {path: path.read_text("utf-8") for path in tests if path.name != "marked.py"}
    unmarked = {path for path, text in texts.items() if starts.search(text) and "labels=LABELS" not in text}
    assert sum("*MARK" in text or "labels=LABELS" in text for text in texts.values()) > 10
    assert unmarked == set()
    assert marked.ROOT_LABEL == compose.ROOT_LABEL
