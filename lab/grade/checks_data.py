"""Checks on the middle: octets, segments and messages, times, and what role frames play."""

from __future__ import annotations

from itertools import pairwise

from lab.analysis.model import Analysis
from lab.grade.checks_numbers import AT
from lab.grade.checks_opening import PEER, one, port_of
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Parameters, check, many, mistake, named
from lab.grade.places import PLACES, place


@check("payload-at", "integer", needs="at", mistakes="frame-length", choices=AT)
def payload_at(evidence: Evidence, told: Parameters) -> Expected:
    """How many octets of text the frame at a place carries."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    number = record.number
    return Expected(
        record.payload_bytes,
        (number,),
        f"Frame {number} is {record.length_bytes} octets long; {record.payload_bytes} of them are text, the rest are"
        " headers.",
        f"It is about {PLACES[told['at']][0]}, frame {number}. The column Length counts the whole frame; 'TCP Segment"
        " Len' counts the text.",
        one(number),
        mistakes=mistake(
            record.length_bytes,
            "frame-length",
            f"That is the length of frame {number} with all its headers: Ethernet, IP and TCP.",
        ),
    )


@check("octets", "integer", needs="of", mistakes="counted-syn-fin wrong-direction frame-length")
def octets(evidence: Evidence, told: Parameters) -> Expected:
    """How many octets of text an end sent, each counted once."""
    found = evidence.part(told.get("part"))
    stream, other = found.stream(told["of"]), found.stream(PEER[told["of"]])
    frames = stream.data_frames
    whole = sum(found.frame(number).length_bytes for number in frames)
    taken = "That counts the SYN or the FIN too: they take a sequence number each, but they carry no text."
    return Expected(
        stream.octets,
        frames[:1] + frames[-1:] if len(frames) > 1 else frames,
        f"The {told['of']} sent {stream.octets} octets in {many(len(frames), 'segment')} with text"
        + (f", the first of them frame {frames[0]}, the last frame {frames[-1]}." if frames else "."),
        f"Add up 'TCP Segment Len' over the {told['of']}'s frames, or take the number of its FIN and think what else"
        " has"
        " taken a number.",
        f"tcp.srcport == {port_of(found, told['of'])} && tcp.len > 0",
        mistakes=(
            *mistake(stream.octets + 1, "counted-syn-fin", taken),
            *mistake(stream.octets + 2, "counted-syn-fin", taken),
            *mistake(
                other.octets,
                "wrong-direction",
                f"That is what the {PEER[told['of']]} sent. The question is about the {told['of']}.",
            ),
            *mistake(
                whole,
                "frame-length",
                "That is the length of the frames with their headers. Text is only what comes after the last header.",
            ),
        ),
    )


@check("segments", "integer", needs="of", mistakes="segments-are-messages frames-for-segments wrong-direction")
def segments(evidence: Evidence, told: Parameters) -> Expected:
    """In how many segments with text an end sent what it had to say."""
    found = evidence.part(told.get("part"))
    stream, other = found.stream(told["of"]), found.stream(PEER[told["of"]])
    count, lines = len(stream.data_frames), len(stream.messages)
    return Expected(
        count,
        stream.data_frames,
        f"{many(lines, 'message')} of the {told['of']} travelled in {many(count, 'segment')} with text:"
        f" {named(stream.data_frames)}.",
        f"Count the frames from the {told['of']} whose 'TCP Segment Len' is not 0.",
        f"tcp.srcport == {port_of(found, told['of'])} && tcp.len > 0",
        mistakes=(
            *mistake(
                lines,
                "segments-are-messages",
                f"That is the number of the {told['of']}'s messages. TCP carries a stream of octets; how it is cut into"
                " segments is TCP's own affair.",
            ),
            *mistake(
                len(stream.frames),
                "frames-for-segments",
                "That counts bare ACKs, SYN and FIN too. They carry no text.",
            ),
            *mistake(
                len(other.data_frames),
                "wrong-direction",
                f"So many came from the {PEER[told['of']]}. The question is about the {told['of']}.",
            ),
        ),
    )


@check("messages", "integer", needs="of", mistakes="segments-are-messages wrong-direction")
def messages(evidence: Evidence, told: Parameters) -> Expected:
    """How many messages (lines) an end sent."""
    found = evidence.part(told.get("part"))
    stream, other = found.stream(told["of"]), found.stream(PEER[told["of"]])
    return Expected(
        len(stream.messages),
        stream.data_frames[:1],
        f"A message is a line: the {told['of']}'s stream has {len(stream.messages)} of them, in"
        f" {many(len(stream.data_frames), 'segment')}.",
        "A message of the echo protocol ends with a line feed (0a). Follow the stream and count lines, not frames.",
        "tcp.len > 0",
        mistakes=(
            *mistake(
                len(stream.data_frames),
                "segments-are-messages",
                "That is the number of segments. Where one message ends and the next begins is told by the line feeds"
                " alone.",
            ),
            *mistake(
                len(other.messages),
                "wrong-direction",
                f"So many came from the {PEER[told['of']]}. The question is about the {told['of']}.",
            ),
        ),
    )


@check("messages-in", "integer", needs="at", mistakes="segments-are-messages", choices=AT)
def messages_in(evidence: Evidence, told: Parameters) -> Expected:
    """How many messages have at least one octet in the frame at a place."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    if record.sender is None:
        raise NotShownError("that frame is of neither end")
    inside = [message for message in found.stream(record.sender).messages if record.number in message.frames]
    return Expected(
        len(inside),
        (record.number,),
        f"Frame {record.number} brings octets of {many(len(inside), 'message')}: a segment is a piece of the"
        " stream, not a"
        " message.",
        f"Look at the text of frame {record.number} in the bytes pane: how many line feeds (0a) are in it?",
        one(record.number),
        mistakes=mistake(
            1 if len(inside) != 1 else None,
            "segments-are-messages",
            f"Frame {record.number} is one segment, but the program wrote several lines at once. Count the line feeds.",
        ),
    )


@check("segments-of", "integer", needs="of number", mistakes="segments-are-messages")
def segments_of(evidence: Evidence, told: Parameters) -> Expected:
    """In how many segments one message of an end travelled. number: which one, from 1 (-1: the last)."""
    found = evidence.part(told.get("part"))
    said = found.stream(told["of"]).messages
    index = int(told["number"])
    if not said or abs(index) > len(said) or index == 0:
        raise NotShownError(f"the {told['of']} sent only {len(said)} messages")
    message = said[index - 1 if index > 0 else index]
    return Expected(
        len(message.frames),
        message.frames,
        f"Its octets came in {named(message.frames)}; only the last of them has the line feed."
        if len(message.frames) > 1
        else f"All its octets, and its line feed, came in {named(message.frames)}.",
        "Find the frame with its first octet and the one with its line feed, and count from one to the other.",
        f"tcp.srcport == {port_of(found, told['of'])} && tcp.len > 0",
        mistakes=mistake(
            1 if len(message.frames) != 1 else None,
            "segments-are-messages",
            "One message, but not one segment: look where its first octet is and where its line feed is.",
        ),
    )


@check("frame-length", "integer", needs="at", mistakes="frame-length mss-without-options misread", choices=AT)
def frame_length(evidence: Evidence, told: Parameters) -> Expected:
    """How long the frame at a place is on the wire, headers and all."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    number, headers = record.number, record.length_bytes - record.payload_bytes
    return Expected(
        record.length_bytes,
        (number,),
        f"Frame {number}: {record.payload_bytes} octets of text and {headers} of headers make {record.length_bytes}.",
        f"It is about {PLACES[told['at']][0]}, frame {number}: text, and the headers of Ethernet, IP and TCP.",
        one(number),
        mistakes=(
            *mistake(
                record.payload_bytes,
                "frame-length",
                "That is the text alone. It does not travel alone: three headers go before it.",
            ),
            *mistake(
                record.length_bytes - 14,
                "misread",
                "That is the IP packet. Ethernet puts a header of its own, 14 octets, in front of it.",
            ),
            *mistake(
                record.payload_bytes + 54,
                "mss-without-options",
                "That counts the three headers without options. TCP's options travel in every segment of this"
                " connection, too.",
            ),
        ),
    )


@check("overhead-at", "integer", needs="at", mistakes="frame-length", choices=AT)
def overhead_at(evidence: Evidence, told: Parameters) -> Expected:
    """How many octets of the frame at a place are not text: all headers together."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    value = record.length_bytes - record.payload_bytes
    return Expected(
        value,
        (record.number,),
        f"Frame {record.number} has {record.length_bytes} octets, {record.payload_bytes} of them text.",
        f"Frame {record.number}: its whole length, less the text.",
        one(record.number),
        mistakes=(
            *mistake(record.length_bytes, "frame-length", "That is the whole frame, its text included."),
            *mistake(record.payload_bytes, "frame-length", "That is the text; the question is about everything else."),
            *mistake(
                value - 14,
                "misread",
                "That leaves out Ethernet's own header of 14 octets, which travels in every frame, too.",
            ),
        ),
    )


ROLE_CHOICES = (
    "zero-window",
    "zero-window-probe",
    "keep-alive",
    "keep-alive-answer",
    "retransmission",
    "duplicate-ack",
    "window-update",
    "delayed-ack",
)


@check(
    "count",
    "integer",
    needs="role",
    may="part of",
    mistakes="wrong-direction flags-at-their-word",
    choices={"role": ROLE_CHOICES, "of": ("client", "server")},
)
def count(evidence: Evidence, told: Parameters) -> Expected:
    """How many frames play a role (zero-window, zero-window-probe, ...), of one end or of both."""
    found = evidence.part(told.get("part"))
    role = told["role"]
    frames = [f for f in found.frames if role in f.roles and told.get("of") in (None, f.sender)]
    others = [f for f in found.frames if role in f.roles and f not in frames]
    numbers = tuple(f.number for f in frames)
    after, silence_ns = _after_longest_silence(found)
    if numbers:
        why = f"It is {named(numbers)}." if len(numbers) == 1 else f"They are {named(numbers)}."
    else:
        why = f"There is none. The longest silence, {silence_ns / 1e9:.3g} s, ends with frame {after}."
    return Expected(
        len(frames),
        numbers[:8] or (after,),
        why,
        "Go through the frames one by one and ask what each is for; Wireshark's own label may be another. Begin with"
        " those that come after a silence.",
        f"tcp.srcport == {port_of(found, told['of'])}" if "of" in told else "tcp",
        mistakes=mistake(
            len(others) if others else None,
            "wrong-direction",
            "So many came from the other end. Look at the source of each.",
        ),
    )


def _after_longest_silence(found: Analysis) -> tuple[int, int]:
    """The frame before which nothing was sent for longest, and for how long."""
    gaps = [(later.time_ns - earlier.time_ns, later.number) for earlier, later in pairwise(found.frames)]
    silence_ns, number = max(gaps, default=(0, 1))
    return number, silence_ns
