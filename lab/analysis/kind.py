"""A row of the table of findings."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.analysis.parts import Role

Value = int | float | str | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding.

    slug: its stable name. rfc: the rule behind it; empty for what is about the capture. template: its sentence, see
    ``lab.analysis.words``; besides the facts it may use ``side``, ``peer`` and ``frames``.
    side, frames, facts: an example, which the docs show; the facts' names are the kind's interface.
    """

    slug: str
    rfc: str
    template: str
    side: Role | None = None
    frames: tuple[int, ...] = ()
    facts: dict[str, Value] = field(default_factory=dict)


def row(
    slug: str, rfc: str, template: str, side: Role | None = None, frames: tuple[int, ...] = (), **facts: Value
) -> Kind:
    """A kind, written short."""
    return Kind(slug, rfc, template, side, frames, facts)


def told(slug: str, rfc: str, example: str, side: Role | None = None, frames: tuple[int, ...] = (5,)) -> Kind:
    """A kind whose sentence the tracker has made already."""
    return Kind(slug, rfc, "{said}", side, frames, {"said": example, "count": len(frames)})
