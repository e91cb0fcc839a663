"""Mixed sessions of real kernels: the composed lab, and on its two hosts the programs of tests/oracle/traffic.

Besides the captures there are two witnesses that never saw one: the client program, which counts the octets that it put
into its sockets and took out of them, and both kernels, which count the segments that they sent again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from tests.live.conftest import Lab, until
from tests.marked import LABELS
from tests.oracle.case import Finding

TRAFFIC = Path(__file__).resolve().parent / "traffic"
PLAY_DEADLINE_S = 240
IDLE_S = 6


@dataclass
class Played:
    """What the witnesses say. told: one record a connection (tests/oracle/traffic/mixed.py). retransmitted: by host."""

    told: list[dict[str, Any]]
    retransmitted: dict[str, int]


class Stage:
    """The lab with the servers of every kind of session running beside its echo server."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.servers = self._start("server-host", "peers.py", stdin_open=True, detach=True)
        until(lambda: b"ready" in self.servers.logs(), "the servers of the mixed sessions")

    def _start(self, host: str, program: str, *arguments: str, **how: Any) -> Any:
        return self.lab.docker.containers.run(
            "echolab/python-client",
            [f"/traffic/{program}", *arguments],
            name=f"{self.lab.project}-{program.removesuffix('.py')}",
            entrypoint="python3",
            labels=LABELS,
            network_mode=f"container:{self.lab.container(host).id}",
            user="0:0",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN"],  # for socket filters; it reaches no further than this host of the lab
            volumes={str(TRAFFIC): {"bind": "/traffic", "mode": "ro"}},
            **how,
        )

    def play(self, sessions: int, seed: int) -> Played:
        """Play so many connections, wait until what they left behind has settled, and stop the tap.

        A few of them are open before the tap starts.
        """
        before = self._retransmitted()
        early = self._early(2 + sessions // 40, seed)
        client: Container = self._start("client-host", "mixed.py", str(sessions), str(seed), detach=True)
        try:
            status = client.wait(timeout=PLAY_DEADLINE_S)["StatusCode"]
            output = client.logs(stdout=True, stderr=True).decode()
        finally:
            client.remove(force=True)
        if status:
            raise ValueError(f"the clients of the mixed sessions ended with {status}: {output}")
        *told, last = [json.loads(line) for line in output.splitlines()]
        told = early + told
        if last["troubles"]:
            raise ValueError(f"some connections did not come about: {last['troubles']}")
        until(lambda: self._settled(told), "the end of every session that has one", 60)
        again = {"client": last["retransmitted_by_client"], "server": self._retransmitted() - before}
        self.lab.compose("stop", "server-tap")
        return Played(told, again)

    def _early(self, sessions: int, seed: int) -> list[dict[str, Any]]:
        """Start the tap when so many connections are open, and let them go on. Returns what they told."""
        client: Container = self._start("client-host", "early.py", str(sessions), str(seed), detach=True)
        try:
            until(lambda: b"open" in client.logs(), "the connections that shall be there before the tap")
            self.lab.compose("up", "--detach", "--no-deps", "--wait", "server-tap")
            client.kill(signal="SIGUSR1")
            status = client.wait(timeout=PLAY_DEADLINE_S)["StatusCode"]
            output = client.logs(stdout=True, stderr=True).decode()
        finally:
            client.remove(force=True)
        if status:
            raise ValueError(f"the connections from before the tap ended with {status}: {output}")
        return [json.loads(line) for line in output.splitlines()[1:]]

    def _settled(self, told: list[dict[str, Any]]) -> bool:
        """Whether every connection has its session, and none is open."""
        sessions = self.lab.sessions()
        return len(sessions) >= len(told) and all(one["verdict"] != "open" for one in sessions)

    def _retransmitted(self) -> int:
        """tcpRetransSegs of the server's host (RFC 4022)."""
        _, output = self.servers.exec_run(["cat", "/proc/net/snmp"])
        lines = [line.split() for line in output.decode().splitlines() if line.startswith("Tcp:")]
        return int(lines[1][lines[0].index("RetransSegs")])

    def end(self) -> None:
        self.servers.remove(force=True)


@contextmanager
def stage(captures: Path, project: str, net4: str, net6: str) -> Iterator[Stage]:
    """The lab up with its own project name and networks, and down again at the end."""
    # So long a silence ends a session: then those that nobody answers are half-open.
    lab = Lab(project, captures, net4, net6, ECHO_LADDER="off", ECHO_IDLE_S=str(IDLE_S))
    lab.down()
    try:
        lab.compose("up", "--detach", "--wait", "--quiet-pull", "server", "client-host")
        on = Stage(lab)
        try:
            yield on
        finally:
            on.end()
    finally:
        lab.down()


def hear_witnesses(played: Played, sessions: list[dict[str, Any]]) -> list[Finding]:
    """The witnesses' words beside the JSON."""
    found = []
    by_ports: dict[tuple[int, int, int], list[dict[str, Any]]] = defaultdict(list)
    for one in sessions:
        by_ports[one["ip_version"], one["client"]["port"], one["server"]["port"]].append(one)
    told_by_ports: dict[tuple[int, int, int], list[dict[str, Any]]] = defaultdict(list)
    for told in played.told:
        told_by_ports[told["version"], told["client_port"], told["server_port"]].append(told)
    for ports, tolds in told_by_ports.items():
        own = by_ports[ports]
        where = f"{tolds[0]['kind']}, port {ports[1]} to {ports[2]}"
        found.append(Finding("the programs", "connections", len(own), len(tolds), where=where))
        if all(told["whole"] for told in tolds):
            octets = sorted((one["from_client"]["octets_new"], one["from_server"]["octets_new"]) for one in own)
            theirs = sorted((told["sent"], told["received"]) for told in tolds)
            found.append(Finding("the programs", "octets sent and received", octets, theirs, where=where))
    for role, count in played.retransmitted.items():
        ours = sum(one[f"from_{role}"]["retransmissions"] for one in sessions)
        found.append(Finding("the kernels", "retransmitted segments in all", ours, count, where=role))
    return found
