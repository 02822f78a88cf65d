"""What a file of time tags holds, found by reading all of it once."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from protocols.errors import FormatError
from protocols.timetags.content import Content, Tally
from qlab.tags.source import DamagedTagsError, TagSource

__all__ = ["content_of"]

#: A pause of so long is a gap.
_GAP_S = Fraction(1)


def content_of(source: TagSource, progress: Callable[[int], None] = lambda events: None) -> Content:
    """Read a file and say what it holds.

    Parameters
    ----------
    source : TagSource
    progress : callable
        Told the number of tags now and then.

    Raises
    ------
    DamagedTagsError
        The file is not what it seemed.
    """
    tally = Tally(math.ceil(_GAP_S / source.tick_s))
    for chunk in source.chunks():
        try:
            tally.add(chunk)
        except FormatError as error:
            raise DamagedTagsError(
                f"{source.path}: read as {source.format}: {error}",
                remedy="name its format with --format",
            ) from None
        progress(tally.events)
    return tally.content()
