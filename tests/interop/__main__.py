"""The interop matrix: ``python -m tests.interop [--servers c,java] [--clients …] [--write docs/interop.md]``."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from pathlib import Path

from tests.interop.matrix import Cell, languages, play
from tests.live.conftest import Oracle

TEXT = """# Every client with every server

Made by `{command}`. For each pair a lab of its own was started (`SERVER=…
CLIENT=… docker compose up`), played the demo, and then a conversation through a pipe, once over IPv4 and once over
IPv6: text in several scripts, an empty line, a line of 20,000 octets, 40 pipelined lines, `quit`. A tick means that all
three captures are certified, name both languages, and that tshark finds full sessions, FINs from both sides, no bad or
partial checksum, no lost segment, and in the streams exactly the octets that the protocol demands; and that the client
printed exactly the answers. In brackets: frames in the two conversations' captures.

"""


def table(cells: list[Cell]) -> str:
    """The matrix in Markdown: servers down, clients across."""
    servers = sorted({cell.server for cell in cells})
    clients = sorted({cell.client for cell in cells})
    found = {(cell.server, cell.client): cell for cell in cells}
    lines = ["| server \\ client | " + " | ".join(clients) + " |", "|---" * (len(clients) + 1) + "|"]
    for server in servers:
        row = [
            f"✗ {cell.problem}" if cell.problem else f"✓ ({', '.join(map(str, cell.frames))})"
            for cell in (found[server, client] for client in clients)
        ]
        lines.append(f"| **{server}** | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description="every client with every server")
    every = ",".join(languages())
    parser.add_argument("--servers", default=every)
    parser.add_argument("--clients", default=every)
    parser.add_argument("--write", type=Path, help="write the table to this file")
    wanted = parser.parse_args()
    oracle = Oracle()
    cells = []
    for server in wanted.servers.split(","):
        for client in wanted.clients.split(","):
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                Path(folder).chmod(0o755)
                cell = play((server, client), Path(folder), oracle, "echolab-interop")
            cells.append(cell)
            print(f"{server:>10} ← {client:<10} {cell.problem or 'ok'} ({time.monotonic() - began:.1f} s)", flush=True)
    good = sum(1 for cell in cells if not cell.problem)
    print(f"{good} of {len(cells)} pairs")
    if wanted.write:
        command = shlex.join(["python3", "-m", "tests.interop", *sys.argv[1:]])
        text = TEXT.format(command=command) + table(cells) + f"\n{good} of {len(cells)} pairs.\n"
        wanted.write.write_text(text, encoding="utf-8")
    return 0 if good == len(cells) else 1


if __name__ == "__main__":
    sys.exit(main())
