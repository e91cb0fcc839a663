"""Write the canonical JSON and the ladder beside every golden capture: ``python -m tests.golden``."""

from __future__ import annotations

from tests.golden.canonical import CAPTURES, canonical

if __name__ == "__main__":
    for capture in CAPTURES:
        for suffix, text in canonical(capture).items():
            capture.with_suffix(suffix).write_text(text, encoding="utf-8")
        print(capture.name)
