"""The four containers of the wire's bench, and what is asked of them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NAME = "echolab-bench-wire"
NET4, NET6 = "198.18.150", "2001:db8:150:"
ROLES = {"server": 10, "client": 20, "wire": 40, "kernel": 41}


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"docker {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def address(role: str, version: int) -> str:
    return f"{NET4}.{ROLES[role]}" if version == 4 else f"{NET6}:{ROLES[role]}"


def inside(role: str, *words: str) -> Any:
    """Run the probe in a container; what it says."""
    return json.loads(docker("exec", f"{NAME}-{role}", "python3", "/bench/probe.py", *words))


@contextmanager
def stand(image: str) -> Iterator[None]:
    """The four containers."""

    def clean() -> None:
        docker("rm", "-f", *(f"{NAME}-{role}" for role in ROLES), check=False)
        docker("network", "rm", NAME, check=False)

    clean()
    nets = ("--subnet", f"{NET4}.0/24", "--ipv6", "--subnet", f"{NET6}:/64")
    docker("network", "create", "--internal", *nets, NAME)
    last = str((os.cpu_count() or 1) - 1)
    more: dict[str, tuple[str, ...]] = {
        "server": ("--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--cpuset-cpus", "0"),
        "client": ("--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--cpuset-cpus", "0"),
        "wire": (
            *("--cap-add", "NET_RAW", "--cpuset-cpus", last, "--tmpfs", "/run/wire:mode=0700"),
            # A new network namespace inherits this from the machine: then its kernel would forward each frame, too.
            *("--sysctl", "net.ipv4.ip_forward=0", "--sysctl", "net.ipv6.conf.all.forwarding=0"),
        ),
        "kernel": (
            *("--cap-add", "NET_ADMIN", "--sysctl", "net.ipv4.ip_forward=1"),
            *("--sysctl", "net.ipv6.conf.all.forwarding=1", "--sysctl", "net.ipv4.conf.all.send_redirects=0"),
            *("--sysctl", "net.ipv4.conf.eth0.send_redirects=0"),
        ),
    }
    hosts = [f"{side}{'6' * (v == 6)}:{address(side, v)}" for side in ("client", "server") for v in (4, 6)]
    names = [word for host in hosts for word in ("--add-host", host)]
    try:
        for role, options in more.items():
            command = (
                ("wire", "run", "--interface", "eth0") if role == "wire" else ("python3", "/bench/probe.py", "wait")
            )
            ends = ("--ip", address(role, 4), "--ip6", address(role, 6))
            kept = ("--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "--sysctl", "net.ipv6.conf.eth0.accept_redirects=0")
            docker(
                *(
                    "run",
                    "-d",
                    "--name",
                    f"{NAME}-{role}",
                    "--network",
                    NAME,
                    *ends,
                    *names,
                    *kept,
                    "--cap-drop",
                    "ALL",
                ),
                *("--entrypoint", "", *options, image, *command),
            )
        for role in ("server", "client", "kernel"):
            docker("exec", f"{NAME}-{role}", "ethtool", "-K", "eth0", "tx", "off")
        docker("exec", "-d", f"{NAME}-server", "python3", "/bench/probe.py", "echo")
        deadline = time.monotonic() + 20
        while "forwarding" not in docker("logs", f"{NAME}-wire"):
            if time.monotonic() > deadline:
                raise SystemExit(f"the wire did not start:\n{docker('logs', f'{NAME}-wire')}")
            time.sleep(0.1)
        yield
    finally:
        clean()


def steer(way: str, version: int) -> None:
    """Routes of both hosts through this router, or none."""
    bits = 32 if version == 4 else 128
    for here, there in (("client", "server"), ("server", "client")):
        words = ("ip", f"-{version}", "route")
        docker("exec", f"{NAME}-{here}", *words, "delete", f"{address(there, version)}/{bits}", check=False)
        if way != "direct":
            via = ("via", address(way, version))
            docker("exec", f"{NAME}-{here}", *words, "add", f"{address(there, version)}/{bits}", *via)


def load(script: str) -> None:
    """Give the wire this script; an empty one clears."""
    words = ("load", "-") if script else ("clear",)
    subprocess.run(
        ["docker", "exec", "-i", f"{NAME}-wire", "wire", *words],
        input=script,
        text=True,
        check=True,
        capture_output=True,
    )


def state() -> dict[str, Any]:
    """What the wire says of itself."""
    said: dict[str, Any] = json.loads(docker("exec", f"{NAME}-wire", "wire", "show", "--json"))
    return said


def settled() -> int:
    """The server's count of segments, when it no longer grows."""
    last = -1
    while (now := int(inside("server", "segments")["segments"])) != last:
        last = now
    return now


def wire_cpu_s() -> tuple[float, float]:
    """Processor time that the wire's process has had so far, and for how long it could have run and others did: by the
    scheduler's own count."""
    pid = docker("inspect", "-f", "{{.State.Pid}}", f"{NAME}-wire").strip()
    had_ns, waited_ns, _ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
    return int(had_ns) / 1e9, int(waited_ns) / 1e9
