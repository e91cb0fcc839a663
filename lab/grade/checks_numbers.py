"""Checks on the middle: frames by their place, sequence and acknowledgment numbers, octets, segments, messages,"
" times."""

from __future__ import annotations

from lab.analysis.model import Analysis, FrameRecord
from lab.grade.checks_opening import PEER, one, opening, port_of
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Mistake, Parameters, check, mistake
from lab.grade.places import PLACES, number_at, place

AT = {"at": tuple(PLACES)}
_MASK = 0xFFFFFFFF


def counted(found: Analysis, role: str | None, rel: int | None, slug: str, sentence: str) -> tuple[Mistake, ...]:
    """A wrong sequence number, in both of its spellings: counted from the SYN, and raw."""
    if role is None or rel is None:
        return ()
    raw = (opening(found, role).isn + rel) & _MASK
    return (Mistake(raw, slug, sentence), Mistake(rel, slug, sentence))


def seq_of(record: FrameRecord) -> tuple[int, int]:
    """Raw and relative sequence number. Raises NotShownError for what is no segment."""
    if record.seq_raw is None or record.seq_rel is None or record.sender is None:
        raise NotShownError(f"frame {record.number} has no sequence number")
    return record.seq_raw, record.seq_rel


@check("frame-at", "frame", needs="at", mistakes="other-frame", choices=AT)
def frame_at(evidence: Evidence, told: Parameters) -> Expected:
    """The number of the frame at a place (the places are listed below)."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    others: list[Mistake] = []
    for word, (says, _) in PLACES.items():
        number = number_at(found, word)
        if number is not None and number != record.number:
            sentence = f"Frame {number} is {says}. You are looking for {PLACES[told['at']][0]}."
            others.append(Mistake(number, "other-frame", sentence))
    return Expected(
        record.number,
        (record.number,),
        f"Frame {record.number} is {PLACES[told['at']][0]}. {record.comment}",
        f"You are looking for {PLACES[told['at']][0]}.",
        _filter_for(found, told["at"]),
        mistakes=tuple(others),
    )


def _filter_for(found: Analysis, word: str) -> str:
    """A display filter with some frames among which the right one is."""
    if word in ("syn", "syn-ack"):
        return "tcp.flags.syn == 1"
    if word == "handshake-ack":
        return "tcp.flags.syn == 1 || (tcp.seq == 1 && tcp.ack == 1)"
    if word.startswith("arp"):
        return "arp"
    if word in ("solicitation", "advertisement"):
        return "icmpv6.type in {135, 136}"
    if "fin" in word and not word.startswith("data"):
        return "tcp.flags.fin == 1 || tcp.flags.ack == 1 && tcp.len == 0"
    if word == "slowest-ack":
        return "tcp.analysis.ack_rtt"
    if word == "rst":
        return "tcp.flags.reset == 1"
    if word == "third-duplicate":
        return "tcp.analysis.duplicate_ack"
    if word in ("icmp", "icmp-about"):
        return "icmp || icmpv6 || tcp.len > 0"
    if word in ("original", "healed") or "retransmission" in word:
        return "tcp.analysis.retransmission || tcp.analysis.duplicate_ack || tcp.len > 0"
    if word == "challenge-ack":
        return "tcp.flags.reset == 1 || tcp.len == 0"
    if word in ("zero-window", "window-opened"):
        return f"tcp.srcport == {port_of(found, 'client')} && tcp.len == 0"
    if word == "probe":
        return f"tcp.srcport == {port_of(found, 'server')} && tcp.len <= 1"
    if word == "releasing-ack":
        return "tcp.len == 0"
    return "tcp.len > 0"


@check(
    "seq-at", "seq", needs="at", mistakes="seq-for-ack off-by-one-syn last-for-next start-for-end misread", choices=AT
)
def seq_at(evidence: Evidence, told: Parameters) -> Expected:
    """The sequence number of the frame at a place."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    raw, rel = seq_of(record)
    says = PLACES[told["at"]][0]
    number = record.number
    return Expected(
        raw,
        (number,),
        f"Frame {number}, {says}, begins at {rel}, counted from the {record.sender}'s SYN as 0 ({raw} raw).",
        f"It is about {says}, frame {number}: with which of the {record.sender}'s numbers does it begin?",
        one(number),
        relative=rel,
        mistakes=(
            *counted(
                found,
                record.sender,
                record.end_rel if record.end_rel != rel else None,
                "start-for-end",
                f"That is the number after frame {number}. The sequence number of a segment is that of its *first*"
                " octet.",
            ),
            *counted(
                found,
                record.sender,
                rel - 1 if rel else None,
                "off-by-one-syn" if rel == 1 else "last-for-next",
                "That is one too low. The SYN takes number 0 for itself, so the text begins after it."
                if rel == 1
                else f"That is the last number before frame {number}. A segment is named by the first octet of its"
                " own.",
            ),
            *counted(
                found,
                record.sender,
                rel + 1 if {"keep-alive", "zero-window-probe"} & {*record.roles} else None,
                "misread",
                "That would be the next octet's number. But this frame carries nothing new: what must it look like, so"
                " that"
                " the other end has to answer?",
            ),
            *counted(
                found,
                PEER.get(str(record.sender)),
                record.ack_rel,
                "seq-for-ack",
                f"That is frame {number}'s acknowledgment number: it counts what the other end has sent.",
            ),
        ),
    )


@check("ack-at", "seq", needs="at", mistakes="seq-for-ack off-by-one-syn last-for-next", choices=AT)
def ack_at(evidence: Evidence, told: Parameters) -> Expected:
    """The acknowledgment number that the frame at a place carries."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    if record.ack_raw is None or record.ack_rel is None or record.sender is None:
        raise NotShownError(f"frame {record.number} acknowledges nothing")
    number, peer = record.number, PEER[record.sender]
    return Expected(
        record.ack_raw,
        (number,),
        f"Frame {number} expects number {record.ack_rel} of the {peer} next, counted from its SYN: everything before"
        " has"
        " arrived.",
        f"In frame {number} the {record.sender} says which number of the {peer} it expects next.",
        one(number),
        relative=record.ack_rel,
        mistakes=(
            *counted(
                found,
                peer,
                record.ack_rel - 1,
                "off-by-one-syn" if record.ack_rel == 1 else "last-for-next",
                f"That is the number of the {peer}'s SYN itself. A SYN takes one sequence number, so the next one"
                " expected is one more."
                if record.ack_rel == 1
                else "That is the last number that has arrived. An acknowledgment names the next one expected.",
            ),
            *counted(
                found,
                record.sender,
                record.seq_rel,
                "seq-for-ack",
                f"That is frame {number}'s own sequence number, which counts what the {record.sender} itself sends.",
            ),
        ),
    )


@check(
    "next-after",
    "seq",
    needs="at",
    mistakes="start-for-end last-for-next length-for-number off-by-one-fin wrong-direction",
    choices=AT,
)
def next_after(evidence: Evidence, told: Parameters) -> Expected:
    """The acknowledgment number that acknowledges everything up to and including the frame at a place."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    _, rel = seq_of(record)
    end = record.end_rel or 0
    number, sender = record.number, str(record.sender)
    own = [f"{record.payload_bytes} octets of text"] if record.payload_bytes else []
    own += ["one number for the SYN"] if record.bits & 2 else []
    own += ["one number for the FIN"] if record.bits & 1 else []
    length = " and ".join(own) or "nothing, for it carries no text, no SYN and no FIN"
    acked = next(
        (f.number for f in found.frames if f.sender == PEER[sender] and (f.ack_rel or 0) >= end and f.number > number),
        None,
    )
    shown = f"frame.number in {{{number}, {acked}}}" if acked else one(number)
    return Expected(
        (opening(found, sender).isn + end) & _MASK,
        (number,) if acked is None else (number, acked),
        f"Frame {number} begins at {rel} and takes {length}: so {end} comes next"
        + (f", and frame {acked} says so." if acked else "."),
        f"Frame {number} begins at some number and takes some. Which number is the first one *after* it?",
        shown,
        relative=end,
        mistakes=(
            *counted(
                found,
                sender,
                end - 1 if record.bits & 1 else None,
                "off-by-one-fin",
                f"That is one too low. Frame {number} carries a FIN, and a FIN takes one sequence number, as a SYN does"
                " (RFC 9293 §3.4).",
            ),
            *counted(
                found,
                sender,
                rel if rel != end else None,
                "start-for-end",
                f"That is where frame {number} begins. It would mean that nothing of it has arrived.",
            ),
            *counted(
                found,
                sender,
                end - 1 if not record.bits & 1 else None,
                "last-for-next",
                "That is the last octet that has arrived. An acknowledgment names the next one expected: one more.",
            ),
            *mistake(
                record.payload_bytes or None,
                "length-for-number",
                f"That is how long frame {number} is. The number must also count everything that went before it.",
            ),
            *counted(
                found,
                PEER[sender],
                record.ack_rel,
                "wrong-direction",
                f"That is the number that frame {number} itself acknowledges: it counts the other direction.",
            ),
        ),
    )
