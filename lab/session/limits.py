"""The bounds of the tracker: how long it waits and how much it remembers.

A tap runs for days and must not grow, whatever comes in. Everything that could grow has its bound here; what goes
beyond it becomes a finding of the session.
"""

from __future__ import annotations

from dataclasses import dataclass

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in nanoseconds, sizes as counts.

    linger_ns: how long a session that has ended waits for stragglers before it is closed. idle_ns: after how long a
    silence an open session is given up; half_open_idle_ns: the same before the handshake is complete (75 s, the
    connection-establishment timer of BSD: retransmitted SYNs come at most 32 s apart in that time), or idle_ns if that
    is shorter. neighbour_ns: how old an ARP or NDP exchange may be to belong to the session that follows.
    clock_step_ns: a clock that goes back further than this was set back; less is frames in slight disorder.
    max_sessions: open sessions at once; max_ended: ended ones kept for late frames. max_holes: gaps remembered for each
    direction; max_frames_per_finding: frame numbers kept for each. max_pairs, max_neighbours: address pairs with ARP or
    NDP remembered, and frames for each. max_datagrams, max_fragments: fragmented packets under way at once, and pieces
    of each.
    """

    linger_ns: int = 50_000_000
    idle_ns: int = 300 * SECOND_NS
    half_open_idle_ns: int = 75 * SECOND_NS
    neighbour_ns: int = 5 * SECOND_NS
    clock_step_ns: int = SECOND_NS
    max_sessions: int = 16_384
    max_ended: int = 1_024
    max_holes: int = 64
    max_frames_per_finding: int = 32
    max_pairs: int = 1_024
    max_neighbours: int = 4
    max_datagrams: int = 64
    max_fragments: int = 64
