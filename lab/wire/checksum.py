"""The Internet checksum (RFC 1071): ones' complement sum of 16-bit words.

The sum may be taken in any order and any width, because 2**16 is 1 modulo 65535. So the octets are read as one big
number and
reduced modulo 65535, which the interpreter does in C: about 1 µs for a full segment.
"""

from __future__ import annotations

GOOD = "good"
BAD = "bad"
PARTIAL = "partial"
UNKNOWN = "unknown"

_FOLD_OVER_BYTES = 192
_FOLDS = tuple((bits, (1 << bits) - 1) for bits in (6144, 3072, 1536))
# Adding the upper part to the lower one is cheaper than dividing; each step is a multiple of 16 bits, so the sum
# modulo 65535 stays.


def word_sum(octets: bytes | memoryview) -> int:
    """The sum of the 16-bit words modulo 65535, an odd last octet padded with 0 on the right (RFC 1071 §1)."""
    total = int.from_bytes(octets, "big")
    if len(octets) > _FOLD_OVER_BYTES:
        for bits, mask in _FOLDS:
            total = (total & mask) + (total >> bits)
    return (total << 8 if len(octets) & 1 else total) % 0xFFFF


def fits(octets: bytes | memoryview, pseudo: int = 0) -> bool:
    """Whether a header or segment with its checksum field in place adds up: ones' complement sum all ones (RFC 9293
    §3.1).
    """
    return (word_sum(octets) + pseudo) % 0xFFFF == 0


def pseudo_sum(source: bytes, destination: bytes, protocol: int, length_bytes: int) -> int:
    """The sum over the pseudo-header (RFC 9293 §3.1; RFC 8200 §8.1 for IPv6), modulo 65535."""
    return (int.from_bytes(source + destination, "big") + protocol + length_bytes) % 0xFFFF


def status(octets: bytes | memoryview, field: int, pseudo: int) -> str:
    """What a transport checksum says: ``good``, ``bad``, or ``partial``.

    octets: the whole segment as the IP length says, with its checksum field.
    field: the checksum field.
    pseudo: the pseudo-header's sum modulo 65535.
    Partial means that the field holds the folded sum of the pseudo-header alone: the kernel left the rest to the
    network card, so the frame was captured before its checksum was made (Linux, CHECKSUM_PARTIAL).
    """
    if (word_sum(octets) + pseudo) % 0xFFFF == 0:
        return GOOD
    return PARTIAL if field % 0xFFFF == pseudo and field else BAD


def checksum(octets: bytes | memoryview, pseudo: int = 0) -> int:
    """The value for a checksum field, over octets in which that field is 0."""
    total = (word_sum(octets) + pseudo) % 0xFFFF
    if not total and (pseudo or any(octets)):
        return 0  # the sum is 0xFFFF: only octets that are all zero have the sum 0, and 0xFFFF as its complement
    return 0xFFFF - total
