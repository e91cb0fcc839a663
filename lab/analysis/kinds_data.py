"""Findings about the middle: data, acknowledgments, round trips."""

from __future__ import annotations

from lab.analysis.kind import row, told

_MESSAGES = (
    row(
        "stream",
        "RFC 9293 §2.2",
        "The {side} sent {octets:n octet} in {segments:n segment}: {messages:n message}.",
        "client",
        (4, 8),
        octets=11,
        segments=2,
        messages=2,
        octets_again=0,
    ),
    row(
        "push",
        "RFC 9293 §3.9.1.2",
        "{pushes} of {segments:n segment} with data of the {side} carry PSH: nothing more was waiting to be sent behind"
        " them.",
        "client",
        (4,),
        pushes=1,
        segments=1,
    ),
    row(
        "echo",
        "RFC 862",
        "The server answered {answered} of {messages:n message} in capital letters, the quickest after"
        " {quickest_ns:time}, the slowest after {slowest_ns:time}.",
        "server",
        (4, 6),
        answered=1,
        messages=1,
        quickest_ns=81_000,
        slowest_ns=81_000,
    ),
    row(
        "unanswered",
        "RFC 862",
        "The client's message {number} ({octets:n octet}) got no answer in this capture.",
        "server",
        (8,),
        number=2,
        octets=6,
    ),
    row(
        "wrong-answer",
        "RFC 862",
        "The server's answer to the client's message {number} is not that text in capital letters.",
        "server",
        (8, 10),
        number=2,
    ),
    row(
        "quit",
        "",
        "The client's message {number} is quit, and the server answered Good bye.",
        "client",
        (8, 10),
        number=2,
    ),
    row(
        "coalesced",
        "RFC 9293 §2.2",
        "Frame {frame} brings {messages:n message} of the {side} at once: TCP is a stream of octets, a segment is not a"
        " message.",
        "client",
        (4,),
        frame=4,
        messages=3,
    ),
    row(
        "split",
        "RFC 9293 §2.2",
        "Message {number} of the {side} came in {segments:n segment}: TCP is a stream of octets, a message is not a"
        " segment.",
        "client",
        (4, 5),
        number=1,
        segments=2,
    ),
    row(
        "unfinished-line",
        "",
        "Message {number} of the {side} has no line end.",
        "client",
        (4,),
        number=1,
        octets=5,
    ),
)
_ACKS = (
    row(
        "ack-piggybacked",
        "RFC 9293 §3.8.6.3",
        "{count:n acknowledgment} of the {side} travelled with data ({frames:frames}).",
        "server",
        (6,),
        count=1,
    ),
    row(
        "ack-delayed",
        "RFC 9293 §3.8.6.3",
        "The {side} held back {count:n acknowledgment} on purpose ({frames:frames}), the longest for"
        " {longest_ns:time}: there might have been data to send with it.",
        "client",
        (7,),
        count=1,
        longest_ns=40_300_000,
    ),
    row(
        "ack-late",
        "RFC 9293 §3.8.6.3",
        "Frame {ack} acknowledges frame {data} after {delay_ns:time}; an acknowledgment must not be held back for half"
        " a second.",
        "client",
        (6, 7),
        data=6,
        ack=7,
        delay_ns=700_000_000,
    ),
    row(
        "ack-stretched",
        "RFC 9293 §3.8.6.3",
        "{count:n acknowledgment} of the {side} cover more than two full segments at once; every second segment should"
        " have one.",
        "server",
        (12,),
        count=1,
        most_segments=8,
    ),
    row(
        "duplicate-acks",
        "RFC 5681 §2",
        "The {side} acknowledged offset {ack_rel} {count:n more time} ({frames:frames}): something after a gap had"
        " arrived.",
        "server",
        (9, 10, 11),
        ack_rel=1449,
        count=3,
    ),
    row(
        "sack",
        "RFC 2018 §4",
        "The {side} reported with SACK that octets {left_rel} to {last_rel} have arrived, while it still waits for"
        " {ack_rel} ({frames:frames}).",
        "server",
        (9, 10),
        ack_rel=1449,
        left_rel=2897,
        last_rel=5792,
    ),
    row(
        "d-sack",
        "RFC 2883 §4",
        "Frame {ack} reports with D-SACK that octets {left_rel} to {last_rel} arrived twice.",
        "server",
        (12,),
        ack=12,
        left_rel=1449,
        last_rel=2896,
    ),
    row(
        "nagle-stall",
        "RFC 9293 §3.7.4",
        "The {side} held frame {held} back until frame {ack} acknowledged frame {waited_for}: Nagle's algorithm waited"
        " {stall_ns:time} for a delayed ACK.",
        "client",
        (4, 5, 6),
        held=6,
        ack=5,
        waited_for=4,
        stall_ns=40_200_000,
        octets=20,
    ),
    told(
        "ack-of-unseen",
        "RFC 9293 §3.4",
        "The server acknowledged octets of the client that the capture doesn't hold.",
    ),
)
_RTT = (
    row(
        "rtt",
        "RFC 6298 §2",
        "{samples:n round trip} of the {side}'s octets to their ACK and back: from {least_ns:time} to {most_ns:time},"
        " median {median_ns:time}; SRTT {srtt_ns:time}, RTTVAR {rttvar_ns:time}, so RTO {rto_ns:time}.",
        "server",
        (2, 3),
        samples=1,
        least_ns=52_000,
        most_ns=52_000,
        median_ns=52_000,
        srtt_ns=52_000,
        rttvar_ns=26_000,
        rto_ns=1_000_000_000,
        rto_raw_ns=1_052_000,
    ),
    row(
        "karn",
        "RFC 6298 §3",
        "{count:n acknowledgment} for the {side}'s octets give no round trip ({frames:frames}): what they acknowledge"
        " was sent more than once, and nobody can tell which copy they answer.",
        "client",
        (9,),
        count=1,
    ),
)
DATA = (*_MESSAGES, *_ACKS, *_RTT)
