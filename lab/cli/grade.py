"""``echolab grade``: a class's submissions to grades, without Docker. What it does is imported only when it is called.

Exit status: 0 whenever grading itself worked, whatever the grades (but with --least 1 if anybody has less); 1 if it
could not be done; 2 asked wrongly.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import _SubParsersAction

FAILED = 1


def add_grade_command(commands: _SubParsersAction[Any]) -> None:
    """Add ``grade`` to the command line."""
    made = commands.add_parser("grade", help="grade submissions: folders, zips, a class of them")
    made.add_argument("submissions", type=Path, nargs="+", metavar="SUBMISSION", help="a folder or zip, or many in one")
    made.add_argument("--course", type=Path, metavar="FILE", help="weights and deadlines (a small TOML)")
    made.add_argument("--csv", type=Path, metavar="FILE", help="for a learning platform")
    made.add_argument("--gradescope", type=Path, metavar="FILE", help="Gradescope's results.json")
    made.add_argument("--junit", type=Path, metavar="FILE", help="for a continuous integration")
    made.add_argument("--html", type=Path, metavar="FILE", help="a report of the class")
    made.add_argument("--least", type=float, default=0, metavar="PERCENT", help="exit status 1 if anybody has less")
    made.add_argument("--jobs", type=int, default=0, metavar="N", help="how many at a time (default: one a processor)")
    made.add_argument("--quiet", action="store_true", help="no table")
    made.set_defaults(run=_grade)


def _grade(options: argparse.Namespace) -> int:
    from lab.grade.errors import GradeError

    try:
        return _graded(options)
    except GradeError as error:
        print(f"echolab: {error}", file=sys.stderr)
        return FAILED


def _graded(options: argparse.Namespace) -> int:
    from lab.grade import output
    from lab.grade.classroom import Course, grade_all, read_course, suspicions
    from lab.grade.errors import GradeError
    from lab.grade.manifest import load_all
    from lab.grade.page import class_page
    from lab.grade.submission import find

    if options.jobs < 0:
        raise GradeError("--jobs must be 0 or more")
    if not 0 <= options.least <= 100:
        raise GradeError("--least must be from 0 to 100")
    course = read_course(options.course, load_all()) if options.course else Course()
    found = find(options.submissions)
    if not found:
        raise GradeError("there is no submission in there: a folder or zip made with 'echolab pack'")
    key = os.environ.get("ECHO_KEY", "").encode() or None
    graded = grade_all(found, course, key=key, jobs=options.jobs)
    suspected = suspicions(graded)
    if options.csv:
        _write(options.csv, output.as_csv(graded))
    if options.gradescope:
        _write(options.gradescope, output.gradescope_text(graded))
    if options.junit:
        _write(options.junit, output.as_junit(graded))
    if options.html:
        _write(options.html, class_page(graded, suspected))
    if not options.quiet:
        print(output.table(graded, suspected))
    return FAILED if any(one.score * 100 < options.least - 1e-9 for one in graded) else 0


def _write(path: Path, text: str) -> None:
    from lab.grade.errors import GradeError

    try:
        path.write_bytes(text.encode("utf-8", "replace"))
    except OSError as error:
        raise GradeError(f"{path} cannot be written: {error.strerror or error}") from error
