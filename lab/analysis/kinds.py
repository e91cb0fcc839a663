"""The findings that there are, as a table: slug, rule, sentence, example.

Everything that says a finding says it through ``finding``, so a kind that is not in the table cannot come up, and
docs/analysis.md can be generated from the table (``python -m lab.analysis.document``). The rows stand by subject in
``kinds_opening``, ``kinds_data``, ``kinds_loss``, ``kinds_closing`` and ``kinds_path``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.analysis.kind import Kind
from lab.analysis.kinds_closing import CLOSING
from lab.analysis.kinds_data import DATA
from lab.analysis.kinds_loss import LOSS
from lab.analysis.kinds_opening import OPENING
from lab.analysis.kinds_path import PATH
from lab.analysis.model import Finding, Role, Value
from lab.analysis.words import sentence

KINDS: Mapping[str, Kind] = {kind.slug: kind for kind in (*OPENING, *DATA, *LOSS, *CLOSING, *PATH)}
"""Every kind by its slug, in the order of the docs."""


def finding(
    slug: str,
    frames: Iterable[int | None],
    side: Role | None = None,
    facts: Mapping[str, Value] | None = None,
    *,
    rfc: str | None = None,
    **more: Value,
) -> Finding:
    """A finding of this kind.

    frames: numbers in the session; None among them is left out. facts, more: those that the kind's sentence needs, and
    others. rfc: where the rule depends on the case (IPv4 or IPv6), else that of the table.
    """
    kind = KINDS[slug]
    numbers = tuple(number for number in frames if number)
    told = {**(facts or {}), **more}
    return Finding(slug, numbers, kind.rfc if rfc is None else rfc, _words(kind, numbers, side, told), side, told)


def example(kind: Kind) -> str:
    """The kind's sentence with the facts of its example."""
    return _words(kind, kind.frames, kind.side, dict(kind.facts))


def _words(kind: Kind, frames: tuple[int, ...], side: Role | None, facts: Mapping[str, Value]) -> str:
    peer = {"client": "server", "server": "client", None: None}[side]
    return sentence(kind.template, {"frames": frames, "side": side, "peer": peer, **facts})
