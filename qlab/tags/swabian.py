"""Swabian Instruments' own files (``.ttbin``), read by their library.

How tags are packed in them is not published. Their class ``FileReader`` gives pieces with
times in picoseconds, channels (a falling edge is the negative number of its input) and types
of events, of which 0 is a tag, 1 an error, 2 and 3 begin and end of an overflow, 4 a number
of missed events (Time Tagger user manual, "Time-tag streaming").
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from protocols.timetags.tags import Tags
from qlab.errors import QlabError
from qlab.tags.source import DamagedTagsError

__all__ = ["SwabianSource", "open_swabian"]

_PIECE = 1 << 19
_TAG, _ERROR, _OVERFLOW, _MISSED = 0, 1, 2, 4
#: As installed by pip and by the instrument's own software.
_LIBRARIES = ("Swabian.TimeTagger", "TimeTagger")
#: What their library raises of a file that it cannot read.
_FAULTS = (RuntimeError, ValueError, OSError)


class SwabianSource:
    """The tags of a Swabian file; see `source.TagSource`.

    Parameters
    ----------
    path : Path
        The file; of a sequence of files, the first one, without a number.

    Raises
    ------
    QlabError
        Their library is not installed.
    DamagedTagsError
        The library cannot read it.
    """

    format = "swabian"
    leftover = 0
    tick_s = Fraction(1, 10**12)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self.records = 0
        library = _library(path)
        try:
            self._reader: Any = library.FileReader(str(path))
        except _FAULTS as error:
            raise self._damaged(error) from None

    def chunks(self) -> Iterator[Tags]:
        """Give the tags as they stand in the file; see `source.TagSource`."""
        errors = overflows = missed = 0
        while True:
            try:
                if self._reader is None or not self._reader.hasData():
                    break
                buffer = self._reader.getData(_PIECE)
                ticks = np.array(buffer.getTimestamps(), np.int64)
                channels = np.array(buffer.getChannels(), np.int32)
                kinds = np.asarray(buffer.getEventTypes())
                lost = np.asarray(buffer.getMissedEvents())
            except _FAULTS as error:
                raise self._damaged(error) from None
            if not ticks.size:
                break
            self.records += ticks.size
            errors += int(np.count_nonzero(kinds == _ERROR))
            overflows += int(np.count_nonzero(kinds == _OVERFLOW))
            missed += int(lost[kinds == _MISSED].sum())
            good = kinds == _TAG
            yield Tags(ticks, channels) if good.all() else Tags(ticks[good], channels[good])
        if overflows or missed:
            self.notes.append(f"the tagger overflowed {overflows:,} times, {missed:,} tags missing")
        if errors:
            self.notes.append(f"the tagger reported {errors:,} errors")

    def close(self) -> None:
        """Let go of the file."""
        self._reader = None

    def _damaged(self, error: Exception) -> DamagedTagsError:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return DamagedTagsError(
            f"{self.path}: Swabian's library cannot read it: {first}", remedy="take another copy"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _library(path: Path) -> Any:
    for name in _LIBRARIES:
        try:
            return import_module(name)
        except (ImportError, OSError):  # OSError: a shared library of theirs is missing
            continue
    raise QlabError(
        f"{path}: only Swabian's own library reads this format, and it is not installed",
        remedy="pip install Swabian-TimeTagger, or convert the file where it is installed",
    )


def open_swabian(path: Path) -> SwabianSource:
    """Open one of Swabian's own files; see `SwabianSource`."""
    return SwabianSource(path)
