"""What runs inside a container during a play: it gets one request a line on standard input, and answers each with one
line. Sent to the container as text (``python3 -c``), so it needs nothing but Python there.

Beside the client it holds conversations; beside both hosts it reads the kernel's counters and sockets; beside the wire
it tells the wire's log, and loads scripts.
"""

from __future__ import annotations

import errno
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Told = dict[str, Any]
QUIET_STATES = ("06", "0A")  # TIME_WAIT and LISTEN


def counters(_asked: Told) -> Told:
    """All SNMP counters of this network namespace: ``TcpRetransSegs``, ``TcpExtTCPLossProbes``, ``Icmp6InErrors``."""
    found: Told = {}
    for name in ("snmp", "netstat"):
        lines = Path("/proc/net", name).read_text().splitlines()
        for head, values in zip(lines[::2], lines[1::2], strict=True):
            group = head.partition(":")[0]
            found.update(zip((group + word for word in head.split()[1:]), map(int, values.split()[1:]), strict=True))
    for line in Path("/proc/net/snmp6").read_text().splitlines():
        word, value = line.split()
        found[word] = int(value)
    return found


def sockets(_asked: Told) -> Told:
    """The TCP sockets of this network namespace that are neither LISTEN nor TIME_WAIT."""
    busy = []
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] not in QUIET_STATES:
                busy.append(" ".join(words[1:4]))
    return {"busy": busy}


KEPT: list[socket.socket] = []


def converse(asked: Told) -> Told:
    """Hold a conversation: ``steps`` are texts with the answer that ends each; how it went in ``outcome``.

    address, port, patience_s: for connecting and for each answer. end: ``quit`` waits for the server's FIN, ``abort``
    resets, ``keep`` leaves it open for a later request with ``go_on``, ``close`` closes.
    """
    started = time.monotonic()
    got, outcome = b"", ""
    talk = KEPT.pop() if asked.get("go_on") else fresh(asked)
    port = talk.getsockname()[1]
    try:
        if not asked.get("go_on"):
            talk.connect((asked["address"], asked["port"]))
        for text, answer in asked["steps"]:
            octets = text.encode()
            wanted = len(got) + len(answer.encode())
            talk.sendall(octets)
            while len(got) < wanted:
                more = talk.recv(65536)
                if not more:
                    break
                got += more
        expected = "".join(answer for _, answer in asked["steps"]).encode()
        outcome = "echoed" if got == expected else "wrong answer"
        if asked["end"] == "quit":
            while more := talk.recv(65536):
                got += more
    except TimeoutError as error:  # the kernel's, or settimeout()'s
        ours = "no answer" if outcome or got or connected(talk) else "no connection"
        outcome = "timed out" if error.errno == errno.ETIMEDOUT else ours
    except ConnectionRefusedError:
        outcome = "refused"
    except ConnectionResetError:
        outcome = "reset"
    except OSError as error:
        outcome = error.strerror or str(error)
    if outcome == "no answer" or asked["end"] == "abort":
        talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if outcome == "echoed" and asked["end"] == "keep":
        KEPT.append(talk)
    else:
        talk.close()
    took_ms = round((time.monotonic() - started) * 1000)
    return {"port": port, "outcome": outcome, "got": got.decode(errors="replace"), "took_ms": took_ms}


def fresh(asked: Told) -> socket.socket:
    """A socket of our own port, not yet connected."""
    talk = socket.socket(socket.AF_INET6 if ":" in asked["address"] else socket.AF_INET, socket.SOCK_STREAM)
    talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    talk.settimeout(asked["patience_s"])
    talk.bind(("", 0))
    return talk


def connected(talk: socket.socket) -> bool:
    """Whether the handshake has been completed at this end."""
    try:
        talk.getpeername()
    except OSError:
        return False
    return True


def knock(asked: Told) -> Told:
    """Send a datagram to a port where nobody is: the host's ICMP error comes back as ``refused``, or nothing does."""
    with socket.socket(socket.AF_INET6 if ":" in asked["address"] else socket.AF_INET, socket.SOCK_DGRAM) as knocker:
        knocker.settimeout(asked["patience_s"])
        knocker.connect((asked["address"], 9))
        knocker.send(b"anybody?")
        try:
            knocker.recv(1)
        except ConnectionRefusedError:
            return {"outcome": "refused"}
        except TimeoutError:
            return {"outcome": "no answer"}
    return {"outcome": "answered"}


OVERHEARD: list[tuple[int, str]] = []


def overhear(_asked: Told) -> Told:
    """From now on, keep every ARP frame of this network namespace: a capture of a session has few of them."""
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    OVERHEARD.clear()

    def listen() -> None:
        while True:
            data = ear.recv(2048)
            if data[12:14] == b"\x08\x06":
                OVERHEARD.append((time.time_ns(), data.hex()))

    threading.Thread(target=listen, daemon=True).start()
    return {}


def overheard(_asked: Told) -> Told:
    """What has been overheard: times and octets."""
    return {"frames": OVERHEARD}


def load(asked: Told) -> Told:
    """Give the wire a script; its answer, or its words of refusal."""
    from lab.router import control
    from lab.router.errors import WireError

    try:
        return control.ask(control.FOLDER, asked["request"])
    except WireError as error:
        return {"error": str(error)}


def card(_asked: Told) -> Told:
    """The hardware address of this network namespace's card."""
    return {"mac": Path("/sys/class/net/eth0/address").read_text().strip()}


def log(_asked: Told) -> Told:
    """Every line of the wire's log."""
    from lab.router import control, logbook

    return {"lines": [json.loads(line) for line in logbook.lines(control.FOLDER)]}


WORDS: dict[str, Callable[[Told], Told]] = {
    "counters": counters,
    "sockets": sockets,
    "converse": converse,
    "knock": knock,
    "overhear": overhear,
    "overheard": overheard,
    "load": load,
    "log": log,
    "card": card,
}


def main() -> None:
    """Answer until standard input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(WORDS[asked["do"]](asked)), flush=True)


if __name__ == "__main__":
    main()
