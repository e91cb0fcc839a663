"""Checks over several connections: ports, the four numbers that name a connection, initial numbers."""

from __future__ import annotations

from lab.analysis.model import Analysis
from lab.grade.checks_opening import PEER, opening, port_of
from lab.grade.checks_opening import one as one_
from lab.grade.errors import NotShownError
from lab.grade.evidence import Evidence
from lab.grade.expected import Expected, Parameters, check, mistake

_ASKED = {
    "client-port": "the source ports of the SYNs",
    "server-port": "the destination ports of the SYNs",
    "client-address": "the source addresses of the SYNs",
    "server-address": "the destination addresses of the SYNs",
    "client-isn": "the raw sequence numbers of the SYNs",
    "server-isn": "the raw sequence numbers of the SYN-ACKs",
    "connection": "all four in the SYNs: both addresses and both ports",
    "server-text": "what the server says (Follow, TCP Stream)",
    "server-options": "the options of the SYN-ACKs: MSS, window scale, SACK, timestamps",
    "first-closer": "who sends the first FIN",
    "server-segments": "in how many segments the server says what it has to say",
}
_SHOWN = {
    "server-text": "tcp.len > 0",
    "server-segments": "tcp.len > 0",
    "first-closer": "tcp.flags.fin == 1",
}
_PROPERTY = ("client-port", "server-port", "client-address", "server-address", "client-isn", "server-isn", "connection")
_SAME = (*_PROPERTY, "server-text", "server-options", "first-closer", "server-segments")


def _property(found: Analysis, what: str) -> object:
    if what == "server-text":
        return b"".join(message.octets for message in found.server.messages)
    if what == "server-options":
        own = opening(found, "server")
        return own.mss_bytes, own.window_scale, own.sack_permitted, own.timestamps
    if what == "first-closer":
        return str(found.teardown.first_closer)
    if what == "server-segments":
        return len(found.server.data_frames)
    client, server = found.client.address, found.server.address
    end = "client" if what.startswith("client") else "server"
    address = client if end == "client" else server
    if what == "connection":
        return client, server
    if what.endswith("-isn"):
        return opening(found, end).isn
    if what.endswith("-port"):
        return port_of(found, end)
    return address.rpartition(":")[0]


@check("port", "integer", needs="of", mistakes="wrong-end")
def port(evidence: Evidence, told: Parameters) -> Expected:
    """The port of an end."""
    found = evidence.part(told.get("part"))
    syn = opening(found, "client").frame
    return Expected(
        port_of(found, told["of"]),
        (syn,),
        f"Every frame names both ports; frame {syn}, the SYN, is the first.",
        f"The SYN, frame {syn}, goes from the client's port to the server's.",
        "tcp.flags.syn == 1",
        mistakes=mistake(
            port_of(found, PEER[told["of"]]),
            "wrong-end",
            f"That is the {PEER[told['of']]}'s port. Which of the two does the SYN come from, and to which does it go?",
        ),
    )


@check(
    "distinct",
    "integer",
    needs="group what",
    may="",
    mistakes="port-for-connection wrong-end",
    choices={"what": _PROPERTY},
)
def distinct(evidence: Evidence, told: Parameters) -> Expected:
    """How many different ports, addresses, initial numbers or connections a group of connections has."""
    group = evidence.group(told["group"])
    values = {_property(found, told["what"]) for found in group.values()}
    names = ", ".join(list(group)[:3]) + (" ..." if len(group) > 3 else "")
    return Expected(
        len(values),
        (1,),
        f"There are {len(group)} captures ({names}), and comparing {_ASKED[told['what']]} gives {len(values)}.",
        f"Open each capture of the group ({names}) and compare {_ASKED[told['what']]}.",
        "tcp.flags.syn == 1",
        mistakes=(
            *mistake(
                len(group) if len(values) != len(group) else None,
                "port-for-connection",
                f"There are {len(group)} connections, but that does not make so many of these. A connection is named by"
                " four numbers together; compare the SYN of each capture.",
            ),
            *mistake(
                1 if len(values) != 1 else None,
                "port-for-connection",
                "If they were all the same, nothing would tell these connections apart. Compare the SYNs.",
            ),
        ),
        part=next(iter(group)),
    )


@check("same", "boolean", needs="parts what", may="", choices={"what": _SAME})
def same(evidence: Evidence, told: Parameters) -> Expected:
    """Whether connections (parts = their names) have something in common: a port, an address, a server's text ..."""
    names = [str(part) for part in told["parts"]]
    first = evidence.part(names[0])
    values = {name: _property(evidence.part(name), told["what"]) for name in names}
    value = len(set(values.values())) == 1
    files = ", ".join(f"captures/{name}.pcapng" for name in names[:2]) + (" ..." if len(names) > 2 else "")
    return Expected(
        value,
        (opening(first, "client").frame,),
        "; ".join(f"{name}: {_words(found)}" for name, found in values.items()) + ".",
        f"Put {files} side by side and compare {_ASKED[told['what']]}.",
        _SHOWN.get(told["what"], "tcp.flags.syn == 1"),
        part=str(told["parts"][0]),
    )


def _words(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} octets"
    if isinstance(value, tuple) and len(value) == 4:
        return f"MSS {value[0]}, shift {value[1]}, SACK {value[2]}, timestamps {value[3]}"
    return " to ".join(map(str, value)) if isinstance(value, tuple) else str(value)


_NAMES = ("client-address", "client-port", "server-address", "server-port")


@check("tells-apart", "choice", needs="parts", may="", mistakes="port-for-connection")
def tells_apart(evidence: Evidence, told: Parameters) -> Expected:
    """Which one of the four numbers that name a connection differs between two (parts = two names): client-address,
    client-port, server-address or server-port."""
    names = [str(part) for part in told["parts"]]
    first, second = (evidence.part(name) for name in names)
    differ = [what for what in _NAMES if _property(first, what) != _property(second, what)]
    if len(differ) != 1:
        raise NotShownError(f"{names[0]} and {names[1]} differ in {len(differ)} of the four numbers")
    return Expected(
        differ[0],
        (opening(first, "client").frame,),
        f"{_property(first, differ[0])} in {names[0]}, {_property(second, differ[0])} in {names[1]}; the other three of"
        " the four are the same.",
        f"Compare both addresses and both ports in the SYNs of {names[0]} and {names[1]}.",
        "tcp.flags.syn == 1",
        mistakes=tuple(
            one
            for what in _NAMES
            if what != differ[0]
            for one in mistake(
                what,
                "port-for-connection",
                f"That is the same in both ({_property(first, what)}): compare {_ASKED[what]} in"
                f" captures/{names[0]}.pcapng"
                f" and captures/{names[1]}.pcapng.",
            )
        ),
        part=names[0],
    )


@check("isn-ahead", "seq", needs="parts", may="", mistakes="misread off-by-one-fin")
def isn_ahead(evidence: Evidence, told: Parameters) -> Expected:
    """How far the client's initial number in the second connection (parts = two names) lies ahead of the number that
    its first connection would have used next."""
    names = [str(part) for part in told["parts"]]
    first, second = (evidence.part(name) for name in names)
    old, new = opening(first, "client").isn, opening(second, "client")
    ends = [(frame.end_rel, frame.number) for frame in first.frames if frame.sender == "client" and frame.end_rel]
    if not ends:
        raise NotShownError(f"the client sent nothing in {names[0]}")
    last_rel, last = max(ends)
    next_raw = (old + last_rel) & 0xFFFFFFFF
    value = (new.isn - next_raw) & 0xFFFFFFFF
    return Expected(
        value,
        (new.frame,),
        f"After frame {last} of {names[0]} the client would have used {next_raw} next; the SYN of {names[1]}"
        " begins with"
        f" {new.isn}. Nothing old can have a number so high, so who waits in TIME_WAIT may take this SYN for what"
        " it is: a"
        " new connection (RFC 1122 §4.2.2.13).",
        f"Which raw number would the client have used next at the end of {names[0]} (mind its FIN), and with which does"
        f" the SYN of {names[1]} begin? Take the one from the other, modulo 2^32.",
        one_(new.frame),
        wide="tcp.srcport != 7",
        mistakes=(
            *mistake(
                (new.isn - old) & 0xFFFFFFFF,
                "misread",
                f"That counts from the SYN of {names[0]}. The connection went on from there: which number came"
                " after its"
                " last one?",
            ),
            *mistake(
                (value + 1) & 0xFFFFFFFF,
                "off-by-one-fin",
                f"One too many: the client's FIN in {names[0]} takes one number, too.",
            ),
        ),
        part=names[1],
    )


@check("time-from", "time", needs="parts", may="", mistakes="other-frame")
def time_from(evidence: Evidence, told: Parameters) -> Expected:
    """The time from the last frame of one connection to the SYN of the next (parts = two names)."""
    first, second = (evidence.part(str(part)) for part in told["parts"])
    syn = second.frame(opening(second, "client").frame)
    value = float(syn.time_ns - first.end_ns)
    last = first.frames[-1]
    return Expected(
        value,
        (last.number, syn.number),
        f"From frame {last.number} of {told['parts'][0]} to frame {syn.number} of {told['parts'][1]}: far less than the"
        " minute for which TIME_WAIT lasts.",
        "Show absolute times (View, Time Display Format, Time of Day) in both captures.",
        "tcp",
        tolerance=max(5_000.0, abs(value) * 0.05),
        mistakes=mistake(
            float(syn.time_ns - first.start_ns),
            "other-frame",
            "That begins at the first frame of the earlier connection. The question is about its last one.",
        ),
        part=str(told["parts"][1]),
    )


@check("language", "text", needs="of", may="part")
def language(evidence: Evidence, told: Parameters) -> Expected:
    """The language that an end is written in, as the capture's facts tell it."""
    name = evidence.name_of(told.get("part"))
    spoken = evidence.parts[name].languages.get(told["of"], "")
    return Expected(
        spoken,
        (1,),
        "The tap writes the languages into the facts beside each capture.",
        f"Look at 'languages' in {name}.json.",
        "tcp",
    )
