"""Capital letters as rules P9 to P11 want them, the same from every Python: the kit's own idea of a right answer.

Python's str.upper() is the Unicode Default Case Conversion toUppercase (The Unicode Standard §3.13, R1) in the root
locale, but its tables are as old as the Python: 3.10, the oldest that the kit runs on, has Unicode 13. So the letters
that have come since then, listed here, may have a capital letter or not (rule P10): a server must not fail because a
student's Python is older than its tables, or newer. Nothing else can change: Unicode's stability policy fixes the case
mappings of a character once it is encoded, except that a letter without a capital may be given one that is new.
"""

from __future__ import annotations

from collections.abc import Mapping


def _pairs(*ranges: tuple[int, int, int]) -> dict[int, int]:
    """Each range is: first small letter, its capital letter, how many follow each other."""
    return {small + i: capital + i for small, capital, count in ranges for i in range(count)}


# Unicode 15 added none.
NEW_IN_14 = _pairs(
    (0x2C5F, 0x2C2F, 1),  # Glagolitic
    (0xA7C1, 0xA7C0, 1),
    (0xA7D1, 0xA7D0, 1),
    (0xA7D7, 0xA7D6, 1),
    (0xA7D9, 0xA7D8, 1),
    (0x10597, 0x10570, 11),  # Vithkuqi
    (0x105A3, 0x1057C, 15),
    (0x105B3, 0x1058C, 7),
    (0x105BB, 0x10594, 2),
)
NEW_IN_16 = _pairs(
    (0x019B, 0xA7DC, 1),
    (0x0264, 0xA7CB, 1),
    (0x1C8A, 0x1C89, 1),
    (0xA7CD, 0xA7CC, 1),
    (0xA7DB, 0xA7DA, 1),
    (0x10D70, 0x10D50, 22),  # Garay
)
NEW_IN_17 = _pairs(
    (0xA7CF, 0xA7CE, 1),
    (0xA7D3, 0xA7D2, 1),
    (0xA7D5, 0xA7D4, 1),
    (0x16EBB, 0x16EA0, 25),  # Beria Erfe
)
NEW_IN = {14: NEW_IN_14, 16: NEW_IN_16, 17: NEW_IN_17}
MAY_DIFFER = NEW_IN_14 | NEW_IN_16 | NEW_IN_17
OLDEST = 13


def capitals(text: str) -> str:
    """text in capital letters by Unicode 13; letters that are younger stay as they are."""
    return "".join(letter if ord(letter) in MAY_DIFFER else letter.upper() for letter in text)


def age_of(answers: Mapping[int, bytes]) -> int:
    """Which version of Unicode a server's tables are of (rule P10): 13, 14, 16 or 17 (15 has the same letters as 14).

    answers: what it answered to each letter of MAY_DIFFER. Raises ValueError, with a sentence, when they are of no
    single age: a mapping wrong, one of a version there and another of it not, or a later one without the earlier.
    """
    age, missing = OLDEST, 0
    for version, letters in NEW_IN.items():
        for small, capital in letters.items():
            got = answers[small]
            if got not in (chr(small).encode(), chr(capital).encode()):
                raise ValueError(f"U+{small:04X} is answered {got.decode('utf-8', 'replace')!r}")
        there = [small for small, capital in letters.items() if answers[small] == chr(capital).encode()]
        if there and missing:
            raise ValueError(
                f"U+{there[0]:04X} has its capital of Unicode {version}, U+{missing:04X}, which is older, none"
            )
        absent = sorted(letters.keys() - set(there))
        if there and absent:
            raise ValueError(f"U+{there[0]:04X} has its capital of Unicode {version}, U+{absent[0]:04X} has none")
        if there:
            age = version
        else:
            missing = missing or absent[0]
    return age


def answer_to(message: bytes) -> bytes:
    """The right answer to a message (without line ends) that is neither quit nor too long: rules P9 and P11."""
    try:
        text = message.decode("utf-8")
    except UnicodeDecodeError:
        return message.upper()  # of bytes, only a to z change
    return message.upper() if text.isascii() else capitals(text).encode("utf-8")


def answers_to(octets: bytes) -> bytes:
    """The right answers to whole lines, each with its own line end (rule P3). octets: ends with LF; no quit in it."""
    return b"\n".join(
        answer_to(line[:-1]) + b"\r" if line.endswith(b"\r") else answer_to(line) for line in octets.split(b"\n")
    )
