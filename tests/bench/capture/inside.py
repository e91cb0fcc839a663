"""The measurement inside the container: one flood for every tap, one tap after the other, on a veth pair made here.

For each tap it prints a line of JSON: frames sent, seen and dropped, CPU seconds of the tap (user and system, from
wait4), the largest resident set, and for the lab's own tap also how many sessions it certified. The taps write to the
folder /out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

OUT = Path("/out")
SETTLE_S = 1.5


def taps(ring_mib: int) -> dict[str, list[str]]:
    """The command line of every tap."""
    return {
        "echolab tap": ["python3", "-m", "lab.capture", "--interface", "v1", "--captures", str(OUT)],
        "tcpdump": ["tcpdump", "-Z", "root", "-i", "v1", "-B", str(ring_mib * 1024), "-w", str(OUT / "tcpdump.pcap")],
        "dumpcap": ["dumpcap", "-q", "-i", "v1", "-B", str(ring_mib), "-w", str(OUT / "dumpcap.pcapng")],
        "plain scapy": ["python3", "/bench/plain_scapy.py", "v1", str(OUT / "scapy.pcap")],
    }


def wire() -> None:
    """A veth pair without offloads; v1 has the address that the flood's frames are sent to."""
    for words in (
        "ip link add v0 type veth peer name v1",
        "ip link set v1 address 02:00:00:00:00:0a",
        "ip link set v0 up",
        "ip link set v1 up",
        "ethtool -K v0 tx off",
        "ethtool -K v1 tx off",
    ):
        subprocess.run(words.split(), check=True, stdout=subprocess.DEVNULL)


def measure(name: str, command: list[str], flood: list[str], ring_mib: int) -> dict[str, Any]:
    """One tap under one flood."""
    environment = {**os.environ, "ECHO_RING_MIB": str(ring_mib), "ECHO_LADDER": "off"}
    with (OUT / "log").open("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        time.sleep(SETTLE_S)
        sent = json.loads(subprocess.run(flood, check=True, capture_output=True).stdout)
        time.sleep(SETTLE_S)
        if process.poll() is not None:
            raise SystemExit(f"{name} ended by itself with status {process.returncode}:\n{(OUT / 'log').read_text()}")
        process.send_signal(signal.SIGINT)
        _, _, usage = os.wait4(process.pid, 0)
        log.seek(0)
        text = log.read()
    seen, dropped, certified = result(name, text)
    return {
        "tap": name,
        "sent": sent["frames"],
        "rate": sent["rate"],
        "seen": seen,
        "dropped": max(dropped or 0, sent["frames"] - seen),  # what never came is lost too, whoever counts it
        "certified": certified,
        "user_s": usage.ru_utime,
        "system_s": usage.ru_stime,
        "rss_mib": usage.ru_maxrss / 1024,
    }


def result(name: str, log: str) -> tuple[int, int | None, str]:
    """What a tap says it saw and dropped; for the lab's own tap, how many sessions are certified."""
    if name == "echolab tap":
        run = sorted(OUT.glob("*/run.json"))[-1]
        facts = json.loads(run.read_text())
        sessions = [json.loads(p.read_text()) for p in run.parent.glob("*.json") if p != run]
        whole = sum(1 for s in sessions if s["certificate"]["complete"])
        return facts["frames"], facts["frames_dropped"], f"{whole}/{len(sessions)}"
    if name == "tcpdump":
        return (
            int(re.findall(r"(\d+) packets? captured", log)[0]),
            int(re.findall(r"(\d+) packets? dropped", log)[0]),
            "-",
        )
    if name == "dumpcap":
        seen, lost = re.findall(r"received/dropped on interface 'v1': (\d+)/(\d+)", log)[0]
        return int(seen), int(lost), "-"
    return int(log.split()[-1]), None, "-"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", default="400000")
    parser.add_argument("--seconds", default="10")
    parser.add_argument("--sessions", default="1000")
    parser.add_argument("--ring-mib", type=int, default=64)
    wanted = parser.parse_args()
    wire()
    flood = ["python3", "/bench/flood.py", "v0", "--rate", wanted.rate, "--seconds", wanted.seconds]
    flood += ["--sessions", wanted.sessions]
    for name, command in taps(wanted.ring_mib).items():
        print(json.dumps(measure(name, command, flood, wanted.ring_mib)), flush=True)
        for path in OUT.rglob("*"):
            if path.is_file():
                path.unlink()


if __name__ == "__main__":
    main()
