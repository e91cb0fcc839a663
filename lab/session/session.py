"""One session: a TCP connection from its SYN to its end, or as much of it as passed the tap.

The session holds what is known of both ends and how it ended. What a frame means for it is worked out in
lab.session.observe; what is said of it as a whole (verdict, Zeek's words, certificate, JSON) in lab.session.outcome
and lab.session.summary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.session import outcome
from lab.session.findings import Finding, Findings
from lab.session.side import Side
from lab.session.states import Happening, State, step
from lab.session.summary import summarize
from lab.session.words import file_stem
from lab.wire.packet import Endpoint, address_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.session.events import Role
    from lab.session.limits import Limits
    from lab.session.outcome import Certificate
    from lab.wire.packet import Segment


class Session:
    """A conversation of two ends.

    ordinal: 1 for the first one the tracker met; client, server: its ends (the server is the SYN's receiver).
    """

    def __init__(
        self, ordinal: int, client: Endpoint, server: Endpoint, names: Mapping[str, str], limits: Limits, first_ns: int
    ) -> None:
        self.ordinal = ordinal
        self.client = client
        self.server = server
        self.client_name = names.get(address_text(client.address), "")
        self.server_name = names.get(address_text(server.address), "")
        self.name = _name(self)
        """A file stem that any system takes: ``0001-client-40312-server-7``."""
        self.client_side = Side("client", client, State.CLOSED, limits.max_holes)
        self.server_side = Side("server", server, State.LISTEN, limits.max_holes)
        self.findings_by_rule = Findings(limits.max_frames_per_finding)
        self.ip_version = 4 if len(client.address) == 4 else 6
        self.frames = 0
        self.first_ns = first_ns
        self.last_ns = first_ns
        self.opened_by_syn = False
        self.handshake_ack_frame = 0
        self.initial_rtt_ns: int | None = None
        self.first_closer: Role | None = None
        self.simultaneous_close = False
        self.simultaneous_open = False
        self.reset_by: Role | None = None
        self.refused_by_icmp = False
        self.challenge_expected_from = ""
        self.stray_syn: Segment | None = None  # the latest SYN with another ISN while it lived
        self.cut_frames = 0
        self.late_frames = 0
        self.icmp_errors = 0
        self.kernel_drops = 0
        self.history_letters: list[str] = []
        self.history_counts: dict[str, int] = {}
        self.ended_ns: int | None = None  # when both FINs were acknowledged or a RST ended it
        self.closed_because = ""  # "": open; "ended", "idle", "stop", "replaced" or "evicted"
        self.touched_ns = 0  # the tracker's: the latest time of its frames
        self.opened_at_look = -1  # the tracker's: how often it had looked at the clock when the first frame came
        self.deadline_ns = 0  # the tracker's: when it is closed if nothing more comes
        self.in_queue = False

    @property
    def verdict(self) -> str:
        """How it ended: complete, reset, refused, half-open, midstream or cut; ``open`` while it runs."""
        return outcome.verdict(self)

    @property
    def zeek_state(self) -> str:
        """Zeek's conn_state: SF, REJ, S0 and so on."""
        return outcome.zeek_state(self)

    @property
    def history(self) -> str:
        """Zeek's history letters: upper case from the client, lower case from the server."""
        return "".join(self.history_letters)

    @property
    def certificate(self) -> Certificate:
        """Whether the capture holds all of the session, and if not, why."""
        return outcome.certify(self)

    @property
    def findings(self) -> list[Finding]:
        """What was odd about it, in the order in which it came up."""
        return self.findings_by_rule.as_list()

    @property
    def midstream(self) -> bool:
        """Whether its beginning was not seen: neither a SYN nor a SYN-ACK."""
        return not (self.client_side.syn_count or self.server_side.syn_count or self.opened_by_syn)

    @property
    def established(self) -> bool:
        """Whether the handshake was completed, or had been before the capture began."""
        return self.midstream or self.server_side.syn_acked

    @property
    def over(self) -> bool:
        """Whether it has come to an end by itself: both FINs acknowledged, reset, or refused."""
        return self.ended_ns is not None

    def summary(self) -> dict[str, object]:
        """What is known of the session, as it stands in its JSON."""
        return summarize(self)

    def side_of(self, source: Endpoint) -> Side:
        """The end with this address and port (the server, if it is not the client)."""
        return self.client_side if source == self.client else self.server_side

    def other(self, side: Side) -> Side:
        """The opposite end."""
        return self.server_side if side is self.client_side else self.client_side

    def happens(self, side: Side, happening: Happening) -> str:
        """Move one end through the state table. Returns why that should not happen; empty if it is normal."""
        if self.reset_by is not None and happening not in (Happening.SENT_RST, Happening.RECEIVED_RST):
            return ""  # what still passes after a RST was under way: it moves nobody
        cell = step(side.state, happening)
        if cell.finding:
            sentence = f"The {side.role} {happening.value} in {side.state.value}: {cell.finding}."
            self.findings_by_rule.add("state", sentence, self.frames)
        side.state = cell.state
        return cell.finding

    def note_history(self, side: Side, letter: str, repeat: bool = False) -> None:
        """Add a history letter. repeat: for the kinds that Zeek notes again at 10, 100, 1000 (c, g, t, w)."""
        if side is self.client_side:
            letter = letter.upper()
        seen = self.history_counts.get(letter, 0) + 1
        self.history_counts[letter] = seen
        if seen == 1 or (repeat and seen in (10, 100, 1_000, 10_000, 100_000, 1_000_000)):
            self.history_letters.append(letter)

    def end(self, time_ns: int) -> None:
        """It has come to its end by itself; the tracker waits a little for stragglers."""
        if self.ended_ns is None:
            self.ended_ns = time_ns


def _name(session: Session) -> str:
    client = file_stem(session.client_name or address_text(session.client.address))
    server = file_stem(session.server_name or address_text(session.server.address))
    return f"{session.ordinal:04d}-{client}-{session.client.port}-{server}-{session.server.port}"
