"""Sessions in, findings out: what a capture says about TCP, each result with its frames, its RFC section and a
sentence.

Pure: no file, no socket, no clock. ``analyse`` takes frames, ``analyse_session`` what a tracker has followed; both give
``lab.analysis.model.Analysis``. docs/analysis.md describes the model and lists every kind of finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.analysis.entry import analyse, analyse_session

__all__ = ["analyse", "analyse_session"]


def __getattr__(name: str) -> Any:
    """Both are imported when they are asked for: who wants totals only (``lab.analysis.stats``) starts sooner."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lab.analysis import entry

    return getattr(entry, name)
