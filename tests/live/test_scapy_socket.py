"""``sniff(opened_socket=RingSocket("eth0"))``: Scapy reads whole sessions from our ring, and knows what was lost."""

from __future__ import annotations

import json
import subprocess

from tests.live.conftest import Lab
from tests.marked import MARK

READER = r"""
import json
from scapy.layers.inet import TCP
from scapy.sendrecv import sniff
from lab.capture.scapysocket import RingSocket

with RingSocket("eth0", 4 << 20) as ring:
    print("bound", flush=True)
    input()  # the session is over before the first frame is read: its frames share a block of the ring
    last = lambda frame: frame.haslayer(TCP) and frame[TCP].flags.F and frame[TCP].dport == 7
    frames = sniff(opened_socket=ring, stop_filter=last, timeout=30)
    counted = ring.statistics()
    again = ring.statistics()
tcp = [frame for frame in frames if frame.haslayer(TCP)]
print(json.dumps({
    "flags": [str(frame[TCP].flags) for frame in tcp],
    "sent": b"".join(bytes(frame[TCP].payload) for frame in tcp if frame[TCP].dport == 7).decode(),
    "times": [float(frame.time) for frame in tcp],
    "read": len(frames), "counted": counted.received, "dropped": counted.dropped, "again": again.received,
    "closed": ring.closed,
}))
"""


def test_scapy_sniffs_a_whole_session_from_the_ring_and_the_kernels_count_is_read(lab: Lab) -> None:
    host = lab.container("server-host")
    words = ["docker", "run", "--rm", "-i", *MARK, "--network", f"container:{host.id}"]
    words += ["--cap-drop", "ALL", "--cap-add", "NET_RAW", "--read-only", "--entrypoint", "python3", "echolab/lab"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    reading = subprocess.Popen([*words, "-c", READER], text=True, **pipes)
    assert reading.stdout is not None
    first = reading.stdout.readline()
    assert first == "bound\n", reading.communicate()
    lab.client("from the ring\nquit\n")
    said, wrong = reading.communicate("\n", timeout=60)
    assert reading.returncode == 0, wrong
    seen = json.loads(said)
    assert seen["flags"][:3] == ["S", "SA", "A"], seen
    assert "FA" in seen["flags"][-1]
    assert seen["sent"] == "from the ring\nquit\n"
    assert seen["times"] == sorted(seen["times"])
    assert seen["counted"] >= seen["read"] > 0
    assert (seen["dropped"], seen["again"], seen["closed"]) == (0, 0, True)
