"""Debian's keys when those of the machine are too old for Debian 13.

Ubuntu 22.04's package debian-archive-keyring ends with the keys of Debian 11, and Debian 13 is signed with later ones.
But Debian 11's own last debian-archive-keyring has the keys of Debian 12, with which Debian 13 is signed as well, and
it is signed with the keys that the machine has. So it is fetched with apt (which checks that), used for this once, and
not installed.
"""

from __future__ import annotations

from pathlib import Path

from lab.setup.aptsources import Mirror
from lab.setup.errors import SetupError, last_lines
from lab.setup.install import Setup
from lab.setup.plugins import private_apt
from lab.setup.runner import Limits

PACKAGE = "debian-archive-keyring"
FILE = "usr/share/keyrings/debian-archive-keyring.gpg"
STEP = "bullseye"  # Debian 11
_FETCH_S = 300.0


def are_too_old(output: str) -> bool:
    """Whether apt or mmdebstrap failed because it has none of the keys that a release is signed with."""
    return "NO_PUBKEY" in output


def fetch_keyring(setup: Setup, mirror: str, folder: Path) -> Path:
    """Fetch newer keys from a mirror into a folder; returns the file. Raises SetupError when they can't be had."""
    setup.console.doing(
        f"fetching newer keys of Debian from {mirror}", f"those of {setup.system.name} know no Debian 13"
    )
    options = private_apt(folder, Mirror(mirror), STEP)
    with setup.console.step(f"fetching {PACKAGE}") as step:
        update = setup.runner.run(["apt-get", *options, "update", "-q"], timeout_s=_FETCH_S)
        words = ["apt-get", *options, "download", "-q", PACKAGE]
        load = setup.runner.stream(words, lambda _line: None, limits=Limits(_FETCH_S), cwd=folder)
        package = next(iter(sorted(folder.glob(f"{PACKAGE}_*.deb"))), None)
        if package is not None:
            setup.runner.run(["dpkg-deb", "-x", str(package), str(folder / "unpacked")], timeout_s=60)
        if not (folder / "unpacked" / FILE).exists():
            step.fail("there are none to be had")
    if not (folder / "unpacked" / FILE).exists():
        raise SetupError(
            f"Debian's keys on this machine ({PACKAGE}) are older than Debian 13, and {mirror} has no newer ones.",
            "docker pull debian:trixie-slim (where there is a network), or docker save/load it from another machine",
            log=last_lines(update.err + "\n" + load.text, 4),
        )
    return folder / "unpacked" / FILE
