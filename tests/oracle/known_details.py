"""The known differences of single numbers: round trips, octets in flight, spurious and fast retransmissions (see
``by_details``). They stand in the table beside those of ``known``."""

from __future__ import annotations

from tests.oracle.known import Difference

KARN = Difference(
    "Karn's rule",
    "tshark",
    "RFC 6298 §3: an acknowledgment of octets that were sent more than once gives no round trip, for nobody can "
    "tell which copy it answers. tshark takes the time since the last of them.",
)
RTT_OF_RST = Difference(
    "the round trip of a RST",
    "tshark",
    "tcp.analysis.ack_rtt is there for a RST that acknowledges (one that refuses a SYN). To the analysis a RST is "
    "no acknowledgment: it gives no sample.",
)
RTT_OF_OLD_ACK = Difference(
    "the round trip of an ACK that says nothing new",
    "tshark",
    "A duplicate ACK, a D-SACK or a window update acknowledges what was acknowledged before. tshark gives a round "
    "trip where a copy of that segment has passed since; the analysis takes a sample only where something new is "
    "acknowledged.",
)
RTT_AFTER_SACK = Difference(
    "the round trip of what was SACKed before",
    "tshark",
    "A segment that a SACK had reported has arrived long before the cumulative acknowledgment covers it. The "
    "analysis takes no sample from that; tshark does.",
)
FLIGHT_OF_COPY = Difference(
    "octets in flight after a copy",
    "tshark",
    "tshark counts what is under way anew when octets pass again; to the analysis a retransmission adds nothing "
    "to what the sender has sent and not had acknowledged (RFC 5681 §2).",
)
FLIGHT_WITHOUT_SACKED = Difference(
    "octets in flight without what was SACKed",
    "tshark",
    "tcp.analysis.bytes_in_flight leaves out what the last SACK reported, or begins after it. FlightSize in RFC "
    "5681 §2 is all that was sent and not acknowledged cumulatively; the analysis has that.",
)
FLIGHT_IN_TROUBLE = Difference(
    "octets in flight after a hole or a loss",
    "tshark",
    "tshark adds up the segments on its list, which a copy or a late segment changes; the analysis goes by the "
    "sequence numbers, so octets that have not passed the tap yet count as under way. Before the first such frame "
    "the two must agree.",
)
PROVED_BY_DSACK = Difference(
    "spurious, as a D-SACK proves",
    "tshark",
    "RFC 3708 §2: a D-SACK after a retransmission says that its octets had arrived twice. tshark calls a "
    "retransmission spurious only if an acknowledgment of it had passed before.",
)
SPURIOUS_SYN = Difference(
    "a SYN, ACK sent again after its acknowledgment",
    "tshark",
    "A SYN, ACK that is repeated although the ACK of it had passed was sent for nothing. tshark calls no SYN spurious.",
)
FAST_BY_THE_CLOCK = Difference(
    "fast, by the clock",
    "tshark",
    "tshark calls a retransmission fast if two duplicate ACKs came before it and the last of them less than 20 ms "
    "ago. The analysis counts three (RFC 5681 §3.2), and names RACK (RFC 8985) and the rest of a recovery (RFC "
    "6675) by their names.",
)

ACK_WITHIN = Difference(
    "the round trip of an ACK that ends within a segment",
    "tshark",
    "tshark gives a round trip only where a segment ends just at the number that is acknowledged. Where the capture "
    "lacks a segment, the analysis takes the last of those that the acknowledgment covers whole.",
)

RTT_ACROSS_A_SYN = Difference(
    "a round trip in which an old SYN passes",
    "tshark",
    "Where a SYN of the connection's beginning passes once more between a segment and its acknowledgment, tshark "
    "forgets what is under way and gives no round trip. To the analysis an old copy changes nothing.",
)

EVERY = tuple(value for value in globals().values() if isinstance(value, Difference))
