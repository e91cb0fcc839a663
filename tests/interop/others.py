"""Clients that nobody here wrote: nc, socat, telnet, curl and a real browser, against every server.

    python3 -m tests.interop.others [--servers c,java] [--write docs/interop-others.md]

Each runs on the lab's client host, so the tap records it. On the wire: the tool sent the text that it was to send, the
server answered, octet for octet, what the protocol demands of that, the capture is certified, and tshark finds nothing
wrong. And the tool showed the answers, and ended as it should. A browser's GET is, to an echo server, some lines of
text; what the browser makes of the answer is its own affair.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.interop.matrix import languages
from tests.live.conftest import Lab, Oracle, until
from tests.live.test_languages import build

TEXT = """# Clients that nobody here wrote

Made by `{command}`. Each tool talked to each server in the lab; a
tick means that it sent the text that it was given, that the server answered, octet for octet, what
[the protocol](protocol.md) demands, that the tool showed these answers and ended with the exit status that it should,
that every session's capture is certified, and that tshark finds nothing wrong in it. A GET is, to an echo server, some
lines of text: to a browser the answer is no HTTP, and no document; curl, which takes answers of HTTP 0.9, shows it, and
waits until its time is over.

"""
HERE = Path(__file__).resolve().parent
TALK = "hello\nstraße\n\nquit\n".encode()
UNFINISHED = b"hello\nlast words"
OVER = 28  # curl's exit status when its time is over


@dataclass(frozen=True)
class Tool:
    """A client program and what it must do.

    words: its command, with the server's name. sends: how the octets begin that it sends in one of its sessions; whole:
    or they are exactly these. shows: what its standard output must have: the answers, if None. status: how it ends.
    in_browser: the browser's image has it.
    """

    name: str
    words: tuple[str, ...]
    sends: bytes = TALK
    whole: bool = True
    shows: bytes | None = None
    status: int = 0
    in_browser: bool = False


def piped(octets: bytes, command: str) -> tuple[str, ...]:
    """The command with these octets on its standard input."""
    octal = "".join(f"\\{octet:03o}" for octet in octets)
    return ("sh", "-c", f"printf '{octal}' | {command}")


TOOLS = (
    Tool("nc", piped(TALK, "nc -N server 7")),
    Tool("nc, unfinished line", piped(UNFINISHED, "nc -N server 7"), UNFINISHED),
    Tool("nc over IPv6", piped(TALK, "nc -N server6 7")),
    Tool("socat", piped(TALK, "socat -t 5 - TCP:server:7")),
    # telnet sends every line end as CR LF, and shows CR LF as LF.
    Tool(
        "telnet",
        ("sh", "-c", f"({piped(TALK, 'cat')[2]}; sleep 1) | telnet server 7"),
        TALK.replace(b"\n", b"\r\n"),
        shows=b"HELLO\nSTRASSE\n\nGood bye\n",
    ),
    Tool("curl", piped(TALK, "curl -s -m 5 telnet://server:7")),
    Tool(
        "curl's GET",
        ("curl", "-s", "-m", "1", "--http0.9", "http://server:7/hello"),
        b"GET /hello HTTP/1.1\r\nHost: server:7\r\n",
        whole=False,
        shows=b"GET /HELLO HTTP/1.1\r\nHOST: SERVER:7\r\n",
        status=OVER,
    ),
    Tool(
        "browser's GET",
        ("--explicitly-allowed-ports=7", "--virtual-time-budget=3000", "--dump-dom", "http://server:7/hello"),
        b"GET /hello HTTP/1.1\r\nHost: server:7\r\n",
        whole=False,
        shows=b"",  # what is no HTTP is no document to it
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
    done = subprocess.run([*command, built[tool.in_browser], *tool.words], capture_output=True, check=False, timeout=60)
    until(lambda: len(lab.ended()) > before, f"a session of {tool.name}\n{lab.tail()}", deadline_s=30)
    until(lambda: all(one["verdict"] != "open" for one in lab.sessions()), "the end of every session")
    streams = []
    for session in lab.ended()[before:]:
        path = session["_path"]
        if not session["certificate"]["complete"]:
            return f"{session['verdict']}: {'; '.join(session['certificate']['reasons'])}"
        bad = "tcp.checksum.status==0||tcp.checksum.partial||tcp.analysis.lost_segment"
        if oracle.fields(path, bad, "frame.number"):
            return "tshark sees bad checksums or lost segments"
        streams.append((*oracle.streams(path), session["verdict"]))
    return judge(tool, streams, done.returncode, done.stdout)


def judge(tool: Tool, streams: list[tuple[bytes, bytes, str]], status: int, shown: bytes) -> str:
    """What is wrong with what a tool and the server said to each other; empty if nothing is.

    streams: of each session, what the tool sent, what the server sent, and the verdict. status, shown: the tool's exit
    status and standard output.
    """
    for sent, received, verdict in streams:
        wanted = answer(sent)
        if received != wanted and not (verdict == "reset" and wanted.startswith(received)):
            return f"{sent!r} was answered {received!r}, not {wanted!r}"
    said = [sent for sent, *_ in streams if (sent == tool.sends if tool.whole else sent.startswith(tool.sends))]
    if not said:
        return f"it sent {[sent for sent, *_ in streams]!r}, not {tool.sends!r}"
    wanted = answer(said[0]) if tool.shows is None else tool.shows
    if wanted not in shown:
        return f"it showed {shown[-200:]!r}, without {wanted!r}"
    return "" if status == tool.status else f"it ended with status {status}, not {tool.status}"


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
        command = shlex.join(["python3", "-m", "tests.interop.others", *sys.argv[1:]])
        wanted.write.write_text(TEXT.format(command=command) + head + "\n".join(rows) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
