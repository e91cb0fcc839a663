"""Server cases on text: what a message is, its line end, its capital letters (rules P3 to P12)."""

from __future__ import annotations

from lab.conformance.capitals import MAY_DIFFER, age_of, answer_to, answers_to
from lab.conformance.dialogue import case, probe, quiet, read, send
from lab.conformance.model import Case, Failed, Target, shown
from lab.conformance.peer import Peer

_STREAM = "TCP is a stream: recv() returns what has arrived, half a line or ten lines. Collect octets, cut at LF only."
_LINE_END = "Look at the octet before the LF: a CR there belongs to the line end, and the answer ends the same way."
_OCTETS = "Read octets, not text lines, and cut at LF only; trim nothing, drop nothing."
_UPPER = (
    "Use Unicode's full default mapping in the root locale: str.upper() in Python, toUpperCase() in JavaScript, "
    "toUpperCase(Locale.ROOT) in Java, u8_toupper() of libunistring in C, C++ and C#. "
    "toupper() and towupper() know too little."
)
_INVALID = (
    "Decode strictly. If that fails anywhere, take the whole line as octets, change only a to z, and send it back."
)


def _echo(key: str, name: str, rule: str, advice: str, octets: bytes, *, pieces: int = 0) -> Case:
    """A case that sends whole lines and expects their answers."""
    return case(key, name, rule, advice, send(octets, pieces=pieces), read(answers_to(octets)), probe())


def _letters(key: str, name: str, text: str) -> Case:
    return _echo(key, name, "P9", _UPPER, text.encode("utf-8") + b"\n")


def _invalid(key: str, name: str, octets: bytes) -> Case:
    return _echo(key, name, "P11", _INVALID, b"ab" + octets + b"\n")


def _every_code_point(target: Target) -> None:
    """All of Unicode in lines of 64 letters, but those that may differ: they have a line of their own (rule P10)."""
    letters = [chr(c) for c in range(0x110000) if c != 0x0A and not 0xD800 <= c <= 0xDFFF and c not in MAY_DIFFER]
    # The bar at the end keeps a CR, which is among the letters, from becoming part of the line end.
    lines = ["".join(letters[i : i + 64]) + "|" for i in range(0, len(letters), 64)]
    questions = [line.encode("utf-8") for line in lines]
    with Peer(target) as peer:
        answers = peer.ask_many(questions, within_s=4 * target.patience_s)
        wrong = [
            line for line, question, got in zip(lines, questions, answers, strict=True) if got != answer_to(question)
        ]
        suspects = [letter for line in wrong for letter in line if letter != "\r"] + [chr(c) for c in MAY_DIFFER]
        answers = peer.ask_many([letter.encode("utf-8") for letter in suspects], within_s=4 * target.patience_s)
    found = []
    for letter, got in zip(suspects, answers, strict=True):
        allowed = {answer_to(letter.encode("utf-8"))}
        if ord(letter) in MAY_DIFFER:
            allowed.add(chr(MAY_DIFFER[ord(letter)]).encode("utf-8"))
        if got not in allowed:
            found.append((letter, sorted(allowed), got))
    if found:
        letter, right, got = found[0]
        more = f", and {len(found) - 1} other letters are wrong as well" if len(found) > 1 else ""
        expected = " or ".join(map(_named, right))
        raise Failed(expected, _named(got) + more, _named(letter.encode("utf-8")))
    if wrong:  # each letter alone is right
        raise Failed("capital letters that do not depend on their neighbours", "other ones in a line", repr(wrong[0]))


def young_letters(target: Target) -> dict[int, bytes]:
    """What the server answers to each of the letters that may differ. Raises Failed."""
    with Peer(target) as peer:
        questions = [chr(code).encode("utf-8") for code in MAY_DIFFER]
        return dict(zip(MAY_DIFFER, peer.ask_many(questions, within_s=4 * target.patience_s), strict=True))


def _one_age(target: Target) -> None:
    answers = young_letters(target)
    try:
        age_of(answers)
    except ValueError as error:
        raise Failed("tables of one version of Unicode", str(error), "the letters that P10 lists") from error


def _named(octets: bytes) -> str:
    """One letter or a few, with their code points."""
    codes = " ".join(f"U+{ord(letter):04X}" for letter in octets.decode("utf-8", "replace"))
    return f"{shown(octets)} ({codes})"


FRAMING = [
    _echo("one-line", "A line is answered in capital letters", "P8", _STREAM, b"hello\n"),
    _echo("byte-by-byte", "A line in segments of one octet is one message", "P5", _STREAM, b"hello, world\n", pieces=1),
    _echo("split-in-two", "A line in two segments is one message", "P5", _STREAM, b"hello world\n", pieces=7),
    _echo("joined", "Lines in one segment are answered one by one", "P5", _STREAM, b"one\ntwo\nthree\n"),
    _echo("split-and-joined", "Segments that end inside lines", "P5", _STREAM, b"one\ntwo\nthree\n" * 5, pieces=9),
    _echo("long-line", "A line of 200,000 octets is one message", "P5", _STREAM, b"long line " * 20_000 + b"\n"),
    _echo("long-and-short", "Long and short lines take turns", "P5", _STREAM, (b"x" * 70_000 + b"\nshort\n") * 3),
    _echo("pipelined", "1,000 lines sent without waiting are answered in order", "P6", _STREAM,
          b"".join(b"line %d\n" % i for i in range(1000))),
    case("no-early-answer", "No part of a line is answered before its line end", "P6", _STREAM,
         send(b"one\nhel"), read(b"ONE\n"), quiet(0.1), send(b"lo\n"), read(b"HELLO\n"), probe()),
    _echo("empty-lf", "An empty line is answered with an empty line", "P7", _STREAM, b"\n"),
    _echo("empty-crlf", "An empty line with CRLF is answered with CRLF", "P7", _LINE_END, b"\r\n"),
    _echo("empty-lines", "Empty lines between others are all answered", "P7", _STREAM, b"\n\na\n\n\r\n\nb\n"),
    _echo("crlf", "A line with CRLF is answered with CRLF", "P3", _LINE_END, b"hello\r\n"),
    _echo("mixed-ends", "Each answer ends as its own line did", "P3", _LINE_END, b"a\r\nb\nc\r\nd\n\r\n\ne\r\n"),
    _echo("crlf-cut", "CR and LF in different segments are one line end", "P3", _LINE_END, b"a\r\nb\r\n", pieces=2),
    _echo("cr-cr-lf", "Of CR CR LF the first CR is part of the message", "P3", _LINE_END, b"a\r\r\nb\r\r\r\n"),
    _echo("lone-cr", "A lone CR ends nothing", "P4", _OCTETS, b"a\rb\n\rc\n"),
    _echo("lone-cr-cut", "A CR at the end of a segment ends nothing yet", "P4", _OCTETS, b"a\rb\rc\rd\n", pieces=2),
    _echo("nul", "NUL is an ordinary octet", "P4", _OCTETS, b"a\x00b\x00\n\x00\n"),
    _echo("bom", "A byte order mark comes back", "P4", _OCTETS, b"\xef\xbb\xbfhello\n\xef\xbb\xbf\n"),
    _echo("spaces", "Spaces and tabs at both ends come back", "P8", _OCTETS, b"  a b\t \n \n\t\n"),
    _echo("controls", "Every control character comes back", "P4", _OCTETS,
          bytes(o for o in range(0x20) if o not in (0x0A,)) + b"x\x7f\n"),
    _echo("other-line-ends", "VT, FF, NEL, U+2028 and U+2029 end no line", "P4", _OCTETS,
          "a\x0bb\x0cc\x85d\u2028e\u2029f\n".encode()),
]  # fmt: skip

LETTERS = [
    _letters("ascii", "All of ASCII", "".join(chr(c) for c in range(0x7E, 0x1F, -1)) + "|"),
    _letters("sharp-s", "straße becomes STRASSE", "straße ẞ"),
    _letters("ligatures", "ﬁ becomes FI: one letter may become two or three", "ﬁ ﬂ ﬃ ﬆ ŉ ǰ ẖ"),
    _letters("greek-three", "ΐ becomes three code points: six octets for two", "ΐ ΰ ᾳ ῷ ᾂ"),
    _letters("greek-sigma", "σ and the final ς both become Σ", "κόσμος Σίσυφος ς"),
    _letters("digraphs", "ǆ becomes the capital Ǆ, not the title case ǅ", "ǆ ǅ Ǆ ǉ ǌ ǳ"),
    _letters("dotless-i", "i becomes I and ı becomes I, also on a Turkish machine", "istanbul ılık İ Iı"),
    _letters("long-s", "ſ becomes S, ÿ becomes Ÿ, µ becomes Μ", "ſ ÿ µ ſt"),
    _letters("combining", "A combining accent stays; nothing is normalised", "e\u0301 é o\u0308\u0323 i\u0307 \u0345"),
    _letters("cyrillic-armenian", "Cyrillic, Armenian and Georgian have capitals", "привет ёж և բարեւ გამარჯობა"),
    _letters("beyond-bmp", "Letters beyond U+FFFF: four octets", "𐐨𐑏 𞤢𞥃 𖹠"),
    _letters("no-capitals", "What has no capital letter stays", "你好 こんにちは שלום سلام 123 🙂 €"),
    _letters("unchanged-forms", "Circled and fullwidth letters and Roman numerals have capitals", "ⓐ ａ ⅷ ⅰ"),
    _echo("grows-threefold", "An answer may be three times as long as its line", "P12", _UPPER,
          ("ΐ" * 20_000 + "\n").encode()),
    _echo("letters-cut", "A character that is cut by segments is whole", "P5", _STREAM,
          "straße κόσμος 𐐨 ﬁ\n".encode(), pieces=1),
    Case("every-code-point", "Every code point of Unicode has the right capital letter", "P9", _UPPER,
         _every_code_point, alone=True),
    Case("tables-of-one-age", "Of letters that came with one version of Unicode, all have a capital, or none", "P10",
         "Take the capital letters from one library, with all its tables.", _one_age),
]  # fmt: skip

INVALID = [
    _invalid("latin-1", "A Latin-1 é is no UTF-8: only a to z change", b"caf\xe9 au lait"),
    _invalid("spoils-the-line", "One wrong octet makes octets of the whole line", "straße".encode() + b"\xff"),
    _invalid("continuation", "A continuation octet without a start", b"\x80c\xbf"),
    _invalid("cut-2-of-3", "A character without its last octet, at the end", b"c\xe2\x82"),
    _invalid("cut-3-of-4", "A character without its last octet, inside", b"\xf0\x9f\x99c"),
    _invalid("cut-1-of-2", "A start octet alone", b"\xc3"),
    _invalid("overlong-2", "An overlong form of two octets", b"\xc0\x80c\xc1\xa1"),
    _invalid("overlong-3", "An overlong form of three octets", b"\xe0\x80\x80c\xe0\x9f\xbf"),
    _invalid("overlong-4", "An overlong form of four octets", b"\xf0\x80\x80\x80c\xf0\x8f\xbf\xbf"),
    _invalid("surrogate", "A surrogate is no character", b"\xed\xa0\x80c\xed\xbf\xbf"),
    _invalid("surrogate-pair", "A pair of surrogates (CESU-8) is no character either", b"\xed\xa0\xbd\xed\xb9\x82c"),
    _invalid("over-10ffff", "A code point over U+10FFFF", b"\xf4\x90\x80\x80c"),
    _invalid("never-octets", "The octets F5 to FF", b"\xf5\x80\x80\x80c\xfe\xff"),
    _invalid("five-octets", "The old five-octet form", b"\xf8\x88\x80\x80\x80c"),
    _echo("next-line-valid", "Each line stands for itself", "P11", _INVALID,
          "é\n".encode() + b"\xe9\n" + "é ß\n".encode() + b"\xff\r\n" + "ü\r\n".encode()),
    _echo("all-octets", "Every octet on a line of its own", "P11", _INVALID,
          b"".join(b"a%c\n" % o for o in range(256) if o not in (0x0A, 0x0D))),
]  # fmt: skip

CASES = FRAMING + LETTERS + INVALID
