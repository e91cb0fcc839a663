"""Checks on the end: who closes first, who waits, what a FIN takes, what a RST throws away."""

from __future__ import annotations

from lab.analysis.model import Analysis, Reset
from lab.grade.checks_numbers import AT, seq_of
from lab.grade.checks_opening import PEER, one, port_of
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Parameters, check, mistake
from lab.grade.places import PLACES, place

_FIN_FILTER = "tcp.flags.fin == 1 || tcp.flags.reset == 1"


@check("first-closer", "choice", mistakes="passive-closer")
def first_closer(evidence: Evidence, told: Parameters) -> Expected:
    """Who sent the first FIN: client or server."""
    found = evidence.part(told.get("part"))
    first = place(found, "first-fin")
    closer = str(found.teardown.first_closer)
    return Expected(
        closer,
        (first.number,),
        f"Frame {first.number} is the first FIN, and the {closer} sent it.",
        "Find the first frame with FIN and look at its source.",
        _FIN_FILTER,
        mistakes=mistake(
            PEER[closer],
            "passive-closer",
            f"The {PEER[closer]} closed second: a FIN of the other end came before its own.",
        ),
    )


@check("time-wait", "choice", mistakes="passive-closer")
def time_wait(evidence: Evidence, told: Parameters) -> Expected:
    """Who holds TIME_WAIT at the end: client, server, both or nobody."""
    found = evidence.part(told.get("part"))
    holder = found.teardown.time_wait or "nobody"
    if holder == "nobody":
        frames = tuple(reset.frame for reset in found.resets[:1])
        why = "A RST ends a connection at once: nobody has anything to wait for."
        return Expected(holder, frames, why, "How did this connection end?", _FIN_FILTER)
    first = place(found, "first-fin")
    last = place(found, "ack-of-second-fin")
    return Expected(
        holder,
        (first.number, last.number),
        f"Who closes first sends the last ACK (frame {last.number}), and nobody tells it whether that arrived. So it"
        " stays a while, to send it again (RFC 9293 §3.6.1).",
        f"Who sends the very last ACK (frame {last.number})? And what if it got lost?",
        f"frame.number in {{{first.number}, {last.number}}}",
        mistakes=(
            *mistake(
                PEER.get(holder),
                "passive-closer",
                f"The {PEER.get(holder)} closed second. Its FIN is acknowledged by frame {last.number}, and with that"
                " it"
                " knows everything it has to know: it can forget the connection.",
            ),
            *mistake(
                "both" if holder != "both" else None,
                "misread",
                "One end is enough: only the sender of the last ACK does not know whether it arrived.",
            ),
        ),
    )


@check("teardown-packets", "integer", mistakes="misread")
def teardown_packets(evidence: Evidence, told: Parameters) -> Expected:
    """How many packets the teardown took, from the first FIN to the last ACK: 3 or 4."""
    found = evidence.part(told.get("part"))
    packets = found.teardown.packets
    first, second = place(found, "first-fin"), place(found, "second-fin")
    if packets is None:
        raise NotShownError("the teardown is not complete in this capture")
    how = "carries the ACK of the first" if packets == 3 else "came after the first had been acknowledged on its own"
    return Expected(
        packets,
        (first.number, second.number),
        f"The second FIN, frame {second.number}, {how}. Textbooks draw four; three is as correct.",
        f"Between frames {first.number} and {second.number}: is the ACK of the first FIN a frame of its own, or does it"
        " travel with the second FIN?",
        f"frame.number >= {first.number}",
        mistakes=mistake(
            7 - packets,
            "misread",
            f"Count again from frame {first.number}: is the ACK of the first FIN a frame of its own here? The"
            " textbook's"
            " picture is only one of two.",
        ),
    )


@check("sender-at", "choice", needs="at", mistakes="wrong-end", choices=AT)
def sender_at(evidence: Evidence, told: Parameters) -> Expected:
    """Who sent the frame at a place: client or server."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    if record.sender is None:
        raise NotShownError(f"frame {record.number} is of neither end")
    return Expected(
        record.sender,
        (record.number,),
        f"Frame {record.number}, {PLACES[told['at']][0]}, comes from the {record.sender}.",
        f"Find {PLACES[told['at']][0]} and look at its source.",
        one(record.number),
        mistakes=mistake(PEER[record.sender], "wrong-end", f"Look at the source of {PLACES[told['at']][0]} again."),
    )


@check("carries-text", "boolean", needs="at", choices=AT)
def carries_text(evidence: Evidence, told: Parameters) -> Expected:
    """Whether the frame at a place carries text as well."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    return Expected(
        record.payload_bytes > 0,
        (record.number,),
        f"Frame {record.number} carries {record.payload_bytes} octets of text: flags and text go together as they"
        " come.",
        f"Look at 'TCP Segment Len' of frame {record.number}.",
        one(record.number),
    )


@check("half-close-octets", "integer", mistakes="misread counted-syn-fin")
def half_close_octets(evidence: Evidence, told: Parameters) -> Expected:
    """How many octets of text one end sent after it had the other's FIN."""
    found = evidence.part(told.get("part"))
    first = place(found, "first-fin")
    closer = str(found.teardown.first_closer)
    value = found.teardown.half_close_octets
    other = found.stream(PEER[closer])
    after = tuple(number for number in other.data_frames if number > first.number)
    return Expected(
        value,
        (first.number, *after[:4]),
        f"After the {closer}'s FIN (frame {first.number}) the {other.role} sent {value} octets more: a FIN ends one"
        " direction only.",
        f"Add up the text that the {other.role} sent after frame {first.number}.",
        f"frame.number >= {first.number}",
        mistakes=(
            *mistake(
                0 if value else None,
                "misread",
                f"The FIN of frame {first.number} ends what the {closer} says, not what it hears. Look at what came"
                " after"
                " it.",
            ),
            *mistake(other.octets, "misread", f"That is all that the {other.role} sent, also before the FIN."),
            *mistake(value + 1, "counted-syn-fin", "That counts the FIN, which takes a number but is no text."),
        ),
    )


def the_reset(found: Analysis) -> Reset:
    """The first RST. Raises NotShownError."""
    if not found.resets:
        raise NotShownError("there is no RST in this capture")
    return found.resets[0]


@check("reset-by", "choice", mistakes="wrong-end")
def reset_by(evidence: Evidence, told: Parameters) -> Expected:
    """Who sent the RST: client or server."""
    found = evidence.part(told.get("part"))
    reset = the_reset(found)
    return Expected(
        reset.side,
        (reset.frame,),
        f"Frame {reset.frame} is the RST, and it comes from the {reset.side}.",
        "Find the frame with RST and look at its source.",
        "tcp.flags.reset == 1",
        mistakes=mistake(
            PEER[reset.side],
            "wrong-end",
            f"Look again at the source of frame {reset.frame}, the one with RST: which end has port"
            f" {port_of(found, reset.side)}?",
        ),
    )


@check("answered-after", "boolean", needs="at", choices=AT)
def answered_after(evidence: Evidence, told: Parameters) -> Expected:
    """Whether the other end sent anything after the frame at a place."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    later = [f for f in found.frames if f.number > record.number and f.is_tcp and f.sender not in (None, record.sender)]
    why = f"Frame {later[0].number} came after it." if later else f"After frame {record.number} nothing more came."
    return Expected(
        bool(later),
        (record.number, *(f.number for f in later[:1])),
        why,
        f"Look what comes after frame {record.number}, from the other end.",
        f"frame.number >= {record.number}",
    )


@check("acknowledged", "boolean", needs="at", choices=AT)
def acknowledged(evidence: Evidence, told: Parameters) -> Expected:
    """Whether the text of the frame at a place was acknowledged (before a RST ended everything)."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    seq_of(record)
    end = record.end_rel or 0
    other = PEER[str(record.sender)]
    acks = [
        f
        for f in found.frames
        if f.sender == other
        and f.ack_rel is not None
        and f.ack_rel >= end
        and f.number > record.number
        and not f.bits & 4
    ]
    frames = (record.number, *(f.number for f in acks[:1]))
    why = f"Frame {acks[0].number} acknowledges it." if acks else f"No ACK for frame {record.number} came any more."
    return Expected(
        bool(acks),
        frames,
        why,
        f"Frame {record.number} ends at {end} (relative). Does any later frame of the {other} acknowledge that number?",
        f"frame.number >= {record.number}",
    )


@check("frames-after-rst", "integer", mistakes="misread")
def frames_after_rst(evidence: Evidence, told: Parameters) -> Expected:
    """How many frames of the other end came after the RST: a RST is not acknowledged."""
    found = evidence.part(told.get("part"))
    reset = the_reset(found)
    later = [f for f in found.frames if f.number > reset.frame and f.is_tcp and f.sender not in (None, reset.side)]
    return Expected(
        len(later),
        (reset.frame,),
        f"A RST (frame {reset.frame}) is not acknowledged: who receives it forgets the connection (RFC 9293 §3.5.3).",
        f"What comes from the other end after frame {reset.frame}?",
        f"frame.number >= {reset.frame}",
        mistakes=mistake(
            len(later) + 1, "misread", "A FIN is acknowledged, a RST is not. Count what comes after the RST."
        ),
    )


@check("rst-number", "integer seq", mistakes="misread seq-for-ack")
def rst_number(evidence: Evidence, told: Parameters) -> Expected:
    """The sequence number (raw) of the RST, as it stands in the header."""
    found = evidence.part(told.get("part"))
    record = found.frame(the_reset(found).frame)
    if record.seq_raw is None:
        raise NotShownError("the RST has no sequence number")
    return Expected(
        record.seq_raw,
        (record.number,),
        f"Frame {record.number} answers a segment without ACK. Its sender knows of no connection, so it has no number"
        " of its own (RFC 9293 §3.5.2)."
        if not record.seq_raw
        else f"Frame {record.number} carries the number that its receiver expects next; else it would be ignored.",
        f"Look at 'Sequence Number (raw)' of frame {record.number}, not at the relative one above it.",
        one(record.number),
        mistakes=(
            *mistake(
                1,
                "misread",
                "That is the relative number that Wireshark shows. It has no SYN of this end to count from; look at the"
                " raw one.",
            ),
            *mistake(record.ack_raw, "seq-for-ack", "That is the acknowledgment number of the same frame."),
        ),
    )
