"""Starting the engine, and stopping one that a test run started.

Three ways, tried in this order: systemd where it is the first process; the ``service`` script of the package; the
engine's own program in the background (containers and some WSL machines have neither). The engine must outlive the
``make`` that started it. A test run (.ci/run) must leave no process behind: it sets ECHO_ENGINE_RECORD to a file,
we write there how we started the engine, and ``python3 -m lab.setup stop-engine FILE`` undoes exactly that.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from lab.setup import advice
from lab.setup.console import Console
from lab.setup.engine import answers
from lab.setup.errors import SetupError, last_lines
from lab.setup.machine import Privilege, System
from lab.setup.runner import Runner

LOG = "/var/log/echolab-dockerd.log"
PIDFILES = ("/var/run/docker.pid", "/var/run/docker/containerd/containerd.pid")
RECORD_VARIABLE = "ECHO_ENGINE_RECORD"
_SYSTEMD = "/run/systemd/system"  # sd_booted(3): so a program knows that systemd runs the machine
_DEADLINE_S = 45.0
_SERVICE_DEADLINE_S = 20.0
_LOOK_EVERY_S = 0.25


@dataclass
class Starter:
    """Starts the engine of this machine.

    dockerd: the command, with options (tests give it folders of its own); log: the file it writes to.
    """

    runner: Runner
    console: Console
    system: System
    privilege: Privilege
    dockerd: tuple[str, ...] = ("dockerd",)
    log: str = LOG
    pidfiles: tuple[str, ...] = PIDFILES

    def start(self, *, installed: bool = False) -> None:
        """Start it and wait until it answers; raises with the log's last lines when it does not.

        installed: whether this run has just installed it; then an engine that runs already is of this run too.
        """
        if not self.privilege.available:
            raise advice.stopped(self.system)
        if self._comes(1.0):
            if installed:  # the package has started it, in the way of this machine's services
                self._record("systemd" if self.runner.exists(_SYSTEMD) else "service")
            return
        for way in (self._by_systemd, self._by_service):
            if way():
                return
        self._by_itself()

    def _by_systemd(self) -> bool:
        if not self.runner.exists(_SYSTEMD):
            return False
        self.console.doing("starting the engine (systemctl start docker)", "it is installed and does not run")
        done = self.privilege.run(["systemctl", "start", "docker"], timeout_s=90)
        if done.ok and self._comes(_DEADLINE_S):
            self._record("systemd")
            return True
        log = self.privilege.run(["journalctl", "-u", "docker", "-n", "15", "--no-pager", "-o", "cat"]).text
        raise SetupError(
            "The engine did not start.", "sudo journalctl -u docker", log=last_lines(done.err + "\n" + log)
        )

    def _by_service(self) -> bool:
        if self.runner.which("service") is None or not self.runner.exists("/etc/init.d/docker"):
            return False
        self._remove_stale_pidfiles()
        self.console.doing("starting the engine (service docker start)", "it is installed and does not run")
        if self.privilege.run(["service", "docker", "start"], timeout_s=60).ok and self._comes(_SERVICE_DEADLINE_S):
            self._record("service")
            return True
        self.privilege.run(
            ["service", "docker", "stop"], timeout_s=60
        )  # so that the next way doesn't start a second one
        return False

    def _by_itself(self) -> None:
        self._remove_stale_pidfiles()
        self.console.doing(
            "starting the engine (dockerd, in the background)",
            f"no service manager does it here; its log is {self.log}",
        )
        # setsid: a session of its own, so that neither Ctrl-C nor the end of make reaches it.
        script = 'log=$1; shift; setsid "$@" >"$log" 2>&1 </dev/null & echo $!'
        done = self.privilege.run(["sh", "-c", script, "sh", self.log, *self.dockerd], timeout_s=10)
        number = done.out.strip()
        if not done.ok or not number.isdigit():
            raise SetupError(
                "The engine could not be started.", "sudo dockerd (look at what it says)", log=last_lines(done.text)
            )
        if not self._comes(_DEADLINE_S, int(number)):
            ended = not self.runner.exists(f"/proc/{number}")
            log = self.privilege.run(["tail", "-n", "40", self.log]).out
            self.privilege.run(["kill", number])
            how = "ended right after its start" if ended else f"gave no answer within {_DEADLINE_S:.0f} s"
            raise SetupError(f"The engine {how}.", f"less {self.log}", log=last_lines(log))
        self._record("dockerd", int(number))

    def _comes(self, deadline_s: float, pid: int | None = None) -> bool:
        """Wait until the engine answers; False at the deadline, or when its process has ended."""
        end_s = self.runner.monotonic() + deadline_s
        while not answers(self.runner):
            if self.runner.monotonic() >= end_s or (pid is not None and not self.runner.exists(f"/proc/{pid}")):
                return False
            self.runner.pause(_LOOK_EVERY_S)
        return True

    def _remove_stale_pidfiles(self) -> None:
        """A pid file of an engine that died hard, whose number another process has by now, keeps dockerd from
        starting.
        """
        for path in self.pidfiles:
            number = (self.runner.read(path) or "").strip()
            if number.isdigit() and not is_engine(self.runner, int(number)):
                self.privilege.run(["rm", "-f", path])

    def _record(self, how: str, pid: int = 0) -> None:
        path = self.runner.env.get(RECORD_VARIABLE)
        if path:
            Path(path).write_text(json.dumps({"how": how, "pid": pid}), encoding="utf-8")


def is_engine(runner: Runner, pid: int) -> bool:
    """Whether this process number is that of a dockerd or containerd."""
    return bool(re.match(r"(dockerd|containerd)\b", (runner.read(f"/proc/{pid}/comm") or "").strip()))


def stop_recorded(runner: Runner, console: Console, privilege: Privilege, record: Path) -> None:
    """Stop the engine that a run recorded as started by itself; without such a record nothing is done."""
    try:
        entry = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    how, pid = entry.get("how"), int(entry.get("pid", 0))
    with console.step("stopping the engine that this run started"):
        if how == "systemd":
            privilege.run(["systemctl", "stop", "docker.service", "docker.socket"], timeout_s=60)
        elif how == "service":
            privilege.run(["service", "docker", "stop"], timeout_s=60)
        elif how == "dockerd" and is_engine(runner, pid):
            privilege.run(["kill", str(pid)])
        end_s = runner.monotonic() + 30
        while answers(runner) or (pid and is_engine(runner, pid)):
            if runner.monotonic() >= end_s:
                raise SetupError("The engine did not stop within 30 s.", f"sudo kill {pid or '$(pidof dockerd)'}")
            runner.pause(_LOOK_EVERY_S)
    with contextlib.suppress(OSError):
        record.unlink()
