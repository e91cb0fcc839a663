"""The state machine of TCP (RFC 9293 §3.3.2) as an observer can follow it: one table, state by happening, every cell
filled.

Theory of operation. The RFC's diagram is one machine that both ends run; so is this. The observer sees segments
pass and tells each machine what that means for it: one segment is "sent FIN" for the end it comes from and
"received FIN" for the other. An arc of the RFC such as "rcv SYN / snd SYN,ACK" has two halves; the observer counts
the half that he can prove. That an end LISTENs and got a SYN shows only when its SYN-ACK leaves, for nobody may be
listening there. Anything later is taken as received when it passes, and put right when the next segment proves
otherwise (FINs that crossed).

A cell is one of three kinds. It moves to another state; or it stays, because that is normal there; or it should not
happen, which is never an error of the program but a finding about the traffic: the cell then says why, and goes
where the evidence points.

``python -m lab.session.states`` prints the diagram and the table as docs/states.md.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class State(str, Enum):
    """The eleven states of RFC 9293 §3.3.2."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"


class Happening(str, Enum):
    """What a segment (or the clock) means for one end; the text completes "the client …"."""

    SENT_SYN = "sent a SYN"
    RECEIVED_SYN = "received a SYN"
    SENT_SYN_ACK = "sent a SYN-ACK"
    RECEIVED_SYN_ACK = "received a SYN-ACK"
    RECEIVED_ACK_OF_SYN = "received the ACK of its SYN"
    SENT_NEW_DATA = "sent new data"
    SENT_FIN = "sent a FIN"
    SENT_CROSSING_FIN = "sent a FIN that crossed the peer's"
    RECEIVED_FIN = "received a FIN"
    RECEIVED_ACK_OF_FIN = "received the ACK of its FIN"
    SENT_RST = "sent a RST"
    RECEIVED_RST = "received a RST"
    TIMEOUT = "waited in vain"


class Cell(NamedTuple):
    """Where a happening leads. finding: why it should not happen; empty if it is normal."""

    state: State
    finding: str = ""


def _cells(state: State, **columns: State | str | tuple[State, str] | None) -> dict[Happening, Cell]:
    """One row. A state moves; None stays; a string stays with a finding; a pair moves with a finding."""
    row = {}
    for happening in Happening:
        value = columns.pop(happening.name.lower())  # a missing column fails at import: every cell is explicit
        if value is None:
            row[happening] = Cell(state)
        elif isinstance(value, State):
            row[happening] = Cell(value)
        elif isinstance(value, str):
            row[happening] = Cell(state, value)
        else:
            row[happening] = Cell(*value)
    if columns:
        raise KeyError(f"unknown happenings in the row of {state.value}: {', '.join(columns)}")
    return row


_S = State
_NO_CONNECTION = "there is no connection that this could belong to"
_OVER = "its connection is over"
_NOT_OPEN = "it has not sent a SYN yet"
_ENDED = "it has ended its side with a FIN already"
_PEER_SILENT = "the peer's side is still to open"
_SYN_OPEN = "a SYN inside a connection is answered with a challenge ACK (RFC 9293 §3.10.7.4)"
_NO_FIN = "it has sent no FIN"
_PEER_ENDED = "the peer had ended its side already"
_IMPLIED_ACK = "the ACK that completes the handshake was not seen (or the data is TCP Fast Open, RFC 7413)"

TABLE: dict[State, dict[Happening, Cell]] = {
    _S.CLOSED: _cells(
        _S.CLOSED,
        sent_syn=_S.SYN_SENT,
        received_syn=None,
        sent_syn_ack=(_S.SYN_RECEIVED, _NO_CONNECTION),
        received_syn_ack=None,  # RFC 9293 §3.10.7.1: the answer is a RST
        received_ack_of_syn=None,
        sent_new_data=_NO_CONNECTION,
        sent_fin=_NO_CONNECTION,
        sent_crossing_fin=_NO_CONNECTION,
        received_fin=None,
        received_ack_of_fin=None,
        sent_rst=None,
        received_rst=None,
        timeout=None,
    ),
    _S.LISTEN: _cells(
        _S.LISTEN,
        sent_syn=_S.SYN_SENT,
        received_syn=None,  # the first half of the arc; the SYN-ACK proves it
        sent_syn_ack=_S.SYN_RECEIVED,
        received_syn_ack=None,
        received_ack_of_syn=_NOT_OPEN,
        sent_new_data=_NOT_OPEN,
        sent_fin=_NOT_OPEN,
        sent_crossing_fin=_NOT_OPEN,
        received_fin=None,
        received_ack_of_fin=_NOT_OPEN,
        sent_rst=_S.CLOSED,  # nobody was listening: that is how a connection is refused
        received_rst=None,
        timeout=None,
    ),
    _S.SYN_SENT: _cells(
        _S.SYN_SENT,
        sent_syn=None,
        received_syn=_S.SYN_RECEIVED,  # simultaneous open
        sent_syn_ack=(_S.SYN_RECEIVED, "the SYN it answers was not seen"),
        received_syn_ack=_S.ESTABLISHED,
        received_ack_of_syn=None,  # the peer's SYN is still to come
        sent_new_data=_PEER_SILENT,
        sent_fin=(_S.FIN_WAIT_1, _PEER_SILENT),
        sent_crossing_fin=(_S.FIN_WAIT_1, _PEER_SILENT),
        received_fin=_PEER_SILENT,
        received_ack_of_fin=_NO_FIN,
        sent_rst=_S.CLOSED,
        received_rst=_S.CLOSED,
        timeout=_S.CLOSED,
    ),
    _S.SYN_RECEIVED: _cells(
        _S.SYN_RECEIVED,
        sent_syn=None,
        received_syn=None,
        sent_syn_ack=None,
        received_syn_ack=None,
        received_ack_of_syn=_S.ESTABLISHED,
        sent_new_data=(_S.ESTABLISHED, _IMPLIED_ACK),
        sent_fin=_S.FIN_WAIT_1,
        sent_crossing_fin=_S.FIN_WAIT_1,
        received_fin=_S.CLOSE_WAIT,
        received_ack_of_fin=_NO_FIN,
        sent_rst=_S.CLOSED,
        received_rst=_S.LISTEN,
        timeout=_S.CLOSED,
    ),
    _S.ESTABLISHED: _cells(
        _S.ESTABLISHED,
        sent_syn=_S.SYN_SENT,  # the same SYN again: the SYN-ACK that passed had not arrived
        received_syn=None,
        sent_syn_ack=None,  # a SYN-ACK sent again: the ACK got lost
        received_syn_ack=None,
        received_ack_of_syn=None,
        sent_new_data=None,
        sent_fin=_S.FIN_WAIT_1,
        sent_crossing_fin=_S.FIN_WAIT_1,
        received_fin=_S.CLOSE_WAIT,
        received_ack_of_fin=_NO_FIN,
        sent_rst=_S.CLOSED,
        received_rst=_S.CLOSED,
        timeout=_S.CLOSED,
    ),
    _S.FIN_WAIT_1: _cells(
        _S.FIN_WAIT_1,
        sent_syn=_SYN_OPEN,
        received_syn=None,
        sent_syn_ack=None,
        received_syn_ack=None,
        received_ack_of_syn=None,
        sent_new_data=_ENDED,
        sent_fin=None,
        sent_crossing_fin=None,
        received_fin=_S.CLOSING,
        received_ack_of_fin=_S.FIN_WAIT_2,
        sent_rst=_S.CLOSED,
        received_rst=_S.CLOSED,
        timeout=_S.CLOSED,
    ),
    _S.FIN_WAIT_2: _cells(
        _S.FIN_WAIT_2,
        sent_syn=_SYN_OPEN,
        received_syn=None,
        sent_syn_ack=None,
        received_syn_ack=None,
        received_ack_of_syn=None,
        sent_new_data=_ENDED,
        sent_fin=None,
        sent_crossing_fin=None,
        received_fin=_S.TIME_WAIT,
        received_ack_of_fin=None,
        sent_rst=_S.CLOSED,
        received_rst=_S.CLOSED,
        timeout=_S.CLOSED,
    ),
    _S.CLOSE_WAIT: _cells(
        _S.CLOSE_WAIT,
        sent_syn=_SYN_OPEN,
        received_syn=_PEER_ENDED,
        sent_syn_ack=None,
        received_syn_ack=None,
        received_ack_of_syn=None,
        sent_new_data=None,  # half-close: this side may go on
        sent_fin=_S.LAST_ACK,
        sent_crossing_fin=_S.CLOSING,  # it had not received the peer's FIN when it sent its own: simultaneous close
        received_fin=None,
        received_ack_of_fin=_NO_FIN,
        sent_rst=_S.CLOSED,
        received_rst=_S.CLOSED,
        timeout=_S.CLOSED,
    ),
    _S.CLOSING: _cells(
        _S.CLOSING,
        sent_syn=_SYN_OPEN,
        received_syn=_PEER_ENDED,
        sent_syn_ack=None,
        received_syn_ack=None,
        received_ack_of_syn=None,
        sent_new_data=_ENDED,
        sent_fin=None,
        sent_crossing_fin=None,
        received_fin=None,
        received_ack_of_fin=_S.TIME_WAIT,
        sent_rst=_S.CLOSED,
        received_rst=_S.CLOSED,
        timeout=_S.CLOSED,
    ),
    _S.LAST_ACK: _cells(
        _S.LAST_ACK,
        sent_syn=_SYN_OPEN,
        received_syn=_PEER_ENDED,
        sent_syn_ack=None,
        received_syn_ack=None,
        received_ack_of_syn=None,
        sent_new_data=_ENDED,
        sent_fin=None,
        sent_crossing_fin=None,
        received_fin=None,
        received_ack_of_fin=_S.CLOSED,
        sent_rst=_S.CLOSED,
        received_rst=_S.CLOSED,
        timeout=_S.CLOSED,
    ),
    _S.TIME_WAIT: _cells(
        _S.TIME_WAIT,
        sent_syn=_OVER,
        received_syn=None,
        sent_syn_ack=_OVER,
        received_syn_ack=None,
        received_ack_of_syn=None,
        sent_new_data=_ENDED,
        sent_fin=None,  # sent again: its ACK was late
        sent_crossing_fin=None,
        received_fin=None,  # the last ACK was lost: it is sent again
        received_ack_of_fin=None,
        sent_rst=_S.CLOSED,
        received_rst=_S.CLOSED,  # RFC 9293 §3.10.7.4; RFC 1337 advises to ignore it
        timeout=_S.CLOSED,  # 2 MSL are over
    ),
}


def step(state: State, happening: Happening) -> Cell:
    """Where one end goes from here, and what is odd about it. Total: any state with any happening."""
    return TABLE[state][happening]


def document() -> str:
    """docs/states.md: the diagram and the table in Markdown."""
    lines = [
        "# The states of both ends, as an observer follows them",
        "",
        "Generated from the table in `lab/session/states.py` by `python -m lab.session.states`; don't edit it here.",
        "The states are those of RFC 9293 §3.3.2. A segment is a happening for both ends: what one sends, the"
        " other receives.",
        "",
        "## Diagram",
        "",
        "Only the moves that should happen. Left out: a RST, and a time-out anywhere but in TIME-WAIT. Both lead to"
        " CLOSED (in SYN-RECEIVED",
        "a RST received leads back to LISTEN).",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *(f'    state "{state.value}" as {state.name}' for state in State),
    ]
    for state, row in TABLE.items():
        for happening, cell in row.items():
            resets = happening in (Happening.SENT_RST, Happening.RECEIVED_RST)
            gives_up = happening is Happening.TIMEOUT and state is not State.TIME_WAIT
            if cell.state is not state and not (cell.finding or resets or gives_up):
                lines.append(f"    {state.name} --> {cell.state.name}: {happening.value}")
    lines += ["```", "", "## Table", "", "An arrow moves, a dot stays, a number is a finding (see below).", ""]
    every = (cell.finding for row in TABLE.values() for cell in row.values())
    findings = list(dict.fromkeys(filter(None, every)))  # each once
    lines.append("| an end … | " + " | ".join(f"in {state.value}" for state in State) + " |")
    lines.append("|---" * (len(State) + 1) + "|")
    for happening in Happening:
        cells = [_cell_text(state, TABLE[state][happening], findings) for state in State]
        lines.append(f"| {happening.value} | " + " | ".join(cells) + " |")
    lines += ["", "## What should not happen", ""]
    lines += ["It is recorded as a finding of the session, with the numbers of the frames.", ""]
    lines += [f"{number}. {finding}" for number, finding in enumerate(findings, 1)]
    return "\n".join(lines) + "\n"


def _cell_text(state: State, cell: Cell, findings: list[str]) -> str:
    parts = [f"→ {cell.state.value}" if cell.state is not state else "" if cell.finding else "·"]
    if cell.finding:
        parts.append(f"({findings.index(cell.finding) + 1})")
    return " ".join(part for part in parts if part)


if __name__ == "__main__":
    print(document(), end="")
