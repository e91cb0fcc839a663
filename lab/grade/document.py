"""The tables in docs/authoring.md and docs/exercises.md, made from what the engine itself uses:
``python -m lab.grade.document`` writes them anew.

A test compares the page with what this module makes, so the page cannot fall behind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from lab.grade.answers import FORMS
from lab.grade.expected import MISTAKES
from lab.grade.manifest import load_all
from lab.grade.places import PLACES
from lab.grade.player import STEPS
from lab.grade.scenario import STEP_WORDS
from lab.grade.vocabulary import VOCABULARY

LIST = Path(__file__).resolve().parents[2] / "docs" / "exercises.md"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "authoring.md"


def tables() -> dict[str, str]:
    """Every generated table by the name of its place in the page."""
    return {
        "checks": _table(
            ("check", "gives", "form", "needs", "may have", "recognises"),
            (
                (
                    f"`{one.name}`",
                    one.says,
                    ", ".join(one.forms),
                    _words(one.needed),
                    _words(one.optional),
                    ", ".join(one.mistakes),
                )
                for one in sorted(VOCABULARY.values(), key=lambda one: one.name)
            ),
        ),
        "choices": _table(
            ("check", "parameter", "one of"),
            (
                (f"`{one.name}`", f"`{word}`", ", ".join(values))
                for one in sorted(VOCABULARY.values(), key=lambda one: one.name)
                for word, values in sorted(one.choices.items())
                if set(values) != set(PLACES) and values not in (("client", "server"), ("source", "destination"))
            ),
        ),
        "places": _table(("place", "the frame"), ((f"`{name}`", says) for name, (says, _) in PLACES.items())),
        "mistakes": _table(("name", "what it means"), ((f"`{name}`", says) for name, says in MISTAKES.items())),
        "forms": _table(("form", "how an answer may look"), ((f"`{name}`", says) for name, says in FORMS.items())),
        "steps": _table(
            ("step", "what it does", "needs", "may have"),
            (
                (f"`{name}`", " ".join((STEPS[name].__doc__ or "").split()), _words(needed), _words(may))
                for name, (needed, may) in STEP_WORDS.items()
            ),
        ),
    }


def _words(words: frozenset[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def filled(page: str) -> str:
    """The page with every table made anew."""
    for name, text in tables().items():
        start, end = f"<!-- table: {name} -->", f"<!-- end: {name} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}\n{text}\n{end}{after}"
    return page


def order(page: str) -> str:
    """docs/exercises.md with its list of exercises made anew."""
    before, _, rest = page.partition("<!-- exercises -->")
    rows = ((one.name[:2], one.title, f"{one.minutes}", one.debunks) for one in load_all())
    text = _table(("", "exercise", "minutes", "what it clears up"), rows)
    return f"{before}<!-- exercises -->\n{text}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"


def main() -> int:
    """Write both pages anew."""
    for page, make in ((PAGE, filled), (LIST, order)):
        page.write_text(make(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
