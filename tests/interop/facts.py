"""From tshark's rows to facts: how each side of one session behaved on the wire.

tshark reads the frames; here they are only counted and compared, so all of it works on a list of segments and is
tested with made-up ones. The same session's JSON, which our own tracker wrote, must tell the same (``disagreements``).
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.live.conftest import Oracle

SIDES = ("client", "server")
COLUMNS = (
    *("frame.time_relative", "tcp.srcport", "tcp.flags", "tcp.seq", "tcp.ack", "tcp.len"),
    *("tcp.window_size", "tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.sack_perm"),
    *("tcp.options.timestamp.tsval", "tcp.payload"),
)
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
OTHER = {"client": "server", "server": "client"}


@dataclass(frozen=True)
class Segment:
    """One segment, as tshark sees it. seq and ack count from the SYN's 0; window_bytes is scaled already."""

    time_ms: float
    side: str
    flags: int
    seq: int
    ack: int
    length: int
    window_bytes: int
    options: tuple[str, ...] = ()
    payload: bytes = b""

    @property
    def end(self) -> int:
        """The sequence number after it. RFC 9293 §3.4: SYN and FIN take one each."""
        return self.seq + self.length + (1 if self.flags & FIN else 0) + (1 if self.flags & SYN else 0)

    @property
    def bare(self) -> bool:
        """An ACK and nothing else."""
        return self.length == 0 and not self.flags & (FIN | SYN | RST)


def read_segments(paths: list[Path], oracle: Oracle) -> list[list[Segment]]:
    """The segments of each capture, all read by tshark in one container. A tap that was started anew meanwhile has
    written to another run's folder."""
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    fields = " ".join(f"-e {name}" for name in COLUMNS)
    script = f'for file; do tshark -2 -N n -r "$file" -Y tcp -T fields {fields} || exit; echo END; done'
    output = oracle.run(folder, "sh", "-c", script, "sh", *(str(path.relative_to(folder)) for path in paths))
    rows = [block.strip("\n").splitlines() for block in output.split("END\n")[: len(paths)]]
    return [[segment_of(line) for line in lines] for lines in rows]


def segment_of(line: str) -> Segment:
    """One of tshark's lines. An empty field is an option that the segment doesn't have."""
    time_s, port, flags, seq, ack, length, window, *options, payload = line.split("\t")
    mss, shift, sack, timestamp = options
    names = [f"MSS {mss}"] if mss else []
    names += [f"window scale {shift}"] if shift else []
    names += ["SACK permitted"] if sack else []
    names += ["timestamps"] if timestamp else []
    return Segment(
        float(time_s) * 1000,
        "server" if int(port) == 7 else "client",
        int(flags, 16),
        int(seq),
        int(ack or 0),
        int(length),
        int(window),
        tuple(names),
        bytes.fromhex(payload),
    )


@dataclass(frozen=True)
class Side:
    """How one side behaved. small: with less text than the largest segment of the MSS that its peer offered."""

    syn_options: str
    syn_window_bytes: int
    window_max_bytes: int
    data_segments: int
    octets: int
    small_segments: int
    small_with_psh: int
    full_segments: int
    full_with_psh: int
    small_on_small: int  # small ones sent while an earlier small one was not acknowledged: Nagle's algorithm is off
    bare_acks: int
    acks_on_data: int  # segments with text that acknowledge something new: piggy-backed
    longest_ack_wait_ms: float  # from the arrival of text to the segment that acknowledges it
    fin: str  # "alone", "with text", or "" without one
    fins: int  # how many segments had the flag: more than one, if it had to be sent again
    resets: int


@dataclass(frozen=True)
class Session:
    client: Side
    server: Side
    frames: int
    first_closer: str  # "" if nobody sent a FIN
    closing: str  # "three segments", "four segments", "both at once", "one side only", "RST"; see closing_of()


def facts_of(segments: list[Segment]) -> dict[str, Any]:
    """All facts of a session, as JSON has them."""
    fins = [segment for segment in segments if segment.flags & FIN]
    return asdict(
        Session(
            side_of(segments, "client"),
            side_of(segments, "server"),
            len(segments),
            fins[0].side if fins else "",
            closing_of(segments),
        )
    )


def side_of(segments: list[Segment], side: str) -> Side:
    own = [s for s in segments if s.side == side]
    syn = next((s for s in own if s.flags & SYN), None)
    data = [s for s in own if s.length]
    full_length = max((s.length for s in segments), default=0)
    full_length = full_length if full_length > 1000 else 1448  # of short dialogues no segment is full
    small = [s for s in data if s.length < full_length]
    full = [s for s in data if s.length >= full_length]
    fin = next((s for s in own if s.flags & FIN), None)
    return Side(
        syn_options=", ".join(syn.options) if syn else "",
        syn_window_bytes=syn.window_bytes if syn else 0,
        window_max_bytes=max((s.window_bytes for s in own if not s.flags & (SYN | RST)), default=0),
        data_segments=len(data),
        octets=sum(s.length for s in data),
        small_segments=len(small),
        small_with_psh=sum(1 for s in small if s.flags & PSH),
        full_segments=len(full),
        full_with_psh=sum(1 for s in full if s.flags & PSH),
        small_on_small=small_on_small(segments, side, full_length),
        bare_acks=sum(1 for s in own if s.bare) - (1 if side == "client" else 0),  # one ends the handshake
        acks_on_data=acks_on_data(own),
        longest_ack_wait_ms=longest_ack_wait_ms(segments, side),
        fin="" if fin is None else "with text" if fin.length else "alone",
        fins=sum(1 for s in own if s.flags & FIN),
        resets=sum(1 for s in own if s.flags & RST),
    )


def small_on_small(segments: list[Segment], side: str, full_length: int) -> int:
    """How often a small segment left while an earlier small one was under way.

    Linux' version of Nagle's algorithm (RFC 1122 §4.2.3.4, with Minshall's change) never does that. A segment with a
    FIN is let through, and so is one that is sent again: they don't count.
    """
    count = acknowledged = last_small_end = sent = 0
    for segment in segments:
        if segment.side != side:
            acknowledged = max(acknowledged, segment.ack)
            continue
        if 0 < segment.length < full_length and segment.seq >= sent:
            count += last_small_end > acknowledged and not segment.flags & FIN
            last_small_end = segment.end
        sent = max(sent, segment.end)
    return count


def acks_on_data(own: list[Segment]) -> int:
    count = highest = 0
    for segment in own:
        if segment.length and segment.ack > highest and highest:
            count += 1
        highest = max(highest, segment.ack)
    return count


def longest_ack_wait_ms(segments: list[Segment], side: str) -> float:
    longest = 0.0
    waiting: list[Segment] = []
    for segment in segments:
        if segment.side != side:
            waiting += [segment] if segment.length else []
        else:
            longest = max([longest, *(segment.time_ms - s.time_ms for s in waiting if s.end <= segment.ack)])
            waiting = [s for s in waiting if s.end > segment.ack]
    return round(longest, 1)


def closing_of(segments: list[Segment]) -> str:
    """The way the connection ended. RFC 9293 §3.6: two FINs, each acknowledged; the ACK of the first may ride on the
    second. That a FIN was sent again is added."""
    if any(s.flags & RST for s in segments):
        return "RST"
    fins = {side: next((s for s in segments if s.side == side and s.flags & FIN), None) for side in SIDES}
    first, second = sorted((s for s in fins.values() if s), key=segments.index) if all(fins.values()) else (None, None)
    if first is None or second is None:
        return "one side only" if any(fins.values()) else "no end"
    if second.ack < first.end:
        return "both at once"
    between = segments[segments.index(first) + 1 : segments.index(second)]
    alone = any(s.side == second.side and s.bare and s.ack >= first.end for s in between)
    again = sum(1 for s in segments if s.flags & FIN) > 2
    return ("four segments" if alone else "three segments") + (" and the FIN again" if again else "")


def gaps_ms(segments: list[Segment], side: str, first: bytes, second: bytes) -> list[float]:
    """From a segment with exactly the first text to this side's next one with text, if that is exactly the second."""
    data = [s for s in segments if s.side == side and s.length]
    pairs = pairwise(data)
    return [round(b.time_ms - a.time_ms, 1) for a, b in pairs if a.payload == first and b.payload == second]


def disagreements(facts: dict[str, Any], session: dict[str, Any]) -> list[str]:
    """Where tshark's facts and our JSON differ, in words; empty if they agree."""
    pairs: list[tuple[str, object, object]] = [
        ("first_closer", facts["first_closer"], session["first_closer"] or ""),
        ("simultaneous_close", facts["closing"] == "both at once", session["simultaneous_close"]),
    ]
    for side in SIDES:
        here, there = facts[side], session[f"from_{side}"]
        syn = there["syn_options"]
        words = [f"MSS {syn['mss_bytes']}", f"window scale {syn['window_scale']}"]
        words += ["SACK permitted"] * syn["sack_permitted"] + ["timestamps"] * syn["timestamps"]
        pairs += [
            (f"{side}'s octets", here["octets"], there["payload_octets"]),
            (f"{side}'s SYN options", here["syn_options"], ", ".join(words)),
            (f"{side}'s FINs", here["fins"], there["fins"]),
            (f"{side}'s RSTs", here["resets"], there["rsts"]),
        ]
    frames = session["from_client"]["frames"] + session["from_server"]["frames"]
    pairs.append(("the number of segments", facts["frames"], frames))
    return [f"{what}: tshark {ours!r}, the JSON {theirs!r}" for what, ours, theirs in pairs if ours != theirs]
