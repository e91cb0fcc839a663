"""Places in a session that questions speak of: ``first-data``, ``client-fin``, ``zero-window`` ...

One table from words to frames, so that every check says the same word for the same frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.analysis.model import Analysis, FrameRecord, Retransmission, Role
from lab.grade.errors import NotShownError

Finder = Callable[[Analysis], int | None]


def _kind(kind: str) -> Finder:
    return lambda found: next((frame.number for frame in found.frames if frame.kind == kind), None)


def _role(word: str, sender: Role | None = None) -> Finder:
    return lambda found: next(
        (frame.number for frame in found.frames if word in frame.roles and sender in (None, frame.sender)), None
    )


def _data(role: Role, index: int) -> Finder:
    def find(found: Analysis) -> int | None:
        frames = found.stream(role).data_frames
        return frames[index] if -len(frames) <= index < len(frames) else None

    return find


def _message(role: Role, index: int) -> Finder:
    """The segment that brought a message first, whatever was sent again."""

    def find(found: Analysis) -> int | None:
        messages = found.stream(role).messages
        return messages[index].frames[0] if -len(messages) <= index < len(messages) else None

    return find


def _neighbour(kind: str, index: int) -> Finder:
    def find(found: Analysis) -> int | None:
        frames = [frame.number for frame in found.frames if frame.kind == kind]
        return frames[index] if index < len(frames) else None

    return find


def _fin(which: str) -> Finder:
    def find(found: Analysis) -> int | None:
        ending = found.teardown
        first = ending.first_closer
        if first is None:
            return None
        fins = {"client": ending.client_fin, "server": ending.server_fin}
        acks = {"client": ending.client_fin_acked, "server": ending.server_fin_acked}
        second = "server" if first == "client" else "client"
        return {
            "first-fin": fins[first],
            "second-fin": fins[second],
            "ack-of-first-fin": acks[first],
            "ack-of-second-fin": acks[second],
            "client-fin": ending.client_fin,
            "server-fin": ending.server_fin,
        }[which]

    return find


def _rst(found: Analysis) -> int | None:
    return found.resets[0].frame if found.resets else None


def _stall(fact: str) -> Finder:
    def find(found: Analysis) -> int | None:
        stalls = found.findings_of("nagle-stall")
        if not stalls:
            return None
        # The longest is the one that everybody sees.
        longest = max(stalls, key=lambda finding: int(finding.facts.get("stall_ns") or 0))
        number = longest.facts.get(fact)
        return number if isinstance(number, int) else None

    return find


def _slowest(found: Analysis) -> int | None:
    samples = found.server.rtt_samples
    return max(samples, key=lambda sample: sample.rtt_ns).ack_frame if samples else None


def _half_open_data(found: Analysis) -> int | None:
    """The first data of one end after the other's FIN."""
    first = found.teardown.first_closer
    fin = _fin("first-fin")(found)
    if first is None or fin is None:
        return None
    other: Role = "server" if first == "client" else "client"
    return next((number for number in found.stream(other).data_frames if number > fin), None)


def again(found: Analysis) -> list[Retransmission]:
    """The client's segment that was sent again most often: each time that it was, in order."""
    sent = [one for one in found.client.retransmissions if one.cause != "duplicate"]
    if not sent:
        return []
    starts = [one.start_rel for one in sent]
    most = max(starts, key=starts.count)  # of equals the first
    return [one for one in sent if one.start_rel == most]


def _copy(index: int) -> Finder:
    def find(found: Analysis) -> int | None:
        copies = again(found)
        return copies[index].frame if -len(copies) <= index < len(copies) else None

    return find


def _original(found: Analysis) -> int | None:
    copies = again(found)
    return copies[0].original if copies else None


def _third_duplicate(found: Analysis) -> int | None:
    duplicates = [frame.number for frame in found.frames if "duplicate-ack" in frame.roles and frame.sender == "server"]
    copies = again(found)
    asked = [number for number in duplicates if copies and number < copies[0].frame]
    return asked[2] if len(asked) > 2 else None


def _healed(found: Analysis) -> int | None:
    """The first ACK that covers what was sent again."""
    copies = again(found)
    if not copies:
        return None
    last = copies[-1]
    return next(
        (
            frame.number
            for frame in found.frames[last.frame :]
            if frame.sender == "server" and frame.ack_rel is not None and frame.ack_rel >= last.end_rel
        ),
        None,
    )


def _nth(kind: str, index: int) -> Finder:
    def find(found: Analysis) -> int | None:
        frames = [frame.number for frame in found.frames if frame.kind == kind]
        return frames[index] if -len(frames) <= index < len(frames) else None

    return find


def _quoted(found: Analysis) -> int | None:
    return found.icmp_errors[0].about if found.icmp_errors else None


def _after_icmp(found: Analysis) -> int | None:
    icmp = _kind("icmp")(found)
    return next((number for number in found.client.data_frames if icmp is not None and number > icmp), None)


PLACES: Mapping[str, tuple[str, Finder]] = {
    "arp-request": ("the first ARP frame, which asks", _neighbour("arp", 0)),
    "arp-reply": ("the second ARP frame, which answers", _neighbour("arp", 1)),
    "solicitation": ("the neighbour solicitation", _neighbour("ndp", 0)),
    "advertisement": ("the neighbour advertisement", _neighbour("ndp", 1)),
    "syn": ("the SYN", _kind("syn")),
    "syn-ack": ("the SYN-ACK", _kind("syn-ack")),
    "handshake-ack": ("the ACK that completes the handshake", lambda found: found.handshake.ack_frame),
    "first-data": ("the client's first segment with text", _data("client", 0)),
    "second-data": ("the client's second segment with text", _data("client", 1)),
    "third-data": ("the client's third segment with text", _data("client", 2)),
    "third-last-data": ("the client's last segment with text but two", _data("client", -3)),
    "second-last-data": ("the client's last segment with text but one", _data("client", -2)),
    "last-data": ("the client's last segment with text", _data("client", -1)),
    "first-reply": ("the server's first segment with text", _data("server", 0)),
    "second-reply": ("the server's second segment with text", _data("server", 1)),
    "third-last-reply": ("the server's last message but two", _message("server", -3)),
    "second-last-reply": ("the server's last message but one", _message("server", -2)),
    "last-reply": ("the server's last segment with text", _data("server", -1)),
    "held-back": ("the segment that Nagle's algorithm held back", _stall("held")),
    "releasing-ack": ("the ACK that let the held segment go", _stall("ack")),
    "waited-for": ("the segment whose ACK was waited for", _stall("waited_for")),
    "slowest-ack": ("the ACK that ends the server's longest round trip", _slowest),
    "zero-window": ("the first frame that closes a window", _role("zero-window")),
    "window-opened": ("the frame that opens the window again", _role("window-opened")),
    "probe": ("the first probe of the closed window", _role("zero-window-probe")),
    "keep-alive": ("the first keep-alive", _role("keep-alive")),
    "keep-alive-answer": ("the answer to the first keep-alive", _role("keep-alive-answer")),
    "first-fin": ("the first FIN", _fin("first-fin")),
    "second-fin": ("the second FIN", _fin("second-fin")),
    "ack-of-first-fin": ("the ACK of the first FIN", _fin("ack-of-first-fin")),
    "ack-of-second-fin": ("the ACK of the second FIN", _fin("ack-of-second-fin")),
    "client-fin": ("the client's FIN", _fin("client-fin")),
    "server-fin": ("the server's FIN", _fin("server-fin")),
    "data-after-fin": ("the first text that came after the first FIN", _half_open_data),
    "rst": ("the RST", _rst),
    "challenge-ack": ("the ACK that asks back (challenge ACK)", _role("challenge-ack")),
    "last-syn": ("the client's last SYN", _nth("syn", -1)),
    "second-syn": ("the client's second SYN", _nth("syn", 1)),
    "original": ("the first transmission of the segment that was lost", _original),
    "retransmission": ("the first retransmission of the lost segment", _copy(0)),
    "second-retransmission": ("the second retransmission of the lost segment", _copy(1)),
    "third-retransmission": ("the third retransmission of the lost segment", _copy(2)),
    "last-retransmission": ("the last retransmission of the lost segment", _copy(-1)),
    "third-duplicate": ("the third duplicate ACK before the retransmission", _third_duplicate),
    "healed": ("the first ACK that covers the lost segment", _healed),
    "icmp": ("the first ICMP message", _kind("icmp")),
    "icmp-about": ("the frame that the ICMP message quotes", _quoted),
    "after-icmp": ("the client's first text after the ICMP message", _after_icmp),
    "first-fragment": ("the first fragment", _nth("fragment", 0)),
    "second-fragment": ("the second fragment", _nth("fragment", 1)),
}
"""Every place: what it is, and how it is found."""


def place(found: Analysis, word: str) -> FrameRecord:
    """The frame at a place. Raises NotShownError where the session has none."""
    says, finder = PLACES[word]
    number = finder(found)
    if number is None:
        raise NotShownError(f"{says} is not in this capture")
    return found.frame(number)


def number_at(found: Analysis, word: str) -> int | None:
    """Its number, None where there is none."""
    return PLACES[word][1](found)
