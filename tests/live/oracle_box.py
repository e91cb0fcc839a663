"""The oracle as a box to put files into: one container with tshark and capinfos, and a conversation to show it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.models.containers import Container
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from lab.session.events import Note, Recorded
from lab.wire.frame import Direction, Frame
from tests.marked import LABELS
from tests.unit.store.scenes import START_NS, Bench, FakeSession

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "wireshark" / "EchoLab"
PROFILES = "/tmp/.config/wireshark/profiles"
CLIENT_MAC, SERVER_MAC = "02:42:c0:00:02:14", "02:42:c0:00:02:0a"
ADDRESSES = {4: ("192.0.2.20", "192.0.2.10"), 6: ("2001:db8:7::20", "2001:db8:7::10")}

Step = tuple[bytes, Direction, str]


def conversation(version: int) -> list[Step]:
    """A whole session: handshake, one line each way, teardown; each frame with its direction and comment."""
    client, server = ADDRESSES[version]
    layer = IP if version == 4 else IPv6

    def up(flags: str, seq: int, ack: int, text: bytes = b"") -> bytes:
        tcp = TCP(sport=40000, dport=7, flags=flags, seq=seq, ack=ack)
        return bytes(Ether(src=CLIENT_MAC, dst=SERVER_MAC) / layer(src=client, dst=server) / tcp / text)

    def down(flags: str, seq: int, ack: int, text: bytes = b"") -> bytes:
        tcp = TCP(sport=7, dport=40000, flags=flags, seq=seq, ack=ack)
        return bytes(Ether(src=SERVER_MAC, dst=CLIENT_MAC) / layer(src=server, dst=client) / tcp / text)

    inward, outward = Direction.INBOUND, Direction.OUTBOUND
    return [
        (up("S", 4_294_967_294, 0), inward, "SYN: the client asks for a connection (RFC 9293 §3.5)."),
        (down("SA", 500, 4_294_967_295), outward, "SYN, ACK: the server agrees."),
        (up("A", 4_294_967_295, 501), inward, "ACK: the handshake is complete."),
        (up("PA", 4_294_967_295, 501, "straße\n".encode()), inward, "“straße” – 8 octets, past 2³² in the middle"),
        (down("PA", 501, 7, b"STRASSE\n"), outward, "the line in capital letters"),
        (down("FA", 509, 7), outward, "FIN from the server, who closes first: it will hold TIME_WAIT."),
        (up("FA", 7, 510), inward, "FIN from the client."),
        (down("A", 510, 8), outward, "ACK of the client's FIN."),
    ]


def record(bench: Bench, session: FakeSession, steps: list[Step], after_ns: int = 0) -> None:
    for number, (data, direction, comment) in enumerate(steps):
        frame = Frame(START_NS + after_ns + number * 1001, data, len(data), 0, direction)
        bench.store.handle(Recorded(session, frame, Note("data", None, comment)))  # type: ignore[arg-type]


class Tools:
    """A container of the oracle's image, with a folder mounted at /in and the profiles folder beside it."""

    def __init__(self, container: Container, folder: Path) -> None:
        self.container = container
        self.folder = folder

    def run(self, command: str) -> tuple[str, str]:
        """Standard output and standard error of a command that must succeed."""
        code, (out, err) = self.container.exec_run(shlex.split(command), workdir="/in", demux=True)
        output, errors = bytes(out or b"").decode(), bytes(err or b"").decode()
        assert code == 0, (command, output, errors)
        return output, errors

    def quiet(self, command: str) -> str:
        """The same for a command that must have nothing to complain about."""
        output, errors = self.run(command)
        assert errors == "", (command, errors)
        return output

    def fields(self, path: Path, *names: str, options: str = "-N n", condition: str = "") -> list[list[str]]:
        """Fields of each frame; with a display filter, of each that meets it."""
        wanted = " ".join(f"-e {name}" for name in names)
        only = f"-Y {shlex.quote(condition)}" if condition else ""
        where = path.relative_to(self.folder)
        lines = self.quiet(f"tshark -2 {options} -r {where} {only} -T fields {wanted}").splitlines()
        return [line.split("\t") for line in lines]

    def info(self, path: Path) -> str:
        return self.quiet(f"capinfos -A {path.relative_to(self.folder)}")


def finished(bench: Bench, version: int) -> Path:
    session = FakeSession(f"0001-client-40000-v{version}", 1)
    bench.open(session)
    record(bench, session, conversation(version))
    bench.end(session)
    return bench.folder / f"{session.name}.pcapng"


@contextmanager
def oracle_box(folder: Path) -> Iterator[Tools]:
    """The oracle's container with this folder in it, and the profile installed. The image is built if it is missing."""
    engine = docker.from_env()
    try:
        engine.images.get("echolab/oracle")
    except docker.errors.ImageNotFound:
        engine.images.build(path=str(ROOT / "images" / "oracle"), tag="echolab/oracle", rm=True)
    folder.chmod(0o755)  # pytest closes it to everybody else, and the oracle's user is somebody else
    (folder / "profiles").mkdir()
    shutil.copytree(PROFILE, folder / "profiles" / "EchoLab")
    # The same profile with a name no Wireshark knows: what a complaint looks like.
    shutil.copytree(PROFILE, folder / "profiles" / "Wrong")
    with (folder / "profiles" / "Wrong" / "preferences").open("a", encoding="utf-8") as preferences:
        preferences.write("\nnameres.no_such_preference: TRUE\n")
    container = engine.containers.run(
        "echolab/oracle",
        ["sleep", "600"],
        detach=True,
        init=True,
        labels=LABELS,
        network_mode="none",
        volumes={
            str(folder): {"bind": "/in", "mode": "ro"},
            str(folder / "profiles"): {"bind": PROFILES, "mode": "ro"},
        },
    )
    try:
        yield Tools(container, folder)
    finally:
        container.remove(force=True)
