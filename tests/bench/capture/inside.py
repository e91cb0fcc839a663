"""The measurement inside the container: one flood for every tap, one tap after the other, on a veth pair made here.

For each tap and round it prints a line of JSON: frames sent, seen and dropped, CPU seconds of the tap (user and system,
from wait4), the largest resident set, and for the lab's own tap also how many sessions it certified. The taps write to
the folder /out. What they wrote is emptied, not removed: ext4 searches long for an inode that was not used lately, and
the next tap would pay for that.
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


def taps(ring_mib: int, captures: Path) -> dict[str, list[str]]:
    """The command line of every tap."""
    return {
        "the lab's tap": ["python3", "-m", "lab.capture", "--interface", "v1", "--captures", str(captures)],
        "tcpdump": ["tcpdump", "-Z", "root", "-i", "v1", "-B", str(ring_mib * 1024), "-w", str(OUT / "tcpdump.pcap")],
        "dumpcap": ["dumpcap", "-q", "-i", "v1", "-B", str(ring_mib), "-w", str(OUT / "dumpcap.pcapng")],
        "plain Scapy": ["python3", "/bench/plain_scapy.py", "v1", str(OUT / "scapy.pcap")],
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


def measure(name: str, command: list[str], flood: list[str], ring_mib: int, number: int) -> dict[str, Any]:
    """One tap under one flood. number: of the round."""
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
    seen, dropped, certified, sessions = result(name, text, number)
    return {
        "tap": name,
        "round": number,
        "ring_mib": 0 if name == "plain Scapy" else ring_mib,
        "sent": sent["frames"],
        "rate": sent["rate"],
        "seen": seen,
        "dropped": max(dropped or 0, sent["frames"] - seen),  # what never came is lost too, whoever counts it
        "certified": certified,
        "sessions": sessions,
        "user_s": usage.ru_utime,
        "system_s": usage.ru_stime,
        "rss_mib": usage.ru_maxrss / 1024,
    }


def result(name: str, log: str, number: int) -> tuple[int, int | None, int | None, int | None]:
    """What a tap says it saw and dropped; for the lab's own tap, how many sessions are certified, and of how many."""
    if name == "the lab's tap":
        run = next(OUT.glob(f"{number}/*/run.json"))
        facts = json.loads(run.read_text())
        sessions = [json.loads(p.read_text()) for p in run.parent.glob("*.json") if p != run]
        whole = sum(1 for s in sessions if s["certificate"]["complete"])
        return facts["frames"], facts["frames_dropped"], whole, len(sessions)
    if name == "tcpdump":
        return (
            int(re.findall(r"(\d+) packets? captured", log)[0]),
            int(re.findall(r"(\d+) packets? dropped", log)[0]),
            None,
            None,
        )
    if name == "dumpcap":
        seen, lost = re.findall(r"received/dropped on interface 'v1': (\d+)/(\d+)", log)[0]
        return int(seen), int(lost), None, None
    return int(log.split()[-1]), None, None, None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", default="400000")
    parser.add_argument("--seconds", default="10")
    parser.add_argument("--sessions", default="1000")
    parser.add_argument("--ring-mib", type=int, default=32)
    wanted = parser.parse_args()
    wire()
    flood = ["python3", "/bench/flood.py", "v0", "--rate", wanted.rate, "--seconds", wanted.seconds]
    flood += ["--sessions", wanted.sessions]
    for number in range(wanted.rounds):
        captures = OUT / str(number)
        captures.mkdir()
        commands = list(taps(wanted.ring_mib, captures).items())
        turn = number % len(commands)
        for name, command in commands[turn:] + commands[:turn]:
            print(json.dumps(measure(name, command, flood, wanted.ring_mib, number)), flush=True)
            for path in OUT.rglob("*"):
                if path.is_file():
                    os.truncate(path, 0)


if __name__ == "__main__":
    main()
