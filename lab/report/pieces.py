"""Fields of a frame, collected one after the other: the small tool with which the layers are taken apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a frame: [start, end) in its octets, its value in words, and what it is for.

    bits: for a field that does not fill its octets, which bits of them (``4 to 7``, counted from the left), else empty.
    """

    name: str
    start: int
    end: int
    value: str
    meaning: str
    bits: str = ""


class Pieces:
    """Takes fields from [at, end) of a frame's octets. A field that is not all there is cut; one past the end is left
    out."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data = data
        self.at = at
        self.end = min(end, len(data))
        self.fields: list[Field] = []

    def take(self, name: str, octets: int, value: str, meaning: str) -> None:
        """The next octets are this field."""
        stop = min(self.at + octets, self.end)
        if stop > self.at:
            cut = stop < self.at + octets
            self.fields.append(Field(name, self.at, stop, "(cut)" if cut else value, meaning))
            self.at = stop

    def number(self, name: str, octets: int, meaning: str) -> int:
        """The next octets are a number. Returns it (of what is there)."""
        value = int.from_bytes(self.data[self.at : min(self.at + octets, self.end)], "big")
        self.take(name, octets, str(value), meaning)
        return value

    def hexadecimal(self, name: str, octets: int, meaning: str) -> int:
        """The next octets are a number that is usually written in hexadecimal. Returns it."""
        value = int.from_bytes(self.data[self.at : min(self.at + octets, self.end)], "big")
        self.take(name, octets, f"0x{value:0{2 * octets}x}", meaning)
        return value

    def split(self, octets: int, parts: list[tuple[str, int, str, str]]) -> None:
        """The next octets hold several fields of some bits each: (name, bits, value, meaning)."""
        stop = min(self.at + octets, self.end)
        if stop < self.at + octets:
            self.take(parts[0][0], octets, "(cut)", "")
            return
        first = 0
        for name, bits, value, meaning in parts:
            where = f"bit {first}" if bits == 1 else f"bits {first} to {first + bits - 1}"
            self.fields.append(Field(name, self.at, stop, value, meaning, where))
            first += bits
        self.at = stop


def mac(octets: bytes) -> str:
    """A hardware address in words."""
    text = octets.hex(":")
    return f"{text} (everybody)" if octets == b"\xff" * 6 else text
