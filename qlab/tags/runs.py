"""Time tags in a run file."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from protocols.timetags.tags import Tags
from qlab.errors import UsageError
from qlab.runfile.reader import RunFile
from qlab.tags.source import DamagedTagsError

__all__ = ["RunSource", "open_run"]

_PIECE = 1 << 19


class RunSource:
    """The tags of one tagger in a run file; see `source.TagSource`.

    Parameters
    ----------
    path : Path
    tagger : str
        Which tagger's, where the run had several; empty for the only one.
    """

    format = "run"
    leftover = 0

    def __init__(self, path: Path, tagger: str = "") -> None:
        self.path = path
        self.notes: list[str] = []
        self.records = 0
        self._run = RunFile.open(path)
        try:
            self._group = self._chosen(tagger)
            tick = self._run.attributes(f"{self._group}/timestamps").get("tick_s")
            self.tick_s = _fraction(path, tick)
        except BaseException:
            self._run.close()
            raise

    def chunks(self) -> Iterator[Tags]:
        """Give the tags in the order of their coming; see `source.TagSource`."""
        rows = self._run.rows(f"{self._group}/timestamps")
        for at in range(0, rows, _PIECE):
            ticks = self._run.read(f"{self._group}/timestamps", at, at + _PIECE)
            lines = self._run.read(f"{self._group}/detectors", at, at + _PIECE)
            if ticks.size != lines.size:
                raise DamagedTagsError(f"{self.path}: time stamps without lines")
            self.records += ticks.size
            yield Tags(ticks.astype(np.int64, copy=False), lines.astype(np.int32))

    def close(self) -> None:
        """Close the file."""
        self._run.close()

    def _chosen(self, tagger: str) -> str:
        names = [
            name.removesuffix("/timestamps").removeprefix("data").removeprefix("/")
            for name in self._run.datasets
            if name.startswith("data") and name.endswith("/timestamps")
        ]
        if not names:
            raise UsageError(
                f"{self.path}: a run without time tags", remedy="name a run that recorded some"
            )
        if tagger in names:
            return f"data/{tagger}".rstrip("/")
        if not tagger and len(names) == 1:
            return f"data/{names[0]}"
        known = ", ".join(f"{self.path}:{name}" for name in names if name)
        raise UsageError(
            f"{self.path}: it has the tags of several taggers"
            if not tagger
            else f"{self.path}: it has no tagger {tagger!r}",
            remedy=f"name one: {known}" if known else "leave the tagger out",
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


def _fraction(path: Path, tick: object) -> Fraction:
    try:
        numerator, denominator = (int(part) for part in tick)  # type: ignore[attr-defined]  # tried
        tick_s = Fraction(numerator, denominator)
    except (TypeError, ValueError, ZeroDivisionError):
        tick_s = Fraction(0)
    if tick_s <= 0:
        raise DamagedTagsError(f"{path}: its ticks have no length", remedy="take another copy")
    return tick_s


def open_run(path: Path, tagger: str = "") -> RunSource:
    """Open a run file; see `RunSource`."""
    return RunSource(path, tagger)
