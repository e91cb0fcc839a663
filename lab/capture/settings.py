"""What the tap is told: its settings, from the command line and the environment, each checked before anything starts.

A value that makes no sense stops the tap with one sentence that names the variable, the value and what would be right.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.capture.errors import TapError
from lab.capture.ring import BLOCK_BYTES, MTU_MAX


@dataclass(frozen=True)
class Settings:
    """The tap's settings.

    interface: whose frames to take. captures: the folder for the files. ring_bytes: memory of the ring.
    snaplen_bytes: octets kept of each frame. idle_s: a session without a frame for so long is closed.
    languages: what server and client are written in. key: for the keyed digest; None leaves captures unsigned.
    tap: this tap's name. ladders: whether a session's ladder is printed at its end. keep_bytes: what finished sessions
    may take on the disk, 0 for no limit.
    """

    interface: str
    captures: Path
    ring_bytes: int
    snaplen_bytes: int
    idle_s: int
    languages: Mapping[str, str]
    key: bytes | None
    tap: str
    ladders: bool
    keep_bytes: int


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings from command line and environment. Raises TapError for a value that makes no sense."""
    parser = _Parser(prog="tap", description="Record every TCP session of an interface into a file of its own.")
    parser.add_argument("--interface", default="eth0", help="whose frames to take (default: eth0)")
    parser.add_argument("--captures", type=Path, default=Path("/captures"), help="folder (default: /captures)")
    parser.add_argument("--name", default="server-tap", help="this tap's name in the files (default: server-tap)")
    found = parser.parse_args(arguments)
    ladder = environment.get("ECHO_LADDER", "on") or "on"
    if ladder not in ("on", "off"):
        raise TapError(f"ECHO_LADDER is {ladder!r}: set it to on or off")
    smallest_mib = 4 * BLOCK_BYTES // (1 << 20) or 1
    return Settings(
        interface=found.interface,
        captures=found.captures,
        ring_bytes=_number(environment, "ECHO_RING_MIB", 32, smallest_mib, 1024) << 20,
        snaplen_bytes=_number(environment, "ECHO_SNAPLEN", MTU_MAX, 64, MTU_MAX),
        idle_s=_number(environment, "ECHO_IDLE_S", 300, 1, 7 * 86400),
        languages={"server": environment.get("SERVER", "unknown"), "client": environment.get("CLIENT", "unknown")},
        key=environment["ECHO_KEY"].encode() if environment.get("ECHO_KEY") else None,
        tap=found.name,
        ladders=ladder == "on",
        keep_bytes=_number(environment, "ECHO_KEEP_MIB", 0, 0, 1 << 30) << 20,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """One sentence instead of argparse's usage and its own exit."""
        raise TapError(f"{message}: 'tap --help' shows what there is")


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise TapError(f"{name} is {text!r}: set it to a whole number from {least} to {most}")
    return value
