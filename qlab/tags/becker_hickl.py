"""Becker & Hickl's files of FIFO mode."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from protocols.errors import FormatError, ParameterError
from protocols.timetags.decoding.becker_hickl import HEADER_BYTES, SpcDecoder
from protocols.timetags.tags import Tags
from qlab.errors import UsageError
from qlab.tags.source import UNPACKING, DamagedTagsError, DecodedSource, opened

__all__ = ["SpcSource", "open_spc"]

_NAME = "becker-hickl"


class SpcSource(DecodedSource):
    """A file of a Becker & Hickl card; see `source.TagSource`.

    Parameters
    ----------
    path : Path
    decoder : SpcDecoder
    """

    def __init__(self, path: Path, decoder: SpcDecoder) -> None:
        super().__init__(path, _NAME, decoder)
        self._spc = decoder

    def chunks(self) -> Iterator[Tags]:
        """Give the tags as they stand in the file; see `source.TagSource`."""
        yield from super().chunks()
        if self._spc.gaps:
            self.notes.append(f"events are missing before {self._spc.gaps:,} records: FIFO overrun")
        if self._spc.invalid:
            self.notes.append(f"{self._spc.invalid:,} invalid photons left out")


def open_spc(path: Path, tac_range_ns: str = "") -> SpcSource:
    """Open a file of FIFO mode.

    Parameters
    ----------
    path : Path
    tac_range_ns : str
        Range of the TAC over its gain in nanoseconds, as ``50`` or ``50/4``; times are those
        of the macro-time clock alone without it.

    Raises
    ------
    UsageError
        The range is none.
    DamagedTagsError
        It is no such file.
    """
    try:
        tac_range_s = Fraction(tac_range_ns) / 10**9 if tac_range_ns else None
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"{tac_range_ns!r} is no range of a TAC", remedy=f"give nanoseconds: {_NAME}:50/4"
        ) from None
    try:
        with opened(path) as file:
            source = SpcSource(path, SpcDecoder(file.read(HEADER_BYTES), tac_range_s))
    except ParameterError as error:
        raise UsageError(str(error), remedy=f"give nanoseconds: {_NAME}:50/4") from None
    except (FormatError, *UNPACKING) as error:
        raise DamagedTagsError(
            f"{path}: read as {_NAME}: {error}",
            remedy="name its format with --format, or take another copy",
        ) from None
    if tac_range_s is None:
        source.notes.append(
            "times are those of the macro-time clock; --format becker-hickl:NS, the range of the "
            "TAC, adds the time within its period"
        )
    return source
