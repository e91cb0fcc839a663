"""The differences that are known: where a tool and the lab's JSON count differently, and why.

Each has a name, and a test on the facts of a frame that says whether it applies there. A disagreement that no entry
explains is a bug: of the lab, or a difference that is still to be understood and to be added here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.stream import Brought
from tests.oracle.tshark import SYN, Row


@dataclass(frozen=True, slots=True)
class Difference:
    """name: as it stands in the table. tool: whose count differs. why: who counts what, and what the RFC says."""

    name: str
    tool: str
    why: str


ACKED_FIRST = Difference(
    "acknowledged before it was captured",
    "tshark",
    "A segment that comes after its own acknowledgment: the tap got the two in the wrong order, or missed one. "
    "Its octets are in the capture for the first time, so the JSON counts no retransmission. tshark looks at the "
    "acknowledgment only and says 'spurious retransmission'.",
)
ACK_OVERTOOK = Difference(
    "text overtaken by an acknowledgment",
    "tshark, tcptrace",
    "Two processors send for one connection, and an acknowledgment passes the text before it (real, in big "
    "transfers both ways). Its sequence number shows that text is on its way; when it comes, it is out of order, "
    "and the kernels sent nothing again. tshark says 'retransmission', tcptrace says nothing.",
)
FIN_OVERTOOK = Difference(
    "an acknowledgment overtaken by the FIN",
    "tshark",
    "An older acknowledgment that passed after its own end's FIN has the number that the FIN took, one less than "
    "the next. That is what a keep-alive looks like, and tshark calls it one; but nobody keeps a connection alive "
    "that it has ended.",
)
FFFF = Difference(
    "0xffff for a checksum of zero",
    "tshark",
    "About one segment in 65,536 has the checksum 0. Linux writes it as 0xffff, as UDP has to. A receiver's sum "
    "comes out right with either (RFC 1624 §5). tshark says that it should be 0x0000 and counts it as bad; the "
    "JSON does not.",
)
GUESSED_ORDER = Difference(
    "sent again within 3 ms",
    "tshark",
    "tshark does not keep which octets it has seen. A SYN that brings nothing new less than 3 ms (or one initial "
    "round trip) after the one before it is 'out of order' to it. The JSON's tracker knows that its number was in "
    "the capture already: a retransmission.",
)
NOTHING_OUTSTANDING = Difference(
    "nothing outstanding",
    "tshark",
    "RFC 5681 §2: an acknowledgment is a duplicate only while data is outstanding. tshark asks only whether it "
    "says the same as the one before.",
)
OVERTAKEN_ACK = Difference(
    "acknowledgments overtook each other",
    "tshark",
    "RFC 5681 §2 compares with the greatest acknowledgment received. tshark compares with the last one, so where "
    "a greater one had passed before, it sees progress instead of a duplicate.",
)
CLOSING = Difference(
    "closing a window",
    "tshark",
    "The JSON counts an acknowledgment that changes nothing but the window as a window update, also when the "
    "window becomes 0 (it is a zero window as well). To tshark it is a zero window only.",
)
OLD_SEGMENT = Difference(
    "an older acknowledgment again",
    "tshark",
    "An acknowledgment without text whose sequence number is not the next one: an old segment passed again. "
    "tshark calls only the next one a window update or a duplicate. The JSON goes by what it acknowledges, as RFC "
    "5681 §2 does, and leaves SND.WL1 (RFC 9293 §3.10.7.4) to the receiver.",
)
DSACK_WINDOW = Difference(
    "a D-SACK with another window",
    "tshark",
    "An acknowledgment that reports octets which arrived twice (RFC 2883) and has a new window, while nothing is"
    " outstanding. To the JSON it is a D-SACK and a window update; to tshark any acknowledgment with SACK that"
    " acknowledges nothing new is a duplicate, and a duplicate is no window update.",
)
OLD_WINDOW = Difference(
    "a zero window that was overtaken",
    "tshark",
    "RFC 9293 §3.10.7.4: a segment that acknowledges less than one before it does not change the window. The JSON "
    "leaves its window out, tshark counts it.",
)
LATE_FILLING = Difference(
    "a gap filled late",
    "tcptrace",
    "Octets that come more than 3 ms (or one initial round trip) after later ones, and were not in the capture "
    "before. Sent again after a loss before the tap, say the JSON and Wireshark; out of order, says tcptrace, "
    "whatever the time.",
)
COUNTS_FLAGS = Difference(
    "SYN and FIN as octets",
    "tcptrace",
    "A SYN or FIN that is sent again takes a sequence number (RFC 9293 §3.4). tcptrace adds it to 'rexmt data "
    "bytes'; the JSON's octets_again has octets of text only.",
)
INTO_CLOSED_WINDOW = Difference(
    "text sent into a closed window",
    "tcptrace",
    "tcptrace calls every segment with text that meets a window of 0 a window probe and forgets it: its octets "
    "are not 'unique', and when they come again, that is the first time, or out of order. To the JSON they are "
    "octets of the stream, and the second time is a retransmission.",
)
RST_ACKNOWLEDGES = Difference(
    "RST, ACK as the handshake's ACK",
    "tshark",
    "The RST that refuses a SYN carries an ACK (RFC 9293 §3.10.7.1). tshark counts it as the handshake's third "
    "part in tcp.completeness and takes the time to it for the initial round trip. In the JSON there was no "
    "handshake.",
)
SYN_AGAIN = Difference(
    "a handshake with a SYN sent again",
    "tshark",
    "Karn's rule (RFC 6298 §3): where a SYN or SYN-ACK was sent again, nobody can tell which one was answered. "
    "The JSON states no initial round trip then; tshark takes the last one.",
)
NOT_OVER = Difference(
    "both FINs, one not acknowledged",
    "tcptrace",
    "tcptrace calls a connection complete once both ends have sent a SYN and a FIN. The JSON wants both FINs "
    "acknowledged (RFC 9293 §3.6).",
)
RESET_AFTER_END = Difference(
    "a RST after the end",
    "tcptrace",
    "Both FINs were acknowledged, then a RST came. The JSON says complete; to tcptrace one RST makes a connection "
    "RESET.",
)
RST_AHEAD = Difference(
    "a RST that is not the next",
    "tshark, tcptrace",
    "The RST's number is beyond the next one that the capture holds. RFC 9293 §3.10.7.4 (RFC 5961 §3.2): its "
    "receiver answers with a challenge ACK and goes on. So the JSON does not call the session reset, has the "
    "finding rst-not-acceptable, and withholds the certificate. tshark and tcptrace count any RST.",
)
STOPPED = Difference(
    "the tap was stopped",
    "tshark",
    "The frames say only that the session was not over. That it was the tap which ended (verdict cut), and not a "
    "silence (half-open), stands in the JSON.",
)

ANALYSIS_SAYS = Difference(
    "the analysis says why",
    "tshark",
    "The analysis judges by IP identification and timestamps, tshark by the time alone. Where the two differ, a "
    "finding of the analysis names the frame and the reason (docs/analysis.md, `wireshark-differs`).",
)

EVERY = tuple(value for value in globals().values() if isinstance(value, Difference))


def mark(name: str, ours: bool, row: Row, brought: Brought) -> Difference | None:
    """Why the JSON's tracker and tshark judge a frame differently, if that is known.

    name: the judgement (of tests.oracle.tshark.ANALYSIS); ours: whether it was the tracker that made it.
    """
    all_seen = brought.numbers > 0 and brought.seen == brought.numbers
    if name in ("retransmission", "out_of_order"):
        if not brought.seen and brought.numbers and brought.acked == brought.numbers:
            return ACKED_FIRST if ours == (name == "out_of_order") else None
        if not brought.seen and brought.behind_ack and ours == (name == "out_of_order"):
            return ACK_OVERTOOK
        if all_seen and row.flags & SYN and "out_of_order" in row.marks:
            return GUESSED_ORDER
    elif name == "duplicate_ack":
        if ours:
            return OVERTAKEN_ACK if brought.overtook else OLD_SEGMENT if brought.before_next else None
        return None if brought.outstanding else NOTHING_OUTSTANDING
    elif name == "window_update" and ours:
        if "duplicate_ack" in row.marks and not brought.outstanding:
            return DSACK_WINDOW
        return CLOSING if row.window == 0 else OLD_SEGMENT if brought.before_next else None
    elif name == "keep_alive" and not ours:
        return FIN_OVERTOOK if brought.at_fin and not brought.numbers else None
    elif name == "zero_window" and not ours:
        return OLD_WINDOW if brought.acks_less else None
    return None
