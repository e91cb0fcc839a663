"""docs/fingerprint.md, made from the cells: tables, paragraphs, links.

What is measured is kept beside the page as JSON (the same name, ``.json``), a line for each pair. So the page can be
made anew, with line numbers that fit again, without measuring; and a few pairs can be measured again without the rest.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from pathlib import Path

from tests.interop.reasons import REASONS, Reason
from tests.interop.sources import ROOT, link
from tests.interop.traits import NOBODY, TRAITS, Cell, Trait, decided_by, shown

INTRO = """# Wire fingerprints: can you tell the language from the packets?

Made by `python3 -m tests.interop.fingerprint --write docs/fingerprint.md`. {pairs} of server and client, each in a lab
of its own, each with five dialogues: the *demo* (a line, its answer, and so on, then `quit`), a *pipelined*
conversation of 20.8 kB through a pipe, a *paced* one, octet by octet (the servers' time of silence set to
20 ms for it), a person who presses *Ctrl-C*, and one who does so while an answer lies unread (in {unread}).
tshark counted; the lab's own JSON of the same sessions had to say the same; every capture is certified. The hosts are
Linux, with delayed ACKs of 40 ms, congestion control reno, offloads off, an Ethernet MTU of 1500.

The short answer: mostly not. Nearly all that a capture shows is the kernel's work, and the programs share it. What the
languages do differently is in the tables for servers and clients; why, below them.
"""
SAME = """
## The same for everybody

In all pairs, so in all languages, whoever the peer was:

| | server | client | why |
|---|---|---|---|
"""
SIDES = {
    "server": """
## Servers

""",
    "client": """
## Clients

""",
}
LEGEND = """
*Decided by*: “the server” or “the client” means that the value was the same whoever the peer was: the peer doesn't
matter. “Mostly” means that it was so in nine pairs of ten at least. “The moment” means that it changed from pair to
pair with neither: then a range or the counts are shown, and another run may give others. “A clock” stands by durations,
of which no two are equal: the rows show whether they hang on the language.
"""
WHY = """
## Why
"""


def load(path: Path) -> list[Cell]:
    """The cells that were measured before; none if there is no such file."""
    if not path.exists():
        return []
    return [Cell(**record) for record in json.loads(path.read_text(encoding="utf-8"))]


def save(path: Path, cells: list[Cell]) -> None:
    lines = [json.dumps(asdict(cell), ensure_ascii=False) for cell in cells]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def merged(old: list[Cell], new: list[Cell]) -> list[Cell]:
    """The newest of each pair, in order."""
    found = {(cell.server, cell.client): cell for cell in (*old, *new)}
    return [found[pair] for pair in sorted(found)]


def render(cells: list[Cell], root: Path = ROOT) -> str:
    """The whole page. Raises PlaceError if a line that it should link to can't be found."""
    good = [cell for cell in cells if not cell.problem]
    unread = sum(1 for cell in good if "client-unread" in cell.values)
    of_them = "all pairs" if unread == len(good) else f"{unread} of the pairs"
    parts = [INTRO.format(pairs=f"{len(good)} pairs", unread=of_them), same(good)]
    for side, heading in SIDES.items():
        parts.append(heading + table(side, good))
    parts += [LEGEND, WHY, *(paragraph(reason, good, root) for reason in REASONS)]
    if broken := [cell for cell in cells if cell.problem]:
        lines = [f"- server {cell.server}, client {cell.client}: {cell.problem}" for cell in broken]
        parts.append("\n## Not measured\n\n" + "\n".join(lines) + "\n")
    return "".join(parts)


def varies(trait: Trait, cells: list[Cell]) -> bool:
    return decided_by(trait, cells) != NOBODY or (trait.time and any(trait.name in cell.values for cell in cells))


def same(cells: list[Cell]) -> str:
    """What is the same in all pairs; both sides' in one row where both have it."""
    rows: dict[str, dict[str, Trait]] = {}
    for trait in TRAITS:
        if not varies(trait, cells):
            rows.setdefault(trait.title, {})[trait.side] = trait
    lines = []
    for title, sides in rows.items():
        entries = [entry(sides.get(side), cells) for side in ("server", "client")]
        lines.append(f"| {title} | {' | '.join(entries)} | {anchor(next(iter(sides.values())))} |\n")
    return SAME + "".join(lines)


def entry(trait: Trait | None, cells: list[Cell]) -> str:
    return shown(trait, cells, cells[0].language(trait.side)) if trait and cells else ""


def table(side: str, cells: list[Cell]) -> str:
    """What differs on this side: a row for each language, and one that says what decides it."""
    traits = [trait for trait in TRAITS if trait.side == side and varies(trait, cells)]
    if not traits:
        return f"No {side} differed from the others in anything.\n"
    lines = [f"| {side} in | " + " | ".join(trait.title for trait in traits) + " |", "|---" * (len(traits) + 1) + "|"]
    for language in sorted({cell.language(side) for cell in cells}):
        lines.append(f"| **{language}** | " + " | ".join(shown(t, cells, language) for t in traits) + " |")
    lines.append("| *decided by* | " + " | ".join(decision(trait, cells) for trait in traits) + " |")
    lines.append("| *why* | " + " | ".join(anchor(trait) for trait in traits) + " |")
    return "\n".join(lines) + "\n"


def decision(trait: Trait, cells: list[Cell]) -> str:
    """Durations are never equal twice: the rows themselves show what they hang on."""
    return "a clock" if trait.time else decided_by(trait, cells)


def anchor(trait: Trait) -> str:
    reason = next(reason for reason in REASONS if reason.name == trait.reason)
    return f"[{reason.name}](#{slug(reason.title)})"


def slug(title: str) -> str:
    """The anchor that GitHub and GitLab give a heading."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def paragraph(reason: Reason, cells: list[Cell], root: Path) -> str:
    text = textwrap.fill(reason.text(cells), 118, break_long_words=False, break_on_hyphens=False)
    lines = [f"\n### {reason.title}\n\n{text}\n\n"]
    for role, place, what in reason.places:
        languages = sorted({cell.language(role) for cell in cells})
        links = ", ".join(link(language, role, place, root) for language in languages)
        lines.append(f"- {role}, {what}: {links}\n")
    return "".join(lines)
