"""A table inside a page that people write: everything between two marks is replaced, the rest stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def put(page: Path, name: str, text: str) -> None:
    """Put the text between the marks ``<!-- name -->`` and ``<!-- /name -->``. Raises ValueError without them."""
    old = page.read_text(encoding="utf-8")
    new, count = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}\n{text}\n\n{m[2]}", old, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{page} has no place for this: put <!-- {name} --> and <!-- /{name} --> where it shall stand")
    page.write_text(new, encoding="utf-8")
    print(f"written to {page}")
