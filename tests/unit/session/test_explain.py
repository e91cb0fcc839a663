"""The sentences, word by word: true for the ordinary and for the odd."""

from __future__ import annotations

import pytest

from lab.session.words import file_stem, octets, quote
from tests.unit.session.notation import CLOSE, HANDSHAKE, TALK, WHOLE, play

OPEN = "> S 0\n < S. 0 ack 1\n > . 1 ack 1\n"
ZERO = OPEN + "> P. 1 ack 1 x6\n < . 1 ack 7 win 0\n"
SAYS = [
    (
        "> S 0 isn 305419896",
        "SYN: the client asks to open a connection and announces its initial sequence number 305419896 (RFC 9293 §3.5)."
        " It takes one sequence number.",
    ),
    (
        "> S 0 <mss 1460, sackok, ts 1 0, ws 7>",
        "SYN: the client asks to open a connection and announces its initial sequence number 1000 (RFC 9293"
        " §3.5). It takes one sequence"
        " number. Its options: segments of up to 1460 octets (MSS), window scale 7, SACK, timestamps.",
    ),
    (
        "> S 0\n +1000 > S 0",
        "SYN again: the client got no answer to its SYN and repeats it with the same initial sequence number"
        " 1000 (RFC 9293 §3.8.1).",
    ),
    (
        "> S 0\n < S. 0 ack 1",
        "SYN, ACK: the server agrees to open the connection, acknowledges the client's SYN and announces its"
        " own initial sequence number"
        " 5000 (RFC 9293 §3.5).",
    ),
    (
        "< S. 0 ack 1",
        "SYN, ACK: the server agrees to open a connection; the client's SYN is not in this capture. It"
        " announces its own initial sequence"
        " number 5000 (RFC 9293 §3.5).",
    ),
    (
        OPEN,
        "ACK: the client acknowledges the server's SYN. The handshake is complete: both ends are ESTABLISHED"
        " (RFC 9293 §3.5).",
    ),
    (
        "> S 0\n > . 1 ack 1",
        "ACK: the client acknowledges a SYN of the server that is not in this capture; with it, the handshake"
        " is complete (RFC 9293 §3.5).",
    ),
    (
        "> S 0\n < S. 0 ack 1\n" + '> P. 1 ack 1 "hi\\n"',
        'Data: the client sends octets 1 to 3 of its stream: "hi\\n". With its ACK the handshake is complete.',
    ),
    (OPEN + '> P. 1 ack 1 "a"', 'Data: the client sends octet 1 of its stream: "a".'),
    (
        OPEN + '> P. 1 ack 1 "hello\\n"\n < . 1 ack 7',
        "ACK: the server has received octets 1 to 6; it expects octet 7 next (RFC 9293 §3.4).",
    ),
    (
        OPEN + '> P. 1 ack 1 "hello\\n"\n < P. 1 ack 7 "HELLO\\n"',
        'Data: the server sends octets 1 to 6 of its stream: "HELLO\\n".'
        " This is the client's text of frame 4 in capital letters: the echo."
        " It also acknowledges the client's octets up to 6.",
    ),
    (
        # two lines under way: which of them is answered is not certain, so nothing is claimed
        OPEN + '> P. 1 ack 1 "a"\n > P. 2 ack 1 "a"\n < P. 1 ack 3 "A"',
        'Data: the server sends octet 1 of its stream: "A". It also acknowledges the client\'s octets up to 2.',
    ),
    (
        OPEN + '> P. 1 ack 1 "quit\\n"\n < P. 1 ack 6 "Good bye\\n"',
        'Data: the server sends octets 1 to 9 of its stream: "Good bye\\n". This answers the quit of frame 4:'
        " the server is about to end"
        " the connection. It also acknowledges the client's octets up to 5.",
    ),
    (
        OPEN + '> P. 1 ack 1 "quite\\n"\n < P. 1 ack 7 "QUITE\\n"',
        'Data: the server sends octets 1 to 6 of its stream: "QUITE\\n".'
        " This is the client's text of frame 4 in capital letters: the echo."
        " It also acknowledges the client's octets up to 6.",
    ),
    (
        OPEN + '> P. 1 ack 1 "hi"\n +200 > P. 1 ack 1 "hi"',
        'Retransmission: the client sends octets 1 to 2 of its stream again: "hi" (RFC 9293 §3.8.1).',
    ),
    (
        OPEN + '> P. 1 ack 1 "hi"\n < . 1 ack 3\n +200 > P. 1 ack 1 "hi"',
        'Retransmission: the client sends octets 1 to 2 of its stream again: "hi"'
        " (RFC 9293 §3.8.1). The server had acknowledged them already.",
    ),
    (
        OPEN + "> P. 7 ack 1 x1",
        'Data: the client sends octet 7 of its stream: "x".'
        " 6 sequence numbers before it were not seen: late, lost, or missed by the capture.",
    ),
    (
        OPEN + "> P. 2 ack 1 x1\n > P. 1 ack 1 x1",
        'Data: the client sends octet 1 of its stream: "x". It was sent before segments that passed earlier:'
        " out of order. The receiver puts"
        " it in its place.",
    ),
    (
        OPEN + "> P. 1 ack 1 x6\n > P. 7 ack 1 x6\n < . 1 ack 1",
        "Duplicate ACK: the server still expects octet 1; something after it has arrived (RFC 5681 §2).",
    ),
    (
        OPEN + TALK + "> . 6 ack 7",
        "Keep-alive: the client asks whether the server is still there. Its sequence number is one back, so"
        " that it must be answered"
        " (RFC 9293 §3.8.4).",
    ),
    (
        OPEN + TALK + "> . 6 ack 7\n < . 7 ack 7",
        "ACK: the server answers that it is there and still expects octet 7 (RFC 9293 §3.8.4).",
    ),
    (
        ZERO,
        "ACK: the server has received octets 1 to 6; it expects octet 7 next (RFC 9293 §3.4). Window 0: the"
        " server can take no more data"
        " for now (RFC 9293 §3.8.6).",
    ),
    (
        ZERO + "> . 6 ack 1",
        "Zero-window probe: the server's window is closed, and the client asks whether it has opened. Its"
        " sequence number is one back, so"
        " that it must be answered (RFC 9293 §3.8.6.1).",
    ),
    (
        ZERO + "< . 1 ack 7 win 500",
        "Window update: the server can take data again; its window is now 500 octets (RFC 9293 §3.8.6).",
    ),
    (
        OPEN + "< . 1 ack 1 win 9000",
        "Window update: the server can take more than it said before; its window is now 9000 octets (RFC 9293 §3.8.6).",
    ),
    (
        HANDSHAKE + TALK + "< F. 7 ack 7",
        "FIN from the server, which closes first: it will hold TIME_WAIT (RFC 9293 §3.6). It takes one sequence"
        " number.",
    ),
    (
        HANDSHAKE + TALK + "< F. 7 ack 7\n > . 7 ack 8",
        "ACK: the client acknowledges the server's FIN (RFC 9293 §3.6). The server sends no more; the client"
        " still may (half-close).",
    ),
    (
        HANDSHAKE + TALK + "< F. 7 ack 7\n > F. 7 ack 8",
        "FIN from the client, which closes second: it waits for the last ACK, in LAST-ACK, and keeps no"
        " TIME_WAIT (RFC 9293 §3.6)."
        " It also acknowledges the server's FIN.",
    ),
    (WHOLE, "ACK: the server acknowledges the client's FIN (RFC 9293 §3.6). Both sides are closed now."),
    (
        HANDSHAKE + TALK + "> F. 7 ack 7\n < F. 7 ack 7",
        "FIN from the server, sent before it had the client's: a simultaneous close; both will hold TIME_WAIT"
        " (RFC 9293 §3.6).",
    ),
    (
        HANDSHAKE + "> F. 1 ack 1\n +200 > F. 1 ack 1",
        "FIN from the client again: the acknowledgment of the first one has not arrived (RFC 9293 §3.8.1).",
    ),
    (
        "> S 0\n < R. 0 ack 1",
        "RST: the server refuses the connection, as a host does when nothing listens on that port (RFC 9293 §3.5.2).",
    ),
    (
        OPEN + "< R. 1 ack 1",
        "RST: the server ends the connection at once; what is still under way may be lost (RFC 9293 §3.5.3).",
    ),
    (
        OPEN + "< R 500",
        "RST from the server with a number that the client doesn't expect: it is ignored (RFC 9293 §3.10.7.4).",
    ),
    (
        WHOLE + "< R 8",
        "RST from the server after both sides had closed: it has no memory of the connection left (RFC 9293 §3.5.2).",
    ),
    (
        OPEN + "> P. 1 ack 1 x6 bad",
        "Damaged: the TCP checksum is wrong, so the server drops this segment (PSH, ACK, 6 octets of data)"
        " unread (RFC 9293 §3.1).",
    ),
    (
        "> . 7 ack 7",
        "ACK from the client, in the middle of a connection whose beginning was not captured:"
        " octets are counted from here.",
    ),
]


@pytest.mark.parametrize(("trace", "comment"), SAYS)
def test_what_is_said_of_the_last_frame(trace: str, comment: str) -> None:
    assert play(trace).notes[-1].comment == comment


@pytest.mark.parametrize(
    ("trace", "version", "number", "comment"),
    [
        ("arp who-has\n > S 0", 4, 0, "ARP who-has: 192.0.2.20 asks which hardware address 192.0.2.10 has (RFC 826)."),
        ("arp is-at\n > S 0", 4, 0, "ARP is-at: 192.0.2.10 answers 192.0.2.20 that its hardware address is"
                                    " 02:00:00:00:00:0a (RFC 826)."),
        (
            "ndp solicit\n > S 0", 6, 0,
            "Neighbour solicitation: 2001:db8:7::20 asks which hardware address 2001:db8:7::10 has (RFC 4861 §4.3).",
        ),
        (
            "ndp advert\n > S 0", 6, 0,
            "Neighbour advertisement: 2001:db8:7::10 has the hardware address 02:00:00:00:00:0a, in answer to a"
            " solicitation"
            " (RFC 4861 §4.4).",
        ),
        (
            "> S 0\n icmp 3 3", 4, 1,
            "ICMP from 192.0.2.1 about the packet from 192.0.2.20:40312 to 192.0.2.10:7 with sequence number 1000:"
            " destination unreachable, nothing takes packets for that port (RFC 792).",
        ),
        (
            "> S 0\n icmp 1 4", 6, 1,
            "ICMP from 2001:db8:7::1 about the packet from [2001:db8:7::20]:40312 to [2001:db8:7::10]:7 with"
            " sequence number 1000:"
            " destination unreachable, nothing takes packets for that port (RFC 4443 §3.1).",
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_other_frames(trace: str, version: int, number: int, comment: str) -> None:
    assert play(trace, version=version).notes[number].comment == comment


def test_a_late_frame_says_so_first() -> None:
    played = play(HANDSHAKE + TALK + CLOSE).wait(60).feed("> F. 7 ack 8")
    assert played.notes[-1].comment.startswith("After the session had been closed: FIN from the client again, although")


@pytest.mark.parametrize(
    ("payload", "quoted"),
    [
        (b"hello\r\n", '"hello\\r\\n"'),
        (b"\x1b[2J\x07", '"\\x1b[2J\\x07"'),
        (b'say "x\\y"', '"say \\"x\\\\y\\""'),
        ("κόσμος".encode(), '"κόσμος"'),
        ("\u202eabc".encode(), '"\\u202eabc"'),
        (b"\xff\x80a", '"\\xff\\x80a"'),
        (b"x" * 40, '"' + "x" * 40 + '"'),
        (b"x" * 41, '"' + "x" * 40 + '…"'),
        (b"x" * 39 + b"\n", '"' + "x" * 39 + '…"'),
        (b"", '""'),
    ],
)
def test_payload_is_quoted_safely(payload: bytes, quoted: str) -> None:
    assert quote(payload) == quoted


def test_small_words() -> None:
    assert octets(7, 1) == "octet 7"
    assert octets(1, 6) == "octets 1 to 6"
    assert file_stem("2001:db8:7::10") == "2001-db8-7-10"
    assert file_stem("192.0.2.10") == "192-0-2-10"
    assert file_stem('a/b\\c:*?"<>|') == "a-b-c"
    assert file_stem("::") == "host"
