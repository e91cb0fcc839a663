"""Messages: the octets of both ends put in order and cut into what the programs meant.

TCP carries a stream of octets and knows no messages; the echo protocol makes lines of it (docs/protocol.md). So the
segments' octets are put in order, each taken from the frame that brought it first, and cut after every line feed, and
where text without one was answered after a silence. For any other protocol a message is what one end sent until the
other sent something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.analysis.kinds import finding
from lab.analysis.model import Finding, FrameRecord, Message, Role
from lab.analysis.walk import peer_of
from lab.session.observe import echo_of
from lab.session.session import Session

SILENCE_NS = 150_000_000
"""Text without a line end is answered after 200 ms of silence; the tap may see a little less of it."""
_RST = 4
_ECHO_PORT = 7


@dataclass(slots=True)
class Piece:
    """Octets that one frame brought first. start: offset."""

    start: int
    octets: bytes
    frame: int
    time_ns: int

    @property
    def end(self) -> int:
        """The offset after them."""
        return self.start + len(self.octets)


def pieces_of(records: list[FrameRecord], role: Role) -> list[Piece]:
    """What an end sent, in the order of its stream, each octet once; what the capture lacks is left out."""
    sent = [r for r in records if r.sender == role and r.payload and r.seq_rel is not None and _counts(r)]
    pieces: list[Piece] = []
    following = None
    in_order = True
    for record in sent:
        start = max(1, record.seq_rel or 0)
        if following is not None and start < following:
            in_order = False
            break
        pieces.append(Piece(start, record.payload, record.number, record.time_ns))
        following = pieces[-1].end
    return pieces if in_order else _sorted_out(sent)


def _counts(record: FrameRecord) -> bool:
    return record.is_tcp and not record.damaged and not record.bits & _RST and record.kind != "keep-alive"


def _sorted_out(sent: list[FrameRecord]) -> list[Piece]:
    """The same where frames overlap or came in another order: whoever was first, keeps its octets."""
    pieces: list[Piece] = []
    for record in sent:
        start = max(1, record.seq_rel or 0)
        parts = [(start, record.payload)]
        for known in pieces:
            if known.end <= start or known.start >= start + len(record.payload):
                continue
            left: list[tuple[int, bytes]] = []
            for at, octets in parts:
                if at < known.start:
                    left.append((at, octets[: known.start - at]))
                if at + len(octets) > known.end:
                    left.append((max(at, known.end), octets[max(0, known.end - at) :]))
            parts = left
        pieces += [Piece(at, octets, record.number, record.time_ns) for at, octets in parts if octets]
    return sorted(pieces, key=lambda piece: piece.start)


def messages_of(session: Session, records: list[FrameRecord]) -> tuple[str, tuple[Message, ...], tuple[Message, ...]]:
    """The protocol (``echo`` or ``unknown``), and the messages of client and server."""
    client, server = pieces_of(records, "client"), pieces_of(records, "server")
    asked = _questions(client, server)
    answered = _answers(server, asked)
    if _is_echo(session, asked, answered):
        return ("echo", *_paired(asked, answered))
    return "unknown", _turns(client, server), _turns(server, client)


def _questions(own: list[Piece], peer: list[Piece]) -> list[Message]:
    """Cut the client's stream after each LF, and where octets without one were answered in a silence."""
    found: list[Message] = []
    parts: list[Piece] = []
    said = b"".join(piece.octets for piece in peer)
    claimed = 0  # of the server's octets, by the messages so far
    for index, piece in enumerate(own):
        if parts and parts[-1].end != piece.start:
            _finish(found, parts)  # octets are missing here: what follows is something else
        rest = piece
        while (at := rest.octets.find(b"\n")) >= 0:
            rest = _end_at(found, parts, rest, at + 1)
            claimed = said.find(b"\n", claimed) + 1 or len(said)
        if rest.octets:
            parts.append(rest)
        if parts and index + 1 < len(own) and own[index + 1].time_ns - piece.time_ns >= SILENCE_NS:
            answer = answer_to(_joined(parts))
            if said[claimed : _said_by(peer, own[index + 1].time_ns)] == answer:
                _finish(found, parts)
                claimed += len(answer)
    _finish(found, parts)
    return found


def _said_by(peer: list[Piece], time_ns: int) -> int:
    """How many octets an end had sent by then."""
    octets = 0
    for piece in peer:
        if piece.time_ns > time_ns:
            break
        octets += len(piece.octets)
    return octets


def _answers(own: list[Piece], questions: Sequence[Message]) -> list[Message]:
    """Cut the server's stream after each LF, and after the whole answer to a question without one."""
    found: list[Message] = []
    parts: list[Piece] = []
    for piece in own:
        if parts and parts[-1].end != piece.start:
            _finish(found, parts)
        rest = piece
        while rest.octets:
            question = questions[len(found)] if len(found) < len(questions) else None
            at = rest.octets.find(b"\n") + 1
            if question is not None and not question.line_end:
                answer, before = answer_to(question.octets), _joined(parts)
                if (before + rest.octets).startswith(answer) and len(before) < len(answer):
                    at = len(answer) - len(before)
            if not at:
                parts.append(rest)
                break
            rest = _end_at(found, parts, rest, at)
    _finish(found, parts)
    return found


def _joined(parts: list[Piece]) -> bytes:
    return b"".join(part.octets for part in parts)


def _end_at(found: list[Message], parts: list[Piece], piece: Piece, at: int) -> Piece:
    """End a message after so many octets of this piece; what is left of it comes back."""
    parts.append(Piece(piece.start, piece.octets[:at], piece.frame, piece.time_ns))
    _finish(found, parts)
    return Piece(piece.start + at, piece.octets[at:], piece.frame, piece.time_ns)


def _finish(found: list[Message], parts: list[Piece]) -> None:
    if not parts:
        return
    octets = _joined(parts)
    end = "CRLF" if octets.endswith(b"\r\n") else "LF" if octets.endswith(b"\n") else ""
    frames = tuple(dict.fromkeys(part.frame for part in parts))
    times = [part.time_ns for part in parts]
    found.append(
        Message(len(found) + 1, octets, parts[0].start, parts[-1].end, frames, end, min(times), max(times))
    )  # fmt: skip
    parts.clear()


def _turns(own: list[Piece], peer: list[Piece]) -> tuple[Message, ...]:
    """What an end sent in one go: until the other sent something."""
    found: list[Message] = []
    parts: list[Piece] = []
    answers = sorted(piece.frame for piece in peer)
    at = 0
    for piece in own:
        while at < len(answers) and answers[at] < piece.frame:
            at += 1
            if parts:
                _finish(found, parts)
        if parts and parts[-1].end != piece.start:
            _finish(found, parts)
        parts.append(piece)
    _finish(found, parts)
    return tuple(replace(message, line_end="") for message in found)


def answer_to(octets: bytes) -> bytes:
    """What the echo protocol answers to a line: the same in capital letters, Good bye to quit."""
    text = octets.rstrip(b"\r\n")
    if text.lower() == b"quit":
        return b"Good bye" + octets[len(text) :]
    return echo_of(octets) or b""


def _is_echo(session: Session, client: list[Message], server: list[Message]) -> bool:
    if not client or (server and server[0].sent_ns < client[0].sent_ns):
        return False
    if server and server[0].octets == answer_to(client[0].octets):
        return True
    return session.server.port == _ECHO_PORT and not session.midstream


def _paired(client: list[Message], server: list[Message]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """The answers belong to the lines in their order: the protocol keeps it. After a hole in the capture nobody knows
    which belongs to which."""
    asked, answers = [], []
    for question, answer in zip(client[: _unbroken(client)], server[: _unbroken(server)], strict=False):
        reply_ns = answer.sent_ns - question.whole_ns
        asked.append(replace(question, answered_by=answer.number, reply_ns=reply_ns))
        answers.append(replace(answer, reply_of=question.number, reply_ns=reply_ns))
    return (*asked, *client[len(asked) :]), (*answers, *server[len(answers) :])


def _unbroken(messages: Sequence[Message]) -> int:
    """How many messages there are before the first whose octets are not all here."""
    if messages and messages[0].start_rel > 1:
        return 0
    for index in range(len(messages) - 1):
        if messages[index].end_rel != messages[index + 1].start_rel:
            return index + 1 if messages[index].line_end else index
    return len(messages)


def message_findings(
    records: list[FrameRecord], protocol: str, client: tuple[Message, ...], server: tuple[Message, ...]
) -> list[Finding]:
    """What is to be said of the messages."""
    found: list[Finding] = []
    for role, messages in (("client", client), ("server", server)):
        found += _stream(records, messages, "client" if role == "client" else "server", protocol)
    if protocol == "echo":
        found += _echo(client, server)
    return found


def _stream(records: list[FrameRecord], messages: tuple[Message, ...], role: Role, protocol: str) -> list[Finding]:
    data = [r for r in records if r.sender == role and r.payload_bytes and _counts(r)]
    if not data:
        return []
    octets = sum(len(message.octets) for message in messages)
    facts = {"octets": octets, "segments": len(data), "messages": len(messages)}
    again = sum(record.payload_bytes for record in data) - octets
    found = [finding("stream", (data[0].number, data[-1].number), role, facts, octets_again=max(0, again))]
    pushed = [record.number for record in data if record.bits & 8]
    if pushed:
        found.append(finding("push", pushed, role, pushes=len(pushed), segments=len(data)))
    if protocol != "echo":
        return found
    inside: dict[int, int] = {}
    for message in messages:
        for frame in message.frames:
            inside[frame] = inside.get(frame, 0) + 1
        if len(message.frames) > 1:
            found.append(finding("split", message.frames, role, number=message.number, segments=len(message.frames)))
        if not message.line_end:
            facts = {"number": message.number, "octets": len(message.octets)}
            found.append(finding("unfinished-line", message.frames, role, facts))
    for frame, count in inside.items():
        if count > 1:
            found.append(finding("coalesced", (frame,), role, frame=frame, messages=count))
    return found


def _echo(client: tuple[Message, ...], server: tuple[Message, ...]) -> list[Finding]:
    found: list[Finding] = []
    right: list[Message] = []
    frames: list[int] = []
    no_hole = _unbroken(server) == len(server)
    for question in client[: _unbroken(client)]:
        if question.answered_by is None:
            if not no_hole:
                continue  # its answer may be where the capture has a hole
            facts = {"number": question.number, "octets": len(question.octets)}
            found.append(finding("unanswered", question.frames, peer_of("client"), facts))
            continue
        answer = server[question.answered_by - 1]
        if answer.octets != answer_to(question.octets):
            found.append(finding("wrong-answer", (*question.frames, *answer.frames), "server", number=question.number))
            continue
        right.append(question)
        frames += [question.frames[-1], answer.frames[0]]
        if answer.octets.startswith(b"Good bye") and question.octets.strip().lower() == b"quit":
            found.append(finding("quit", (*question.frames, *answer.frames), "client", number=question.number))
    if right:
        times = [max(0, question.reply_ns or 0) for question in right]  # an answer may begin before the end of a line
        facts = {"answered": len(right), "messages": len(client), "quickest_ns": min(times), "slowest_ns": max(times)}
        found.insert(0, finding("echo", dict.fromkeys(frames), "server", facts))
    return found
