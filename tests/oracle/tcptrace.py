"""What tcptrace says of every connection: its long listing (``tcptrace -n -l``), read into one record a connection."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

_START = re.compile(r"^TCP connection \d+:$")
_HOST = re.compile(r"^\s*host \w+:\s+(.+):(\d+)$")
_COMPLETE = re.compile(r"^\s*complete conn:\s+(yes|no|RESET)")
_PAIR = re.compile(r"^ {5}(\S[^:]*):\s+(.*?)\s{2,}(\S[^:]*):\s+(.*?)\s*$")


@dataclass
class Connection:
    """One connection. ends: address and port of the first sender and of the other. verdict: ``yes``, ``no``, ``RESET``.

    values: for either end, the words behind each label: ``values[0]["rexmt data pkts"] == "3"``.
    """

    ends: list[tuple[str, int]] = field(default_factory=list)
    verdict: str = ""
    values: tuple[dict[str, str], dict[str, str]] = field(default_factory=lambda: ({}, {}))

    def number(self, end: int, label: str) -> int:
        """The number behind a label; units that follow are left out. Raises KeyError if tcptrace did not write it."""
        return int(self.values[end][label].split()[0])

    def pair(self, end: int, label: str) -> tuple[int, int]:
        """Two numbers such as ``1/1``."""
        first, second = self.values[end][label].split("/")
        return int(first), int(second)


def parse(text: str) -> list[Connection]:
    """All connections of a listing. Raises ValueError if one of them lacks an end or its verdict."""
    found: list[Connection] = []
    for line in text.splitlines():
        if _START.match(line):
            found.append(Connection())
        elif found:
            _take(found[-1], line)
    for connection in found:
        if len(connection.ends) != 2 or not connection.verdict or not connection.values[1]:
            raise ValueError(f"tcptrace's listing of a connection is not whole: {connection}")
    return found


def _take(connection: Connection, line: str) -> None:
    if host := _HOST.match(line):
        # It writes 2001:0db8:0101::0010 where others write 2001:db8:101::10.
        connection.ends.append((str(ipaddress.ip_address(host[1])), int(host[2])))
    elif complete := _COMPLETE.match(line):
        connection.verdict = complete[1]
    elif pair := _PAIR.match(line):
        connection.values[0][pair[1]] = pair[2]
        connection.values[1][pair[3]] = pair[4]
