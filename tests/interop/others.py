"""Clients that nobody here wrote: nc, socat, telnet, curl and a real browser, against every server.

    python3 -m tests.interop.others [--servers c,java] [--write docs/interop-others.md]

Each runs on the lab's client host, so the tap records it. What counts is on the wire: the server answered, octet for
octet, what the protocol demands of what the client sent, the capture is certified, and tshark finds nothing wrong. A
browser's GET is, to an echo server, some lines of text; what the browser makes of the answer is its own affair.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.interop.matrix import languages
from tests.live.conftest import Lab, Oracle, until
from tests.live.test_languages import build

TEXT = """# Clients that nobody here wrote

Made by `python3 -m tests.interop.others --write docs/interop-others.md`. Each tool talked to each server in the lab; a
tick means that every session's capture is certified, that tshark finds nothing wrong in it, and that the server
answered, octet for octet, what [the protocol](protocol.md) demands. A browser's GET is, to an echo server, some lines
of text.

"""
HERE = Path(__file__).resolve().parent
TALK = "hello\\nstraße\\n\\nquit\\n"
NO_FIN = "hello\\nlast words"


@dataclass(frozen=True)
class Tool:
    """A client program: its image, the command (with the server's name in it), and whether the browser's image has
    it."""

    name: str
    words: tuple[str, ...]
    in_browser: bool = False


TOOLS = (
    Tool("nc", ("sh", "-c", f"printf '{TALK}' | nc -N server 7")),
    Tool("nc, unfinished line", ("sh", "-c", f"printf '{NO_FIN}' | nc -N server 7")),
    Tool("nc over IPv6", ("sh", "-c", f"printf '{TALK}' | nc -N server6 7")),
    Tool("socat", ("sh", "-c", f"printf '{TALK}' | socat -t 5 - TCP:server:7")),
    Tool("telnet", ("sh", "-c", f"(printf '{TALK}'; sleep 1) | telnet server 7; true")),
    Tool(
        "curl",
        ("sh", "-c", "curl -s -m 3 telnet://server:7 </dev/null; curl -s -m 3 --http0.9 http://server:7/x; true"),
    ),
    Tool(
        "browser's GET",
        ("--explicitly-allowed-ports=7", "--virtual-time-budget=3000", "--dump-dom", "http://server:7/hello"),
        in_browser=True,
    ),
)


def answer(sent: bytes) -> bytes:
    """What the protocol demands of a stream (docs/protocol.md): lines in capital letters, Good bye after quit."""
    answers = b""
    *lines, rest = sent.split(b"\n")
    for number, line in enumerate([*lines, rest]):
        ended = number < len(lines)
        if not ended and not line:
            break
        body = line[:-1] if ended and line.endswith(b"\r") else line
        end = line[len(body) :] + b"\n" if ended else b""
        if body.lower() == b"quit":
            return answers + b"Good bye" + end
        try:
            answers += body.decode().upper().encode() + end
        except UnicodeDecodeError:
            answers += body.upper() + end
    return answers


def images() -> tuple[str, str]:
    """Build the image of tools and that of the browser."""
    browser = HERE.parent / "live" / "browser"
    return build("echolab/other-clients", str(HERE / "tools")), build("echolab/browser", str(browser))


def play(lab: Lab, oracle: Oracle, tool: Tool, built: tuple[str, str]) -> str:
    """Run a tool against the lab's server. Returns what is wrong with its sessions; empty if nothing is."""
    before = len(lab.ended())
    network = f"container:{lab.container('client-host').id}"
    command = [
        "docker",
        "run",
        "--rm",
        "--network",
        network,
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
    ]
    subprocess.run([*command, built[tool.in_browser], *tool.words], capture_output=True, check=False, timeout=60)
    until(lambda: len(lab.ended()) > before, f"a session of {tool.name}\n{lab.tail()}", deadline_s=30)
    until(lambda: all(one["verdict"] != "open" for one in lab.sessions()), "the end of every session")
    for session in lab.ended()[before:]:
        path = session["_path"]
        if not session["certificate"]["complete"]:
            return f"{session['verdict']}: {'; '.join(session['certificate']['reasons'])}"
        bad = "tcp.checksum.status==0||tcp.checksum.partial||tcp.analysis.lost_segment"
        if oracle.fields(path, bad, "frame.number"):
            return "tshark sees bad checksums or lost segments"
        sent, received = oracle.streams(path)
        wanted = answer(sent)
        if received != wanted and not (session["verdict"] == "reset" and wanted.startswith(received)):
            return f"{sent!r} was answered {received!r}, not {wanted!r}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.interop.others")
    parser.add_argument("--servers", default=",".join(languages()))
    parser.add_argument("--write", type=Path, help="write the table to this file")
    wanted = parser.parse_args()
    oracle, built = Oracle(), images()
    rows, good = [], True
    for server in wanted.servers.split(","):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            lab = Lab("echolab-others", Path(folder), "198.18.74", "2001:db8:74", SERVER=server)
            try:
                lab.down()
                lab.compose("build", "--quiet", "server", timeout_s=600)
                lab.up()
                until(lab.ended, "the demo session", deadline_s=30)
                found = [play(lab, oracle, tool, built) for tool in TOOLS]
            finally:
                lab.down()
        good = good and not any(found)
        rows.append(f"| **{server}** | " + " | ".join(f"✗ {one}" if one else "✓" for one in found) + " |")
        print(rows[-1], flush=True)
    if wanted.write:
        head = "| server | " + " | ".join(tool.name for tool in TOOLS) + " |\n" + "|---" * (len(TOOLS) + 1) + "|\n"
        wanted.write.write_text(TEXT + head + "\n".join(rows) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
