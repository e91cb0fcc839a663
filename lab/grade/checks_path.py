"""Checks on the way of a packet: hops to live, fragments, what routers say (ICMP), and what fits."""

from __future__ import annotations

from lab.analysis.model import Analysis
from lab.grade.checks_numbers import AT
from lab.grade.checks_opening import one, port_of
from lab.grade.checks_wire import twin_of
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Parameters, check, mistake, named
from lab.grade.places import PLACES, number_at, place


@check("ttl", "integer", needs="at", mistakes="misread", choices=AT)
def ttl(evidence: Evidence, told: Parameters) -> Expected:
    """The time to live (hop limit) of the packet at a place, as this tap sees it."""
    found = evidence.part(told.get("part"))
    record = place(found, told["at"])
    if record.ip_ttl is None:
        raise NotShownError(f"frame {record.number} has no IP header")
    usual = next((f.ip_ttl for f in found.frames if f.ip_ttl is not None and f.ip_ttl != record.ip_ttl), None)
    return Expected(
        record.ip_ttl,
        (record.number,),
        f"Frame {record.number} still has {record.ip_ttl} hops to live here. Each router takes one away (RFC 791"
        " §3.2).",
        f"Open the IP header of frame {record.number}: 'Time to Live'.",
        one(record.number),
        mistakes=mistake(
            usual, "misread", f"Other packets of this capture have that. Open frame {record.number} itself: it differs."
        ),
    )


@check("hops", "integer", needs="at other", mistakes="misread", choices=AT)
def hops(evidence: Evidence, told: Parameters) -> Expected:
    """How many routers the packet at a place passed on its way to the other tap: by how much its TTL fell."""
    found, other = evidence.part(told.get("part")), evidence.part(told["other"])
    record = place(found, told["at"])
    twin = twin_of(record, other)
    if twin is None or record.ip_ttl is None or twin.ip_ttl is None:
        raise NotShownError(f"{PLACES[told['at']][0]} did not pass the other tap")
    return Expected(
        record.ip_ttl - twin.ip_ttl,
        (record.number,),
        f"It left with {record.ip_ttl} (frame {record.number}) and arrived with {twin.ip_ttl} (frame {twin.number} of"
        f" captures/{told['other']}.pcapng).",
        f"Compare the TTL of frame {record.number} with that of the same packet in captures/{told['other']}.pcapng.",
        "ip.ttl",
        mistakes=(
            *mistake(twin.ip_ttl, "misread", "That is what was left on arrival. How much had it when it was sent?"),
            *mistake(
                record.ip_ttl - twin.ip_ttl + 1,
                "misread",
                "One too many: only routers take one away. The receiver itself does not.",
            ),
        ),
    )


@check("too-long-by", "integer", mistakes="misread frame-length")
def too_long_by(evidence: Evidence, told: Parameters) -> Expected:
    """By how many octets the packet that an ICMP message is about was too long for the next link."""
    found = evidence.part(told.get("part"))
    error = next((error for error in found.icmp_errors if error.mtu_bytes is not None), None)
    if error is None or error.mtu_bytes is None or error.about is None:
        raise NotShownError("no ICMP message of this capture tells an MTU")
    whole = found.frame(error.about).length_bytes - 14
    return Expected(
        whole - error.mtu_bytes,
        (error.frame, error.about),
        f"The packet was {whole} octets long, IP header included, and frame {error.frame} says that the next link takes"
        f" {error.mtu_bytes} (RFC 1191 §4).",
        f"How long was the IP packet that frame {error.frame} quotes, and how long may one be? The message names the"
        " MTU; 'Total Length' of the quoted IP header names the length.",
        f"frame.number in {{{error.about}, {error.frame}}}",
        wide="icmp || icmpv6",
        mistakes=(
            *mistake(
                whole + 14 - error.mtu_bytes,
                "frame-length",
                "That takes Ethernet's header along. An MTU counts the IP packet alone.",
            ),
            *mistake(error.mtu_bytes, "misread", "That is the MTU itself. By how much was the packet longer?"),
            *mistake(whole, "misread", "That is how long the packet was. By how much is it too long?"),
            *mistake(
                found.frame(error.about).payload_bytes - error.mtu_bytes
                if found.frame(error.about).payload_bytes > error.mtu_bytes
                else None,
                "misread",
                "That compares the text with the MTU. The MTU counts the IP and TCP headers as well.",
            ),
        ),
    )


@check("icmp-mtu", "integer", mistakes="misread")
def icmp_mtu(evidence: Evidence, told: Parameters) -> Expected:
    """The MTU of the next link, as the ICMP message tells it."""
    found = evidence.part(told.get("part"))
    told_of = next((error for error in found.icmp_errors if error.mtu_bytes is not None), None)
    if told_of is None or told_of.mtu_bytes is None:
        raise NotShownError("no ICMP message of this capture tells an MTU")
    about = found.frame(told_of.about) if told_of.about is not None else None
    headers = 40 if found.ip_version == 4 else 60
    return Expected(
        told_of.mtu_bytes,
        (told_of.frame,),
        f"Frame {told_of.frame} says so: packets of up to {told_of.mtu_bytes} octets fit, IP header included (RFC 1191"
        " §4).",
        f"Open the ICMP part of frame {told_of.frame}: 'MTU of next hop'.",
        one(told_of.frame),
        mistakes=(
            *mistake(
                about.length_bytes - 14 if about is not None else None,
                "misread",
                "That is how long the packet was that did not fit. The router also says how long one may be.",
            ),
            *mistake(
                told_of.mtu_bytes - headers,
                "mss-without-options",
                "That is what is left for TCP after the headers. The MTU counts the whole IP packet.",
            ),
        ),
    )


@check("room-after", "integer", needs="at", mistakes="misread mss-with-headers mss-without-options", choices=AT)
def room_after(evidence: Evidence, told: Parameters) -> Expected:
    """The most text in one segment of the client after the frame at a place."""
    found = evidence.part(told.get("part"))
    start = place(found, told["at"]).number
    later = [number for number in found.client.data_frames if number > start]
    if not later:
        raise NotShownError(f"the client sent no text after {PLACES[told['at']][0]}")
    number = max(later, key=lambda each: found.frame(each).payload_bytes)
    most = found.frame(number).payload_bytes
    before = max((found.frame(each).payload_bytes for each in found.client.data_frames if each < start), default=None)
    headers = found.frame(number).length_bytes - most
    return Expected(
        most,
        (start, number),
        f"Frame {number}: {most} octets of text and {headers - 14} octets of IP and TCP headers make a packet of"
        f" {most + headers - 14}.",
        f"Look at the client's segments after frame {start}: which is the largest 'TCP Segment Len'?",
        f"tcp.srcport == {port_of(found, 'client')} && tcp.len > 0 && frame.number > {start}",
        mistakes=(
            *mistake(
                before if before != most else None, "misread", f"So large they were before frame {start}. And after it?"
            ),
            *mistake(
                most + headers - 14,
                "mss-with-headers",
                "That is the whole packet. IP and TCP headers, and TCP's options, take their room from it.",
            ),
            *mistake(
                most + headers - 14 - 40,
                "mss-without-options",
                "You have taken off 40 octets for the two headers. Each of these segments carries options as well.",
            ),
        ),
    )


def _pieces(found: Analysis) -> list[tuple[int, int, int]]:
    """Frame, offset in octets and length of each fragment of the first packet that was cut (IPv4)."""
    first = number_at(found, "first-fragment")
    if first is None:
        raise NotShownError("there is no fragment in this capture")
    same = [frame for frame in found.frames if frame.ip_id == found.frame(first).ip_id and frame.ip_version == 4]
    pieces = []
    for frame in same:
        field = int.from_bytes(frame.data[20:22], "big")
        if field & 0x3FFF:  # more fragments follow, or it is not the first
            whole = int.from_bytes(frame.data[16:18], "big")
            pieces.append((frame.number, (field & 0x1FFF) * 8, whole - (frame.data[14] & 15) * 4))
    return pieces


@check("fragments", "integer", needs="what", mistakes="misread", choices={"what": ("count", "offset", "length")})
def fragments(evidence: Evidence, told: Parameters) -> Expected:
    """Of the first packet that was cut: into how many pieces (count), where the second one begins (offset, in octets),
    or how much of the packet the first one carries (length)."""
    found, what = evidence.part(told.get("part")), told["what"]
    pieces = _pieces(found)
    numbers = tuple(number for number, _offset, _length in pieces)
    (first, _, length), (second, offset, _) = pieces[0], pieces[1]
    shows = f"ip.id == {found.frame(first).ip_id}"
    if what == "count":
        return Expected(
            len(pieces),
            numbers,
            f"{named(numbers).capitalize()} have one identification. All but the last say 'more fragments'.",
            "Pieces of one packet have the same identification in the IP header. The last one has no 'more fragments'"
            " flag, but an offset; Wireshark shows the whole TCP segment there.",
            shows,
            mistakes=mistake(
                len(pieces) - 1,
                "flags-at-their-word",
                "So many frames are labelled 'Fragmented IP protocol'. The last piece is labelled as the TCP segment,"
                " because Wireshark puts the packet together there.",
            ),
        )
    if what == "offset":
        return Expected(
            offset,
            (second,),
            f"The field of frame {second} holds {offset // 8}, and it counts in units of 8 octets: {offset} (RFC 791"
            " §3.1).",
            f"Open the IP header of frame {second}, 'Fragment Offset', and mind the unit.",
            one(second),
            mistakes=mistake(
                offset // 8, "unit", "That is what stands in the field. It counts in units of 8 octets (RFC 791 §3.1)."
            ),
        )
    return Expected(
        length,
        (first,),
        f"Frame {first}: its IP packet is {length + 20} octets long, 20 of them are the IP header.",
        f"Frame {first}: 'Total Length' of the IP header, less that header.",
        one(first),
        mistakes=(
            *mistake(length + 20, "frame-length", "That is with the IP header; each piece has one of its own."),
            *mistake(length + 34, "frame-length", "That is the whole frame with Ethernet's and IP's headers."),
        ),
    )
