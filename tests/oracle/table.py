"""The result of many comparisons as a table: for people on the terminal, and as docs/oracle.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.oracle import known, known_details
from tests.oracle.case import Finding
from tests.oracle.known import Difference

_EVERY = (*known.EVERY, *known_details.EVERY)

COMMAND = "python -m tests.oracle --sessions 1000"


@dataclass
class Line:
    """How often a quantity was compared, and how that came out."""

    compared: int = 0
    agreed: int = 0
    explained: int = 0
    unexplained: int = 0


@dataclass
class Summary:
    """All findings added up. times: how often each known difference was met. open: what nobody has explained."""

    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    times: Counter[Difference] = field(default_factory=Counter)
    met: dict[Difference, set[str]] = field(default_factory=dict)
    open: list[tuple[str, Finding]] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    sessions: int = 0

    def session(self, verdict: str) -> None:
        self.sessions += 1
        self.verdicts[verdict] += 1

    def add(self, name: str, findings: Iterable[Finding]) -> None:
        """name: of the session they are about."""
        for finding in findings:
            line = self.lines.setdefault((finding.tool, finding.quantity), Line())
            line.compared += 1
            line.agreed += finding.agrees
            line.explained += finding.explained
            line.unexplained += finding.unexplained
            if finding.unexplained:
                self.open.append((name, finding))
            for reason, count in finding.known.items():
                self.times[reason] += count
                self.met.setdefault(reason, set()).add(name)

    def rows(self) -> list[tuple[str, ...]]:
        head = ("tool", "quantity", "compared", "agree", "known difference", "unexplained")
        body = [
            (tool, quantity, str(line.compared), str(line.agreed), str(line.explained), str(line.unexplained))
            for (tool, quantity), line in self.lines.items()
        ]
        total = Line(
            *(
                sum(getattr(line, name) for line in self.lines.values())
                for name in ("compared", "agreed", "explained", "unexplained")
            )
        )
        end = ("all", "", str(total.compared), str(total.agreed), str(total.explained), str(total.unexplained))
        return [head, *sorted(body, key=lambda row: row[0]), end]

    def text(self) -> str:
        """For a terminal."""
        rows = self.rows()
        widths = [max(len(row[column]) for row in rows) for column in range(6)]
        lines = [
            "  ".join(
                word.ljust(width) if i < 2 else word.rjust(width)
                for i, (word, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        lines += ["", "known differences:"]
        lines += [f"  {reason.tool}: {reason.name}: {self.often(reason)}" for reason in _EVERY if self.times[reason]]
        for name, finding in self.open[:40]:
            lines.append(
                f"UNEXPLAINED {name}: {finding.tool}, {finding.quantity} ({finding.where}):"
                f" the JSON has {finding.ours!r}, the tool {finding.theirs!r}"
            )
        return "\n".join(lines)

    def often(self, reason: Difference) -> str:
        """How many times a known difference was met, and in how many sessions."""
        where = self.met.get(reason)
        return f"{self.times[reason]} times in {len(where)} sessions" if where else "not this time"


def document(summary: Summary, tools: Sequence[str], origin: Sequence[str]) -> str:
    """docs/oracle.md. tools: their versions; origin: sentences that say where the sessions came from."""
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.most_common())
    lines = [
        "# A second opinion on every capture",
        "",
        "The tap's JSON counts frames, octets, retransmissions and more. It should not be the only one to say so.",
        "Programs that nobody here wrote read the same captures: tshark, capinfos and tcptrace. Two more witnesses",
        "never saw a capture: the programs that talked, and the kernels, which count what they sent again. And the",
        "analysis of `echolab show` reads every capture too, with other code than the tap's.",
        "",
        "This page is written by the command that makes the comparison:",
        "",
        "```sh",
        COMMAND,
        "```",
        "",
        f"Last run: {summary.sessions} sessions ({verdicts}). Tools: {'; '.join(tools)}.",
        "",
        *(f"- {sentence}" for sentence in origin),
        "",
        "## What agreed",
        "",
        "A *known difference* is a count that differs for a reason that is listed below, and by exactly what the reason"
        " makes up.",
        "Where tshark judges single frames, each frame agrees or has its reason. *Unexplained* must be 0.",
        "",
    ]
    rows = summary.rows()
    lines += ["| " + " | ".join(rows[0]) + " |", "|---|---|---:|---:|---:|---:|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows[1:]]
    lines += [
        "",
        "## The known differences",
        "",
        "| Name | Tool | Why | Met |",
        "|---|---|---|---|",
        *(f"| {reason.name} | {reason.tool} | {reason.why} | {summary.often(reason)} |" for reason in _EVERY),
        "",
        "Damaged segments are no difference: tshark says which checksums are wrong, and where there are any, both",
        "tools judge a copy without those frames. A receiver must check and drop them (RFC 9293 §3.1, MUST-3).",
        "",
        "The code: [tests/oracle](../tests/oracle/), the reasons in `known.py`. `make test` does the same with fewer",
        "sessions.",
    ]
    return "\n".join(lines) + "\n"
