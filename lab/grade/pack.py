"""A student's submission: one zip file with the answers, the predictions and the captures, and nothing else."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from lab.grade.check import ANSWERS, CAPTURES, PREDICTIONS
from lab.grade.errors import GradeError
from lab.grade.manifest import Exercise
from lab.grade.progress import STUDENT, Work

_EARLIEST = (1980, 1, 1, 0, 0, 0)


def files_of(work: Work, exercise: Exercise) -> list[tuple[str, Path]]:
    """The files of an exercise that are handed in: name in the zip, path."""
    folder = work.folder(exercise)
    names = [ANSWERS, PREDICTIONS]
    for part in exercise.scenario.parts(exercise.values(work.student())):
        names += [f"{CAPTURES}/{part}.pcapng", f"{CAPTURES}/{part}.json"]
    return [(f"{exercise.name}/{name}", folder / name) for name in names if (folder / name).is_file()]


def pack(work: Work, exercises: Sequence[Exercise], output: Path | None = None) -> Path:
    """Make the zip. Raises GradeError."""
    if not exercises:
        raise GradeError("nothing is started yet: 'echolab learn' tells where to begin")
    student = work.student()
    missing = [one.name for one in exercises if not work.started(one)]
    if missing:
        raise GradeError(f"not started: {', '.join(missing)}")
    here = Path() if os.access(".", os.W_OK) else work.root  # in a container only the work folder is ours
    path = output or here / f"echolab-{re.sub(r'[^a-z0-9_-]+', '-', student).strip('-') or 'student'}.zip"
    entries = [(STUDENT, work.root / STUDENT)]
    for one in exercises:
        entries += files_of(work, one)
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, source in entries:
                # The same work makes the same zip: no times of files in it.
                archive.writestr(zipfile.ZipInfo(name, _EARLIEST), source.read_bytes(), zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise GradeError(f"{path} cannot be written: {error.strerror or error}") from error
    return path
