"""Checks on two taps and one connection: what was sent and what arrived, forged segments, SYNs without an answer."""

from __future__ import annotations

from lab.analysis.model import Analysis, FrameRecord
from lab.grade.checks_numbers import AT
from lab.grade.checks_opening import PEER, one, port_of
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Parameters, check, mistake, named
from lab.grade.places import PLACES, place

KINDS = ("syn", "syn-ack", "data", "ack", "fin", "rst", "icmp", "fragment")
_SHOWS = {
    "syn": "tcp.flags.syn == 1 && tcp.flags.ack == 0",
    "syn-ack": "tcp.flags.syn == 1 && tcp.flags.ack == 1",
    "data": "tcp.len > 0",
    "ack": "tcp.flags.ack == 1 && tcp.len == 0",
    "fin": "tcp.flags.fin == 1",
    "rst": "tcp.flags.reset == 1",
    "icmp": "icmp || icmpv6",
    "fragment": "ip.flags.mf == 1 || ip.frag_offset > 0",
}


@check(
    "frames-of-kind", "integer", needs="kind", may="part other", mistakes="wrong-end misread", choices={"kind": KINDS}
)
def frames_of_kind(evidence: Evidence, told: Parameters) -> Expected:
    """How many frames of a kind (syn, icmp, fragment ...) a capture has; other: the one it is mixed up with."""
    found, kind = evidence.part(told.get("part")), str(told["kind"])
    numbers = tuple(frame.number for frame in found.frames if frame.kind == kind)
    elsewhere = _count(evidence.part(told["other"]), kind) if "other" in told else len(numbers)
    return Expected(
        len(numbers),
        numbers[:8] or (1,),
        f"{'It is' if len(numbers) == 1 else 'They are'} {named(numbers)}."
        if numbers
        else f"In all the {len(found.frames)} frames of this capture there is none.",
        f"Count what this filter shows in captures/{evidence.name_of(told.get('part'))}.pcapng, and in no other:"
        f" {_SHOWS[kind]}",
        _SHOWS[kind],
        mistakes=(
            *mistake(
                elsewhere if elsewhere != len(numbers) else None,
                "wrong-end",
                f"So many there are at the other tap, in captures/{told.get('other')}.pcapng. What passed one tap need"
                " not have passed the other.",
            ),
            *mistake(
                len(numbers) - 1 if len(numbers) > 1 else None,
                "misread",
                "One too few: the first one counts, too.",
            ),
        ),
    )


def _count(found: Analysis, kind: str) -> int:
    return sum(1 for frame in found.frames if frame.kind == kind)


def twin_of(record: FrameRecord, other: Analysis) -> FrameRecord | None:
    """The same packet at the other tap: identification and numbers are equal there; TTL and hardware addresses are
    not."""
    for frame in other.frames:
        same = (frame.seq_raw, frame.ack_raw, frame.bits, frame.payload_bytes, frame.ip_id)
        if frame.is_tcp and same == (record.seq_raw, record.ack_raw, record.bits, record.payload_bytes, record.ip_id):
            return frame
    return None


@check("arrived", "boolean", needs="at other", choices=AT)
def arrived(evidence: Evidence, told: Parameters) -> Expected:
    """Whether the very packet at a place also passed the other tap (other: its capture)."""
    found, other = evidence.part(told.get("part")), evidence.part(told["other"])
    record = place(found, told["at"])
    twin = twin_of(record, other)
    here = f"frame {record.number}, {PLACES[told['at']][0]}"
    return Expected(
        twin is not None,
        (record.number,),
        f"It is {here}; in captures/{told['other']}.pcapng the same packet is frame {twin.number}."
        if twin is not None
        else f"It is {here}; no frame of captures/{told['other']}.pcapng has the same identification"
        f" ({record.ip_id}) in its IP header. What was sent is not yet what arrived.",
        f"Take the identification of the IP header of {here}, and look for it in captures/{told['other']}.pcapng. A"
        " retransmission has the same sequence number, but is another packet with another identification.",
        f"ip.id == {record.ip_id}",
        wide="ip.id" if record.ip_version == 4 else "tcp",
    )


@check("found-again", "frame", needs="at other", mistakes="other-frame", choices=AT)
def found_again(evidence: Evidence, told: Parameters) -> Expected:
    """The number that the packet at a place has in the other tap's capture (other)."""
    found, other = evidence.part(told.get("part")), evidence.part(told["other"])
    record = place(found, told["at"])
    twin = twin_of(record, other)
    if twin is None:
        raise NotShownError(f"{PLACES[told['at']][0]} did not pass the other tap")
    return Expected(
        twin.number,
        (twin.number,),
        f"Frame {record.number} here and frame {twin.number} there are one packet: identification {record.ip_id}, the"
        " same numbers. Each tap counts its own frames.",
        f"It is about frame {record.number} of captures/{evidence.name_of(told.get('part'))}.pcapng. Which frame of"
        f" captures/{told['other']}.pcapng has the same identification in its IP header?",
        f"ip.id == {record.ip_id}",
        wide="tcp.len > 0",
        mistakes=mistake(
            record.number if record.number != twin.number else None,
            "other-frame",
            "That is its number at the tap where it was sent. Each tap counts its own frames, and one of them has seen"
            " frames that the other has not.",
        ),
        part=str(told["other"]),
    )


@check("rst-ahead", "integer", mistakes="misread")
def rst_ahead(evidence: Evidence, told: Parameters) -> Expected:
    """How far the RST's sequence number lies ahead of the number that its receiver expected next."""
    found = evidence.part(told.get("part"))
    record = place(found, "rst")
    if record.seq_rel is None or record.sender is None:
        raise NotShownError("the RST has no sequence number that can be compared")
    receiver = PEER[record.sender]
    acks = [f.ack_rel for f in found.frames[: record.number - 1] if f.sender == receiver and f.ack_rel is not None]
    expected = max(acks, default=1)
    return Expected(
        record.seq_rel - expected,
        (record.number,),
        f"The {receiver} had acknowledged everything up to {expected - 1}, so it expected {expected}; frame"
        f" {record.number} says {record.seq_rel} (both counted from the SYN).",
        f"What had the {receiver} acknowledged last before frame {record.number}? That is the number it expects."
        " Compare it with the RST's own.",
        one(record.number),
        mistakes=mistake(
            record.seq_rel,
            "misread",
            "That is the RST's own number, counted from the SYN. How far is that from what was expected?",
        ),
    )


_NUMBERS = 1 << 32


@check("blind-resets", "integer", mistakes="unscaled-window misread")
def blind_resets(evidence: Evidence, told: Parameters) -> Expected:
    """How many RSTs, a window apart, hit the window of the RST's receiver for certain if nobody knows its numbers."""
    found = evidence.part(told.get("part"))
    record = place(found, "rst")
    receiver = PEER[str(record.sender)]
    said = [f for f in found.frames[: record.number - 1] if f.sender == receiver and f.window_bytes and not f.bits & 2]
    if not said or said[-1].window_raw is None or not said[-1].window_bytes:
        raise NotShownError(f"the {receiver} announced no window before the RST")
    last, window, raw = said[-1], said[-1].window_bytes, said[-1].window_raw
    return Expected(
        -(-_NUMBERS // window),
        (last.number, record.number),
        f"Frame {last.number} announces {window} octets. There are 2^32 numbers, and one RST for every {window} of them"
        " hits the window wherever it is. Before RFC 5961 each such hit broke a connection; since then only the"
        " one exact"
        " number does, and the others are asked back.",
        f"Take the last window (scaled) that the {receiver} announced before the RST. How often does it fit into"
        " all 2^32"
        " sequence numbers?",
        one(last.number),
        tolerance=1,
        mistakes=(
            *mistake(
                -(-_NUMBERS // raw),
                "unscaled-window",
                f"That divides by the field of frame {last.number} as it stands. The window is scaled.",
            ),
            *mistake(
                _NUMBERS,
                "misread",
                "So many it takes to hit one exact number: that is what RFC 5961 asks for. How many if any number"
                " in the"
                " window will do?",
            ),
            *mistake(
                _NUMBERS // 2,
                "misread",
                "So many it takes on average for one exact number. How many if any number in the window will do?",
            ),
            *mistake(window, "misread", "That is the window. How many windows are there in 2^32 numbers?"),
        ),
    )


@check("syn-numbers", "integer", mistakes="misread")
def syn_numbers(evidence: Evidence, told: Parameters) -> Expected:
    """How many different initial sequence numbers the client's SYNs of a connection have."""
    found = evidence.part(told.get("part"))
    syns = [frame for frame in found.frames if frame.kind == "syn"]
    if not syns:
        raise NotShownError("there is no SYN in this capture")
    numbers = {frame.seq_raw for frame in syns}
    return Expected(
        len(numbers),
        tuple(frame.number for frame in syns),
        f"The client's SYNs, {named([frame.number for frame in syns])}, all say"
        f" {syns[0].seq_raw}: one and the same SYN, sent again.",
        "Compare the raw sequence numbers of all the client's SYNs.",
        _SHOWS["syn"],
        mistakes=mistake(
            len(syns) if len(syns) != len(numbers) else None,
            "misread",
            f"The client sent {len(syns)} SYNs, but is a SYN that is sent again a new one? Compare their raw sequence"
            " numbers.",
        ),
    )


@check("frames-from", "integer", needs="of", mistakes="wrong-end")
def frames_from(evidence: Evidence, told: Parameters) -> Expected:
    """How many segments of an end are in a capture."""
    found = evidence.part(told.get("part"))
    numbers = found.stream(told["of"]).frames
    others = found.stream(PEER[told["of"]]).frames
    return Expected(
        len(numbers),
        numbers[:8] or others[:8] or (1,),
        f"{named(numbers).capitalize()}." if numbers else "Not a single one: there is nothing but silence.",
        f"Look at the column Source: which frames come from the {told['of']}?",
        f"tcp.srcport == {port_of(found, told['of'])}",
        mistakes=mistake(
            len(others) if len(others) != len(numbers) else None,
            "wrong-end",
            f"So many came from the {PEER[told['of']]}. The question is about the {told['of']}.",
        ),
    )


@check("largest", "integer", needs="of", mistakes="mss-without-options frame-length misread")
def largest(evidence: Evidence, told: Parameters) -> Expected:
    """How many octets of text an end's largest segment carries, full or not."""
    found = evidence.part(told.get("part"))
    stream = found.stream(told["of"])
    if not stream.segments_bytes:
        raise NotShownError(f"the {told['of']} sent no text")
    most = max(stream.segments_bytes)
    frame = stream.data_frames[stream.segments_bytes.index(most)]
    announced = found.handshake.mss_client_bytes if told["of"] == "client" else found.handshake.mss_server_bytes
    return Expected(
        most,
        (frame,),
        f"Frame {frame} carries {most} octets, and no other segment of the {told['of']} carries more. The other end had"
        f" announced an MSS of {announced}.",
        f"Look for the largest 'TCP Segment Len' among the {told['of']}'s frames.",
        f"tcp.srcport == {port_of(found, told['of'])} && tcp.len > 0",
        mistakes=(
            *mistake(
                announced if announced != most else None,
                "mss-without-options",
                "That is what was announced as the most. What was sent is less: look at the segments themselves.",
            ),
            *mistake(
                found.frame(frame).length_bytes,
                "frame-length",
                "That is the whole frame, with Ethernet, IP and TCP headers.",
            ),
            *mistake(
                stream.segments_bytes[-1] if stream.segments_bytes[-1] != most else None,
                "misread",
                "That is the last segment, which has only what was left over.",
            ),
        ),
    )


@check("ends-with", "choice", mistakes="misread")
def ends_with(evidence: Evidence, told: Parameters) -> Expected:
    """How a connection ended: fin (both sides said goodbye) or rst (it was broken off)."""
    found = evidence.part(told.get("part"))
    value = "rst" if found.verdict == "reset" else "fin"
    frame = found.resets[-1].frame if value == "rst" and found.resets else found.frames[-1].number
    return Expected(
        value,
        (frame,),
        f"Both ends sent a FIN and acknowledged the other's; the last of it is frame {frame}."
        if value == "fin"
        else f"Frame {frame} is the end: a RST, and no FIN was acknowledged.",
        "Look at the last frames: is there a FIN of each end, with an ACK for it?",
        "tcp.flags.fin == 1 || tcp.flags.reset == 1",
        mistakes=mistake(
            "fin" if value == "rst" else "rst",
            "misread",
            "Look at the last frames of the capture, and whether there is a FIN of each end with an ACK for it.",
        ),
    )
