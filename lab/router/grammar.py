"""The parser of fault scripts: text in, a ``Script`` out, or every mistake with its line and column.

The grammar, in the notation of ISO 14977, is in docs/wire.md and in ``GRAMMAR`` here; a test holds the two together. It
is line by line: a setting, or a rule ``selector: action, action``. So a mistake spoils its own line only, and all of
them are told at once.
"""

from __future__ import annotations

from dataclasses import replace

from lab.router.actions import action
from lab.router.errors import Fault, ScriptError
from lab.router.reading import SPEEDS, Line
from lab.router.script import LINK_KINDS, SIDES, Delay, Rate, Rule, Script, Selector
from lab.router.words import MistakeError, Word, words

GRAMMAR = """\
script    = { [ setting | rule ], [ comment ], newline } ;
comment   = "#", text ;
setting   = "seed", number
          | "hops", number
          | "mtu", number, [ "from", side ], [ "silent" ]
          | "rate", number, speed, [ "from", side ], [ "queue", number, ( "frames" | "octets" ) ] ;
speed     = "bit/s" | "kbit/s" | "Mbit/s" | "Gbit/s" ;
rule      = selector, ":", action, { ",", action } ;
selector  = event, { ",", clause } ;
event     = side, kind, [ ordinal ], [ "with", string ] ;
side      = "client" | "server" | "either" ;
kind      = "SYN" | "SYN-ACK" | "handshake-ACK" | "data" | "ACK" | "FIN" | "RST" | "segment"
          | "ICMP" | "frame" ;
ordinal   = range | "every", number ;
range     = number, [ "to", ( number | "end" ) ] ;
clause    = "session", number
          | "transmission", range
          | "with", string
          | "size", range
          | "seq", range
          | "port", number
          | "IPv4" | "IPv6"
          | "chance", number, "%"
          | "after", event ;
action    = "drop"
          | "delay", time, [ "jitter", time ]
          | "duplicate", [ number, "times" ], [ "after", time ]
          | "reorder", "by", number, [ "within", time ]
          | "corrupt", [ "bit", number ], [ "octet", number ], [ "of", part ], [ checksum ]
          | "truncate", "to", number, [ checksum ]
          | "set", field, [ checksum ]
          | "inject", ( "RST" | "SYN" | "data", string ), "from", side, [ "at", "seq", [ ( "+" | "-" ), number ] ]
          | "flood", number, "SYN", [ "every", time ]
          | "claim", ( "client" | "server" | "wire" )
          | "hold", "until", event, [ "within", time ]
          | "blackhole", side, ( "for", time | "until", event | "forever" ) ;
part      = "payload" | "TCP" | "IP" ;
checksum  = "checksum", ( "right" | "wrong" ) ;
field     = "window", number | "TTL", number | "ECN", ( "not-ECT" | "ECT1" | "ECT0" | "CE" )
          | "MSS", number | "DF", ( "on" | "off" ) ;
time      = number, ( "ns" | "us" | "ms" | "s" | "min" ) ;
"""

MOST_OCTETS = 1 << 16
MOST_RULES = 1000
MOST_BITS_S = 10**12
MTU_LEAST, MTU_MOST = 68, 65535  # RFC 791 §3.2: every link must carry 68 octets


def read(text: str, name: str = "script") -> Script:
    """Read a script. Raises ScriptError with every mistake in it."""
    if len(text) > MOST_OCTETS:
        raise ScriptError((Fault(1, 1, f"the script has {len(text)} characters; at most {MOST_OCTETS} are taken"),))
    script = Script(name=name, text=text)
    faults: list[Fault] = []
    chances: list[Word] = []
    for number, line_text in enumerate(text.splitlines(), 1):
        try:
            found = words(line_text, number)
            if len(found) > 1:
                script = _taken(script, Line(found), line_text, chances)
        except MistakeError as mistake:
            faults.append(mistake.fault)
    if chances and script.seed is None and not faults:
        faults.append(
            chances[0].wrong("chance and jitter need a line 'seed NUMBER', so that a run can be repeated").fault
        )
    if len(script.rules) > MOST_RULES:
        faults.append(Fault(script.rules[MOST_RULES].line, 1, f"a script has at most {MOST_RULES} rules"))
    if faults:
        raise ScriptError(tuple(faults))
    return script


def _taken(script: Script, line: Line, text: str, chances: list[Word]) -> Script:
    first = line.next
    if first.text == "seed":
        line.take()
        if script.seed is not None:
            raise first.wrong("the seed is given twice")
        script = replace(script, seed=line.number("the seed", 0, 2**63))
    elif first.text == "hops":
        line.take()
        script = replace(script, hops=line.number("the number of routers", 1, 255))
    elif first.text == "mtu":
        line.take()
        script = _mtu(script, line)
    elif first.text == "rate":
        line.take()
        script = _rate(script, line)
    else:
        script = replace(script, rules=(*script.rules, _rule(line, text, chances)))
    line.done()
    return script


def _mtu(script: Script, line: Line) -> Script:
    mtu_bytes = line.number("an MTU in octets", MTU_LEAST, MTU_MOST)
    sides = line.side() if line.took("from") else SIDES
    silent = line.took("silent")
    return replace(
        script,
        mtu_bytes={**script.mtu_bytes, **dict.fromkeys(sides, mtu_bytes)},
        silent=script.silent | set(sides) if silent else script.silent - set(sides),
    )


def _rate(script: Script, line: Line) -> Script:
    bits_s = round(line.decimal("a rate") * SPEEDS[line.one_of("a unit", SPEEDS)])
    if not 1 <= bits_s <= MOST_BITS_S:
        raise line.last.wrong("the rate must be from 1 bit/s to 1000 Gbit/s")
    sides = line.side() if line.took("from") else SIDES
    rate = Rate(bits_s)
    if line.took("queue"):
        queue = line.number("the length of the queue", 1, 2**31)
        rate = replace(rate, queue=queue, unit=line.one_of("what the queue counts", ("frames", "octets")))
    return replace(script, rates={**script.rates, **dict.fromkeys(sides, rate)})


def _rule(line: Line, text: str, chances: list[Word]) -> Rule:
    if line.next.text not in (*SIDES, "either"):
        raise line.next.wrong(
            f"a line begins with a side (client, server, either) or a setting (seed, hops, mtu, rate), not with "
            f"{line.next.shown}"
        )
    start = line.next.line
    selector = line.event()
    while line.took(","):
        selector = _clause(selector, line, chances)
    line.expect(":", "a ':' and the action, or a ',' and one more clause")
    actions = []
    while True:
        begins = line.next
        actions.append(action(line, selector))
        latest = actions[-1]
        if isinstance(latest, Delay) and latest.jitter_ns:
            chances.append(begins)
        if not line.took(","):
            break
    return Rule(start, text.split("#")[0].strip() if '"' not in text else text.strip(), selector, tuple(actions))


def _clause(selector: Selector, line: Line, chances: list[Word]) -> Selector:
    word = line.take()
    name = word.text
    if selector.kind in LINK_KINDS and name in ("session", "transmission", "with", "size", "seq", "port", "after"):
        raise word.wrong(f"'{name}' is about TCP segments, and this rule about every {selector.kind}")
    if name == "session":
        return replace(selector, session=line.number("the session's number", 0, 2**31))
    if name == "transmission":
        return replace(selector, transmissions=line.range("the transmission", 1))
    if name == "with":
        return replace(selector, text=line.string("the text that the payload must hold"))
    if name == "size":
        return replace(selector, size=line.range("the octets of payload", 0))
    if name == "seq":
        return replace(selector, seq=line.range("the sequence number, counted from the ISN", 0))
    if name == "port":
        return replace(selector, port=line.number("the server's port", 1, 65535))
    if name in ("IPv4", "IPv6"):
        return replace(selector, version=int(name[-1]))
    if name == "chance":
        percent = line.decimal("the chance in percent")
        if not 0 <= percent <= 100:
            raise line.last.wrong("a chance is from 0 to 100 %")
        line.expect("%", "'%'")
        chances.append(word)
        return replace(selector, chance=percent / 100)
    if name == "after":
        return replace(selector, after=line.event())
    raise word.wrong(
        f"{word.shown} is no clause; there are session, transmission, with, size, seq, port, IPv4, IPv6, chance, after"
    )
