"""Building the lab's images, and not building them when nothing has changed.

Docker's own cache would find out too, but takes seconds per image to do so. We keep a fingerprint of everything
that goes into the images (files, compose's description, the base image) with the ids that came out, in a file of
the repository's own folder ``.lab/``; when fingerprint and ids are what they were, there is nothing to do.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from lab.setup.base import IMAGE, build_arguments
from lab.setup.compose import Compose
from lab.setup.errors import SetupError, last_lines
from lab.setup.install import Setup
from lab.setup.runner import Runner

STATE = ".lab"
_BUILD_S = 1200.0
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
# "#7 [server-host 2/3] RUN ..." of BuildKit in plain mode; services and stages stand before the numbers.
_PROGRESS = re.compile(r"#\d+ \[(?P<what>[^\]]*?)\s*(?P<at>\d+)/(?P<of>\d+)\] (?P<does>\S+)")
_STEP = re.compile(r"Step (?P<at>\d+)/(?P<of>\d+) : (?P<does>\S+)")  # the classic builder


def build(setup: Setup, compose: Compose) -> bool:
    """Build what has changed. Returns whether anything had to be built; raises SetupError with the log's end if it
    fails.
    """
    images = compose.build_images()
    state_file = compose.settings.root / STATE / "images.json"
    print_now = fingerprint(setup.runner, compose)
    if _unchanged(setup.runner, compose, state_file, print_now, list(images)):
        setup.console.ok("the images are built, and nothing in them has changed")
        return False
    services = [builders[0] for builders in images.values()]  # one for each image, as tests/test_compose.py holds
    with setup.console.step(f"building {', '.join(images)}") as step:
        words = ["--progress", "plain", "build", *build_arguments(setup), *services]
        done = compose.stream(words, lambda line: step.note(text) if (text := progress(line)) else None, _BUILD_S)
        if not done.ok:
            step.fail("docker compose build gave up")
    if not done.ok:
        raise _failure(done.text, compose)
    write_state(state_file, {"fingerprint": print_now, "images": compose.image_ids(list(images))})
    return True


def fingerprint(runner: Runner, compose: Compose) -> str:
    """A digest of everything that the images are made of."""
    root = compose.settings.root
    digest = hashlib.sha256()
    description = compose.description().out
    base = runner.run(["docker", "image", "inspect", "--format", "{{.Id}}", IMAGE]).out
    for text in (_only_builds(description), base):
        digest.update(text.encode() + b"\0")
    for folder in ("images", "lab"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not _LEFT_OUT & set(path.parts):
                mode = path.stat().st_mode & 0o111
                digest.update(f"{path.relative_to(root)}\0{mode}\0".encode() + path.read_bytes() + b"\0")
    digest.update((runner.read(str(root / ".dockerignore")) or "").encode())
    return digest.hexdigest()


def _only_builds(description: str) -> str:
    """Of compose's description only what concerns building: a new port or network needs no new image."""
    try:
        services = json.loads(description).get("services", {})
    except ValueError:
        return description
    return json.dumps({n: [s.get("image"), s["build"]] for n, s in services.items() if "build" in s}, sort_keys=True)


def _unchanged(runner: Runner, compose: Compose, state_file: Path, print_now: str, images: list[str]) -> bool:
    try:
        state = json.loads(runner.read(str(state_file)) or "{}")
    except ValueError:
        return False
    if not isinstance(state, dict) or state.get("fingerprint") != print_now:
        return False
    ids = compose.image_ids(images)
    return len(ids) == len(images) and state.get("images") == ids


def write_state(path: Path, state: dict[str, object]) -> None:
    """Keep something for the next time; a folder that can't be written costs only the time that it would have saved."""
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(state, indent=1), encoding="utf-8")
    except OSError:
        return


def progress(line: str) -> str:
    """A builder's line in a few words ("server 2/5 RUN"), or '' for the many that say nothing new."""
    found = _PROGRESS.match(line)
    if found:
        what = found.group("what").split()
        return " ".join([*(what[:1] or ["image"]), f"{found.group('at')}/{found.group('of')}", found.group("does")])
    found = _STEP.match(line)
    return f"step {found.group('at')}/{found.group('of')} {found.group('does')}" if found else ""


def _failure(output: str, compose: Compose) -> SetupError:
    log = last_lines(output, 25)
    if "no space left on device" in output:
        return SetupError("The disk is full; the images could not be built.", "docker system prune", log=log[-3:])
    if re.search(r"Temporary failure resolving|Could not resolve|Failed to fetch|Unable to locate package", output):
        return SetupError(
            "apt inside the build could not fetch packages from its mirror.",
            "sudo apt-get update (does the mirror answer here?); behind a proxy set http_proxy",
            log=log,
        )
    return SetupError("The images could not be built.", " ".join(compose.argv("build")), log=log)
