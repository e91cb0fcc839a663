"""Totals of sessions that have ended, in a temporary file: a capture of any size is counted in bounded memory.

Only where each stands in the file is kept, eight octets a session. The first 16 MiB stay in memory: most captures never
touch the disk.
"""

from __future__ import annotations

import marshal
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, overload

from lab.analysis.totals import SessionTotals, Totals
from lab.cli.errors import RefusedError

_IN_MEMORY_BYTES = 16 << 20


class Spill(Sequence[SessionTotals]):
    """Totals by their ordinal, from 1; as a sequence from 0. They are put in any order, and then read."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 (closed with the process)
        self._places = array("q")
        self._end = 0

    def put(self, totals: SessionTotals) -> None:
        """Keep this one. Raises RefusedError where there is no room."""
        octets = marshal.dumps((*totals[:-2], tuple(totals.from_client), tuple(totals.from_server)))
        try:
            self._file.write(len(octets).to_bytes(4, "big") + octets)
        except OSError as error:
            raise RefusedError(
                f"no room for a temporary file ({error.strerror}): let TMPDIR name a folder that has some"
            ) from error
        missing = totals.ordinal - len(self._places)
        if missing > 0:
            self._places.extend([-1] * missing)
        self._places[totals.ordinal - 1] = self._end
        self._end += 4 + len(octets)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> SessionTotals: ...

    @overload
    def __getitem__(self, index: slice) -> list[SessionTotals]: ...

    def __getitem__(self, index: int | slice) -> SessionTotals | list[SessionTotals]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        self._file.seek(self._places[index])
        length = int.from_bytes(self._file.read(4), "big")
        fields: tuple[Any, ...] = marshal.loads(self._file.read(length))
        return SessionTotals(*(*fields[:-2], Totals(*fields[-2]), Totals(*fields[-1])))

    def __iter__(self) -> Iterator[SessionTotals]:
        for index in range(len(self)):
            yield self[index]
