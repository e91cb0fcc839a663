"""Findings about the way between two taps. Their frame numbers are those at the sender's tap, unless the fact says"
" else."""

from __future__ import annotations

from lab.analysis.kind import row

PATH = (
    row(
        "path-lost",
        "RFC 9293 §3.8.1",
        "Frame {near} of the {side} left its host and never arrived: lost on the way.",
        "client",
        (6,),
        near=6,
        payload_bytes=1448,
    ),
    row(
        "path-duplicated",
        "RFC 791 §3.2",
        "Frame {near} of the {side} left its host once and arrived again (frame {far} at the {peer}'s tap): copied on"
        " the way.",
        "client",
        (6,),
        near=6,
        far=7,
    ),
    row(
        "path-reordered",
        "RFC 9293 §3.10.7.4",
        "Frame {near} of the {side} was overtaken on the way by {overtaken_by:n frame} that left later.",
        "client",
        (6,),
        near=6,
        far=8,
        overtaken_by=2,
    ),
    row(
        "path-corrupted",
        "RFC 9293 §3.1",
        "Frame {near} of the {side} was changed on the way in {changed:n octet}: at the {peer}'s tap (frame {far}) its"
        " checksum is wrong.",
        "client",
        (6,),
        near=6,
        far=6,
        changed=1,
    ),
    row(
        "path-fragmented",
        "RFC 791 §3.2",
        "Frame {near} of the {side} was cut on the way into {fragments:n fragment} ({pieces} at the {peer}'s"
        " tap): the next link does not take packets of its size.",
        "client",
        (6,),
        near=6,
        far=8,
        pieces="frames 6, 7 and 8",
        fragments=3,
    ),
    row(
        "path-appeared",
        "",
        "Frame {far} at the {peer}'s tap was not sent by the {side} as far as its own tap saw: somebody between made"
        " it, or that tap missed it.",
        "client",
        (),
        far=9,
    ),
    row(
        "one-way-delay",
        "RFC 7679 §3",
        "From the {side} to the {peer} {packets:n packet} took {least_ns:time} to {most_ns:time}, median"
        " {median_ns:time}.",
        "client",
        (),
        packets=8,
        least_ns=25_010_000,
        most_ns=25_310_000,
        median_ns=25_040_000,
    ),
    row(
        "hops",
        "RFC 791 §3.1",
        "Packets of the {side} passed {routers:n router} between the taps: their time to live went down by as much.",
        "client",
        (),
        routers=1,
    ),
    row(
        "clocks-differ",
        "",
        "The clocks of the taps differ by about {offset_ns:time}: some packets seem to arrive before they left. One-way"
        " delays are not to be trusted, only their sum is.",
        None,
        (),
        offset_ns=1_500_000,
    ),
)
