"""A flood of echo sessions onto an interface at a steady rate: what the taps are measured with.

Whole sessions, as an echo server and its clients would send them: handshake, data in turns (every segment with right
numbers and checksums), FINs from both sides. The frames are built by NumPy, a thousand at a time, straight into an
AF_PACKET transmit ring (TPACKET_V2), so one core sends several hundred thousand a second. It prints one line of JSON:
frames sent, seconds, rate.
"""

from __future__ import annotations

import argparse
import json
import mmap
import socket
import struct
import time

import numpy as np
import numpy.typing as npt

SOL_PACKET = 263
PACKET_VERSION = 10
PACKET_TX_RING = 13
PACKET_QDISC_BYPASS = 20
SLOT_BYTES = 256
DATA_AT = 32  # TPACKET2_HDRLEN without the sockaddr_ll
SEND_REQUEST = 1
HEADERS = 14 + 20 + 32  # Ethernet, IPv4, TCP with timestamps

TO_TAP, FROM_ROUTER = bytes.fromhex("02000000000a"), bytes.fromhex("020000000014")
"""Both ways come from one router to the interface that is listened on (inside.py gives it this address): the lab's tap
leaves out frames that are for another station."""

FIN, SYN, PSH, ACK = 1, 2, 8, 16


class Sessions:
    """The state of many TCP sessions, one row each, and the frames that come next."""

    def __init__(self, count: int, frame_bytes: int, first_port: int) -> None:
        self.count = count
        self.payload_bytes = frame_bytes - HEADERS
        numbers = np.arange(count, dtype=np.uint32)
        self.client_seq = numbers * np.uint32(65537) + np.uint32(1000)
        self.server_seq = numbers * np.uint32(70001) + np.uint32(5000)
        ports = first_port + numbers % 50_000
        hosts = numbers // 50_000
        self.templates = {side: self._template(side, ports, hosts, frame_bytes) for side in ("client", "server")}

    def _template(
        self, side: str, ports: npt.NDArray[np.uint32], hosts: npt.NDArray[np.uint32], frame_bytes: int
    ) -> npt.NDArray[np.uint8]:
        frames = np.zeros((self.count, frame_bytes), np.uint8)
        frames[:, 0:12] = np.frombuffer(TO_TAP + FROM_ROUTER, np.uint8)
        frames[:, 12:14] = (8, 0)
        frames[:, 14:26] = np.frombuffer(
            struct.pack("!BBHHHBBH", 0x45, 0, frame_bytes - 14, 0, 0x4000, 64, 6, 0), np.uint8
        )
        client, server = slice(26, 30), slice(30, 34)
        client_port, server_port = slice(34, 36), slice(36, 38)
        if side == "server":
            client, server, client_port, server_port = server, client, server_port, client_port
        frames[:, client] = (192, 0, 2, 20)
        frames[:, client.start + 3] += hosts.astype(np.uint8)
        frames[:, server] = (192, 0, 2, 10)
        frames[:, client_port] = ports.astype(">u2").view(np.uint8).reshape(-1, 2)
        frames[:, server_port] = (0, 7)
        frames[:, 46:48] = (0x80, ACK)
        frames[:, 48:50] = (0xFA, 0xF0)
        frames[:, 54:66] = np.frombuffer(bytes.fromhex("0101080a0000000100000001"), np.uint8)
        letters = np.frombuffer((b"echo lab " * 20)[: self.payload_bytes - 1] + b"\n", np.uint8)
        frames[:, HEADERS:] = letters if side == "client" else np.frombuffer(letters.tobytes().upper(), np.uint8)
        return frames

    def frames(self, side: str, flags: int, data: bool) -> npt.NDArray[np.uint8]:
        """The next frame of every session from this side; the sequence numbers move on."""
        length = self.payload_bytes if data else 0
        frames = self.templates[side][:, : HEADERS + length].copy()
        seq, ack = (self.client_seq, self.server_seq) if side == "client" else (self.server_seq, self.client_seq)
        frames[:, 38:42] = seq.astype(">u4").view(np.uint8).reshape(-1, 4)
        frames[:, 42:46] = (ack if flags & ACK else ack * 0).astype(">u4").view(np.uint8).reshape(-1, 4)
        frames[:, 47] = flags
        frames[:, 16:18] = np.frombuffer(struct.pack("!H", 52 + length), np.uint8)
        frames[:, 24:26] = self._sum(frames[:, 14:34], 0)
        frames[:, 50:52] = self._sum(frames[:, 34:], self._words(frames[:, 26:34]) + 6 + 32 + length)
        seq += np.uint32(length + (1 if flags & (SYN | FIN) else 0))
        return frames

    @staticmethod
    def _words(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        if octets.shape[1] % 2:
            octets = np.pad(octets, ((0, 0), (0, 1)))
        words: npt.NDArray[np.int64] = np.ascontiguousarray(octets).view(">u2").sum(axis=1, dtype=np.int64)
        return words

    def _sum(self, octets: npt.NDArray[np.uint8], more: npt.NDArray[np.int64] | int) -> npt.NDArray[np.uint8]:
        """The Internet checksum (RFC 1071) of every row, whose own checksum field is still zero."""
        total = self._words(octets) + more
        for _ in range(2):
            total = (total & 0xFFFF) + (total >> 16)
        return (~total & 0xFFFF).astype(">u2").view(np.uint8).reshape(-1, 2)


class Sender:
    """A transmit ring: fill slots, one system call sends them all."""

    def __init__(self, interface: str, slots: int) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_VERSION, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        block = 4096
        size = (slots * SLOT_BYTES + block - 1) // block * block
        self.slots = size // SLOT_BYTES
        request = struct.pack("=IIII", block, size // block, SLOT_BYTES, self.slots)
        self.socket.setsockopt(SOL_PACKET, PACKET_TX_RING, request)
        self.ring = np.frombuffer(mmap.mmap(self.socket.fileno(), size), np.uint8).reshape(self.slots, SLOT_BYTES)
        self.status = self.ring[:, 0:8].view(np.uint32)  # status and length
        self.socket.bind((interface, 0))
        self._next = 0
        self.sent = 0

    def send(self, frames: npt.NDArray[np.uint8]) -> None:
        """Send these frames, all of the same length, in order."""
        count, length = frames.shape
        done = 0
        while done < count:
            here = min(count - done, self.slots - self._next)
            rows = slice(self._next, self._next + here)
            self.ring[rows, DATA_AT : DATA_AT + length] = frames[done : done + here]
            self.status[rows, 1] = length
            self.status[rows, 0] = SEND_REQUEST
            self.socket.send(b"")
            while (self.status[rows, 0] == SEND_REQUEST).any():
                self.socket.send(b"")
            self._next = (self._next + here) % self.slots
            done += here
        self.sent += count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interface")
    parser.add_argument("--rate", type=int, default=400_000, help="frames a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--frame-bytes", type=int, default=128)
    parser.add_argument("--first-port", type=int, default=10_000)
    wanted = parser.parse_args()
    sessions = Sessions(wanted.sessions, wanted.frame_bytes, wanted.first_port)
    sender = Sender(wanted.interface, max(1024, wanted.sessions))
    start = time.monotonic()

    def paced(frames: npt.NDArray[np.uint8]) -> None:
        due = start + sender.sent / wanted.rate
        while (left := due - time.monotonic()) > 0:
            if left > 0.0002:
                time.sleep(left - 0.0001)
        sender.send(frames)

    paced(sessions.frames("client", SYN, False))
    paced(sessions.frames("server", SYN | ACK, False))
    paced(sessions.frames("client", ACK, False))
    while time.monotonic() - start < wanted.seconds:
        paced(sessions.frames("client", PSH | ACK, True))
        paced(sessions.frames("server", PSH | ACK, True))
    paced(sessions.frames("client", FIN | ACK, False))
    paced(sessions.frames("server", FIN | ACK, False))
    paced(sessions.frames("client", ACK, False))
    took_s = time.monotonic() - start
    print(json.dumps({"frames": sender.sent, "seconds": round(took_s, 3), "rate": round(sender.sent / took_s)}))


if __name__ == "__main__":
    main()
