"""Every language's server and client keeps to the contract: all of tests/contract, and the conformance kit in it, run
against them inside an image of their own. (Python's pair is held to the same on this machine itself as well.)
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.interop.matrix import languages
from tests.live.conftest import ROOT
from tests.marked import MARK

KIT = ("test_server.py", "test_server_process.py", "test_client.py")
TESTS = (*KIT, "test_server_short.py", "test_letters.py")

CONTAINER = (
    *("docker", "run", "--rm", "--init", *MARK, "--network", "none", "--sysctl", "net.ipv6.conf.all.disable_ipv6=0"),
    *("--sysctl", "net.ipv4.ip_unprivileged_port_start=1024", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp"),
)


def build(image: str, *words: str) -> str:
    """Build an image, or fail with what the builder said last."""
    done = subprocess.run(
        ["docker", "build", "-q", "-t", image, *words],
        cwd=ROOT,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return image


def contract_image(language: str, images: Path = ROOT / "images") -> str:
    """The image in which a language's pair is tested. images: the folder that has the language's."""
    dockerfile = str(images / language / "Dockerfile")
    pair = {
        what: build(f"echolab/{language}-{what}", "-f", dockerfile, "--target", what, str(images))
        for what in ("server", "client")
    }
    arguments = [word for what, image in pair.items() for word in ("--build-arg", f"{what.upper()}={image}")]
    return build(f"echolab/{language}-contract", *arguments, str(Path(__file__).parents[1] / "contract"))


@pytest.mark.parametrize("language", languages())
def test_both_programs_keep_to_the_contract(language: str) -> None:
    # V8 ends the whole process when its own heap can't grow: now and then it is the first to find no memory.
    but = "no-memory" if language == "javascript" else ""
    keeps_to_the_contract(language, contract_image(language), but=but)


def keeps_to_the_contract(language: str, image: str, tests: tuple[str, ...] = TESTS, but: str = "") -> None:
    """Run the kit, and what else there is, in a language's image. but: words of cases that are left out."""
    done = subprocess.run(
        [
            *(*CONTAINER, "-v", f"{ROOT}:/lab:ro", "-e", f"ECHO_TEST_LANGUAGE={language}", image),
            *(f"tests/contract/{name}" for name in tests),
            *(("-k", f"not {but}") if but else ()),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
