"""Checks on round trips: what is measured, what RFC 6298 makes of it, and which ACKs were held back."""

from __future__ import annotations

from lab.analysis.model import Analysis, RttSample
from lab.grade.checks_numbers import AT
from lab.grade.checks_opening import one
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Mistake, Parameters, check, mistake
from lab.grade.places import PLACES, place

_LINUX_LEAST_NS = 200_000_000.0


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
    mistakes="one-hop-of-two misread",
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
        "rtt": f"It begins with frame {last.data_frame}. Which frame acknowledges that?",
        "srtt": "Take the round trips one after the other, and the rule of RFC 6298 §2.",
        "rttvar": "Take the rule of RFC 6298 §2.2 for the first round trip.",
        "rto": "RFC 6298 §2.4 has something to say about a time-out that comes out very small.",
    }[what]
    return Expected(
        value,
        frames,
        why,
        look,
        f"frame.number in {{{', '.join(map(str, frames))}}}",
        tolerance=max(1_000.0, value * 0.03),
        mistakes=tuple(_mistakes(known, what)),
    )


def _mistakes(known: tuple[RttSample, ...], what: str) -> list[Mistake]:
    last = known[-1]
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
        return list(
            mistake(
                float(last.rtt_ns),
                "misread",
                "That is the round trip itself. One measurement cannot vary: which part of it does RFC 6298 §2.2 take?",
            )
        )
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
