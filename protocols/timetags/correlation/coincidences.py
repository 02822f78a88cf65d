"""Coincidences of two and more channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from protocols.errors import ParameterError
from protocols.timetags.correlation.kernels import count_folds
from protocols.timetags.correlation.singles import Singles
from protocols.timetags.tags import Tags

__all__ = ["Delays", "FoldCounter", "accidentals"]


class Delays:
    """Takes delays of channels off a stream of tags, fed in pieces, and keeps it in order.

    Parameters
    ----------
    delays : mapping of int to int
        How much later than others a channel's tags are, in ticks; 0 of channels not named.
    """

    def __init__(self, delays: Mapping[int, int]) -> None:
        self._delays = {channel: ticks for channel, ticks in delays.items() if ticks}
        self._most = max([0, *self._delays.values()])
        self._kept = Tags.none()

    def push(self, tags: Tags, until: int) -> Tags:
        """Take tags in order and return those that no later one can come before.

        Parameters
        ----------
        tags : Tags
        until : int
            No later piece has a tick before this one.
        """
        ticks = tags.ticks.copy()
        for channel, delay in self._delays.items():
            ticks[tags.channels == channel] -= delay
        ticks = np.concatenate([self._kept.ticks, ticks])
        channels = np.concatenate([self._kept.channels, tags.channels])
        order = np.argsort(ticks, kind="stable")
        ticks, channels = ticks[order], channels[order]
        ready = int(np.searchsorted(ticks, until - self._most))
        self._kept = Tags(ticks[ready:].copy(), channels[ready:].copy())
        return Tags(ticks[:ready], channels[:ready])

    def finish(self) -> Tags:
        """Return what was held back."""
        kept, self._kept = self._kept, Tags.none()
        return kept


class FoldCounter:
    """Counts coincidences of a set of channels, fed in pieces.

    A coincidence is one tag of every channel of the set, the last at most `window` later than
    the first. Tags are taken in order of time; each channel offers its latest; as soon as
    all offers lie within the window they count once and are used up. So no tag counts
    twice, further tags of a channel within the window add nothing, and channels outside the
    set do not matter: threefold coincidences are among the twofold ones. So counts, nearly, an
    AND gate behind discriminators whose pulses last as long as the window.

    Parameters
    ----------
    fold : sequence of int
        Two or more different channels.
    window : int
        Ticks, at least 0.

    Attributes
    ----------
    count : int

    Raises
    ------
    ParameterError
        Fewer than two channels, one twice, or a negative window.
    """

    def __init__(self, fold: Sequence[int], window: int) -> None:
        if len(fold) < 2 or len(set(fold)) != len(fold):
            raise ParameterError("a coincidence is of two or more different channels")
        if window < 0:
            raise ParameterError("the window is negative")
        self.fold = tuple(fold)
        self.window = window
        self.count = 0
        self._fold = np.array(fold, np.int32)
        self._last = np.zeros(len(fold), np.int64)
        self._fresh = np.zeros(len(fold), np.bool_)

    def push(self, tags: Tags) -> None:
        """Take the next tags in order; all tags of a tick are in one piece."""
        self.count += int(
            count_folds(tags.ticks, tags.channels, self._fold, self.window, self._last, self._fresh)
        )


def accidentals(singles: Singles, streams: Sequence[int], window: int) -> float:
    """Return the coincidences expected of streams that click independently.

    With n streams of rates r_i per tick over T: T Π r_i sets for each pattern of lags, of which
    (w + 1)^n − w^n span at most w ticks; for w ≫ 1 that is n w^(n−1) T Π r_i (Eckart and Shonka,
    Phys. Rev. 53, 752 (1938)). It holds while singles within a window are rare. Where some
    of the channels are correlated, there are more: pairs with a single beside them.

    Parameters
    ----------
    singles : Singles
    streams : sequence of int
        Which of its streams.
    window : int
        Ticks.
    """
    n = len(streams)
    return float((window + 1) ** n - window**n) * singles.chance_rate(*streams, reach=window)
