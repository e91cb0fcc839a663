"""The handshake: who said what in the SYNs, and what holds for the connection because of it."""

from __future__ import annotations

from collections.abc import Callable

from lab.analysis.kinds import finding
from lab.analysis.model import Finding, FrameRecord, Handshake, Opening, Role
from lab.session.session import Session

SYN, RST, ACK = 2, 4, 16
_DEFAULT_MSS = {4: 536, 6: 1220}
_MAX_SHIFT = 14


def handshake_of(session: Session, records: list[FrameRecord]) -> Handshake:
    """What is known of the opening of this session."""
    client, server = _opening(records, "client"), _opening(records, "server")
    ack = _completing_ack(session, records, server)
    scaling = _both(client, server, _offers_scaling)
    syn_ns = ack_ns = None
    if client is not None and server is not None:
        syn_ns = records[server.frame - 1].time_ns - records[client.frame - 1].time_ns
        if ack is not None:
            ack_ns = records[ack - 1].time_ns - records[server.frame - 1].time_ns
    return Handshake(
        complete=client is not None and server is not None and ack is not None,
        client=client,
        server=server,
        ack_frame=ack,
        mss_client_bytes=_mss(server, session.ip_version),
        mss_server_bytes=_mss(client, session.ip_version),
        window_scaling=scaling,
        sack=_both(client, server, _offers_sack),
        timestamps=_both(client, server, _offers_timestamps),
        client_shift=_shift(client, scaling),
        server_shift=_shift(server, scaling),
        initial_rtt_ns=session.initial_rtt_ns,
        syn_ns=syn_ns,
        ack_ns=ack_ns,
        simultaneous=session.simultaneous_open,
    )


def _opening(records: list[FrameRecord], role: Role) -> Opening | None:
    for record in records:
        if record.sender != role or not record.is_tcp or not record.bits & SYN or record.bits & RST or record.damaged:
            continue
        if record.options is None or record.seq_raw is None:
            continue
        options = record.options
        return Opening(
            record.number,
            record.seq_raw,
            record.window_raw or 0,
            options.mss_bytes,
            options.window_scale,
            options.sack_permitted,
            options.timestamps is not None,
            record.payload_bytes,
        )
    return None


def _completing_ack(session: Session, records: list[FrameRecord], server: Opening | None) -> int | None:
    """The client's first segment that acknowledges the server's SYN."""
    if server is None or not session.server_side.syn_acked:
        return None
    for record in records[server.frame :]:
        sound = record.is_tcp and not record.damaged and not record.bits & RST
        if not sound or record.sender != "client" or "handshake-ack-number" in record.trouble:
            continue
        if record.ack_rel is not None and record.ack_rel >= 1:
            return record.number
    return None


def _both(client: Opening | None, server: Opening | None, offers: Callable[[Opening], bool]) -> bool | None:
    if client is None or server is None:
        return None
    return offers(client) and offers(server)


def _offers_scaling(opening: Opening) -> bool:
    return opening.window_scale is not None


def _offers_sack(opening: Opening) -> bool:
    return opening.sack_permitted


def _offers_timestamps(opening: Opening) -> bool:
    return opening.timestamps


def _mss(announced: Opening | None, version: int) -> int | None:
    """What may be sent to an end that announced this (RFC 9293 §3.7.1)."""
    if announced is None:
        return None
    return _DEFAULT_MSS[version] if announced.mss_bytes is None else announced.mss_bytes


def _shift(own: Opening | None, scaling: bool | None) -> int | None:
    if own is None or scaling is None:
        return None
    return min(own.window_scale or 0, _MAX_SHIFT) if scaling else 0


def opening_findings(session: Session, records: list[FrameRecord], handshake: Handshake) -> list[Finding]:
    """What is to be said of the handshake."""
    found: list[Finding] = []
    client, server = handshake.client, handshake.server
    frames = (client.frame if client else None, server.frame if server else None, handshake.ack_frame)
    if handshake.simultaneous and client is not None and server is not None:
        found.append(finding("simultaneous-open", frames, client_isn=client.isn, server_isn=server.isn))
    elif handshake.complete and client is not None and server is not None:
        found.append(
            finding(
                "handshake-complete",
                frames,
                client_isn=client.isn,
                server_isn=server.isn,
                syn=client.frame,
                syn_ack=server.frame,
                ack=handshake.ack_frame,
            )
        )
    elif not session.midstream:
        found.append(finding("handshake-incomplete", frames, missing=_missing(handshake)))
    found += _repeated_syns(records)
    for opening, role in ((client, "client"), (server, "server")):
        if opening is not None and opening.data_bytes:
            found.append(finding("fast-open", (opening.frame,), _role(role), octets=opening.data_bytes))
    if handshake.initial_rtt_ns is not None and handshake.syn_ns is not None and handshake.ack_ns is not None:
        found.append(
            finding(
                "initial-rtt",
                frames,
                initial_rtt_ns=handshake.initial_rtt_ns,
                syn_ns=handshake.syn_ns,
                ack_ns=handshake.ack_ns,
            )
        )
    if client is not None and server is not None:
        found += _agreements(handshake, client, server)
    return found


def _agreements(handshake: Handshake, client: Opening, server: Opening) -> list[Finding]:
    both = (client.frame, server.frame)
    found = [
        finding("mss", both, client_bytes=handshake.mss_client_bytes, server_bytes=handshake.mss_server_bytes),
    ]
    if handshake.window_scaling:
        shifts = (handshake.client_shift or 0, handshake.server_shift or 0)
        found.append(
            finding(
                "window-scaling",
                both,
                client_unit=1 << shifts[0],
                server_unit=1 << shifts[1],
                client_shift=shifts[0],
                server_shift=shifts[1],
            )
        )
    if handshake.sack:
        found.append(finding("sack-permitted", both))
    if handshake.timestamps:
        found.append(finding("timestamps", both))
    offers = (
        ("window scaling", client.window_scale is not None, server.window_scale is not None, "RFC 7323 §2.2"),
        ("SACK", client.sack_permitted, server.sack_permitted, "RFC 2018 §2"),
        ("timestamps", client.timestamps, server.timestamps, "RFC 7323 §3.2"),
    )
    for option, by_client, by_server, rfc in offers:
        if by_client != by_server:
            found.append(finding("option-one-sided", both, "client" if by_client else "server", rfc=rfc, option=option))
    return found


def _repeated_syns(records: list[FrameRecord]) -> list[Finding]:
    found = []
    last: dict[Role, FrameRecord] = {}
    attempts: dict[Role, int] = {}
    for record in records:
        if not record.is_tcp or not record.bits & SYN or record.sender is None or record.damaged:
            continue
        before = last.get(record.sender)
        joins = before is not None and record.bits & ACK and not before.bits & ACK  # in a simultaneous open
        if before is not None and before.seq_raw == record.seq_raw and not joins:
            attempts[record.sender] = attempts.get(record.sender, 0) + 1
            found.append(
                finding(
                    "syn-retransmission",
                    (before.number, record.number),
                    record.sender,
                    gap_ns=record.time_ns - before.time_ns,
                    attempt=attempts[record.sender],
                )
            )
        last[record.sender] = record
    return found


def _missing(handshake: Handshake) -> str:
    lacks = []
    if handshake.client is None:
        lacks.append("the client's SYN")
    if handshake.server is None:
        lacks.append("the server's SYN-ACK")
    if handshake.ack_frame is None:
        lacks.append("the ACK that completes it")
    return " and ".join(lacks)


def _role(text: str) -> Role:
    return "client" if text == "client" else "server"
