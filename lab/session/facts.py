"""What has been worked out about one segment, on its way from the observer to the sentence that explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.session.session import Session
    from lab.session.side import Side
    from lab.wire.packet import Segment


class Facts:
    """One segment in its session. Offsets as in lab.wire.seq; ``sender`` and ``peer`` are the two ends."""

    __slots__ = (
        "ack_advanced",
        "ack_rel",
        "acks_fin",
        "acks_syn",
        "already_acked",
        "answers_probe",
        "challenge",
        "crossing",
        "echo_of",
        "fin_again",
        "gap_before",
        "kind",
        "missed_syn_ack",
        "new_octets",
        "peer",
        "rst_again",
        "rst_refuses",
        "segment",
        "sender",
        "seq_rel",
        "session",
        "syn_again",
        "trouble",
        "window_bytes",
        "window_was",
    )

    def __init__(self, session: Session, segment: Segment, sender: Side, peer: Side) -> None:
        self.session, self.segment, self.sender, self.peer = session, segment, sender, peer
        self.kind = "ack"
        self.seq_rel: int | None = None
        self.ack_rel: int | None = None
        self.window_bytes: int | None = None
        self.window_was: int | None = None  # the sender's advertised window before, as in the header
        self.trouble: list[str] = []
        self.new_octets = 0
        self.gap_before = 0  # sequence numbers missing just before this segment
        self.echo_of = 0  # the frame whose text this one returns, 0 for none
        self.ack_advanced = self.acks_syn = self.acks_fin = self.already_acked = False
        self.syn_again = self.fin_again = self.crossing = self.rst_refuses = self.rst_again = False
        self.answers_probe = self.challenge = self.missed_syn_ack = False

    def tag(self, trouble: str, sentence: str = "") -> None:
        """Note something unusual; with a sentence, it is a finding of the session too."""
        self.trouble.append(trouble)
        if sentence:
            self.session.findings_by_rule.add(trouble, sentence, self.session.frames)
