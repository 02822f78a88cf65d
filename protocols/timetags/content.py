"""What a stream of time tags holds: counts, extent, order and gaps, found piece by piece."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.errors import FormatError, ParameterError
from protocols.timetags.decoding.decoder import kernel
from protocols.timetags.tags import Tags

__all__ = ["Content", "Gap", "Tally"]

#: Channels below this are counted in the loop over all tags.
_USUAL = 1024
_MOST_CHANNELS = 1 << 16
_MOST_GAPS = 100

# Places in the state of the kernel.
_HIGHEST, _LOWEST, _LATE, _BACK, _GAPS, _UNUSUAL = range(6)


@dataclass(frozen=True)
class Gap:
    """A time without any tag, in ticks."""

    start: int
    end: int


@dataclass(frozen=True)
class Content:
    """What a stream holds.

    Attributes
    ----------
    events : int
    channels : mapping of int to int
        Tags of each channel, channels in order.
    start, end : int or None
        Earliest and latest tag in ticks; None if there is none.
    out_of_order : int
        Tags that are earlier than one before them.
    furthest_back : int
        By how many ticks the worst of them is.
    gaps : tuple of Gap
        Long pauses, the first hundred.
    """

    events: int
    channels: dict[int, int]
    start: int | None
    end: int | None
    out_of_order: int
    furthest_back: int
    gaps: tuple[Gap, ...]


@kernel
def _look(
    ticks: npt.NDArray[np.int64],
    channels: npt.NDArray[np.int32],
    gap: int,
    state: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    gaps: npt.NDArray[np.int64],
) -> None:
    """Look at each tag once."""
    highest, lowest = state[_HIGHEST], state[_LOWEST]
    late, back, found, unusual = state[_LATE], state[_BACK], state[_GAPS], state[_UNUSUAL]
    for i in range(ticks.size):
        tick, channel = ticks[i], channels[i]
        if tick >= highest:
            if tick - highest >= gap and found < gaps.shape[0]:
                gaps[found, 0], gaps[found, 1] = highest, tick
                found += 1
            highest = tick
        else:
            late += 1
            back = max(back, highest - tick)
            lowest = min(lowest, tick)
        if 0 <= channel < counts.size:
            counts[channel] += 1
        else:
            unusual += 1
    state[_HIGHEST], state[_LOWEST], state[_LATE] = highest, lowest, late
    state[_BACK], state[_GAPS], state[_UNUSUAL] = back, found, unusual


class Tally:
    """Looks at a stream, piece by piece.

    Parameters
    ----------
    gap : int
        A pause of so many ticks, at least 1, is a gap.

    Attributes
    ----------
    events : int
        Tags seen so far.
    """

    def __init__(self, gap: int) -> None:
        if gap < 1:
            raise ParameterError("a gap is one tick long or more")
        self._gap = min(gap, np.iinfo(np.int64).max)
        self._state = np.zeros(6, np.int64)
        self._counts = np.zeros(_USUAL, np.int64)
        self._gaps = np.empty((_MOST_GAPS, 2), np.int64)
        self._others: Counter[int] = Counter()
        self.events = 0

    def add(self, tags: Tags) -> None:
        """Look at some more tags.

        Raises
        ------
        FormatError
            There are more channels than any instrument has.
        """
        if not len(tags):
            return
        if not self.events:
            self._state[[_HIGHEST, _LOWEST]] = tags.ticks[0]
        self.events += len(tags)
        unusual = self._state[_UNUSUAL]
        _look(tags.ticks, tags.channels, self._gap, self._state, self._counts, self._gaps)
        if self._state[_UNUSUAL] > unusual:
            outside = (tags.channels < 0) | (tags.channels >= _USUAL)
            found, counts = np.unique(tags.channels[outside], return_counts=True)
            if len(self._others.keys() | set(found.tolist())) > _MOST_CHANNELS:
                raise FormatError("more than 65,536 channels: it is of another format, or damaged")
            self._others.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def content(self) -> Content:
        """Return what has been seen."""
        state = self._state.tolist()
        usual = {channel: int(self._counts[channel]) for channel in np.flatnonzero(self._counts)}
        channels = {int(c): n for c, n in sorted((usual | self._others).items())}
        return Content(
            self.events,
            channels,
            state[_LOWEST] if self.events else None,
            state[_HIGHEST] if self.events else None,
            state[_LATE],
            state[_BACK],
            tuple(Gap(*pair) for pair in self._gaps[: state[_GAPS]].tolist()),
        )
