"""The vocabulary of checks, complete: what a question may ask of a capture.

The words stand by subject in the modules ``checks_...``; each adds itself when its module is imported.
docs/authoring.md has the table, generated from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.grade import (
    checks_closing,
    checks_data,
    checks_link,
    checks_loss,
    checks_many,
    checks_numbers,
    checks_opening,
    checks_path,
    checks_times,
    checks_wire,
)
from lab.grade.answers import FORMS
from lab.grade.expected import MISTAKES, WORDS, Check

__all__ = ["FORMS", "MISTAKES", "VOCABULARY"]

MODULES = (
    checks_opening,
    checks_numbers,
    checks_data,
    checks_times,
    checks_closing,
    checks_many,
    checks_link,
    checks_loss,
    checks_wire,
    checks_path,
)
VOCABULARY: Mapping[str, Check] = WORDS
