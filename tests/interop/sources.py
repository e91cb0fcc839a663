"""Which source line causes what: found by a pattern each time, so that no line number is ever written by hand.

A place is a moment in the life of a connection. For each language it has a regular expression that must match exactly
one line of that program; or several of them, and the first that matches anything is taken. A language that is not
listed here is measured like the others; it has no links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Patterns = Mapping[str, "str | tuple[str, ...]"]

# (role, place): {language: pattern, or patterns}
PLACES: Mapping[tuple[str, str], Patterns] = {
    ("server", "listen"): {
        "c": r"\|\| listen\(listener, BACKLOG\)",
        "cpp": r"&& listen\(listener, BACKLOG\)",
        "csharp": r"listener\.Listen\(Backlog\)",
        "java": r"listener\.bind\(address, BACKLOG\)",
        "javascript": r"this\.listener\.listen\(\{ host, port",
        "python": r"socket\.create_server\(",
    },
    ("client", "connect"): {
        "c": r"connect\(connection, address->ai_addr",
        "cpp": r"connect\(connection, address\.ai_addr",
        "csharp": r"connection\.ConnectAsync\(",
        "java": r"\.connect\(new InetSocketAddress",
        "javascript": r"net\.connect\(\{",
        "python": r"connection\.connect\(address\)",
    },
    ("server", "nodelay"): {  # where it is set; else where it could be: where the socket comes from
        "c": r"TCP_NODELAY",
        "cpp": r"TCP_NODELAY",
        "csharp": r"\.NoDelay = true",
        "java": r"\.setTcpNoDelay\(true\)",
        "javascript": (r"setNoDelay\(|noDelay: true", r"net\.createServer\("),
        "python": (r"TCP_NODELAY", r"socket\.create_server\("),
    },
    ("server", "receive"): {
        "c": r"recv\(connection->socket, octets",
        "cpp": r"recv\(socket_",
        "csharp": r"socket\.Receive\(octets",
        "java": r"input\.read\(octets\)",
        "javascript": r"socket\.on\(\"data\"",
        "python": r"def data_received",
    },
    ("server", "send"): {
        "c": r"send\(connection->socket",
        "cpp": r"send\(socket_, ",
        "csharp": r"socket\.Send\(pieces",
        "java": r"sending\.writeTo\(",
        "javascript": r"this\.socket\.write\(octets\)",
        "python": r"self\.transport\.write\(octets\)",
    },
    ("client", "send"): {
        "c": r"send_line\(line\.data",
        "cpp": r"incoming\.send_line\(",
        "csharp": r"incoming\.SendLine\(line\)",
        "java": r"incoming\.sendLine\(",
        "javascript": r"incoming\.sendLine\(",
        "python": r"incoming\.send_line\(",
    },
    ("client", "pass"): {
        "c": r"send_octets\(input",
        "cpp": r"incoming\.send\(waiting",
        "csharp": r"incoming\.Send\(octets, 0, count\)",
        "java": r"incoming\.send\(waiting\)",
        "javascript": r"if \(socket\.write\(octets\)\) continue",
        "python": r"incoming\.send\(waiting\)",
    },
    ("server", "quit"): {
        "c": r"shutdown\(connection->socket, SHUT_WR\)",
        "cpp": r"shutdown\(socket_, SHUT_WR\)",
        "csharp": r"socket\.Shutdown\(SocketShutdown\.Send\)",
        "java": r"socket\.shutdownOutput\(\)",
        "javascript": r"this\.socket\.end\(\); // shutdown",
        "python": r"self\.transport\.write_eof\(\)",
    },
    ("server", "peer-ended"): {
        "c": r"^static void eof_received\(Connection \*connection\)$",
        "cpp": r"^void Connection::eof_received\(\)",
        "csharp": r"void EofReceived\(\)",
        "java": r"private void eofReceived\(\)",
        "javascript": r"^  eofReceived\(\) \{",
        "python": r"def eof_received",
    },
    ("client", "input-end"): {
        "c": r"shutdown\(.*our FIN; what the server still sends",
        "cpp": r"shutdown\(.*our FIN; what the server still sends",
        "csharp": r"connection\.Shutdown\(SocketShutdown\.Send\)",
        "java": r"connection\.shutdownOutput\(\)",
        "javascript": r"socket\.end\(\);.*our FIN; what the server still sends",
        "python": r"connection\.shutdown\(socket\.SHUT_WR\)",
    },
    ("client", "close"): {
        "c": r"^    close\(incoming\.connection\);",
        "cpp": r"^            close\(number_\);",
        "csharp": r"^        connection\.Close\(\);",
        "java": r"^        server\.close\(\);",
        "javascript": r"^  socket\.destroy\(\);",
        "python": r"^    connection\.close\(\)",
    },
    ("client", "ctrl-c"): {
        "c": r"_exit\(128 \+ signal\)",
        "cpp": r"_exit\(128 \+ signal\)",
        "csharp": r"_Exit\(signals\[1\]\.IsSet",
        "java": r"halt\(130\)",
        "javascript": r"process\.exit\(130\)",
        "python": r"except KeyboardInterrupt",
    },
}


class PlaceError(Exception):
    """A pattern that doesn't match exactly one line, in words."""


def source(language: str, role: str, root: Path = ROOT) -> Path | None:
    """The program's file; None if this language has none (yet)."""
    found = sorted((root / "images" / language).glob(f"{role}.*"))
    return found[0] if found else None


def line_of(text: str, patterns: str | tuple[str, ...], where: str) -> int:
    """The number, from 1, of the one line that matches. Raises PlaceError if there isn't exactly one."""
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        numbers = [number for number, line in enumerate(text.split("\n"), 1) if re.search(pattern, line)]
        if numbers:
            break
    if len(numbers) != 1:
        problem = f"lines {', '.join(map(str, numbers))} match" if numbers else "no line matches"
        raise PlaceError(f"{where}: {problem} {pattern!r}; mend the pattern in tests/interop/sources.py")
    return numbers[0]


def link(language: str, role: str, place: str, root: Path = ROOT) -> str:
    """``[c](../images/c/server.c#L123)``, for a page in docs/; the name alone where there is nothing to link to."""
    pattern, path = PLACES[role, place].get(language), source(language, role, root)
    if pattern is None or path is None:
        return language
    number = line_of(path.read_text(encoding="utf-8"), pattern, f"{language}'s {role}")
    return f"[{language}](../{path.relative_to(root).as_posix()}#L{number})"
