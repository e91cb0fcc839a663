"""The answers of anna's recorded runs, worked out a second time from what tshark reads, without any of our own code:
the golden table that the grader's expected answers are held against (tests/unit/grade/golden.json).

    python -m tests.exercises.golden --write

tshark is taken from this machine, or else from the oracle's image. Each question has a formula of its own below, of the
fields that a student sees in Wireshark; nothing of ``lab`` is imported.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.exercises.tshark import (
    ALL32,
    FIN,
    RECORDED,
    RST,
    Parts,
    acking,
    acknowledged,
    again,
    ahead,
    arp,
    before,
    carrying,
    client,
    closer,
    command,
    duplicates,
    ends_with,
    fins,
    flight,
    four,
    fragments,
    healed,
    lines,
    ndp,
    old_numbers,
    opened,
    options,
    passed,
    probes,
    quoted,
    reaches,
    resent,
    rows,
    rst,
    said,
    samples,
    server,
    shift,
    smoothed,
    stall,
    syn,
    syn_ack,
    syns,
    teardown,
    third,
    twin,
    under_way,
    waits,
    who,
    zero,
)

TABLE = RECORDED.parent / "golden.json"
NAMED = ("client-address", "client-port", "server-address", "server-port")
SIX = ("python", "javascript", "c", "cpp", "java", "csharp")
ANSWERS: Mapping[str, Callable[[Parts], Any]] = {
    "01/ack-with-text": lambda p: third(p["talk"]).len > 0,
    "01/server-isn": lambda p: syn_ack(p["talk"]).seq,
    "01/syn-ack-acknowledges": lambda p: syn_ack(p["talk"]).ack,
    "01/handshake-complete": lambda p: third(p["talk"]).n,
    "01/first-octet": lambda p: client(p["talk"])[0].seq,
    "01/round-trip": lambda p: third(p["talk"]).t - syn(p["talk"]).t,
    "02/how-many-segments": lambda p: len(carrying(client(p["long"]), 0)),
    "02/client-mss": lambda p: syn(p["long"]).number("tcp.options.mss_val"),
    "02/full-segment": lambda p: max(r.len for r in client(p["long"])),
    "02/line-acknowledged": lambda p: client(p["long"])[2].end,
    "02/server-shift": lambda p: shift(syn_ack(p["long"])),
    "02/window-in-syn-ack": lambda p: syn_ack(p["long"]).window,
    "02/window-after": lambda p: third(p["long"]).window << shift(syn(p["long"])),
    "03/next-after-second": lambda p: client(p["talk"])[1].end,
    "03/third-begins": lambda p: client(p["talk"])[2].seq,
    "03/second-reply-acknowledges": lambda p: server(p["talk"])[1].ack,
    "03/client-octets": lambda p: sum(r.len for r in client(p["talk"])),
    "03/server-fin": lambda p: next(r for r in p["talk"] if r.server and r.flags & FIN).seq,
    "03/fin-acknowledged": lambda p: next(r for r in p["talk"] if r.server and r.flags & FIN).end,
    "04/lines-in-one-write": lambda p: lines(client(p["talk"])[:1]),
    "04/answers-in-one-segment": lambda p: lines(server(p["talk"])[:1]),
    "04/pieces": lambda p: len(client(p["talk"])) - 2,
    "04/answer-to-pieces": lambda p: server(p["talk"])[1].n,
    "04/answer-acknowledges": lambda p: server(p["talk"])[1].ack,
    "04/messages-in-all": lambda p: lines(client(p["talk"])),
    "04/segments-in-all": lambda p: len(client(p["talk"])),
    "05/who-waits": lambda p: closer(p["quit"]),
    "05/quit-closer": lambda p: closer(p["quit"]),
    "05/leave-waits": lambda p: closer(p["leave"]),
    "05/leave-packets": lambda p: teardown(p["leave"]),
    "05/fin-number": lambda p: next(r for r in p["leave"] if r.client and r.flags & FIN).end,
    "05/last-ack": lambda p: acking(p["quit"], fins(p["quit"])[1].end, fins(p["quit"])[0].client).n,
    "06/octets-after-fin": lambda p: sum(r.len for r in server(p["half"]) if r.n > fins(p["half"])[0].n),
    "06/who-closed": lambda p: closer(p["half"]),
    "06/text-after-fin": lambda p: next(r.n for r in server(p["half"]) if r.n > fins(p["half"])[0].n),
    "06/fin-acknowledged": lambda p: fins(p["half"])[0].end,
    "06/who-waits": lambda p: closer(p["half"]),
    "07/unread-acknowledged": lambda p: acknowledged(p["unread"], server(p["unread"])[0]),
    "07/refused-by": lambda p: who(rst(p["refused"])),
    "07/refused-number": lambda p: rst(p["refused"]).ack,
    "07/abort-after": lambda p: sum(r.server for r in p["abort"] if r.n > rst(p["abort"]).n),
    "07/unread-reset": lambda p: rst(p["unread"]).n,
    "07/late-by": lambda p: who(rst(p["late"])),
    "07/late-acknowledged": lambda p: acknowledged(p["late"], server(p["late"])[0]),
    "08/same-client-number": lambda p: syn(p["first"]).seq == syn(p["again"]).seq,
    "08/same-four-numbers": lambda p: four(syn(p["first"])) == four(syn(p["again"])),
    "08/who-waited": lambda p: closer(p["first"]),
    "08/gap": lambda p: syn(p["again"]).t - p["first"][-1].t,
    "08/why-accepted": lambda p: ahead(p["first"], p["again"]),
    "08/other-same": lambda p: four(syn(p["first"])) == four(syn(p["other"])),
    "09/server-ports": lambda p: len({syn(found).one("tcp.dstport") for found in p.values()}),
    "09/client-ports": lambda p: len({syn(found).one("tcp.srcport") for found in p.values()}),
    "09/second-guest": lambda p: syn(p["guest-2"]).number("tcp.srcport"),
    "09/told-apart": lambda p: next(
        name
        for name, one, other in zip(NAMED, four(syn(p["guest-1"])), four(syn(p["guest-2"])), strict=True)
        if one != other
    ),
    "09/one-number": lambda p: syn_ack(p["guest-1"]).seq == syn_ack(p["guest-2"]).seq,
    "09/answers-guest-2": lambda p: syn_ack(p["guest-2"]).ack,
    "10/segments-polite": lambda p: len(carrying(client(p["polite"]), -2)),
    "10/held-back": lambda p: stall(p["polite"])[2].n,
    "10/set-free": lambda p: stall(p["polite"])[1].n,
    "10/what-it-says": lambda p: stall(p["polite"])[1].ack,
    "10/how-long": lambda p: stall(p["polite"])[1].t - stall(p["polite"])[0].t,
    "10/segments-swift": lambda p: len(carrying(client(p["swift"]), -2)),
    "10/swift-time": lambda p: client(p["swift"])[-2].t - client(p["swift"])[-3].t,
    "11/who-probes": lambda p: who(probes(p["slow"])[0]),
    "11/closed": lambda p: zero(p["slow"]).n,
    "11/probe-octets": lambda p: probes(p["slow"])[0].len,
    "11/probe-number": lambda p: probes(p["slow"])[0].seq,
    "11/opened": lambda p: opened(p["slow"]).n,
    "11/how-long": lambda p: opened(p["slow"]).t - zero(p["slow"]).t,
    "12/asks-whom": lambda p: reaches(arp(p["talk"], "1")),
    "12/before-the-syn": lambda p: syn(p["talk"]).n - 1,
    "12/asked-for": lambda p: arp(p["talk"], "1").one("arp.dst.proto_ipv4"),
    "12/servers-address": lambda p: syn(p["talk"]).one("eth.dst"),
    "12/reply-to": lambda p: reaches(arp(p["talk"], "2")),
    "12/innermost": lambda p: syn(p["talk"]).seq,
    "12/overhead": lambda p: client(p["talk"])[0].size - client(p["talk"])[0].len,
    "13/asks-whom": lambda p: reaches(ndp(p["six"], "135")),
    "13/group-address": lambda p: ndp(p["six"], "135").one("ipv6.dst"),
    "13/group-hardware": lambda p: ndp(p["six"], "135").one("eth.dst"),
    "13/mss": lambda p: syn(p["six"]).number("tcp.options.mss_val"),
    "13/same-tcp": lambda p: syn_ack(p["six"]).ack,
    "13/overhead": lambda p: client(p["six"])[0].size - client(p["six"])[0].len,
    "13/advertised-to": lambda p: reaches(ndp(p["six"], "136")),
    "14/messages-seen": lambda p: lines(client(p["browser"])),
    "14/segments": lambda p: len(client(p["browser"])),
    "14/typed-segments": lambda p: len(client(p["hand"])),
    "14/answers-in-first": lambda p: lines(server(p["browser"])[:1]),
    "14/answer-octets": lambda p: sum(r.len for r in server(p["browser"])),
    "14/who-closes": lambda p: closer(p["browser"]),
    "14/all-arrived": lambda p: client(p["hand"])[-1].end,
    "15/label": lambda p: "probe" if before(p["closed"], probes(p["closed"])[0], True).window == 0 else "keep-alive",
    "15/how-many-probes": lambda p: len(probes(p["closed"])),
    "15/first-zero": lambda p: zero(p["closed"]).n,
    "15/real-number": lambda p: rst(p["refused"]).seq,
    "15/probe-number": lambda p: probes(p["closed"])[0].seq,
    "16/same-text": lambda p: len({said(server(p[name])) for name in SIX}) == 1,
    "16/same-options": lambda p: len({options(syn_ack(p[name])) for name in SIX}) == 1,
    "16/how-many-wait": lambda p: sum(waits(p[name]) for name in SIX),
    "16/java-waits": lambda p: waits(p["java"]),
    "16/javascript-waits": lambda p: waits(p["javascript"]),
    "16/python-gap": lambda p: server(p["python"])[-2].t - server(p["python"])[-3].t,
    "16/second-begins": lambda p: server(p["c"])[-2].seq,
    "17/rto-at-first": lambda p: max(10**9, 3 * (third(p["timed"]).t - syn_ack(p["timed"]).t)),
    "17/first-round-trip": lambda p: third(p["timed"]).t - syn_ack(p["timed"]).t,
    "17/first-variation": lambda p: (third(p["timed"]).t - syn_ack(p["timed"]).t) / 2,
    "17/slowest": lambda p: max(samples(p["timed"]), key=lambda one: one[0])[2].n,
    "17/it-acknowledges": lambda p: max(samples(p["timed"]), key=lambda one: one[0])[2].ack,
    "17/smoothed": lambda p: smoothed(p["timed"]),
    "17/why-slow": lambda p: max(samples(p["timed"]), key=lambda one: one[0])[0] > 20_000_000,
    "18/quiet-frames": lambda p: len(old_numbers(p["quiet"], True) + old_numbers(p["quiet"], False)),
    "18/asked-how-often": lambda p: len(old_numbers(p["asking"], True)),
    "18/its-number": lambda p: old_numbers(p["asking"], True)[0].seq,
    "18/its-answer": lambda p: p["asking"][old_numbers(p["asking"], True)[0].n].ack,
    "18/really": lambda p: (
        "keep-alive" if before(p["asking"], old_numbers(p["asking"], True)[0], False).window else "probe"
    ),
    "18/who-answers": lambda p: who(p["asking"][old_numbers(p["asking"], True)[0].n]),
    "19/ends-it": lambda p: ends_with(p["way-at-client"]),
    "19/left-on-arrival": lambda p: client(p["way-at-server"])[2].number("ip.ttl"),
    "19/who-tells": lambda p: next(r for r in p["way-at-client"] if r.icmp).one("ip.src"),
    "19/about-whom": lambda p: quoted(p["way-at-client"]).n,
    "19/quoted-number": lambda p: quoted(p["way-at-client"]).seq,
    "19/arrived": lambda p: passed(quoted(p["way-at-client"]), p["way-at-server"]),
    "19/pieces": lambda p: len(fragments(p["cut-at-server"])),
    "19/second-begins": lambda p: fragments(p["cut-at-server"])[0].number("ip.len") - 20,
    "20/short-passes": lambda p: acknowledged(p["silent"], client(p["silent"])[0]),
    "20/again-and-again": lambda p: len(again(p["silent"])) - 1,
    "20/too-long-by": lambda p: (
        quoted(p["told-at-client"]).number("ip.len") - next(r for r in p["told-at-client"] if r.icmp).number("icmp.mtu")
    ),
    "20/too-big": lambda p: quoted(p["told-at-client"]).n,
    "20/room": lambda p: max(
        r.len for r in p["told-at-client"] if r.client and r.n > next(i.n for i in p["told-at-client"] if i.icmp)
    ),
    "20/begins-again": lambda p: next(
        r.seq
        for r in p["told-at-client"]
        if r.client and r.len and r.n > next(i.n for i in p["told-at-client"] if i.icmp)
    ),
    "20/announced": lambda p: syn_ack(p["told-at-client"]).number("tcp.options.mss_val"),
    "20/passed": lambda p: passed(quoted(p["told-at-client"]), p["told-at-server"]),
    "21/new-number": lambda p: len({r.seq for r in syns(p["lost-at-client"])}),
    "21/syns-sent": lambda p: len(syns(p["lost-at-client"])),
    "21/syns-arrived": lambda p: len(syns(p["lost-at-server"])),
    "21/first-wait": lambda p: syns(p["lost-at-client"])[1].t - syns(p["lost-at-client"])[0].t,
    "21/cost": lambda p: syn_ack(p["lost-at-client"]).t - syns(p["lost-at-client"])[0].t,
    "21/filtered-frames": lambda p: sum(r.server for r in p["filtered"]),
    "21/who-refuses": lambda p: who(rst(p["refused"])),
    "21/refusal-number": lambda p: rst(p["refused"]).ack,
    "22/arrives": lambda p: passed(again(p["loss-at-client"])[0], p["loss-at-server"]),
    "22/original": lambda p: again(p["loss-at-client"])[0].n,
    "22/third-duplicate": lambda p: duplicates(p["loss-at-client"])[2].n,
    "22/missing-number": lambda p: duplicates(p["loss-at-client"])[2].ack,
    "22/waited": lambda p: again(p["loss-at-client"])[1].t - again(p["loss-at-client"])[0].t,
    "22/at-the-server": lambda p: twin(again(p["loss-at-client"])[1], p["loss-at-server"]),
    "22/healed": lambda p: healed(p["loss-at-client"]).n,
    "23/factor": lambda p: round(
        (again(p["wait-at-client"])[-1].t - again(p["wait-at-client"])[-2].t)
        / (again(p["wait-at-client"])[-2].t - again(p["wait-at-client"])[-3].t)
    ),
    "23/copies": lambda p: len(again(p["wait-at-client"])) - 1,
    "23/one-number": lambda p: again(p["wait-at-client"])[0].seq,
    "23/last": lambda p: again(p["wait-at-client"])[-1].t - again(p["wait-at-client"])[0].t,
    "23/which-arrived": lambda p: twin(again(p["wait-at-client"])[-1], p["wait-at-server"]),
    "23/healed": lambda p: healed(p["wait-at-client"]).n,
    "23/no-sample": lambda p: healed(p["wait-at-client"]).t - again(p["wait-at-client"])[-1].t,
    "24/which-waits": lambda p: max(
        ("small-at-client", "big"), key=lambda name: max(samples(p[name], True), key=lambda one: one[0])[0]
    ),
    "24/flight": lambda p: len(flight(p["small-at-client"])),
    "24/in-flight": lambda p: under_way(p["big"]),
    "24/which-loses": lambda p: max(("small-at-client", "big"), key=lambda name: resent(p[name])),
    "24/lost-one": lambda p: passed(again(p["small-at-client"])[0], p["small-at-server"]),
    "24/lost-number": lambda p: again(p["small-at-client"])[0].seq,
    "24/room-there": lambda p: server(p["small-at-client"])[0].window << shift(syn_ack(p["small-at-client"])),
    "25/gets-in": lambda p: len(syns(p["flooded-at-client"])),
    "25/same-offer": lambda p: options(syn_ack(p["quiet"])) == options(syn_ack(p["flooded-at-server"])),
    "25/cookie": lambda p: syn_ack(p["flooded-at-server"]).seq,
    "25/quiet-size": lambda p: max(r.len for r in server(p["quiet"])),
    "25/flooded-size": lambda p: max(r.len for r in server(p["flooded-at-server"])),
    "25/guests": lambda p: acknowledged(p["guest-1"], client(p["guest-1"])[0]),
    "25/full": lambda p: len(syns(p["full-at-server"])),
    "26/survives": lambda p: ends_with(p["near-at-client"]),
    "26/blind": lambda p: (
        -(
            -ALL32
            // (before(p["near-at-client"], rst(p["near-at-client"]), True).window << shift(syn(p["near-at-client"])))
        )
    ),
    "26/asks-back": lambda p: next(
        r.n for r in p["near-at-client"] if r.client and not r.len and r.n > rst(p["near-at-client"]).n
    ),
    "26/seen-at-server": lambda p: sum(bool(r.flags & RST) for r in p["near-at-server"]),
    "26/ttl": lambda p: rst(p["hit-at-client"]).number("ip.ttl"),
    "26/exact": lambda p: rst(p["hit-at-client"]).seq,
    "26/the-server": lambda p: who(rst(p["hit-at-server"])),
}
"""Exercise and question to the answer, worked out from tshark's fields."""


def digests() -> dict[str, str]:
    """What the table was made from: the recorded captures."""
    return {
        str(path.relative_to(RECORDED)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(RECORDED.glob("*/*.pcapng"))
    }


def worked_out() -> dict[str, Any]:
    """Every answer."""
    found: dict[str, Any] = {}
    for folder in sorted(RECORDED.iterdir()):
        parts = {path.stem: rows(path) for path in sorted(folder.glob("*.pcapng"))}
        for name, formula in ANSWERS.items():
            if name.startswith(f"{folder.name[:2]}/"):
                found[name] = formula(parts)
    return found


def main() -> int:
    """Print the answers, or write the table."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    reader.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    options_ = reader.parse_args()
    version = subprocess.run([*command(Path("x"))[:-1][:1], "--version"], capture_output=True, text=True, check=False)
    table = {
        "made by": "python -m tests.exercises.golden --write",
        "tshark": (version.stdout.splitlines() or ["of the oracle's image"])[0],
        "captures": digests(),
        "answers": worked_out(),
    }
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    if options_.write:
        TABLE.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
