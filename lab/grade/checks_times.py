"""Checks on times: between two frames, round trips and what RFC 6298 makes of them, and which ACKs were held back."""

from __future__ import annotations

from collections.abc import Mapping

from lab.analysis.model import Analysis, FrameRecord, RttSample
from lab.grade.checks_numbers import AT
from lab.grade.checks_opening import one
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Mistake, Parameters, check, mistake
from lab.grade.places import PLACES, number_at, place

_LINUX_LEAST_NS = 200_000_000.0
_AT_ONCE_NS = 1_000_000
"""What an ACK sets free leaves within microseconds."""
_FAMILIES = (
    ("original", "retransmission", "second-retransmission", "third-retransmission", "last-retransmission", "healed"),
    ("syn", "second-syn", "last-syn", "syn-ack"),
    ("waited-for", "held-back", "releasing-ack"),
    ("zero-window", "probe", "window-opened"),
    ("third-last-data", "second-last-data", "last-data"),
    ("third-last-reply", "second-last-reply"),
)
"""Places between which people measure by mistake: whoever asks for one pair gets the others as mistakes with a name."""


_SHORT = {
    "original": "the original",
    "retransmission": "its first copy",
    "second-retransmission": "its second copy",
    "third-retransmission": "its third copy",
    "last-retransmission": "its last copy",
    "healed": "the ACK that covers it",
    "third-last-reply": "the first of the two answers",
    "second-last-reply": "the second one",
}
"""Places in a sentence that speaks of several of one family."""


def _short(word: str) -> str:
    return _SHORT.get(word, PLACES[word][0])


def _other_pairs(found: Analysis, start: str, end: str) -> list[Mistake]:
    """The times between other places of the same family."""
    family = next((words for words in _FAMILIES if start in words and end in words), (start, end))
    at = {word: number for word in family if (number := number_at(found, word)) is not None}
    mistakes: list[Mistake] = []
    for first in at:
        for second in at:
            if at[first] < at[second] and (at[first], at[second]) != (at[start], at[end]):
                value = float(found.frame(at[second]).time_ns - found.frame(at[first]).time_ns)
                mistakes.append(_other_pair(value, (first, second), (start, end), at))
    # What shares an end with the question is the likelier reading of a time that fits several pairs.
    return sorted(mistakes, key=lambda one: one.slug != "original-for-last")


def _other_pair(value: float, taken: tuple[str, str], asked: tuple[str, str], at: Mapping[str, int]) -> Mistake:
    (first, second), (start, end) = taken, asked
    says = {word: _short(word) for word in (*taken, *asked)}
    if at[first] == at[start]:
        sentence = (
            f"That ends at {says[second]} (frame {at[second]}). The question is how long it was until {says[end]}."
        )
    elif at[second] == at[end]:
        sentence = f"That counts from {says[first]} (frame {at[first]}). The question counts from {says[start]}."
        if first == "original" and start.endswith("retransmission"):
            sentence += f" Which of the copies can {says[end]} answer? The ones before it were lost."
            return Mistake(value, "original-for-last", sentence)
    else:
        sentence = (
            f"That is the time from {says[first]} to {says[second]}. The question is from {says[start]} to {says[end]}."
        )
    return Mistake(value, "other-frame", sentence)


@check(
    "time-between",
    "time",
    needs="start end",
    mistakes="original-for-last other-frame",
    choices={"start": tuple(PLACES), "end": tuple(PLACES)},
)
def time_between(evidence: Evidence, told: Parameters) -> Expected:
    """The time from the frame at one place to the frame at another."""
    found = evidence.part(told.get("part"))
    start, end = place(found, told["start"]), place(found, told["end"])
    value = float(end.time_ns - start.time_ns)
    return Expected(
        value,
        (start.number, end.number),
        f"From frame {start.number} ({PLACES[told['start']][0]}) to frame {end.number} ({PLACES[told['end']][0]}).",
        f"Find {_short(told['start'])} and {_short(told['end'])}, and take one time from the other.",
        f"frame.number >= {start.number} && frame.number <= {end.number}",
        tolerance=max(2_000.0, abs(value) * 0.05),
        wide="tcp",
        mistakes=(
            *_other_pairs(found, told["start"], told["end"]),
            *mistake(
                float(end.time_ns - found.start_ns) if start.time_ns != found.start_ns else None,
                "other-frame",
                f"That is the time of {_short(told['end'])} since the capture began. The question is how long it was"
                f" after {_short(told['start'])}.",
            ),
        ),
    )


def samples(found: Analysis, role: str, which: object) -> tuple[RttSample, ...]:
    """The round trips of an end's octets up to a certain one: the first so many, or up to the ``slowest``. Raises
    NotShownError where there are fewer."""
    measured = found.stream("client" if role == "client" else "server").rtt_samples
    if which == "slowest" and measured:
        return measured[: max(range(len(measured)), key=lambda index: measured[index].rtt_ns) + 1]
    number = which if isinstance(which, int) else 0
    if not 1 <= number <= len(measured):
        raise NotShownError(f"only {len(measured)} round trips of the {role} can be measured")
    return measured[:number]


@check(
    "round-trip",
    "time",
    needs="of number what",
    mistakes="one-hop-of-two other-frame misread",
    choices={"what": ("rtt", "srtt", "rttvar", "rto")},
)
def round_trip(evidence: Evidence, told: Parameters) -> Expected:
    """A round trip of an end's octets (number: from 1, or "slowest"), or SRTT, RTTVAR or RTO after it (RFC 6298)."""
    found = evidence.part(told.get("part"))
    known = samples(found, told["of"], told["number"])
    last, what = known[-1], told["what"]
    values = {"rtt": last.rtt_ns, "srtt": last.srtt_ns, "rttvar": last.rttvar_ns, "rto": last.rto_ns}
    value = float(values[what])
    frames = tuple(number for sample in known[-2:] for number in (sample.data_frame, sample.ack_frame))
    why = {
        "rtt": f"From frame {last.data_frame}, which the {told['of']} sent, to frame {last.ack_frame}, its ACK.",
        "srtt": "The first round trip is taken as it is; after that, seven eighths of the old value and one eighth of"
        " the new round trip (RFC 6298 §2.3).",
        "rttvar": "At first half of the round trip; after that, three quarters of the old value and one quarter of the"
        " distance between SRTT and the new round trip (RFC 6298 §2.2, §2.3).",
        "rto": f"SRTT + 4 RTTVAR, at least one second: it is {last.rto_ns / 1e9:g} s (RFC 6298 §2.4).",
    }[what]
    look = {
        "rtt": f"It begins with frame {last.data_frame}, which the {told['of']} sends, and ends with the frame that"
        " acknowledges it. Take the one time from the other; mind the unit of the Time column (seconds).",
        "srtt": "Take the round trips one after the other, and the rule of RFC 6298 §2.",
        "rttvar": "You have one round trip R and nothing to compare it with. RFC 6298 §2.2 says which part of R"
        " counts as"
        " its variation then.",
        "rto": "RFC 6298 §2.4 has something to say about a time-out that comes out very small.",
    }[what]
    return Expected(
        value,
        frames,
        why,
        look,
        f"frame.number in {{{', '.join(map(str, frames))}}}",
        wide="tcp.analysis.acks_frame",
        tolerance=max(1_000.0, value * 0.03),
        mistakes=tuple(_mistakes(found, known, what)),
    )


def _mistakes(found: Analysis, known: tuple[RttSample, ...], what: str) -> list[Mistake]:
    last = known[-1]
    if what == "rtt":
        return [
            *mistake(
                found.handshake.initial_rtt_ns and float(found.handshake.initial_rtt_ns),
                "other-frame",
                "That begins at the SYN. It is a round trip of the handshake, but part of it is how long this end"
                " took to"
                " answer; TCP's own clock starts when this end sends.",
            ),
            *mistake(
                found.handshake.syn_ns and float(found.handshake.syn_ns),
                "one-hop-of-two",
                "That is from the SYN to the SYN-ACK: how long the server took to answer, beside its own tap. The"
                " way to"
                " the client and back is not in it.",
            ),
            *mistake(
                float(found.frame(last.ack_frame).time_ns - found.start_ns),
                "other-frame",
                "That is the time of the ACK since the capture began. When was what it acknowledges sent?",
            ),
        ]
    if what == "srtt" and len(known) > 1:
        old = known[-2].srtt_ns
        return [
            *mistake((old + last.rtt_ns) / 2, "misread", "That is the plain mean. One new round trip counts for less."),
            *mistake(
                (old + 7 * last.rtt_ns) / 8,
                "misread",
                "You gave the new round trip seven eighths. It is the other way round: one odd measurement shall not"
                " change much.",
            ),
            *mistake(float(last.rtt_ns), "misread", "That is the last round trip itself, without the smoothing."),
            *mistake(float(old), "misread", "That is the value from before this round trip."),
        ]
    if what == "rttvar":
        return [
            *mistake(
                float(last.rtt_ns),
                "misread",
                "That is the round trip itself. One measurement cannot vary: which part of it does RFC 6298 §2.2 take?",
            ),
            *mistake(
                last.rtt_ns / 4,
                "misread",
                "A quarter is the weight of a later measurement (RFC 6298 §2.3). This is the first one, and §2.2"
                " is for it.",
            ),
        ]
    if what == "rto":
        return [
            *mistake(
                float(last.rto_raw_ns),
                "misread",
                "That is what SRTT + 4 RTTVAR gives. The RFC does not trust so short a time: it has a least value.",
            ),
            *mistake(
                float(last.srtt_ns + 4 * last.rttvar_ns),
                "misread",
                "That is what SRTT + 4 RTTVAR gives. The RFC does not trust so short a time: it has a least value.",
            ),
            *mistake(_LINUX_LEAST_NS, "misread", "That is Linux's own least value. The question is about the RFC's."),
        ]
    return []


@check("held-on-purpose", "boolean", needs="at", choices=AT)
def held_on_purpose(evidence: Evidence, told: Parameters) -> Expected:
    """Whether the acknowledgment at a place was held back on purpose (a delayed ACK)."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    stream = found.stream(record.sender or "client")
    entry = next((ack for ack in stream.acks if ack.frame == record.number), None)
    if entry is None:
        raise NotShownError(f"frame {record.number} acknowledges nothing new")
    how = "held back" if entry.delayed else "sent at once"
    return Expected(
        entry.delayed,
        (entry.acks[-1], record.number) if entry.acks else (record.number,),
        f"Frame {record.number} was {how}: {entry.delay_ns / 1e6:.3g} ms after what it acknowledges had come"
        " (RFC 9293 §3.8.6.3).",
        f"Compare {PLACES[told['at']][0]} with the others of this capture: is the network so much slower just there?",
        one(record.number),
    )


def _released(found: Analysis) -> tuple[FrameRecord, FrameRecord, FrameRecord | None]:
    """The client's line and the server's answer to it, the last one before that to quit; and the bare ACK that let the
    answer go, if one did. Raises NotShownError where something else came in between."""
    before, answer = place(found, "third-last-reply"), place(found, "second-last-reply")
    if len(found.client.messages) < 2 or before is answer:
        raise NotShownError("the server was so slow that its two answers travel in one segment")
    line = found.frame(found.client.messages[-2].frames[-1])
    acks = [
        frame
        for frame in found.frames[before.number : answer.number - 1]
        if frame.sender == "client" and (frame.ack_rel or 0) >= (before.end_rel or 0)
    ]
    if not acks:
        return line, answer, None
    if acks[0].number <= line.number:
        raise NotShownError("the first answer was acknowledged before the second line came")
    if answer.time_ns - acks[-1].time_ns > _AT_ONCE_NS:
        raise NotShownError("the server had not written its second answer yet when the ACK came")
    return line, answer, acks[-1]


@check("answer-waits", "boolean")
def answer_waits(evidence: Evidence, told: Parameters) -> Expected:
    """Whether the server's last answer but one left only after the client had acknowledged the answer before it."""
    found = evidence.part(told.get("part"))
    line, answer, ack = _released(found)
    name = evidence.name_of(told.get("part"))
    took_ms = (answer.time_ns - line.time_ns) / 1e6
    return Expected(
        ack is not None,
        (line.number, *((ack.number,) if ack is not None else ()), answer.number),
        f"The line came with frame {line.number}; its answer, frame {answer.number}, left {took_ms:.3g} ms later, right"
        f" after the ACK of frame {ack.number}: Nagle's algorithm is on there."
        if ack is not None
        else f"The line came with frame {line.number}, and its answer, frame {answer.number}, left {took_ms:.3g} ms"
        " later,"
        " though the answer before it was not yet acknowledged: Nagle's algorithm is off there (TCP_NODELAY).",
        f"In captures/{name}.pcapng: does a bare ACK of the client lie between the delayed line and its answer?",
        f"frame.number in {{{line.number}..{answer.number}}}",
        wide="tcp",
    )


@check("waiting-answers", "integer", needs="parts", may="", mistakes="misread")
def waiting_answers(evidence: Evidence, told: Parameters) -> Expected:
    """In how many of several connections (parts) the server's last answer but one waited for an ACK."""
    names = [str(part) for part in told["parts"]]
    waits = {name: _released(evidence.part(name))[2] is not None for name in names}
    held = [name for name in names if waits[name]]
    first = held[0] if held else names[0]
    return Expected(
        len(held),
        (_released(evidence.part(first))[1].number,),
        f"It waited in {', '.join(held) or 'none'}; it left at once in"
        f" {', '.join(name for name in names if not waits[name]) or 'none'}.",
        "In each capture: the delayed line comes in, and its answer goes out. Does a bare ACK of the client lie between"
        " the two?",
        "tcp.len > 0 || tcp.flags.ack == 1",
        wide="tcp",
        mistakes=(
            *mistake(
                len(names) - len(held) if len(names) - len(held) != len(held) else None,
                "misread",
                "So many did not wait. The question is how many did.",
            ),
            *mistake(
                len(names) if len(held) != len(names) else None,
                "misread",
                "Not all of them: each program may switch Nagle's algorithm off for its connection (TCP_NODELAY).",
            ),
            *mistake(
                0 if held else None,
                "misread",
                "Two small segments in a row, the first not yet acknowledged: unless the program said otherwise,"
                " Nagle's"
                " algorithm lets the second one wait. Look for a gap of some ten milliseconds before an answer.",
            ),
        ),
        part=first,
    )
