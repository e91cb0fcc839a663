"""Our capture files as other people's programs read them: tshark, capinfos and scapy.

Files in progress, finished, opened again, cut and mended, and written on a disk without room (a real one: a tmpfs of a
hundred kilobytes), in both IP versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from scapy.utils import PcapNgReader

from lab.store.reader import read_capture
from lab.store.recover import recover
from lab.wire.frame import Direction
from tests.live.oracle_box import ADDRESSES, ROOT, Tools, conversation, finished, oracle_box, record
from tests.marked import LABELS
from tests.unit.store.scenes import START_NS, Bench, FakeSession


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    with oracle_box(tmp_path_factory.mktemp("oracle")) as box:
        yield box


@pytest.fixture
def bench(tools: Tools, request: pytest.FixtureRequest) -> Bench:
    return Bench(tools.folder / re.sub(r"\W+", "-", request.node.name), key=b"teacher")


@pytest.mark.parametrize("version", [4, 6])
def test_every_frame_has_its_time_direction_names_and_comment(tools: Tools, bench: Bench, version: int) -> None:
    path = finished(bench, version)
    ip = "ip" if version == 4 else "ipv6"
    read = tools.fields(path, "frame.time_epoch", "frame.packet_flags_direction", f"{ip}.src", "frame.comment")
    expected = []
    for number, (_data, direction, comment) in enumerate(conversation(version)):
        seconds, nanoseconds = divmod(START_NS + number * 1001, 1_000_000_000)
        source = ADDRESSES[version][0 if direction is Direction.INBOUND else 1]
        expected.append([f"{seconds}.{nanoseconds:09}", f"0x{direction:08x}", source, comment])
    assert read == expected
    if version == 4:  # tshark has no field with the name of an IPv6 host: the profile's columns show it
        named = [row[0] for row in tools.fields(path, "ip.src_host")]
        assert named == ["client" if step[1] is Direction.INBOUND else "server" for step in conversation(4)]


@pytest.mark.parametrize("version", [4, 6])
def test_capinfos_tells_who_captured_what_where_and_how_it_ended(tools: Tools, bench: Bench, version: int) -> None:
    path = finished(bench, version)
    told = tools.info(path)
    for line in (
        "File timestamp precision:  nanoseconds (9)",
        "Number of packets:   8",
        "Capture hardware:    x86_64",
        "Capture oper-sys:    Linux 6.18",
        "Capture application: Echo Lab 0.1.0 (server-tap)",
        "Verdict: complete. Certificate: complete; every frame of this session is in this file.",
        f"Capture comment:     Session 0001-client-40000-v{version} of run {path.parent.name}. Verdict: complete.",
        "Name = eth0",
        "Description = eth0 of the echo server, offloads off",
        "Filter string = tcp or arp",
        "Time precision = nanoseconds (9)",
        "Number of stat entries = 1",
        "Number of resolved IPv4 addresses in file: 2",
        "Number of resolved IPv6 addresses in file: 2",
        "Strict time order:   True",
    ):
        assert line in told
    assert told.count("Comment:") == 8


def test_tshark_finds_nothing_wrong_in_the_whole_tree_of_a_file(tools: Tools, bench: Bench) -> None:
    path = finished(bench, 4)
    tree = tools.quiet(f"tshark -2 -V -r {path.relative_to(tools.folder)}")
    assert "Malformed" not in tree
    assert tools.fields(path, "frame.number", condition="_ws.malformed || tcp.checksum.status == 0") == []
    assert tools.fields(path, "tcp.completeness")[0] == ["31"]


def test_a_file_in_progress_grows_under_its_reader(tools: Tools, bench: Bench) -> None:
    session = FakeSession("0001-growing", 1)
    path = bench.folder / "0001-growing.pcapng"
    bench.open(session)
    steps = conversation(4)
    for number in (3, 5):
        record(bench, session, steps[:number] if number == 3 else steps[3:5], 0 if number == 3 else 3003)
        bench.store.flush()
        assert [row[0] for row in tools.fields(path, "frame.comment")] == [step[2] for step in steps[:number]]
        assert (
            f"Capture comment:     Session 0001-growing of run {path.parent.name} is still in progress"
            in tools.info(path)
        )
    assert "Number of stat entries = 0" in tools.info(path)


def test_a_file_opened_again_for_a_late_frame_is_read_as_one(tools: Tools, bench: Bench) -> None:
    session = FakeSession("0001-late", 1)
    bench.open(session)
    record(bench, session, conversation(4))
    bench.end(session)
    path = bench.folder / "0001-late.pcapng"
    record(bench, session, conversation(4)[-1:], 90_000)
    bench.store.flush()
    assert "Number of stat entries = 0" in tools.info(path)
    bench.end(session)
    bench.later(1)
    bench.store.flush()
    assert "Number of stat entries = 1" in tools.info(path)
    assert len(tools.fields(path, "frame.number")) == 9


def test_a_file_of_a_killed_tap_is_read_after_mending_and_complained_about_before(tools: Tools, bench: Bench) -> None:
    session = FakeSession("0001-killed", 1)
    bench.open(session)
    record(bench, session, conversation(4))
    bench.store.flush()
    bench.store.run.close()
    path = bench.folder / "0001-killed.pcapng"
    path.write_bytes(path.read_bytes()[:-7])
    where = path.relative_to(tools.folder)
    code, output = tools.container.exec_run(["tshark", "-r", str(where)], workdir="/in")
    assert code != 0
    assert output is not None
    assert b"cut short" in output
    assert len(recover(bench.captures, now_ns=START_NS)) == 1
    assert len(tools.fields(path, "frame.number")) == 7
    assert "Verdict: cut. Certificate withheld: The tap ended" in tools.info(path)


@pytest.mark.parametrize("version", [4, 6])
def test_scapy_reads_the_same_frames_times_and_comments(bench: Bench, version: int) -> None:
    path = finished(bench, version)
    with PcapNgReader(str(path)) as reader:
        packets = list(reader)
    assert [bytes(packet) for packet in packets] == [step[0] for step in conversation(version)]
    assert [bytes(packet.comment or b"").decode() for packet in packets] == [step[2] for step in conversation(version)]
    assert [int(packet.time * 1_000_000_000) for packet in packets] == [START_NS + n * 1001 for n in range(8)]


FULL_DISK = """
import shutil
from pathlib import Path
from tests.unit.store.scenes import Bench, FakeSession

small, out = Path("/small"), Path("/out")
ballast = small / "ballast"
ballast.write_bytes(bytes(48 * 1024))
bench = Bench(small / "captures")
bench.play("0001-done", 1)
session = FakeSession("0002-unlucky", 2)
bench.open(session)
number = 0
while bench.store.trouble is None:
    for _ in range(3):
        bench.record(session, number, size=1400)
        number += 1
    bench.store.flush()
    assert number < 1000, "this disk does not fill"
bench.record(session, number, number + 1)
bench.store.flush()
shutil.copytree(bench.folder, out / "full")
ballast.unlink()
bench.record(session, number + 2)
bench.store.flush()
bench.end(session)
bench.later(2)
bench.store.flush()
bench.later(2)
bench.store.flush()
bench.store.close()
shutil.copytree(bench.folder, out / "after")
print(*bench.said, sep="\\n")
"""


def test_on_a_full_disk_files_stay_readable_and_the_gap_is_told(tools: Tools) -> None:
    engine = docker.from_env()
    try:
        engine.images.get("echolab/lab")
    except docker.errors.ImageNotFound:
        engine.images.build(path=str(ROOT), dockerfile="images/lab/Dockerfile", tag="echolab/lab", rm=True)
    out = tools.folder / "full-disk"
    out.mkdir()
    log: Any = engine.containers.run(
        "echolab/lab",
        ["python3", "-c", FULL_DISK],
        remove=True,
        labels=LABELS,
        network_mode="none",
        user=f"{out.stat().st_uid}:{out.stat().st_gid}",
        environment={"PYTHONPATH": "/repo", "PYTHONDONTWRITEBYTECODE": "1"},
        tmpfs={"/small": "size=100k,mode=1777"},
        volumes={
            str(ROOT / "lab"): {"bind": "/repo/lab", "mode": "ro"},
            str(ROOT / "tests"): {"bind": "/repo/tests", "mode": "ro"},
            str(out): {"bind": "/out", "mode": "rw"},
        },
    )
    said = log.decode().splitlines()
    assert len(said) == 2
    assert "the disk is full" in said[0]
    assert "works again" in said[1]
    for moment in ("full", "after"):
        assert len(tools.fields(out / moment / "0001-done.pcapng", "frame.number")) == 3
    full, after = (out / moment / "0002-unlucky.pcapng" for moment in ("full", "after"))
    assert len(tools.fields(full, "frame.number")) == len(read_capture(full).packets) > 5
    comments = [row[0] for row in tools.fields(after, "frame.comment")]
    gaps = [re.match(r"\[(\d+) frames? before", comment) for comment in comments]
    told = [(number, int(gap[1])) for number, gap in enumerate(gaps, 1) if gap]
    lost = sum(count for _number, count in told)
    assert lost > 0
    assert f"Certificate withheld: {lost} frames could not be written to the disk" in tools.info(after)
    assert f"; {lost} frames were not written meanwhile" in said[1]
    drops = tools.fields(after, "frame.number", "frame.drop_count", condition="frame.drop_count")
    assert [(int(number), int(count)) for number, count in drops] == told
