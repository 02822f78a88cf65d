"""Text files of time tags in columns."""

from __future__ import annotations

from pathlib import Path

from protocols.errors import FormatError
from protocols.timetags.decoding.text import UNITS, TextDecoder, text_layout
from qlab.errors import UsageError
from qlab.tags.formats import HEAD_BYTES
from qlab.tags.source import DamagedTagsError, DecodedSource, opened

__all__ = ["open_csv"]


def open_csv(path: Path, unit: str = "") -> DecodedSource:
    """Open text in columns; `unit` of the times, where the text does not say.

    Raises
    ------
    UsageError
        There is no such unit.
    DamagedTagsError
        The first lines are no times and channels.
    """
    if unit and unit not in UNITS:
        raise UsageError(
            f"there is no unit {unit!r}", remedy=f"give csv:UNIT with one of {', '.join(UNITS)}"
        )
    with opened(path) as file:
        head = file.read(HEAD_BYTES)
    try:
        layout = text_layout(head, unit)
    except FormatError as error:
        raise DamagedTagsError(
            f"{path}: read as csv: {error}", remedy="name its format with --format"
        ) from None
    source = DecodedSource(path, "csv", TextDecoder(layout))
    if not layout.known:
        source.notes.append("the text does not tell its unit: ps, unless --format csv:UNIT says")
    return source
