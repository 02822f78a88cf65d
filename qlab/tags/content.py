"""What a file of time tags holds, found by reading all of it once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from protocols.timetags.tags import Tags
from qlab.tags.source import TagSource

__all__ = ["Content", "Gap", "content_of"]

#: A pause is a gap if it lasts this long and a thousand mean intervals.
_GAP_S = 1.0
_MOST_GAPS = 100


@dataclass(frozen=True)
class Gap:
    """A time without any tag, in ticks."""

    start: int
    end: int


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Attributes
    ----------
    events : int
    channels : mapping of int to int
        Tags of each channel.
    start, end : int or None
        Earliest and latest tag in ticks; None if there is none.
    out_of_order : int
        Tags that are earlier than one before them.
    furthest_back : int
        By how many ticks the worst of them is.
    gaps : tuple of Gap
        Pauses of a second and more, the first hundred.
    """

    events: int
    channels: dict[int, int]
    start: int | None
    end: int | None
    out_of_order: int
    furthest_back: int
    gaps: tuple[Gap, ...]


def content_of(source: TagSource, progress: Callable[[int], None] = lambda events: None) -> Content:
    """Read a file and say what it holds.

    Parameters
    ----------
    source : TagSource
    progress : callable
        Told the number of tags now and then.
    """
    tally = _Tally(math.ceil(Fraction(_GAP_S) / source.tick_s))
    for chunk in source.chunks():
        tally.add(chunk)
        progress(tally.events)
    return tally.content()


class _Tally:
    def __init__(self, gap: int) -> None:
        self._gap = gap
        self.events = 0
        self._channels: Counter[int] = Counter()
        self._start: int | None = None
        self._latest: int | None = None
        self._late = self._back = 0
        self._gaps: list[Gap] = []

    def add(self, tags: Tags) -> None:
        if not len(tags):
            return
        ticks = tags.ticks
        self.events += ticks.size
        self._count(tags.channels)
        first = int(ticks[0]) if self._latest is None else self._latest
        highest = np.maximum.accumulate(ticks)
        np.maximum(highest, first, out=highest)
        back = int((highest - ticks).max())
        if back:
            self._late += int(np.count_nonzero(highest > ticks))
            self._back = max(self._back, back)
        steps = np.diff(highest, prepend=np.int64(first))
        for place in np.flatnonzero(steps >= self._gap)[: _MOST_GAPS - len(self._gaps)]:
            self._gaps.append(Gap(int(highest[place] - steps[place]), int(highest[place])))
        lowest = int(ticks.min())
        self._start = lowest if self._start is None else min(self._start, lowest)
        self._latest = int(highest[-1])

    def _count(self, channels: np.ndarray[tuple[int], np.dtype[np.int32]]) -> None:
        low, high = int(channels.min()), int(channels.max())
        if high - low < 1 << 16:
            counts = np.bincount(channels - low)
            for place in np.flatnonzero(counts):
                self._channels[low + int(place)] += int(counts[place])
        else:
            for channel, count in zip(*np.unique(channels, return_counts=True), strict=True):
                self._channels[int(channel)] += int(count)

    def content(self) -> Content:
        return Content(
            self.events,
            dict(sorted(self._channels.items())),
            self._start,
            self._latest,
            self._late,
            self._back,
            tuple(self._gaps),
        )
