"""What the bench of the wire does inside its containers; each command prints one line of JSON.

    wait                            nothing, until it is killed: the container's main program
    mac ADDRESS                     the hardware address of a neighbour
    segments                        TCP segments that have come up to this host's TCP
    flood MAC FROM TO SIZE RATE S   TCP segments to TO, sent to the station MAC, at a steady rate
    watch COUNT                     one-way delays of marked frames, in ns (the sender writes the time into them)
    stamps COUNT                    between the arrival of the first and the last of so many marked frames, in ns
    burst MAC FROM TO SIZE COUNT    so many marked frames, at 100,000 frames/s
    marks MAC FROM TO COUNT EVERY   marked frames, one every so many µs
    echo                            an echo server on port 7
    transfer HOST OCTETS            send and get back so many octets in one session
    retransmitted                   TCP segments that this host has sent again so far, and of how many of them the
                                    other end has said that it had them already (D-SACK, RFC 2883)

The flood's segments have the flag RST, so that a host that knows no such connection takes them in silence
(RFC 9293 §3.10.7.1): what is measured is the way there, and nothing comes back.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from lab.router import forge
from lab.router.port import MOST_AT_ONCE, Port
from lab.wire.packet import Endpoint, Flags

MARK = b"bench of the wire"
BURST = 32
TIMESTAMPNS = 35  # SO_TIMESTAMPNS
RCVBUFFORCE = 33  # SO_RCVBUFFORCE: more than the system's bound, with NET_ADMIN


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def own_mac() -> bytes:
    return bytes.fromhex(Path("/sys/class/net/eth0/address").read_text().strip().replace(":", ""))


def mac(address: str) -> dict[str, str]:
    """Asks the kernel's table after one ping's worth of traffic (a UDP datagram to the discard port)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with socket.socket(family, socket.SOCK_DGRAM) as asker:
            asker.sendto(b"", (address, 9))
        words = subprocess.run(
            ["ip", "neigh", "show", address], check=True, capture_output=True, text=True
        ).stdout.split()
        if "lladdr" in words:
            return {"mac": words[words.index("lladdr") + 1]}
        time.sleep(0.05)
    raise SystemExit(f"nobody answers for {address}")


def counter(name: str, group: str = "Tcp", file: str = "snmp") -> int:
    lines = [line.split() for line in Path("/proc/net", file).read_text().splitlines() if line.startswith(f"{group}:")]
    return int(lines[1][lines[0].index(name)])


def segments() -> dict[str, int]:
    return {"segments": counter("InSegs")}


def retransmitted() -> dict[str, int]:
    spurious = counter("TCPDSACKRecv", "TcpExt", "netstat")
    return {"segments": counter("RetransSegs"), "spurious": spurious}


def frame(to_mac: str, source: str, target: str, size: int, payload: bytes = b"") -> bytes:
    """A frame of this size (without the FCS) from this host to that station."""
    head = 54 if "." in source else 74
    text = payload or b"echo lab ".ljust(max(0, size - head), b".")
    ends = Endpoint(packed(source), 40000), Endpoint(packed(target), 7)
    made = forge.segment(*ends, 1, 1, Flags.RST | Flags.ACK, payload=text)
    return bytes.fromhex(to_mac.replace(":", "")) + own_mac() + made[12:]


def burst(to_mac: str, source: str, target: str, size: str, count: str) -> dict[str, float]:
    head = 54 if "." in source else 74
    text = b"echo lab ".ljust(int(size) - head - len(MARK) - 8, b".") + MARK + bytes(8)
    return poured(frame(to_mac, source, target, 0, text), 100_000, int(count) / 100_000)


def flood(to_mac: str, source: str, target: str, size: str, rate: str, seconds: str) -> dict[str, float]:
    return poured(frame(to_mac, source, target, int(size)), int(rate), float(seconds))


def poured(data: bytes, wanted: int, seconds: float) -> dict[str, float]:
    """Sent in bursts of BURST with sendmmsg; the pace is kept on the average."""
    port = Port("eth0", slots=64)
    octets = ctypes.create_string_buffer(data)
    for number in range(MOST_AT_ONCE):
        port.vectors[number].base = ctypes.addressof(octets)
        port.vectors[number].length = len(octets) - 1
    sent, start, cpu_s = 0, time.monotonic(), 0.0
    most = round(wanted * seconds)
    while sent < most and (now := time.monotonic()) < start + 2 * seconds:
        if sent <= (now - start) * wanted:
            before_s = time.process_time()
            port.send_vectors(BURST)
            cpu_s += time.process_time() - before_s
            sent += BURST
    took_s = time.monotonic() - start
    return {"sent": sent - port.refused, "rate": round(sent / took_s), "cpu_us": cpu_s / sent * 1e6}


def marks(to_mac: str, source: str, target: str, count: str, every_us: str) -> dict[str, int]:
    """The moment of sending goes into the payload; the TCP checksum is then wrong, which no router looks at."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind(("eth0", 0))
    made = frame(to_mac, source, target, 0, MARK + bytes(8))[:-8]
    due = time.monotonic()
    for _ in range(int(count)):
        due += int(every_us) / 1e6
        while time.monotonic() < due:
            time.sleep(max(0.0, due - time.monotonic() - 0.0001))
        sock.send(made + struct.pack("!Q", time.time_ns()))
    return {"sent": int(count)}


def marked(count: int, patience_s: float) -> Iterator[tuple[int, int]]:
    """The kernel's time stamp of each marked frame's arrival, and the time it carries."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 64 << 20)  # the watcher may be late, the stamps are not
    sock.settimeout(patience_s)
    sock.bind(("eth0", 3))
    print("ready", file=sys.stderr, flush=True)
    try:
        while count:
            data, extra, _flags, _whence = sock.recvmsg(2048, 64)
            if data[-8 - len(MARK) : -8] == MARK:
                seconds, nanoseconds = struct.unpack("=qq", extra[0][2])
                yield seconds * 1_000_000_000 + nanoseconds, int.from_bytes(data[-8:], "big")
                count -= 1
    except TimeoutError:
        return


def watch(count: str) -> dict[str, list[int]]:
    return {"delays_ns": [came_ns - sent_ns for came_ns, sent_ns in marked(int(count), 3)]}


def stamps(count: str) -> dict[str, int]:
    times = [came_ns for came_ns, _ in marked(int(count), 5)]
    return {"count": len(times), "ns": times[-1] - times[0] if times else 0}


def echo() -> dict[str, str]:
    """Gives back what it gets, for ever."""

    def one(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    with socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        while True:
            threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def transfer(host: str, octets: str) -> dict[str, object]:
    """One session: octets out and back at the same time; what came back must be what went."""
    data = os.urandom(1 << 16) * (int(octets) >> 16)
    start = time.monotonic()
    with socket.create_connection((host, 7), timeout=20) as talk:

        def send() -> None:
            talk.sendall(data)
            talk.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        digest, count = hashlib.sha256(), 0
        while part := talk.recv(1 << 18):
            digest.update(part)
            count += len(part)
        sender.join()
    same = digest.digest() == hashlib.sha256(data).digest()
    took_s = time.monotonic() - start
    return {"octets": count, "same": same, "seconds": took_s}


def main() -> None:
    command, *words = sys.argv[1:]
    if command == "wait":
        signal.sigwait({signal.SIGTERM})
        return
    known = {f.__name__: f for f in (mac, segments, retransmitted, flood, burst, marks, watch, stamps, echo, transfer)}
    print(json.dumps(known[command](*words)), flush=True)  # type: ignore[operator]


if __name__ == "__main__":
    main()
