"""Is the lab's port on 127.0.0.1 free, and if not, who has it?

A server of the user's own from last week's exercise is the usual answer. Its name is looked up in /proc, as ``ss
-ltnp`` does: the socket's inode in /proc/net/tcp, then the process whose open files include it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
from pathlib import Path

from lab.setup.errors import SetupError
from lab.setup.runner import Runner
from lab.setup.settings import Settings

_LISTEN = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now. May raise PermissionError (ports below 1024)."""
    with socket.socket() as probe:
        # As servers do: connections that are still in TIME_WAIT don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return True  # not for us, but the engine is root
        except OSError as error:
            return error.errno != errno.EADDRINUSE
        return True


def published_by(runner: Runner, port: int) -> tuple[str, str] | None:
    """The container that publishes this port, as (name, compose project), or None."""
    template = '{{.Names}}\t{{.Label "com.docker.compose.project"}}\t{{.Ports}}'
    for line in runner.run(["docker", "ps", "--format", template]).out.splitlines():
        name, _, rest = line.partition("\t")
        project, _, ports = rest.partition("\t")
        if re.search(rf"(?::|^){port}->", ports):
            return name, project
    return None


def listener(port: int, proc: Path = Path("/proc")) -> str:
    """Who listens on this port, as "name (process number)", or '' when /proc does not tell."""
    inodes = set()
    for table in ("net/tcp", "net/tcp6"):
        with contextlib.suppress(OSError):
            inodes |= listening_inodes((proc / table).read_text(encoding="ascii"), port)
    if not inodes:
        return ""
    links = {f"socket:[{inode}]" for inode in inodes}
    with contextlib.suppress(OSError):
        for folder in proc.iterdir():
            if folder.name.isdigit() and _holds(folder, links):
                with contextlib.suppress(OSError):
                    return f"{(folder / 'comm').read_text(encoding='utf-8').strip()} (process {folder.name})"
    return ""


def listening_inodes(table: str, port: int) -> set[str]:
    """The inodes of the sockets that listen on a port, from the text of /proc/net/tcp or tcp6."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[9] for row in rows if len(row) > 9 and row[3] == _LISTEN and row[1].endswith(f":{port:04X}")}


def _holds(folder: Path, links: set[str]) -> bool:
    with contextlib.suppress(OSError):
        for file in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(file) in links:  # noqa: PTH115 (the target is not a path)
                    return True
    return False


def port_problem(runner: Runner, settings: Settings) -> SetupError | None:
    """Whether somebody else has the lab's port; the sentence names who, where it can be told."""
    port = settings.port
    if not port or is_free(port):
        return None
    container = published_by(runner, port)
    if container and container[1] == settings.project:
        return None
    who = f'container "{container[0]}"' if container else listener(port)
    return SetupError(
        f"Port {port} on 127.0.0.1 is taken" + (f" by {who}." if who else "."), f"ECHO_PORT={_next_free(port)} make up"
    )


def _next_free(port: int) -> int:
    return next((p for p in range(port + 1, min(port + 100, 65536)) if is_free(p)), 18080)
