"""The fields and options of TCP (RFC 9293 §3.1, §3.2), each with what it is for."""

from __future__ import annotations

from lab.report.pieces import Pieces

FLAGS = (
    ("CWR", "The sender has slowed down after ECE (RFC 3168)."),
    ("ECE", "The receiver of marked packets says so (RFC 3168); in a SYN: it can."),
    ("URG", "The urgent pointer counts. Hardly used."),
    ("ACK", "The acknowledgment number counts: set in everything but the first SYN."),
    ("PSH", "Give what you have to the program now, do not wait for more."),
    ("RST", "The connection is over at once; nothing more will be said."),
    ("SYN", "The sequence number is the initial one. Takes one sequence number."),
    ("FIN", "The sender has no more to say. Takes one sequence number."),
)
_CHECKSUMS = {
    "good": "right",
    "bad": "WRONG: the receiver drops the segment unread",
    "partial": "not finished: the sender's interface should have completed it",
}


def tcp_fields(data: bytes, at: int, end: int, checksum: str = "") -> Pieces:
    """The TCP header in [at, end), which has at least 20 octets. checksum: what is known of it."""
    offset_flags = int.from_bytes(data[at + 12 : at + 14], "big")
    words = offset_flags >> 12
    pieces = Pieces(data, at, max(at + 20, min(end, at + words * 4)))
    pieces.number("Source port", 2, "Which program of the sender's host.")
    pieces.number("Destination port", 2, "Which program of the receiver's host.")
    pieces.number("Sequence number", 4, "Of the first octet of payload here (of the SYN, if it is one); modulo 2³².")
    ack = "The next sequence number that the sender expects: all before it has arrived (RFC 9293 §3.4)."
    pieces.number("Acknowledgment number", 4, ack)
    bits = [
        ("Data offset", 4, f"{words} words ({words * 4} octets)", "Length of this header, in words of 32 bits."),
        ("Reserved", 4, f"0x{offset_flags >> 8 & 15:x}", "Must be 0 (its last bit was AE or NS)."),
    ]
    for number, (name, meaning) in enumerate(FLAGS):
        bits.append((name, 1, str(offset_flags >> (7 - number) & 1), meaning))
    pieces.split(2, bits)
    window = "How many octets the sender has room for, from the acknowledgment number on; shifted by the window scale"
    pieces.number("Window", 2, window + " unless this is a SYN (RFC 7323 §2.2).")
    value = int.from_bytes(data[at + 16 : at + 18], "big")
    said = f"0x{value:04x}" + (f" ({_CHECKSUMS[checksum]})" if checksum in _CHECKSUMS else "")
    pieces.take(
        "Checksum", 2, said, "Over a pseudo-header with the addresses, the header and the text (RFC 9293 §3.1)."
    )
    pieces.number("Urgent pointer", 2, "Only with URG.")
    while pieces.at < pieces.end:
        _option(pieces)
    return pieces


def _option(pieces: Pieces) -> None:
    data, at = pieces.data, pieces.at
    kind = data[at]
    left = pieces.end - at
    if kind == 0:
        pieces.take("End of options", left, "0", "What follows is padding up to a whole word.")
        return
    if kind == 1:
        pieces.take("No-operation", 1, "1", "Fills up, so that the next option begins at a whole word.")
        return
    size = data[at + 1] if left > 1 else 0
    if size < 2 or size > left:
        pieces.take("Options", left, data[at : pieces.end].hex(), "They cannot be read: a length is wrong.")
        return
    body = data[at + 2 : at + size]
    number = int.from_bytes(body, "big")
    if kind == 2 and size == 4:
        pieces.take("Maximum segment size", 4, f"{number} octets",
                    "The most payload the sender takes in one segment. Only in a SYN (RFC 9293 §3.7.1).")  # fmt: skip
    elif kind == 3 and size == 3:
        pieces.take("Window scale", 3, f"{number} (windows times {1 << min(number, 14)})",
                    "Shift the sender's later windows left by this. Only in a SYN (RFC 7323 §2).")  # fmt: skip
    elif kind == 4 and size == 2:
        pieces.take("SACK permitted", 2, "yes", "The sender understands selective acknowledgments (RFC 2018 §2).")
    elif kind == 5 and size >= 10 and (size - 2) % 8 == 0:
        edges = [int.from_bytes(body[i : i + 4], "big") for i in range(0, len(body), 4)]
        blocks = ", ".join(f"{left} to {right}" for left, right in zip(edges[::2], edges[1::2], strict=True))
        pieces.take("SACK", size, blocks, "These octets have arrived though some before them have not (RFC 2018 §3).")
    elif kind == 8 and size == 10:
        mine, echoed = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:], "big")
        pieces.take("Timestamps", 10, f"own {mine}, echoed {echoed}",
                    "The sender's clock and the last one it got: for round trips and against old duplicates"
                    " (RFC 7323 §3, §5).")  # fmt: skip
    else:
        pieces.take(f"Option {kind}", size, body.hex() or "no value", "An option that this page does not know.")
