"""Findings about the beginning: the handshake, what both ends agreed on, and what the capture itself lacks."""

from __future__ import annotations

from lab.analysis.kind import row, told

OPENING = (
    row(
        "handshake-complete",
        "RFC 9293 §3.5",
        "SYN, SYN-ACK and ACK opened the connection; the client counts from {client_isn}, the server from"
        " {server_isn}.",
        frames=(1, 2, 3),
        client_isn=1000,
        server_isn=5000,
    ),
    row(
        "handshake-incomplete",
        "RFC 9293 §3.5",
        "The handshake is not complete: {missing} is not in the capture.",
        frames=(1,),
        missing="the server's SYN-ACK",
    ),
    row(
        "syn-retransmission",
        "RFC 9293 §3.8.1",
        "The {side} sent its SYN again after {gap_ns:time}: no answer had arrived.",
        "client",
        (1, 2),
        gap_ns=1_000_000_000,
        attempt=1,
    ),
    row(
        "initial-rtt",
        "RFC 6298 §2",
        "The handshake took {initial_rtt_ns:time}, from SYN to ACK: the first measure of the round trip"
        " (SYN to SYN-ACK {syn_ns:time}, then {ack_ns:time}).",
        frames=(1, 2, 3),
        initial_rtt_ns=51_200,
        syn_ns=21_000,
        ack_ns=30_200,
    ),
    row(
        "mss",
        "RFC 9293 §3.7.1",
        "By the MSS options the client may put {client_bytes:n octet} into a segment, the server {server_bytes}; TCP"
        " options in a segment take their room from that.",
        frames=(1, 2),
        client_bytes=1460,
        server_bytes=1460,
    ),
    row(
        "window-scaling",
        "RFC 7323 §2.2",
        "Both SYNs offer window scaling: the client's windows count in units of {client_unit:n octet}, the server's in"
        " {server_unit}. The windows of the SYNs themselves are not scaled.",
        frames=(1, 2),
        client_unit=128,
        server_unit=128,
        client_shift=7,
        server_shift=7,
    ),
    row(
        "sack-permitted",
        "RFC 2018 §2",
        "Both SYNs permit selective acknowledgments: a receiver may say which blocks arrived after a gap.",
        frames=(1, 2),
    ),
    row(
        "timestamps",
        "RFC 7323 §3.2",
        "Both SYNs carry timestamps: every later segment has them too, and each ACK tells which copy it answers.",
        frames=(1, 2),
    ),
    row(
        "option-one-sided",
        "RFC 9293 §3.1",
        "Only the {side}'s SYN offers {option}, so it is not used.",
        "client",
        (1, 2),
        option="window scaling",
    ),
    row(
        "simultaneous-open",
        "RFC 9293 §3.5",
        "Both ends sent a SYN before they had the other's: a simultaneous open; the client counts from {client_isn},"
        " the server from {server_isn}.",
        frames=(1, 2, 3),
        client_isn=2319196976,
        server_isn=1186457620,
    ),
    row(
        "fast-open",
        "RFC 7413 §2",
        "The {side}'s SYN carries {octets:n octet} of data already (TCP Fast Open).",
        "client",
        (1,),
        octets=6,
    ),
    told("midstream", "", "The beginning of the connection was not captured.", frames=(1,)),
    told("syn-unseen", "", "The client's SYN is not in the capture, but a SYN-ACK answers it."),
    told("syn-ack-unseen", "", "The server's SYN-ACK is not in the capture, but what follows shows that it was sent."),
    told(
        "handshake-ack-number",
        "RFC 9293 §3.5",
        "The server acknowledged a number that the client never sent: it belongs to an older connection.",
    ),
    told(
        "other-connection",
        "RFC 9293 §3.10.7.4",
        "The client sent a number from before its initial one: of another connection between these ports.",
    ),
    told("reuse", "RFC 9293 §3.6.1", "The same addresses and ports were used again 0.010 s after a session ended."),
    told(
        "replaced",
        "RFC 9293 §3.5.1",
        "A new SYN with initial sequence number 9000 took over the same addresses and ports.",
    ),
    told(
        "state", "RFC 9293 §3.3.2", "The client sent new data in FIN-WAIT-1: it has ended its side with a FIN already."
    ),
    told("odd-flags", "RFC 9293 §3.1", "The client sent a segment with flags SYN, RST, which no TCP does."),
    told(
        "odd-header",
        "RFC 9293 §3.1",
        "The client sent a header that can't be read whole: TCP option 2 has no length.",
    ),
    told("fragment", "RFC 791 §3.2", "IP fragmented packets of this session on their way."),
    told(
        "partial-checksum",
        "RFC 9293 §3.1",
        "The checksum was left to the network card (offload), so this is not what stood on the wire: ethtool -K eth0"
        " tx off.",
    ),
    told(
        "bad-ip-checksum",
        "RFC 791 §3.1",
        "The IPv4 header checksum is wrong: the packet was damaged, and its receiver drops it.",
    ),
    row(
        "bad-checksum",
        "RFC 9293 §3.1",
        "The TCP checksum of {frames:frames} is wrong: damaged on the way, so the {peer} drops it and never answers"
        " it.",
        "client",
        (5,),
        count=1,
    ),
    told("cut", "", "The capture cut frames: their last octets are missing."),
    told("unreadable", "", "A frame of this session that can't be read: the TCP header has 8 of at least 20 octets."),
    told("late", "", "Frames came after the session had been closed."),
    told("kernel-drop", "", "The kernel dropped frames; some may be of this session."),
    told("evicted", "", "Too many sessions were open at once, and this one had been silent longest."),
    told("clock-set-back", "", "The clock went back while this session ran; its times are not in order."),
)
