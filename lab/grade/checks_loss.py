"""Checks on what was lost and sent again: how often, after how long, and how much was under way meanwhile."""

from __future__ import annotations

from itertools import pairwise

from lab.analysis.model import Analysis
from lab.grade.checks_opening import PEER, port_of
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Parameters, check, many, mistake, named
from lab.grade.places import again, number_at


@check("copies", "integer", mistakes="copy-for-original misread")
def copies(evidence: Evidence, told: Parameters) -> Expected:
    """How many times the client's lost segment was sent again (the original not counted)."""
    found = evidence.part(told.get("part"))
    sent = again(found)
    if not sent:
        raise NotShownError("the client sent nothing again")
    numbers = tuple(one.frame for one in sent)
    every = len([one for one in found.client.retransmissions if one.cause != "duplicate"])
    return Expected(
        len(sent),
        numbers[:8],
        f"It was sent first in frame {sent[0].original}, and again in {named(numbers)}: the same sequence number each"
        " time.",
        "Look for segments of the client with one and the same sequence number. The first of them is the original;"
        " count the others.",
        f"tcp.seq == {sent[0].start_rel} && tcp.len > 0 && tcp.srcport == {port_of(found, 'client')}",
        mistakes=(
            *mistake(
                len(sent) + 1,
                "copy-for-original",
                "You have counted the original too. It was sent for the first time, not again.",
            ),
            *mistake(
                every if every != len(sent) else None,
                "misread",
                "That counts everything that was sent again. The question is about one segment: one sequence number.",
            ),
        ),
    )


@check("back-off", "integer", mistakes="misread")
def back_off(evidence: Evidence, told: Parameters) -> Expected:
    """By what factor the last wait before a retransmission was longer than the one before it (a whole number)."""
    found = evidence.part(told.get("part"))
    frames = [found.frame(number) for number in (_original(found), *(one.frame for one in again(found)))]
    gaps = [later.time_ns - earlier.time_ns for earlier, later in pairwise(frames)]
    if len(gaps) < 2:
        raise NotShownError("it was not sent again twice")
    value = round(gaps[-1] / gaps[-2])
    numbers = tuple(frame.number for frame in frames[-3:])
    return Expected(
        value,
        numbers,
        f"From frame {numbers[0]} to frame {numbers[1]} it waited {gaps[-2] / 1e6:.0f} ms, from there to frame"
        f" {numbers[2]} {gaps[-1] / 1e6:.0f} ms (RFC 6298 §5.5).",
        f"Take the times of the last three transmissions, frames {', '.join(map(str, numbers))}. Two waits lie between"
        " them: divide the later by the earlier.",
        f"frame.number in {{{', '.join(map(str, numbers))}}}",
        mistakes=(
            *mistake(
                1,
                "misread",
                "If it waited equally long each time, a jammed network would get as much as before, again and again."
                " Set a time reference on the middle one and compare.",
            ),
            *mistake(
                round(gaps[-1] / gaps[0]) if round(gaps[-1] / gaps[0]) != value else None,
                "misread",
                "That compares the last wait with the very first one. The question is about two waits in a row.",
            ),
        ),
    )


def _original(found: Analysis) -> int:
    number = number_at(found, "original")
    if number is None:
        raise NotShownError("the client sent nothing again")
    return number


@check(
    "first-flight",
    "integer",
    mistakes="segments-are-messages misread",
    needs="what",
    choices={"what": ("octets", "segments")},
)
def first_flight(evidence: Evidence, told: Parameters) -> Expected:
    """How much the client sends in its first flight of text, before the first ACK of any text comes (what = octets or
    segments)."""
    found = evidence.part(told.get("part"))
    first = next((ack.frame for ack in found.server.acks if ack.octets), None)
    if first is None:
        raise NotShownError("the server acknowledged no text")
    numbers = tuple(number for number in found.client.data_frames if number < first)
    octets = sum(found.frame(number).payload_bytes for number in numbers)
    value, other = (octets, len(numbers)) if told["what"] == "octets" else (len(numbers), octets)
    return Expected(
        value,
        (*numbers[:1], *numbers[-1:], first),
        f"Frames {numbers[0]} to {numbers[-1]}: {many(len(numbers), 'segment')}, {octets} octets. Frame {first} is"
        " the first"
        " ACK of any of it. RFC 6928 allows ten segments to begin with: that is the initial congestion window.",
        f"Begin with the client's first segment of text and stop at frame {first}, the first ACK for text. Count only"
        " the client's segments with text.",
        f"tcp.srcport == {port_of(found, 'client')} && tcp.len > 0 && frame.number < {first}",
        mistakes=(
            *mistake(
                other,
                "misread",
                f"That is the number of {'segments' if told['what'] == 'octets' else 'octets'}; the question is about"
                f" {told['what']}.",
            ),
            *mistake(
                found.client.octets if told["what"] == "octets" else len(found.client.data_frames),
                "misread",
                "That is everything that the client sent. How far did it come before it first had to wait for an ACK?",
            ),
        ),
    )


@check("most-in-flight", "integer", needs="of", mistakes="misread wrong-direction")
def most_in_flight(evidence: Evidence, told: Parameters) -> Expected:
    """The most octets of an end that were sent and not yet acknowledged at any time, as this tap sees it."""
    found = evidence.part(told.get("part"))
    stream = found.stream(told["of"])
    if not stream.in_flight:
        raise NotShownError(f"the {told['of']} sent no text")
    fullest = max(stream.in_flight, key=lambda point: point.in_flight_bytes)
    windows = [point.window_bytes for point in found.stream(PEER[told["of"]]).windows if point.window_bytes is not None]
    return Expected(
        fullest.in_flight_bytes,
        (fullest.frame,),
        f"After frame {fullest.frame} octets {fullest.acked_rel} to {fullest.next_rel - 1} were under way.",
        "Take the highest octet sent so far, less the highest acknowledged so far; Wireshark shows it as 'Bytes in"
        f" flight'. Look for its maximum among the {told['of']}'s segments.",
        f"tcp.srcport == {port_of(found, told['of'])} && tcp.analysis.bytes_in_flight",
        mistakes=(
            *mistake(
                max(windows) if windows and max(windows) != fullest.in_flight_bytes else None,
                "misread",
                "That is what the receiver has room for. What the sender dares to have under way is another limit: its"
                " congestion window, which stands in no header.",
            ),
            *mistake(
                stream.octets if stream.octets != fullest.in_flight_bytes else None,
                "misread",
                "That is all it sent in this connection. Not all of it was under way at once.",
            ),
        ),
    )


@check(
    "more-of",
    "choice",
    needs="parts what",
    may="",
    mistakes="misread",
    choices={"what": ("retransmissions", "round-trip", "duration")},
)
def more_of(evidence: Evidence, told: Parameters) -> Expected:
    """In which of several connections (parts) there is more of something: retransmissions of the client, its longest
    round-trip, or the duration."""
    parts = [str(part) for part in told["parts"]]
    amounts = {part: _amount(evidence.part(part), told["what"]) for part in parts}
    value = max(parts, key=lambda part: amounts[part])
    unit = "" if told["what"] == "retransmissions" else " ms"
    listed = ", ".join(f"{part}: {amounts[part]:.4g}{unit}" for part in parts)
    frame = _frame_of(evidence.part(value), told["what"])
    return Expected(
        value,
        (frame,),
        f"Compare: {listed}.",
        f"Open each of the captures ({', '.join(parts)}) and compare:"
        f" {'count what was sent again' if told['what'] == 'retransmissions' else 'look at the times'}.",
        "tcp.analysis.retransmission" if told["what"] == "retransmissions" else "tcp.analysis.ack_rtt",
        mistakes=tuple(
            one
            for part in parts
            if part != value
            for one in mistake(part, "misread", f"Put {part} beside {value} once more: {_HOW[told['what']]}")
        ),
        part=value,
    )


_HOW = {
    "retransmissions": "how many segments carry octets that had been sent before?",
    "round-trip": "how long does it take until a segment in the middle is acknowledged, there and here?",
    "duration": "how much time lies between the first frame and the last?",
}


def _amount(found: Analysis, what: str) -> float:
    if what == "retransmissions":
        return float(len(found.client.retransmissions))
    if what == "duration":
        return (found.end_ns - found.start_ns) / 1e6
    return max((sample.rtt_ns for sample in found.client.rtt_samples), default=0) / 1e6


def _frame_of(found: Analysis, what: str) -> int:
    if what == "retransmissions" and found.client.retransmissions:
        return found.client.retransmissions[0].frame
    if what == "round-trip" and found.client.rtt_samples:
        return max(found.client.rtt_samples, key=lambda sample: sample.rtt_ns).ack_frame
    return found.frames[-1].number
