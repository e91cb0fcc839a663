"""The quick way through a wire that has nothing to do but forward: as many frames at once as are there, in place.

Python needs microseconds to look at one frame. So with the empty script the headers of all waiting frames are looked at
together, as columns of numbers (NumPy); hardware addresses, TTL and checksum are changed where the frames lie in the
ring, and one system call sends them from there: their octets are never copied by us. Whatever is not plain (another
version, IP options, a TTL that runs out, an unknown neighbour) stops the row, and the router proper takes that frame. A
few frames at a time go one by one, which is quicker than setting up columns.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lab.router.octets import IP, hopped_checksum
from lab.router.port import MAC_AT, MOST_AT_ONCE, SLOT_BYTES, Port
from lab.router.router import Router
from lab.wire.parse import IP4, IP6

FEW = 12
"""Up to so many frames, one by one is quicker (measured)."""

_V4, _V6 = int.from_bytes(IP4, "little"), int.from_bytes(IP6, "little")
Bools = npt.NDArray[np.bool_]
UInt8s = npt.NDArray[np.uint8]


class FastWay:
    """Forwards what it can for a router without a script."""

    def __init__(self, port: Port, router: Router) -> None:
        self._port = port
        self._router = router
        octets = np.frombuffer(port.memory, np.uint8)
        self._rows = octets.reshape(port.slots, SLOT_BYTES)
        self._words = octets.view(np.uint32).reshape(port.slots, SLOT_BYTES // 4)
        self._vectors = np.frombuffer(memoryview(port.vectors).cast("B"), np.uint64).reshape(-1, 2)
        self._mac = np.frombuffer(router.around.mac, np.uint8)
        self._mtu = router.around.mtu_bytes
        self.forwarded = 0

    def turn(self) -> bool:
        """Deal with what is there now. Returns whether there was anything."""
        first = self._port.next_slot
        ready = self._words[first : first + MOST_AT_ONCE, 0] & 1
        if not ready[0]:
            return False
        count = len(ready) if ready.all() else int(np.argmin(ready))
        if count <= FEW:
            self._one_by_one(count)
            return True
        done = self._together(first, count)
        if done < count:
            self._one_by_one(1)
        return True

    def _one_by_one(self, count: int) -> None:
        out: list[bytes] = []
        router = self._router
        for data in self._port.frames(count):
            quick = self._quick(data)
            if quick is not None:
                out.append(quick)
                continue
            now_ns = time.time_ns()
            router.receive(data, now_ns)
            out += router.outgoing(now_ns)
        if out:
            self._port.send(out)

    def _quick(self, data: bytes) -> bytes | None:
        """The frame forwarded, if it is as plain as can be; None if the router proper must look."""
        router = self._router
        known, around = router.neighbours.known, router.around
        if data[:6] != around.mac:
            return None
        if data[12:15] == b"\x08\x00\x45" and len(data) >= 34:
            mac, source = known.get(data[30:34]), data[26:30]
            end = IP + int.from_bytes(data[16:18], "big")
            plain = data[22] > 1 and int.from_bytes(data[14:34], "big") % 0xFFFF == 0
            side, other = around.hosts.get(source), around.hosts.get(data[30:34])
            if mac is None or not plain or side is None or other is None or side == other or not 34 <= end <= len(data):
                return None
            if end - IP > self._mtu:
                return None
            total = hopped_checksum(int.from_bytes(data[24:26], "big"))
            ttl = bytes((data[22] - 1, data[23]))
            self.forwarded += 1
            return b"".join((mac, around.mac, data[12:22], ttl, total.to_bytes(2, "big"), data[26:end]))
        if data[12:14] == IP6 and len(data) >= 54 and data[14] >> 4 == 6 and data[20] == 6 and data[21] > 1:
            mac = known.get(data[38:54])
            end = IP + 40 + int.from_bytes(data[18:20], "big")
            side, other = around.hosts.get(data[22:38]), around.hosts.get(data[38:54])
            if mac is None or side is None or other is None or side == other or end > len(data):
                return None
            if end - IP > self._mtu:
                return None
            self.forwarded += 1
            return b"".join((mac, around.mac, data[12:21], bytes((data[21] - 1,)), data[22:end]))
        return None

    def _together(self, first: int, count: int) -> int:
        """Forward the longest row of plain frames of one IP version from this slot on. Returns how many those are."""
        rows = self._rows[first : first + count, MAC_AT : MAC_AT + 54]
        words = self._words[first : first + count]
        kind = int(rows[0, 12]) | int(rows[0, 13]) << 8
        if kind not in (_V4, _V6):
            return 0
        fine = (rows[:, 0:6] == self._mac).all(axis=1)
        fine &= (rows[:, 12] == rows[0, 12]) & (rows[:, 13] == rows[0, 13])
        fine &= words[:, 1] == words[:, 2]  # not cut by its slot
        if kind == _V4:
            length, macs = self._look4(rows, fine)
        else:
            length, macs = self._look6(rows, fine)
        fine &= (length <= self._mtu) & (length + IP <= words[:, 2])
        count = len(fine) if fine.all() else int(fine.argmin())
        if not count:
            return 0
        self._change(rows[:count], macs[:count], kind)
        vectors = self._vectors[:count]
        vectors[:, 0] = self._port.base + MAC_AT + (first + np.arange(count, dtype=np.uint64)) * SLOT_BYTES
        vectors[:, 1] = length[:count] + IP
        self._port.send_vectors(count)
        words[:count, 0] = 0
        self._port.skip(count)
        self.forwarded += count
        return count

    def _look4(self, rows: UInt8s, fine: Bools) -> tuple[npt.NDArray[np.int64], UInt8s]:
        halves = np.ascontiguousarray(rows[:, 14:34]).view(">u2").astype(np.int64)
        total = halves.sum(axis=1)
        total = (total & 0xFFFF) + (total >> 16)
        fine &= (total == 0xFFFF) & (rows[:, 14] == 0x45) & (rows[:, 22] > 1)
        length = halves[:, 1]
        fine &= length >= 20
        addresses = np.ascontiguousarray(rows[:, 26:34]).view(np.uint64)[:, 0]
        return length, self._macs(addresses, fine, 4)

    def _look6(self, rows: UInt8s, fine: Bools) -> tuple[npt.NDArray[np.int64], UInt8s]:
        fine &= (rows[:, 20] == 6) & (rows[:, 21] > 1) & (rows[:, 14] >> 4 == 6)
        length = (rows[:, 18].astype(np.int64) << 8 | rows[:, 19]) + 40
        addresses = np.ascontiguousarray(rows[:, 22:54]).view("V32")[:, 0]
        return length, self._macs(addresses, fine, 16)

    def _macs(self, addresses: npt.NDArray[np.generic], fine: Bools, octets: int) -> UInt8s:
        """The hardware address of each frame's receiver; frames that are not between the two hosts are not fine."""
        macs = np.zeros((len(addresses), 6), np.uint8)
        known = np.zeros(len(addresses), np.bool_)
        for source, destination, mac in pairs(self._router, octets):
            pair = np.frombuffer(source + destination, addresses.dtype)[0]
            here = addresses == pair
            macs[here] = np.frombuffer(mac, np.uint8)
            known |= here
        fine &= known
        return macs

    def _change(self, rows: UInt8s, macs: UInt8s, kind: int) -> None:
        rows[:, 0:6] = macs
        rows[:, 6:12] = self._mac
        if kind == _V6:
            rows[:, 21] -= 1
            return
        rows[:, 22] -= 1
        total = (rows[:, 24].astype(np.uint32) << 8 | rows[:, 25]) + 0x0100  # as hopped_checksum() does
        total += total >= 0xFFFF
        rows[:, 24] = total >> 8 & 0xFF
        rows[:, 25] = total & 0xFF


def pairs(router: Router, octets: int) -> Sequence[tuple[bytes, bytes, bytes]]:
    """Who may talk to whom through the wire: source, destination, and the destination's hardware address, as far as it
    is known. octets: 4 for IPv4, 16 for IPv6."""
    hosts, known = router.around.hosts, router.neighbours.known
    own = [address for address in hosts if len(address) == octets]
    return [(a, b, known[b]) for a in own for b in own if hosts[a] != hosts[b] and b in known]
