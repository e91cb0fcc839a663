"""Checks on the beginning: initial numbers, options, windows, the round trip of the handshake."""

from __future__ import annotations

from lab.analysis.model import Analysis, FrameRecord, Opening, Role
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Mistake, Parameters, check, mistake
from lab.grade.places import place

PEER: dict[str, Role] = {"client": "server", "server": "client"}


def opening(found: Analysis, role: str) -> Opening:
    """One end's SYN. Raises NotShownError."""
    told = found.handshake.client if role == "client" else found.handshake.server
    if told is None:
        raise NotShownError(f"there is no SYN of the {role} in this capture")
    return told


def one(number: int) -> str:
    """The display filter for one frame."""
    return f"frame.number == {number}"


@check("isn", "seq", needs="of", mistakes="relative-for-raw wrong-end off-by-one-syn")
def isn(evidence: Evidence, told: Parameters) -> Expected:
    """The initial sequence number of an end, raw."""
    found = evidence.part(told.get("part"))
    own, other = opening(found, told["of"]), opening(found, PEER[told["of"]])
    return Expected(
        own.isn,
        (own.frame,),
        f"The {told['of']} picked {own.isn} at random and put it into its SYN, frame {own.frame} (RFC 9293 §3.4).",
        f"It stands in the SYN of the {told['of']}, frame {own.frame}, as 'Sequence Number (raw)'.",
        one(own.frame),
        mistakes=(
            *mistake(
                0,
                "relative-for-raw",
                "0 is what Wireshark shows, because it counts from there. What travels in the header is another number:"
                " 'Sequence Number (raw)'.",
            ),
            *mistake(
                other.isn,
                "wrong-end",
                f"That is the number that the {PEER[told['of']]} picked (frame {other.frame}): each end counts its own"
                " octets, from a number of its own.",
            ),
            *mistake(
                (own.isn + 1) & 0xFFFFFFFF,
                "off-by-one-syn",
                "That is the number of the first octet of text. The SYN takes one number for itself, and it has the one"
                " before.",
            ),
        ),
    )


@check("handshake-ack-number", "seq", needs="of", mistakes="off-by-one-syn wrong-direction seq-for-ack")
def handshake_ack(evidence: Evidence, told: Parameters) -> Expected:
    """The acknowledgment number with which an end answers the other's SYN (of = server: in the SYN-ACK)."""
    found = evidence.part(told.get("part"))
    mine, peer = opening(found, told["of"]), opening(found, PEER[told["of"]])
    frame = mine.frame if told["of"] == "server" else found.handshake.ack_frame
    if frame is None:
        raise NotShownError("the handshake was not completed in this capture")
    right = (peer.isn + 1) & 0xFFFFFFFF
    return Expected(
        right,
        (peer.frame, frame),
        f"Frame {frame} acknowledges the SYN of frame {peer.frame}: the SYN took the number {peer.isn}, so the next one"
        f" expected is {right} (RFC 9293 §3.4).",
        f"An acknowledgment number names the next number expected from the other end. Whose SYN does frame {frame}"
        " answer, and what comes after it?",
        f"frame.number in {{{peer.frame}, {frame}}}",
        relative=1,
        mistakes=(
            *mistake(
                peer.isn,
                "off-by-one-syn",
                f"That is the number of the SYN itself (frame {peer.frame}). The SYN takes one sequence number, so what"
                " is expected next is one more.",
            ),
            *mistake(
                (mine.isn + 1) & 0xFFFFFFFF,
                "wrong-direction",
                f"That counts the {told['of']}'s own octets. An acknowledgment speaks of the other direction: it"
                " answers"
                f" frame {peer.frame}.",
            ),
            *mistake(
                mine.isn,
                "seq-for-ack",
                f"That is the {told['of']}'s own sequence number. The acknowledgment number stands behind it in the"
                " header.",
            ),
            *mistake(0, "off-by-one-syn", "0 is the SYN itself, counted from its own number. What comes after it?"),
        ),
    )


@check("mss", "integer", needs="of", mistakes="wrong-end mss-with-headers mss-without-options")
def mss(evidence: Evidence, told: Parameters) -> Expected:
    """The MSS that an end announces in its SYN."""
    found = evidence.part(told.get("part"))
    own, other = opening(found, told["of"]), opening(found, PEER[told["of"]])
    if own.mss_bytes is None:
        raise NotShownError(f"the {told['of']} announced no MSS")
    headers = 40 if found.ip_version == 4 else 60
    return Expected(
        own.mss_bytes,
        (own.frame,),
        f"Frame {own.frame} announces it: an MTU of {own.mss_bytes + headers}, less {headers} octets for IP and TCP"
        " headers without options (RFC 9293 §3.7.1).",
        f"It is an option in the {told['of']}'s SYN, frame {own.frame}.",
        one(own.frame),
        mistakes=(
            *mistake(
                own.mss_bytes + headers,
                "mss-with-headers",
                "That is the MTU, the whole IP packet. The MSS leaves out both headers.",
            ),
            *mistake(
                own.mss_bytes - 12,
                "mss-without-options",
                "That much text fits when a segment carries timestamps. The number in the SYN does not know that yet.",
            ),
            *mistake(
                other.mss_bytes, "wrong-end", f"That is what frame {other.frame} announces, for its own receiver."
            ),
        ),
    )


@check("payload-room", "integer", needs="of", mistakes="mss-without-options mss-with-headers frame-length other-frame")
def payload_room(evidence: Evidence, told: Parameters) -> Expected:
    """The most text that an end put into one segment, in a session where it sent full segments."""
    found = evidence.part(told.get("part"))
    stream = found.stream(told["of"])
    room = found.handshake.mss_client_bytes if told["of"] == "client" else found.handshake.mss_server_bytes
    if not stream.segments_bytes or room is None or max(stream.segments_bytes) < room - 40:
        raise NotShownError(f"the {told['of']} sent no full segment in this capture")
    most = max(stream.segments_bytes)
    frame = stream.data_frames[stream.segments_bytes.index(most)]
    record = found.frame(frame)
    header = 20 if found.ip_version == 4 else 40
    return Expected(
        most,
        (frame,),
        f"Frame {frame} is full: the MSS of {room}, less {room - most} octets of options that every segment carries"
        " here"
        " (timestamps with their padding, RFC 7323 §3.2).",
        f"Look at the largest 'TCP Segment Len' of the {told['of']}, for instance in frame {frame}, and compare it with"
        " the MSS.",
        f"tcp.len > 0 && tcp.srcport == {port_of(found, told['of'])}",
        mistakes=(
            *mistake(
                room,
                "mss-without-options",
                "That is the MSS as announced. Each segment here also carries options, and they take their room from"
                " the"
                " text.",
            ),
            *mistake(room + header + 20, "mss-with-headers", "That is the MTU: the whole IP packet with its headers."),
            *mistake(
                record.length_bytes, "frame-length", "That is the whole frame, with Ethernet, IP and TCP headers."
            ),
            *mistake(
                stream.segments_bytes[-1] if stream.segments_bytes[-1] != most else None,
                "other-frame",
                "That is the last segment: it has only what was left over.",
            ),
        ),
    )


@check("window-shift", "integer", needs="of", mistakes="factor-for-shift wrong-end")
def window_shift(evidence: Evidence, told: Parameters) -> Expected:
    """By how many bits an end's windows are shifted (window scale option)."""
    found = evidence.part(told.get("part"))
    own, other = opening(found, told["of"]), opening(found, PEER[told["of"]])
    if own.window_scale is None:
        raise NotShownError(f"the {told['of']} offered no window scale")
    return Expected(
        own.window_scale,
        (own.frame,),
        f"Frame {own.frame} says shift count {own.window_scale}: later windows of the {told['of']} count in units of"
        f" {1 << own.window_scale} octets (RFC 7323 §2.2).",
        f"It is an option in frame {own.frame}. The question asks for the shift, not for the unit.",
        one(own.frame),
        mistakes=(
            *mistake(
                1 << own.window_scale,
                "factor-for-shift",
                "That is the factor, two to the power of the shift. What stands in the option is the shift itself.",
            ),
            *mistake(other.window_scale, "wrong-end", f"That is the other end's, from frame {other.frame}."),
        ),
    )


@check(
    "window",
    "integer",
    needs="at",
    mistakes="unscaled-window scaled-syn-window wrong-end",
    choices={"at": ("syn", "syn-ack", "handshake-ack", "first-data", "first-reply")},
)
def window(evidence: Evidence, told: Parameters) -> Expected:
    """How many octets the sender of a frame has room for: scaled, except in a SYN."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    shift = (found.handshake.client_shift if record.sender == "client" else found.handshake.server_shift) or 0
    if record.window_raw is None or record.sender is None:
        raise NotShownError("that frame has no window")
    return _window(record, record.window_raw, shift)


def _window(record: FrameRecord, raw: int, shift: int) -> Expected:
    frame = record.number
    is_syn = bool(record.bits & 2)
    right = raw if is_syn else raw << shift
    wrongs: tuple[Mistake, ...]
    if is_syn:
        why = f"The window of frame {frame} is {raw}, as it stands: in a SYN it is never scaled (RFC 7323 §2.2)."
        wrongs = mistake(
            raw << shift,
            "scaled-syn-window",
            f"You scaled it. The windows of frame {frame} and of every other SYN count in single octets: the scale is"
            " only being agreed on there.",
        )
    else:
        why = f"Frame {frame} says {raw}, and its sender's windows are shifted by {shift} bits: {right} octets."
        wrongs = mistake(
            raw,
            "unscaled-window",
            f"That is the field of frame {frame} as it stands. Its sender's SYN announced a scale, and that applies"
            " from then on.",
        )
    return Expected(
        right,
        (frame,),
        why,
        f"Frame {frame} has the field, the SYN of the {record.sender} has the scale. Does the scale apply to this"
        " frame?",
        f"frame.number == {frame} || tcp.flags.syn == 1",
        mistakes=wrongs,
    )


@check("agreed", "boolean choice", needs="option", choices={"option": ("window-scaling", "sack", "timestamps")})
def agreed(evidence: Evidence, told: Parameters) -> Expected:
    """Whether an option is in use on the connection, which takes both SYNs."""
    found = evidence.part(told.get("part"))
    handshake = found.handshake
    used = {"window-scaling": handshake.window_scaling, "sack": handshake.sack, "timestamps": handshake.timestamps}
    value = used[told["option"]]
    if value is None:
        raise NotShownError("a SYN is missing in this capture")
    frames = (opening(found, "client").frame, opening(found, "server").frame)
    both = "both" if value else "not both"
    return Expected(
        value,
        frames,
        f"The SYNs, frames {frames[0]} and {frames[1]}, {both} carry it, and an option is used only if both do.",
        f"Compare the options of frames {frames[0]} and {frames[1]}: what must both ends have said?",
        "tcp.flags.syn == 1",
    )


@check("handshake-rtt", "time", mistakes="one-hop-of-two other-frame")
def handshake_rtt(evidence: Evidence, told: Parameters) -> Expected:
    """The time from the SYN to the ACK that completes the handshake, at this tap."""
    found = evidence.part(told.get("part"))
    handshake = found.handshake
    if handshake.initial_rtt_ns is None or handshake.ack_frame is None or handshake.client is None:
        raise NotShownError("the handshake was not completed in this capture")
    value = handshake.initial_rtt_ns
    return Expected(
        float(value),
        (handshake.client.frame, handshake.ack_frame),
        f"From frame {handshake.client.frame} to frame {handshake.ack_frame}: the server's way and the client's way,"
        " there and back, whichever host the tap is on.",
        f"Take the time of frame {handshake.client.frame} from that of the frame that completes the handshake.",
        f"frame.number <= {handshake.ack_frame} && tcp",
        tolerance=max(2_000.0, value * 0.05),
        mistakes=(
            *mistake(
                None if handshake.syn_ns is None else float(handshake.syn_ns),
                "one-hop-of-two",
                "That ends at the SYN-ACK. At the server's tap this is only how long the server took to answer; the way"
                " to the client and back is missing.",
            ),
            *mistake(
                None if handshake.ack_ns is None else float(handshake.ack_ns),
                "one-hop-of-two",
                "That begins at the SYN-ACK. The question is from the SYN on.",
            ),
        ),
    )


def port_of(found: Analysis, role: str) -> int:
    """The port of an end."""
    return int(found.stream(PEER[PEER[role]]).address.rpartition(":")[2])
