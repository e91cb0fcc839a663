"""Where Wireshark says something else, and why it does: so that nobody grades, or learns, from a flag alone.

Wireshark looks at each segment with little memory and guesses well; but some segments look like what they are not. The
differences that a walk over the frames has found are in ``Walk.differs``; those that need the session are found here.
"""

from __future__ import annotations

from lab.analysis.kinds import finding
from lab.analysis.model import Analysis, Finding, FrameRecord, Role
from lab.analysis.sightings import Differs
from lab.analysis.walk import Walk

FIN, SYN, RST, ACK = 1, 2, 4, 16


def wireshark_findings(walk: Walk, analysis: Analysis) -> list[Finding]:
    """One finding for each kind of difference and each frame that it is about."""
    differs = [*walk.differs, *_challenges(analysis), *_ignored_resets(analysis), *_checksums(analysis)]
    differs += [*_half_closed(analysis), *_overtaken(analysis), *_sacks_with_windows(analysis)]
    return [
        finding("wireshark-differs", d.frames, d.side, wireshark=d.wireshark, ours=d.ours, why=d.why)
        for d in sorted(differs, key=lambda d: d.frames)
    ]


def _challenges(analysis: Analysis) -> list[Differs]:
    why = "it repeats an ACK number as a duplicate does, but it answers a segment that was not accepted (RFC 5961 §3)"
    return [
        Differs(f.side or "client", f.frames[-1:], "tcp.analysis.duplicate_ack", "a challenge ACK", why)
        for f in analysis.findings_of("challenge-ack")
    ]


def _ignored_resets(analysis: Analysis) -> list[Differs]:
    """A RST that is not acceptable moves Wireshark's idea of what is next."""
    found = []
    for reset in analysis.resets:
        record = analysis.frame(reset.frame)
        if reset.cause != "not-acceptable" or record.seq_rel is None:
            continue
        for later in analysis.frames[reset.frame :]:
            if later.sender != reset.side or not later.payload_bytes or later.damaged:
                continue
            again = {"retransmission", "out-of-order"} & {*later.roles, *later.trouble}
            if later.seq_rel is not None and later.seq_rel < record.seq_rel and not again:
                why = f"the RST of frame {reset.frame} was ignored, but Wireshark counts on from its number"
                side: Role = reset.side
                found.append(Differs(side, (later.number,), "tcp.analysis.retransmission", "new data", why))
            break
    return found


def _checksums(analysis: Analysis) -> list[Differs]:
    found = []
    for role in ("client", "server"):
        mine = [record for record in analysis.frames if record.sender == role and record.is_tcp]
        side: Role = "client" if role == "client" else "server"
        partial = tuple(record.number for record in mine if record.checksum == "partial")
        bad = tuple(record.number for record in mine if record.checksum == "bad")
        if partial:
            why = "the field holds the sum of the pseudo-header only; the network card was to do the rest (offload)"
            found.append(Differs(side, partial, "a good checksum", "a partial one", why))
        if bad:
            why = "Wireshark checks no TCP checksum unless told (tcp.check_checksum), and takes the octets as received"
            found.append(Differs(side, bad, "nothing", "a damaged segment that its receiver drops", why))
    return found


def _half_closed(analysis: Analysis) -> list[Differs]:
    """tcp.completeness has one bit for both FINs."""
    teardown = analysis.teardown
    said_something = analysis.client.octets or analysis.server.octets
    if not analysis.handshake.complete or teardown.way != "half" or not said_something:
        return []
    frame = teardown.client_fin or teardown.server_fin or 0
    side: Role = "client" if teardown.client_fin else "server"
    why = "its bit for FIN is set by either end's; the other end sent none in this capture"
    return [Differs(side, (frame,), "a complete conversation (31)", "closed on one side only", why)]


def _overtaken(analysis: Analysis) -> list[Differs]:
    """A bare ACK that its own end's FIN overtook has the number that the FIN took."""
    found = []
    for role in ("client", "server"):
        fin: FrameRecord | None = None
        for record in analysis.frames:
            if record.sender != role or not record.is_tcp or record.damaged or record.bits & RST:
                continue
            if record.bits & FIN:
                fin = fin or record
                continue
            bare = not record.payload_bytes and record.kind != "keep-alive"
            if fin is not None and bare and record.seq_rel == (fin.end_rel or 0) - 1:
                side: Role = "client" if role == "client" else "server"
                why = f"it was sent before the FIN of frame {fin.number}, which overtook it and took that number"
                mark = "tcp.analysis.keep_alive"
                found.append(Differs(side, (record.number,), mark, "an ACK that was overtaken", why))
    return found


def _sacks_with_windows(analysis: Analysis) -> list[Differs]:
    """RFC 6675 §2 counts an ACK with new SACK blocks as a duplicate, whatever its window; Wireshark asks for the same
    window."""
    found = []
    for role in ("client", "server"):
        window = None
        for record in analysis.frames:
            if record.sender != role or record.window_raw is None or record.damaged:
                continue
            if "duplicate-ack" in record.roles and record.sack_blocks and record.window_raw != window:
                side: Role = "client" if role == "client" else "server"
                why = "its SACK blocks make it one, although its window changed (RFC 6675 §2)"
                found.append(Differs(side, (record.number,), "tcp.analysis.window_update", "a duplicate ACK", why))
            window = record.window_raw
    return found
