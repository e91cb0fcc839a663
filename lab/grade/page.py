"""The report of a class as one HTML file: which question failed most, which misunderstanding, which copies to look at.

No script, nothing loaded from anywhere, and every text from a submission escaped: it can be opened anywhere and mailed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from lab.grade.classroom import Graded, Suspicion
from lab.grade.expected import MISTAKES
from lab.grade.output import exercises_in
from lab.grade.tell import harmless

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee6}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.bar{display:inline-block;height:.7rem;background:#2f6fb2;vertical-align:middle}
.note{color:#5a6675}@media(prefers-color-scheme:dark){body{background:#151a21;color:#dfe5ec}
th,td{border-color:#323b47}.bar{background:#6aa7e6}.note{color:#9aa7b6}}
"""
_WIDE = 120


def class_page(graded: Sequence[Graded], suspected: Sequence[Suspicion], title: str = "Echo Lab: the class") -> str:
    """The whole file."""
    graded_ones = [one for one in graded if not one.refused]
    average = sum(one.score for one in graded) / len(graded) if graded else 0.0
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_safe(title)}</title>",
        "<meta name=viewport content='width=device-width'>",
        f"<style>{_STYLE}</style><h1>{_safe(title)}</h1>",
        f"<p>{len(graded)} submissions, {len(graded_ones)} of them gradable, {average:.0%} on average.</p>",
        "<h2>Questions that failed most</h2>",
        _questions(graded),
        "<h2>Misunderstandings</h2>",
        _mistakes(graded),
        "<h2>Copies to look at</h2>",
        _copies(suspected),
        "<h2>Everybody</h2>",
        _everybody(graded),
    ]
    return "\n".join(parts) + "\n"


def _safe(text: str) -> str:
    return escape(harmless(text))


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; cells are HTML already. Cells that begin with a digit are numbers."""
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    lines = [f"<table><tr>{heads}</tr>"]
    for row in rows:
        cells = "".join(f"<td{' class=n' if cell[:1].isdigit() else ''}>{cell}</td>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return "\n".join([*lines, "</table>"])


def _questions(graded: Sequence[Graded]) -> str:
    asked: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    for one in graded:
        for result in one.results:
            for mark in result.marks:
                if mark.question.predict:
                    continue  # guessing wrong is what a prediction is for
                asked[result.exercise, mark.question.id] += 1
                failed[result.exercise, mark.question.id] += mark.state != "right"
    ranked = sorted(asked, key=lambda key: (-failed[key] / asked[key], key))
    if not any(failed.values()):
        return "<p>None: every question was answered rightly by everybody who handed it in.</p>"
    rows = []
    for key in ranked[:20]:
        share = failed[key] / asked[key]
        if share:
            bar = f"<span class=bar style='width:{share * _WIDE:.0f}px'></span>"
            rows.append((_safe(key[0]), _safe(key[1]), f"{failed[key]} of {asked[key]}", f"{bar} {share:.0%}"))
    return _rows(("exercise", "question", "not right", ""), rows)


def _mistakes(graded: Sequence[Graded]) -> str:
    found = Counter(mark.mistake for one in graded for result in one.results for mark in result.marks if mark.mistake)
    if not found:
        return "<p>None that has a name.</p>"
    return _rows(
        ("misunderstanding", "how often"),
        ((_safe(MISTAKES.get(slug, slug)), str(count)) for slug, count in found.most_common(15)),
    )


def _copies(suspected: Sequence[Suspicion]) -> str:
    if not suspected:
        return "<p>None: no capture is in two submissions.</p>"
    return _rows(
        ("exercise", "submissions", "what they share"),
        ((_safe(one.exercise), _safe(", ".join(one.submissions)), _safe(one.what)) for one in suspected),
    )


def _everybody(graded: Sequence[Graded]) -> str:
    names = exercises_in(graded)
    rows = []
    for one in graded:
        shares = {result.exercise: result for result in one.results}
        cells = [f"{shares[name].share * 100:.0f}" if name in shares else "" for name in names]
        notes = [one.refused, *(f"{r.exercise}: {r.reason}" for r in one.results if r.reason), *one.problems]
        notes += [f"{name}: late" for name in one.late]
        said = "<br>".join(_safe(note) for note in notes if note)
        rows.append((_safe(one.student or one.name), f"{one.score:.0%}", *cells, f"<span class=note>{said}</span>"))
    return _rows(("student", "total", *(_safe(name[:2]) for name in names), "notes"), rows)
