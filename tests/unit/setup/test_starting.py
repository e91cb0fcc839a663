"""Starting the engine in three ways, and stopping only one that a run has started itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.setup.errors import SetupError
from lab.setup.runner import Result
from lab.setup.starting import Starter, stop_recorded
from tests.unit.setup.machines import FakeRunner, setup_of

UP, NOT_YET = Result(0, "20.10.24"), Result(1, "", "Cannot connect")


def engine_that_comes(runner: FakeRunner, after_looks: int) -> FakeRunner:
    """Docker answers from the so-manieth look on after something has started it."""
    looks = 0

    def answer(_machine: FakeRunner, _argv: list[str]) -> Result:
        nonlocal looks
        looks += 1 if any("start" in c or "setsid" in c for c in runner.commands) else 0
        return UP if looks > after_looks else NOT_YET

    runner.programs.add("docker")
    return runner.on("docker version", answer)


def starter(runner: FakeRunner) -> Starter:
    setup, _ = setup_of(runner)
    return Starter(runner, setup.console, setup.system, setup.privilege)


def recorded(path: Path) -> dict[str, object]:
    return dict(json.loads(path.read_text()))


def test_systemd_starts_it_where_systemd_runs_the_machine(tmp_path: Path) -> None:
    record = tmp_path / "record"
    runner = FakeRunner(files={"/run/systemd/system": ""}, env={"ECHO_ENGINE_RECORD": str(record)})
    engine_that_comes(runner, 2).on("systemctl start docker", Result(0))
    starter(runner).start()
    assert recorded(record) == {"how": "systemd", "pid": 0}
    assert not runner.ran("setsid")


def test_what_systemd_says_of_a_failed_start_is_shown() -> None:
    runner = FakeRunner(files={"/run/systemd/system": ""})
    engine_that_comes(runner, 10**6).on("systemctl start docker", Result(1, "", "Job for docker.service failed."))
    runner.on("journalctl", Result(0, "dockerd: no space left on device\n"))
    with pytest.raises(SetupError) as caught:
        starter(runner).start()
    assert caught.value.log == ["Job for docker.service failed.", "dockerd: no space left on device"]


def test_the_packages_service_script_starts_it_where_there_is_no_systemd(tmp_path: Path) -> None:
    record = tmp_path / "record"
    runner = FakeRunner(programs=["service"], files={"/etc/init.d/docker": ""}, env={"ECHO_ENGINE_RECORD": str(record)})
    engine_that_comes(runner, 3).on("service docker start", Result(0))
    starter(runner).start()
    assert recorded(record)["how"] == "service"


def test_its_own_program_starts_it_where_the_script_does_not_help(tmp_path: Path) -> None:
    record = tmp_path / "record"
    files = {"/etc/init.d/docker": "", "/proc/77": ""}
    runner = FakeRunner(programs=["service"], files=files, env={"ECHO_ENGINE_RECORD": str(record)})
    runner.programs.add("docker")
    runner.on("docker version", lambda machine, _argv: UP if machine.ran("setsid") else NOT_YET)
    runner.on("service docker start", Result(0)).on("service docker stop", Result(0)).on("sh -c", Result(0, "77\n"))
    starter(runner).start()
    assert recorded(record) == {"how": "dockerd", "pid": 77}
    order = [next(i for i, c in enumerate(runner.commands) if word in c) for word in ("docker stop", "setsid")]
    assert order == sorted(order), "the script's engine must be stopped before another is started"


def test_an_engine_that_ends_at_once_shows_its_logs_end_without_waiting_for_the_deadline() -> None:
    runner = engine_that_comes(FakeRunner(), 10**6).on("sh -c", Result(0, "77\n"))
    runner.on("tail -n 40", Result(0, "failed to start daemon: no iptables\n")).on("kill 77", Result(0))
    with pytest.raises(SetupError, match="ended right after its start") as caught:
        starter(runner).start()
    assert caught.value.log == ["failed to start daemon: no iptables"]
    assert runner.clock_s < 5


def test_an_engine_that_never_answers_is_given_up_at_the_deadline_and_ended() -> None:
    runner = engine_that_comes(FakeRunner(files={"/proc/77": ""}), 10**6).on("sh -c", Result(0, "77\n"))
    runner.on("tail", Result(0, "waiting\n")).on("kill", Result(0))
    with pytest.raises(SetupError, match="gave no answer within 45 s"):
        starter(runner).start()
    assert runner.ran("kill 77")


@pytest.mark.parametrize(("files", "how"), [({"/run/systemd/system": ""}, "systemd"), ({}, "service")])
def test_an_engine_that_its_installation_has_just_started_is_not_started_again_but_recorded(
    tmp_path: Path, files: dict[str, str], how: str
) -> None:
    record = tmp_path / "record"
    runner = FakeRunner(programs=["docker"], files=files, env={"ECHO_ENGINE_RECORD": str(record)})
    runner.on("docker version", UP)
    starter(runner).start()
    assert not record.exists(), "it was there before: this run has not started it"
    starter(runner).start(installed=True)
    assert recorded(record) == {"how": how, "pid": 0}
    assert not runner.ran("start")


@pytest.mark.parametrize(("name", "removed"), [("bash", True), ("dockerd", False), ("", True)])
def test_a_pid_file_whose_number_another_process_has_by_now_is_removed(name: str, removed: bool) -> None:
    files = {"/var/run/docker.pid": "42\n", "/proc/42/comm": f"{name}\n", "/proc/77": ""}
    runner = engine_that_comes(FakeRunner(files=files), 2).on("sh -c", Result(0, "77\n")).on("rm -f", Result(0))
    starter(runner).start()
    assert runner.ran("rm -f /var/run/docker.pid") is removed


def test_without_root_nothing_is_tried() -> None:
    runner = FakeRunner(uid=1000)
    with pytest.raises(SetupError, match="takes root or sudo"):
        starter(runner).start()
    assert runner.commands == []


def stop(runner: FakeRunner, record: Path) -> None:
    setup, _ = setup_of(runner)
    stop_recorded(runner, setup.console, setup.privilege, record)


def test_an_engine_that_was_not_started_by_the_run_goes_on(tmp_path: Path) -> None:
    runner = FakeRunner(programs=["docker"]).on("docker version", UP)
    stop(runner, tmp_path / "none")
    (tmp_path / "broken").write_text("{")
    stop(runner, tmp_path / "broken")
    assert runner.commands == []


@pytest.mark.parametrize(
    ("entry", "command"),
    [
        ({"how": "systemd", "pid": 0}, "systemctl stop docker.service docker.socket"),
        ({"how": "service", "pid": 0}, "service docker stop"),
        ({"how": "dockerd", "pid": 77}, "kill 77"),
    ],
)
def test_an_engine_is_stopped_in_the_way_it_was_started(tmp_path: Path, entry: dict[str, object], command: str) -> None:
    record = tmp_path / "record"
    record.write_text(json.dumps(entry))
    runner = FakeRunner(programs=["docker"], files={"/proc/77/comm": "dockerd\n"})
    runner.on("docker version", lambda machine, _argv: NOT_YET if "/proc/77/comm" not in machine.files else UP)

    def ends(machine: FakeRunner, _argv: list[str]) -> Result:
        machine.files.pop("/proc/77/comm")
        return Result(0)

    runner.on(command, ends)
    stop(runner, record)
    assert runner.ran(command)
    assert not record.exists()


def test_a_process_that_has_the_engines_number_by_now_is_not_ended(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text('{"how": "dockerd", "pid": 77}')
    runner = FakeRunner(programs=["docker"], files={"/proc/77/comm": "firefox\n"}).on("docker version", NOT_YET)
    stop(runner, record)
    assert not runner.ran("kill")


def test_an_engine_that_will_not_stop_is_told(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text('{"how": "dockerd", "pid": 77}')
    runner = FakeRunner(programs=["docker"], files={"/proc/77/comm": "dockerd\n"}).on("docker version", UP)
    with pytest.raises(SetupError, match="did not stop within 30 s"):
        stop(runner.on("kill 77", Result(0)), record)
