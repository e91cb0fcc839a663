"""A session as JSON: what the file beside each capture says.

The keys are an interface: graders and students' scripts read them. ``schema`` counts up when one changes its meaning.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from lab.session.states import State
from lab.wire.packet import address_text, mac_text

if TYPE_CHECKING:
    from lab.session.session import Session
    from lab.session.side import Side
    from lab.wire.packet import Endpoint

SCHEMA = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def summarize(session: Session) -> dict[str, object]:
    """Everything known of the session, in types that JSON has."""
    client, server = session.client_side, session.server_side
    certificate = session.certificate
    return {
        "schema": SCHEMA,
        "id": session.name,
        "name": session.name,
        "ordinal": session.ordinal,
        "ip_version": session.ip_version,
        "client": _endpoint(session.client, session.client_name, client),
        "server": _endpoint(session.server, session.server_name, server),
        "first_ns": session.first_ns,
        "last_ns": session.last_ns,
        "first_time": iso_time(session.first_ns),
        "last_time": iso_time(session.last_ns),
        "duration_ns": session.last_ns - session.first_ns,
        "verdict": session.verdict,
        "closed_because": session.closed_because or None,
        "zeek_state": session.zeek_state,
        "history": session.history,
        "frames": session.frames,
        "late_frames": session.late_frames,
        "from_client": _direction(client),
        "from_server": _direction(server),
        "initial_rtt_ns": session.initial_rtt_ns,
        "first_closer": session.first_closer,
        "simultaneous_open": session.simultaneous_open,
        "simultaneous_close": session.simultaneous_close,
        "reset_by": session.reset_by,
        "time_wait": _time_wait(session),
        "icmp_errors": session.icmp_errors,
        "cut_frames": session.cut_frames,
        "kernel_drops": session.kernel_drops,
        "certificate": {"complete": certificate.complete, "reasons": list(certificate.reasons)},
        "states": {"client": client.state.value, "server": server.state.value},
        "findings": [finding.as_dict() for finding in session.findings],
    }


def iso_time(time_ns: int) -> str:
    """A time as ISO 8601 in UTC with nanoseconds: ``2026-03-01T12:00:00.000000001Z``."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:  # a pcapng time stamp has 64 bits, enough to leave the calendar
        return f"{seconds}.{nanoseconds:09d}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _endpoint(endpoint: Endpoint, name: str, side: Side) -> dict[str, object]:
    return {
        "address": address_text(endpoint.address),
        "port": endpoint.port,
        "name": name or None,
        "mac": mac_text(side.mac) if side.mac else None,
    }


def _direction(side: Side) -> dict[str, object]:
    """What one end sent. Octets count once as new, however often they came; the rest are ``octets_again``."""
    return {
        "frames": side.frames,
        "payload_octets": side.octets_new + side.octets_again,
        "octets_new": side.octets_new,
        "octets_again": side.octets_again,
        "missing": side.missing_octets,
        "isn": side.isn if side.isn_seen else None,
        "syns": side.syn_count,
        "fins": side.fin_count,
        "rsts": side.rst_count,
        "syn_options": _options(side),
        "window_shift": side.shift,
        "retransmissions": side.retransmissions,
        "out_of_order": side.out_of_order,
        "dup_acks": side.dup_acks,
        "zero_windows": side.zero_windows,
        "zero_window_probes": side.probes,
        "window_updates": side.window_updates,
        "keep_alives": side.keep_alives,
        "bad_checksums": side.bad_checksums,
        "partial_checksums": side.partial_checksums,
        "max_segment_octets": side.max_segment,
        "fin_acknowledged": side.fin_acked,
    }


def _options(side: Side) -> dict[str, object] | None:
    options = side.syn_options
    if options is None:
        return None
    return {
        "mss_bytes": options.mss_bytes,
        "window_scale": options.window_scale,
        "sack_permitted": options.sack_permitted,
        "timestamps": options.timestamps is not None,
        "unknown": [{"kind": kind, "octets": octets.hex()} for kind, octets in options.unknown],
    }


def _time_wait(session: Session) -> str | None:
    holders = [side.role for side in (session.client_side, session.server_side) if side.state is State.TIME_WAIT]
    return "both" if len(holders) == 2 else holders[0] if holders else None
