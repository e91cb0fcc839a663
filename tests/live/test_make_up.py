"""``make up``, ``make up`` again and ``make down`` as a user types them, in a copy of this folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import ROOT, Lab, allowed_s, private_folder

NEEDED = ("Makefile", "compose.yaml", "images", "lab", "wireshark", ".dockerignore")


class Copy(Lab):
    """The folder's copy; its captures are where the defaults put them, below it."""

    def __init__(self, folder: Path) -> None:
        super().__init__("echolab-copy", folder / "captures", "198.18.79", "2001:db8:79")
        self.folder = folder
        self.env = {**self.env, "COMPOSE_PROJECT_NAME": self.project}
        del self.env["ECHO_CAPTURES"]

    def make(self, target: str) -> tuple[str, float]:
        """What ``make TARGET`` says, and how many seconds it took; it must succeed."""
        began = time.monotonic()
        done = subprocess.run(
            ["make", target],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout, time.monotonic() - began


@pytest.fixture
def copy(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy of what a user has, without captures, without memory of earlier builds."""
    folder = private_folder(tmp_path_factory, "copy")
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    found = Copy(folder)
    yield found
    found.down()


def shown(said: str, copy: Copy) -> Path:
    """The capture that this output shows: its ladder, its path, and the line that opens it in Wireshark."""
    path = re.search(r"^The capture: +(captures/\S+/(\d{4}-client-\d+-server-7)\.pcapng)$", said, re.MULTILINE)
    assert path, said
    assert f"Session {path[2]} · complete" in said, said
    assert "Certified: every frame of this session is here." in said
    assert said.index("Session ") < said.index("── SYN ──") < said.index("The capture:")
    assert re.search(rf"^Open it: +wireshark .*{re.escape(path[1])}$", said, re.MULTILINE)
    assert f"nc 127.0.0.1 {copy.port}" in said
    return copy.folder / path[1]


def test_up_shows_a_session_again_in_seconds_and_down_leaves_only_the_captures(copy: Copy) -> None:
    first, _ = copy.make("up")
    one = shown(first, copy)
    assert one.stat().st_uid == os.getuid()
    with copy.connect() as connection:
        connection.sendall(b"mine\nquit\n")
        assert connection.recv(5) == b"MINE\n"

    again, took_s = copy.make("up")
    assert shown(again, copy) != one
    assert "nothing in them has changed" in again
    assert "building" not in again
    assert "installing" not in again
    assert took_s < allowed_s(10)

    before = {path: path.read_bytes() for path in copy.captures.rglob("*.pcapng")}
    assert len(before) == 3
    down, took_s = copy.make("down")
    assert "the captures stay" in down
    assert took_s < allowed_s(3)
    label = {"label": f"com.docker.compose.project={copy.project}"}
    assert copy.docker.containers.list(all=True, filters=label) == []
    assert copy.docker.networks.list(filters=label) == []
    after = {path: path.read_bytes() for path in copy.captures.rglob("*.pcapng")}
    assert set(after) == set(before)
    assert all(after[path] == octets for path, octets in before.items() if path == one)
