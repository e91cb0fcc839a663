"""What capinfos says of every file: ``capinfos -A`` for many files, read into one record a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone

_LABEL = re.compile(r"^(\S[^:]*?)\s*:\s*(.*)$")
_OF_INTERFACE = re.compile(r"^\s+(\S[^=]*?) = (.*)$")


@dataclass
class Info:
    """values: what stands behind each label; interface: the same for the (first) interface. comments: how many packets
    have one.
    """

    values: dict[str, str] = field(default_factory=dict)
    interface: dict[str, str] = field(default_factory=dict)
    comments: int = 0

    def time_ns(self, label: str) -> int:
        """A moment such as ``2026-11-23 11:35:08.847295970`` (UTC) in nanoseconds since 1970."""
        moment, _, fraction = self.values[label].partition(".")
        seconds = datetime.strptime(moment, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
        return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def parse(text: str) -> list[Info]:
    """One record a file, in the order in which they were named."""
    found: list[Info] = []
    for line in text.splitlines():
        if line.startswith("File name:"):
            found.append(Info())
        if not found:
            continue
        if inner := _OF_INTERFACE.match(line):
            found[-1].interface.setdefault(inner[1], inner[2])
        elif outer := _LABEL.match(line):
            if outer[1].startswith("Packet ") and outer[1].endswith(" Comment"):
                found[-1].comments += 1
            else:
                found[-1].values.setdefault(outer[1], outer[2])
    return found
