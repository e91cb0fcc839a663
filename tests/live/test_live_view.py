"""``echolab live``: a real tshark reads the stream while sessions are played; and every way in which it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import ROOT, Lab, Oracle, private_folder, until
from tests.marked import MARK

FIELDS = (
    "frame.number", "tcp.flags.str", "tcp.dstport", "frame.packet_flags_direction", "frame.comment", "ip.src_host",
)  # fmt: skip
ON_HOST = (sys.executable, "-m", "lab", "live")


@pytest.fixture(scope="module")
def stage(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of its own: one test stops its tap."""
    lab = Lab("echolab-live", private_folder(tmp_path_factory, "live"), "198.18.83", "2001:db8:83", ECHO_LADDER="off")
    lab.down()
    lab.compose("up", "--detach", "--wait", "--quiet-pull", "server", "server-tap", "client-host", "gate")
    yield lab
    lab.down()


class View:
    """A stream and the tshark that reads it. lines: what tshark has printed.

    source: ``-r``, tshark reads the stream itself; ``-i``, its dumpcap does and hands it on, as in wireshark -k -i.
    """

    def __init__(self, lab: Lab, oracle: Oracle, *words: str, source: str = "-r") -> None:
        environment = {**os.environ, "ECHO_CAPTURES": str(lab.captures)}
        self.stream = subprocess.Popen(
            words,
            cwd=ROOT,
            env=environment if words[0] == sys.executable else lab.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        reader = ["docker", "run", "--rm", "-i", *MARK, "--network", "none", "-e", "HOME=/tmp"]
        reader += ["--entrypoint", "tshark", oracle.run_image, "-l", "-N", "n", source, "-", "-T", "fields"]
        reader += [word for name in FIELDS for word in ("-e", name)]
        self.tshark = subprocess.Popen(reader, stdin=self.stream.stdout, stdout=subprocess.PIPE, text=True)
        assert self.stream.stdout is not None
        self.stream.stdout.close()  # tshark's alone: when it ends, nobody reads
        self.lines: list[list[str]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.tshark.stdout or ():
            self.lines.append(line.rstrip("\n").split("\t"))

    def comments(self) -> str:
        return "\n".join(line[4] for line in self.lines if len(line) > 4).replace("\\\\", "\\")

    def end(self) -> None:
        for process in (self.stream, self.tshark):
            process.kill()
            process.wait()

    def status(self) -> int:
        """How the stream ended."""
        return self.stream.wait(timeout=15)


def begun(view: View) -> View:
    """The view once the stream runs."""
    assert view.stream.stderr is not None
    assert b"streaming" in view.stream.stderr.readline()
    return view


def compose_form(lab: Lab) -> tuple[str, ...]:
    return ("docker", "compose", "-p", lab.project, "run", "--rm", "-T", "lab", "live")


def test_frames_names_and_comments_are_there_while_the_session_runs(stage: Lab, oracle: Oracle) -> None:
    view = begun(View(stage, oracle, *ON_HOST))
    try:
        with stage.connect() as talk:
            talk.sendall(b"hello\n")
            assert talk.recv(100) == b"HELLO\n"
            until(lambda: '"hello\\n"' in view.comments() and '"HELLO\\n"' in view.comments(), "both texts in tshark")
            assert "SYN: the" in view.comments()
            assert not any("F" in line[1] for line in view.lines)  # it runs still
            talk.sendall(b"quit\n")
            assert talk.recv(100) == b"Good bye\n"
        until(lambda: sum("F" in line[1] for line in view.lines) == 2, "the FINs of both sides")
        assert [line[0] for line in view.lines] == [str(n) for n in range(1, len(view.lines) + 1)]
        assert {int(line[3], 0) for line in view.lines} == {1, 2}
        before = len(view.lines)
        with stage.connect() as second:
            second.sendall(b"again\n")
            until(lambda: '"again\\n"' in view.comments(), "the second session's text")
        assert len(view.lines) > before
    finally:
        view.end()


def test_dumpcap_s_pipe_reader_hands_on_names_comments_and_directions_and_its_end_ends_the_stream(
    stage: Lab, oracle: Oracle
) -> None:
    """What ``echolab live | wireshark -k -i -`` does: Wireshark, like tshark, has dumpcap read the pipe."""
    view = begun(View(stage, oracle, *ON_HOST, source="-i"))
    before = len(stage.ended())
    stage.client("through dumpcap\nquit\n")
    session = stage.new_session(before)
    until(lambda: len(view.lines) >= session["frames"], "every frame of the session in tshark")
    assert "SYN: the client asks" in view.comments()
    assert '"through dumpcap\\n' in view.comments()
    assert {(line[5], int(line[3], 0)) for line in view.lines if line[2] == "7"} == {("client", 1)}, (
        "names and directions"
    )
    assert {(line[5], int(line[3], 0)) for line in view.lines if line[2] not in ("7", "")} == {("server", 2)}
    view.tshark.terminate()
    assert view.status() == 0
    assert view.stream.stderr is not None
    assert view.stream.stderr.read() == b""


def test_what_was_recorded_before_comes_only_when_asked_for(stage: Lab, oracle: Oracle) -> None:
    stage.client("earlier\nquit\n")
    until(stage.ended, "the session's end")
    views = [begun(View(stage, oracle, *ON_HOST, *words)) for words in ((), ("--from-start",))]
    try:
        stage.client("later\nquit\n")
        until(lambda: all('"later\\n' in view.comments() for view in views), "the later text in both")
        assert ['"earlier\\n' in view.comments() for view in views] == [False, True]
    finally:
        for view in views:
            view.end()


def test_it_ends_with_status_0_when_its_reader_closes_although_nothing_is_said(stage: Lab, oracle: Oracle) -> None:
    view = begun(View(stage, oracle, *ON_HOST))
    view.tshark.kill()
    assert view.status() == 0
    assert view.stream.stderr is not None
    assert view.stream.stderr.read() == b""


def test_with_nothing_but_docker_it_shows_the_same_and_leaves_nothing(stage: Lab, oracle: Oracle) -> None:
    view = View(stage, oracle, *compose_form(stage))

    def containers() -> list[str]:
        return [c.name for c in stage.docker.containers.list() if c.name.startswith(f"{stage.project}-lab-run")]

    until(containers, "the container of the stream")
    until(lambda: (stage.client("docker\nquit\n"), '"docker\\n' in view.comments())[1], "the text in tshark", every_s=1)
    view.tshark.kill()  # the engine's command notices when there is something to write
    until(lambda: (stage.client("more\nquit\n"), view.stream.poll() is not None)[1], "the command's end", every_s=1)
    until(lambda: not containers(), "the end of the container")


def test_ctrl_c_ends_it_without_a_traceback(stage: Lab, oracle: Oracle) -> None:
    view = begun(View(stage, oracle, *ON_HOST))
    view.stream.send_signal(signal.SIGINT)
    assert view.status() == 130
    assert view.stream.stderr is not None
    assert view.stream.stderr.read() == b""
    view.end()


def test_the_lab_s_end_ends_it_with_closing_statistics(stage: Lab, oracle: Oracle, tmp_path: Path) -> None:
    kept = tmp_path / "stream.pcapng"
    with kept.open("wb") as out:
        live = subprocess.Popen(
            [*ON_HOST, "--captures", str(stage.captures)], cwd=ROOT, stdout=out, stderr=subprocess.PIPE
        )
        assert live.stderr is not None
        assert b"streaming" in live.stderr.readline()
        stage.client("the last one\nquit\n")
        stage.compose("stop", "server-tap")
        assert live.wait(timeout=15) == 0
    kept.chmod(0o644)
    tmp_path.chmod(0o755)
    told = oracle.run(kept.parent, "capinfos", "-A", kept.name)
    assert "Strict time order:   True" in told
    assert "Echo Lab" in told
    assert "Number of resolved IPv4 addresses in file: " in told
    assert len(oracle.tshark(kept, "-Y", 'frame.comment contains "the last one"')) >= 1
    done = subprocess.run(
        [*ON_HOST, "--captures", str(stage.captures)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is over: start the lab" in done.stderr
    assert done.stdout == ""
