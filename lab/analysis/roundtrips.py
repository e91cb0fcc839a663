"""Findings about round trips: what was measured, what RFC 6298 makes of it, and what Karn's rule leaves out."""

from __future__ import annotations

from lab.analysis.kinds import finding
from lab.analysis.model import Finding, Role
from lab.analysis.walk import Walk


def rtt_findings(walk: Walk) -> list[Finding]:
    """For each end: how long its octets took to be acknowledged."""
    found: list[Finding] = []
    roles: tuple[Role, Role] = ("client", "server")
    for role in roles:
        flow = walk.flows[role]
        if flow.samples:
            times = sorted(sample.rtt_ns for sample in flow.samples)
            last = flow.samples[-1]
            found.append(
                finding(
                    "rtt",
                    (flow.samples[0].data_frame, last.ack_frame),
                    role,
                    samples=len(times),
                    least_ns=times[0],
                    most_ns=times[-1],
                    median_ns=times[len(times) // 2],
                    srtt_ns=last.srtt_ns,
                    rttvar_ns=last.rttvar_ns,
                    rto_ns=last.rto_ns,
                    rto_raw_ns=last.rto_raw_ns,
                )
            )
        if flow.karn:
            found.append(finding("karn", flow.karn, role, count=len(flow.karn)))
    return found
