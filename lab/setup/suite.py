"""``make test``: the whole test suite with its own set-up, from a bare machine to pytest's closing line.

The tests' tools (pytest, ruff, mypy, scapy as an oracle) live in ``.venv``; the lab itself needs none of them. They
are installed when pyproject.toml or the Python has changed since the last time, else not at all.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.setup.base import ensure_base
from lab.setup.compose import Compose
from lab.setup.errors import SetupError, last_lines
from lab.setup.images import build
from lab.setup.install import Setup, ensure
from lab.setup.runner import Limits
from lab.setup.settings import Settings

VENV = ".venv"
_STAMP = "echolab.stamp"
_PIP_S = 900.0
NO_TESTS = 5  # pytest's exit status when it collected none


def run_tests(setup: Setup, settings: Settings, words: Sequence[str], *, engine: bool = True) -> int:
    """Set up and run pytest. words: its arguments. engine: whether the tests need Docker. Returns pytest's exit
    status.
    """
    status = run_module(setup, settings, "pytest", words, engine=engine)
    if status == NO_TESTS:
        raise SetupError("pytest found no test to run, so nothing is shown to work.", "make test, without arguments")
    return status


def run_module(setup: Setup, settings: Settings, module: str, words: Sequence[str], *, engine: bool = True) -> int:
    """Set up and run ``python -m module words`` with the tests' tools; returns its exit status."""
    # Python's packages first: they are the sooner to fail, and need neither root nor Docker.
    python = ensure_venv(setup, settings.root)
    if engine:
        docker = ensure(setup)
        ensure_base(setup, docker)
        build(setup, Compose(setup.runner, settings))
    setup.console.line()
    return setup.runner.interactive([str(python), "-m", module, *words], cwd=settings.root)


def ensure_venv(setup: Setup, root: Path) -> Path:
    """The virtual environment with the tests' tools; returns its Python. Raises SetupError when it can't be made."""
    folder = root / VENV
    python = folder / ("Scripts" if os.name == "nt" else "bin") / ("python.exe" if os.name == "nt" else "python")
    stamp = _stamp(root)
    if python.exists() and setup.runner.read(str(folder / _STAMP)) == stamp:
        setup.console.ok(f"the tests' tools are in {VENV}/")
        return python
    if not python.exists() or not setup.runner.run([str(python), "-m", "pip", "--version"]).ok:
        _make(setup, folder)
    with setup.console.step(f"installing the tests' tools into {VENV}/ (pip)") as step:
        command = [str(python), "-m", "pip", "install", "--quiet", "--editable", f"{root}[test]"]
        done = setup.runner.stream(command, lambda _line: None, limits=Limits(_PIP_S), cwd=root)
        if not done.ok:
            step.fail("pip install gave up")
    if not done.ok:
        raise SetupError(
            "pip could not install the tests' tools; is the package index reachable?",
            f"{python} -m pip install -e '.[test]'   (behind a proxy or mirror: set PIP_INDEX_URL, PIP_CERT)",
            log=last_lines(done.text, 8),
        )
    (folder / _STAMP).write_text(stamp, encoding="utf-8")
    return python


def _make(setup: Setup, folder: Path) -> None:
    if not setup.runner.run([sys.executable, "-c", "import ensurepip, venv"]).ok:
        # Debian keeps the two modules in a package of their own.
        package = f"python3.{sys.version_info.minor}-venv"
        hint = f"sudo apt-get install {package}"
        if not setup.system.has_apt or not sys.executable.startswith("/usr/bin/"):
            raise SetupError(f"This Python ({sys.executable}) cannot make virtual environments.", hint)
        setup.apt.install([package], "Python cannot make the tests' virtual environment without it")
    with setup.console.step(f"making {VENV}/ with {sys.executable}"):
        done = setup.runner.run([sys.executable, "-m", "venv", "--clear", str(folder)], timeout_s=120)
    if not done.ok:
        raise SetupError(
            f"The virtual environment {folder} could not be made.", f"rm -r {folder}", log=last_lines(done.text, 5)
        )


def _stamp(root: Path) -> str:
    """What the installed tools depend on: their list, the Python, and the place (an editable install names it)."""
    parts = ((root / "pyproject.toml").read_bytes(), platform.python_version().encode(), str(root).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
