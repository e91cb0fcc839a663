"""Sessions in, findings out: what a capture says about TCP, each result with its frames, its RFC section and a
sentence.

Pure: no file, no socket, no clock. ``analyse`` takes frames, ``analyse_session`` what a tracker has followed; both give
``lab.analysis.model.Analysis``. docs/analysis.md describes the model and lists every kind of finding.
"""

from __future__ import annotations

from lab.analysis.entry import analyse, analyse_session

__all__ = ["analyse", "analyse_session"]
