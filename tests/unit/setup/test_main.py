"""The commands as a user calls them: exit status, sentences, and that nothing of the lab is needed to read them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.setup import main as main_module
from lab.setup import soak, suite
from lab.setup.checks import Check, as_json, status_of
from lab.setup.console import WIDTH, Console
from lab.setup.down import clean_images, down, down_everything
from lab.setup.errors import FAILED, USAGE, SetupError, last_lines
from lab.setup.main import main
from lab.setup.runner import NOT_FOUND, TIMED_OUT, Limits, Result, Runner
from lab.setup.settings import Settings
from tests.unit.setup import machines
from tests.unit.setup.machines import DiskRunner, FakeRunner, setup_of, with_docker

ROOT = Path(__file__).resolve().parents[3]


def call(arguments: list[str], runner: FakeRunner) -> tuple[int, str]:
    said = io.StringIO()
    return main(arguments, runner, Console(said, live=False)), said.getvalue()


def machine(**options: object) -> FakeRunner:
    variables = "${SERVER:-python} ${ECHO_CAPTURES:-./captures} ${ECHO_NET4:-192.0.2} ${ECHO_NET6:-2001:db8:7}"
    compose = f"name: echolab\n# {variables}\n"
    return FakeRunner(files={str(ROOT / "compose.yaml"): compose}, **options)  # type: ignore[arg-type]


def test_a_machine_without_docker_fails_the_check_with_status_1_and_a_next_step() -> None:
    status, said = call(["check"], machine())
    assert status in {FAILED, USAGE}
    assert "Docker is not installed." in said
    assert " next  make up (installs it" in said
    assert "Traceback" not in said


def test_a_wrong_variable_fails_with_status_2() -> None:
    runner = machine(env={"ECHO_NET4": "nonsense"})
    status, said = call(["check"], runner)
    assert status == USAGE
    assert "ECHO_NET4=nonsense" in said


def test_the_check_for_programs_is_json_with_every_checks_result() -> None:
    status, said = call(["check", "--json"], machine())
    answer = json.loads(said)
    assert answer["ok"] is (status == 0)
    assert {"variables", "engine", "captures", "disk"} <= {check["name"] for check in answer["checks"]}
    assert all(check["ok"] or check["next"] or not check["checked"] for check in answer["checks"])


def test_checks_that_are_all_good_have_status_0_and_the_worst_one_counts() -> None:
    good = Check("a", "fine", None)
    failed = Check("b", "", SetupError("No.", "do"))
    usage = Check("c", "", SetupError("No.", "do", status=USAGE))
    assert status_of([good]) == 0
    assert status_of([good, failed]) == FAILED
    assert status_of([failed, usage]) == USAGE
    assert status_of([good, Check("d", "not looked at", None, done=False)]) == FAILED
    assert json.loads(as_json([good]))["ok"] is True


def test_down_without_an_engine_is_no_error() -> None:
    status, said = call(["down"], machine())
    assert status == 0
    assert "no engine runs here" in said


def test_down_removes_every_profile_and_orphan_within_two_seconds_a_container() -> None:
    runner = with_docker(FakeRunner()).on("docker compose --project-name x --profile * down", Result(0))
    setup, said = setup_of(runner)
    down(setup, Settings(Path("/lab"), "x", {"ECHO_CAPTURES": "captures"}))
    (command,) = [c for c in runner.commands if " down " in c]
    assert "--timeout 2 --remove-orphans" in command
    assert "the captures stay in /lab/captures" in said.getvalue()
    runner.on("docker compose --project-name x --profile * down", Result(1, "", "network has active endpoints"))
    with pytest.raises(SetupError) as caught:
        down(setup, Settings(Path("/lab"), "x", {"ECHO_CAPTURES": "captures"}))
    assert caught.value.log == ["network has active endpoints"]


def test_the_end_of_a_test_run_takes_away_every_project_of_this_folder_and_no_other() -> None:
    runner = with_docker(FakeRunner()).on("docker rm", Result(0)).on("docker network", Result(0))
    runner.on("docker ps --all --filter label=com.docker.compose.project.working_dir=/lab", Result(0, "lab-test\n\n"))
    runner.on("docker ps --all --quiet --filter label=com.docker.compose.project=lab-test", Result(0, "c1\nc2\n"))
    runner.on("docker ps --all --quiet --filter label=com.docker.compose.project=x", Result(0, ""))
    runner.on("docker network ls --quiet --filter label=com.docker.compose.project=lab-test", Result(0, "n1\n"))
    down_everything(setup_of(runner)[0], Settings(Path("/lab"), "x", {}))
    assert "docker rm --force --volumes c1 c2" in runner.commands
    assert "docker network rm n1" in runner.commands
    assert sum("docker rm" in command for command in runner.commands) == 1


def test_the_end_of_a_test_run_takes_away_what_tests_started_without_compose_and_networks_that_nobody_has() -> None:
    runner = with_docker(FakeRunner()).on("docker rm", Result(0)).on("docker network", Result(0))
    runner.on("docker ps", Result(0, "")).on(
        "docker ps --all --quiet --filter label=echolab.root=/lab", Result(0, "c9\n")
    )
    runner.on("docker network ls --quiet --filter label=echolab.root=/lab", Result(0, "n9\n"))
    runner.on(
        "docker network ls --filter label=com.docker.compose.project", Result(0, "echolab-idle\nother\necholab-busy\n")
    )
    busy = "docker ps --all --quiet --filter label=com.docker.compose.project=echolab-busy"
    runner.on(busy, Result(0, "c1\n"))
    for project in ("echolab-idle", "echolab-busy", "other"):
        label = f"label=com.docker.compose.project={project}"
        runner.on(f"docker network ls --quiet --filter {label}", Result(0, f"n-{project}\n"))
    down_everything(setup_of(runner)[0], Settings(Path("/lab"), "x", {}))
    removed = [command for command in runner.commands if " rm " in command]
    assert removed == ["docker rm --force --volumes c9", "docker network rm n9", "docker network rm n-echolab-idle"]


def test_cleaning_images_removes_the_labs_and_never_the_base_image(tmp_path: Path) -> None:
    project = "docker compose --project-name x"
    runner = with_docker(FakeRunner()).on(f"{project} --profile * down", Result(0)).on("docker image rm", Result(0))
    runner.on(
        f"{project} --profile * config",
        Result(0, '{"services": {"server": {"image": "echolab/c-server", "build": {}}}}'),
    )
    runner.on("docker image ls", Result(0, "echolab/host:latest\n"))
    runner.on("docker image inspect", Result(0, 'sha256:1 ["echolab/c-server:latest"]\n'))
    clean_images(setup_of(runner)[0], Settings(tmp_path, "x", {}))
    (command,) = [c for c in runner.commands if c.startswith("docker image rm")]
    assert command == "docker image rm echolab/c-server echolab/host:latest"
    runner.on("docker image rm", Result(1, "", "conflict: image is being used by stopped container 12"))
    with pytest.raises(SetupError, match="Not every image"):
        clean_images(setup_of(runner)[0], Settings(tmp_path, "x", {}))


def test_ctrl_c_is_told_and_has_the_usual_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module, "up", interrupted)
    status, said = call(["up"], machine())
    assert status == 130
    assert "Ctrl-C" in said


def test_what_the_system_refuses_is_a_sentence_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(main_module, "up", refused)
    status, said = call(["up"], machine())
    assert status == FAILED
    assert "No space left on device" in said


@pytest.mark.parametrize("words", [[], ["unknown"], ["soak", "--minutes", "many"]])
def test_a_wrong_command_line_has_status_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        call(words, machine())
    assert caught.value.code == USAGE


def test_the_makefile_offers_every_target_with_a_line_of_help_and_help_is_the_default() -> None:
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("up", "down", "check", "test", "lint", "bench", "soak", "clean-images"):
        assert f"make {target} " in done.stdout
    assert all(len(line) <= WIDTH for line in done.stdout.splitlines())


def test_the_set_up_runs_with_nothing_but_pythons_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import lab.setup.main"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_make_stays_quiet_about_pytests_status_5_only_by_failing_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = FakeRunner().on("/venv/python -m pytest", Result(suite.NO_TESTS))
    monkeypatch.setattr(suite, "ensure_venv", lambda *_: Path("/venv/python"))
    setup, _ = setup_of(runner)
    with pytest.raises(SetupError, match="found no test"):
        suite.run_tests(setup, Settings(ROOT, "x", {}), ["-q"], engine=False)
    runner.on("/venv/python -m pytest", Result(1))
    assert suite.run_tests(setup, Settings(ROOT, "x", {}), ["-q"], engine=False) == 1


def venv_machine(root: Path, os_release: str = machines.DEBIAN_12, *, disk: bool = False) -> FakeRunner:
    (root / "pyproject.toml").write_text("[project]\n")
    return (DiskRunner if disk else FakeRunner)(os_release).on(f"{sys.executable} -c import ensurepip, venv", Result(0))


def test_the_tools_are_installed_once_and_again_when_the_list_changes(tmp_path: Path) -> None:
    runner = venv_machine(tmp_path, disk=True)
    python = tmp_path / ".venv" / "bin" / "python"

    def made(_machine: FakeRunner, _argv: list[str]) -> Result:
        python.parent.mkdir(parents=True)
        python.touch()
        return Result(0)

    runner.on(f"{sys.executable} -m venv", made)
    runner.on(f"{python} -m pip install", Result(0)).on(f"{python} -m pip --version", Result(0))
    setup, _ = setup_of(runner)
    for change, installs in (("", 1), ("", 1), ("# more\n", 2)):
        (tmp_path / "pyproject.toml").write_text((tmp_path / "pyproject.toml").read_text() + change)
        assert suite.ensure_venv(setup, tmp_path) == python
        assert sum("pip install" in c for c in runner.commands) == installs


def test_pip_that_cannot_fetch_is_told_and_not_remembered(tmp_path: Path) -> None:
    runner = venv_machine(tmp_path).on(f"{sys.executable} -m venv", Result(0))
    python = tmp_path / ".venv" / "bin" / "python"
    runner.on(f"{python} -m pip install", Result(1, "ERROR: No matching distribution found for pytest"))
    with pytest.raises(SetupError, match="pip could not install") as caught:
        suite.ensure_venv(setup_of(runner)[0], tmp_path)
    assert "No matching distribution" in caught.value.log[0]


def test_a_python_without_venv_is_told_or_mended_by_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = venv_machine(tmp_path, machines.FEDORA).on(f"{sys.executable} -c import ensurepip", Result(1))
    with pytest.raises(SetupError, match="cannot make virtual environments"):
        suite.ensure_venv(setup_of(runner)[0], tmp_path)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    package = f"python3.{sys.version_info.minor}-venv"
    debian = venv_machine(tmp_path).on("/usr/bin/python3 -c import ensurepip", Result(1))
    debian.on("apt-cache policy", Result(0, "  Candidate: 3\n")).on("apt-get install", Result(0))
    debian.on("/usr/bin/python3 -m venv", Result(1, "", "stopped here on purpose"))
    with pytest.raises(SetupError, match="could not be made"):
        suite.ensure_venv(setup_of(debian)[0], tmp_path)
    assert debian.ran(f"--no-install-recommends {package}")


def test_text_is_wrapped_to_eighty_columns_but_a_command_to_copy_is_not() -> None:
    said = io.StringIO()
    console = Console(said, live=False)
    console.error(SetupError("word " * 60 + "end.", "command " * 20, log=["x" * 500]))
    lines = said.getvalue().splitlines()
    assert all(len(line) <= WIDTH for line in lines if "word" in line)
    assert len([line for line in lines if "command" in line]) == 1
    assert max(len(line) for line in lines if "xxx" in line) <= 170
    assert "\x1b" not in said.getvalue()


def test_a_terminal_gets_one_line_that_is_replaced_and_a_log_gets_plain_lines() -> None:
    terminal, log = io.StringIO(), io.StringIO()
    for stream, live in ((terminal, True), (log, False)):
        with Console(stream, live=live).step("working"):
            stream.write("")
    assert "\r\x1b[K" in terminal.getvalue()
    assert log.getvalue().splitlines() == ["  ...  working", "   ok  working"]


def test_a_step_that_raises_does_not_say_ok() -> None:
    said = io.StringIO()
    with pytest.raises(SetupError), Console(said, live=False).step("working"):
        raise SetupError("No.")
    assert " ok " not in said.getvalue()


def test_the_real_runner_tells_missing_commands_time_outs_and_output_apart() -> None:
    runner = Runner()
    assert runner.run(["no-such-command-here"]).code == NOT_FOUND
    assert runner.run([sys.executable, "-c", "input()"]).code == 1, "there is nothing on standard input"
    assert runner.run(["sleep", "30"], timeout_s=0.1).code == TIMED_OUT
    assert runner.run(["sh", "-c", "echo $X; echo e >&2; exit 3"], env={"X": "1"}) == Result(3, "1\n", "e\n")


def test_lines_are_handed_over_as_they_come_and_both_limits_end_a_command() -> None:
    runner, lines = Runner(), []  # type: ignore[var-annotated]
    done = runner.stream(["sh", "-c", "echo a; echo b >&2; printf c"], lines.append)
    assert (done.code, sorted(lines)) == (0, ["a", "b", "c"])
    silent = runner.stream(["sleep", "30"], lines.append, limits=Limits(20, first_line_s=0.1))
    assert silent.code == TIMED_OUT
    talking = runner.stream(["sh", "-c", "echo x; exec sleep 30"], lines.append, limits=Limits(0.5, first_line_s=10))
    assert (talking.code, talking.out) == (TIMED_OUT, "x")
    assert runner.stream(["no-such-command-here"], lines.append).code == NOT_FOUND
    stuck = runner.stream(["sh", "-c", "printf x; exec sleep 30"], lines.append, limits=Limits(20, silent_s=0.3))
    assert (stuck.code, stuck.out) == (TIMED_OUT, "")
    going = "for i in 1 2 3 4; do printf .; sleep 0.5; done"
    assert runner.stream(["sh", "-c", going], lines.append, limits=Limits(20, silent_s=1.5)).ok


def test_a_command_that_wants_a_terminal_gets_one_and_its_end_is_seen() -> None:
    lines: list[str] = []
    asked = ["sh", "-c", "test -t 1 && echo yes; printf rest; exit 3"]
    assert Runner().stream(asked, lines.append, terminal=True) == Result(3, "yes\nrest")
    assert lines == ["yes", "rest"]
    assert Runner().stream(asked, lines.append).out == "rest"
    assert Runner().stream(["no-such-command-here"], lines.append, terminal=True).code == NOT_FOUND


def test_the_last_lines_of_an_output_leave_out_empty_ones() -> None:
    assert last_lines("a\n\nb  \n\n", 5) == ["a", "b"]
    assert last_lines("a\nb\nc", 2) == ["b", "c"]


def test_a_soak_refuses_a_session_without_a_certificate(tmp_path: Path) -> None:
    path = tmp_path / "0001.json"
    path.write_text('{"certificate": {"complete": true, "reasons": []}}')
    soak.check_certified(path)
    path.write_text('{"certificate": {"complete": false, "reasons": ["3 frames were dropped"]}}')
    with pytest.raises(SetupError, match="3 frames were dropped"):
        soak.check_certified(path)
    path.write_text("{}")
    with pytest.raises(SetupError, match="no reason given"):
        soak.check_certified(path)


def test_the_ci_script_is_exactly_the_readmes_test_command_and_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    commands = [line for line in script.read_text().splitlines() if re.match(r"(python|make|docker|\\.venv)", line)]
    assert commands == ["make test &"]
    assert os.access(script, os.X_OK)


CI_STUBS = {
    "make": """#!/bin/sh
trap 'echo make got TERM >>"$SAID"; exit 1' TERM
echo "make $*" >>"$SAID"
echo started
[ -z "$ENDS" ] || exit "$ENDS"
while :; do sleep 0.05; done
""",
    "python3": '#!/bin/sh\necho "python3 $1 $2 $3" >>"$SAID"\n',
}


@pytest.fixture
def ci(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """The script in a folder of its own, with programs of these names that only write down that they were called."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    for name, text in CI_STUBS.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    said = tmp_path / "said"
    said.touch()

    def start(ends: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "SAID": str(said), "ENDS": ends}
        return subprocess.Popen(
            [str(tmp_path / ".ci" / "run")], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    return start


CLEANED = ["python3 -m lab.setup down-all", "python3 -m lab.setup stop-engine"]


@pytest.mark.parametrize("status", ["0", "7"])
def test_the_ci_script_cleans_up_and_ends_with_the_tests_status(
    tmp_path: Path, ci: Callable[..., subprocess.Popen[bytes]], status: str
) -> None:
    assert ci(ends=status).wait(timeout=20) == int(status)
    assert (tmp_path / "said").read_text().splitlines() == ["make test", *CLEANED]


def test_a_ci_script_that_is_ended_passes_the_signal_on_and_cleans_up_too(
    tmp_path: Path, ci: Callable[..., subprocess.Popen[bytes]]
) -> None:
    script = ci(ends="")
    assert script.stdout is not None
    assert script.stdout.readline() == b"started\n"
    script.terminate()
    assert script.wait(timeout=20) == 143
    assert (tmp_path / "said").read_text().splitlines() == ["make test", "make got TERM", *CLEANED]
