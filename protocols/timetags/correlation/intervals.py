"""Intervals within one stream: dead time and afterpulses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import pdtr

from protocols.errors import ParameterError
from protocols.timetags.correlation.bins import Bins

__all__ = ["Afterpulses", "DeadTime", "IntervalCounter", "Recovery", "recovery"]

_UNLIKELY = 1e-6
_WANTED = 25.0


class IntervalCounter:
    """Histogram of the intervals between neighbouring tags of one stream, fed in pieces.

    Attributes
    ----------
    bins : Bins
    counts : int64 array
        Intervals in each bin.
    intervals : int
        All of them, also those beyond the last bin.
    shortest : int or None
        In ticks.
    """

    def __init__(self, bins: Bins) -> None:
        self.bins = bins
        self.counts = np.zeros(len(bins), np.int64)
        self.intervals = 0
        self.shortest: int | None = None
        self._last: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def push(self, ticks: npt.NDArray[np.int64]) -> None:
        """Take the next piece of the stream, in order."""
        if not ticks.size:
            return
        lags = np.diff(ticks, prepend=self._last)
        self._last = ticks[-1:].copy()
        if not lags.size:
            return
        self.intervals += lags.size
        shortest = int(lags.min())
        self.shortest = shortest if self.shortest is None else min(self.shortest, shortest)
        low, high = self.bins.edges[0], self.bins.edges[-1]
        lags = lags[(lags >= low) & (lags < high)]
        scale, shift, divisor = self.bins.arithmetic
        self.counts += np.bincount((lags * scale + shift) // divisor, minlength=len(self.bins))


@dataclass(frozen=True)
class DeadTime:
    """The time after a tag in which there is no other.

    Attributes
    ----------
    time, std : float
        Where the rate first reaches half of its level at long intervals, and how well bins
        and counts tell, in ticks.
    """

    time: float
    std: float


@dataclass(frozen=True)
class Afterpulses:
    """What follows tags more often than chance would.

    Attributes
    ----------
    probability, std : float
        That a tag is followed by one that is not due to chance, after the dead time and before
        the level is taken; negative where recovery hides more than afterpulses add.
    begin, end : float
        Intervals that were summed over, in ticks.
    """

    probability: float
    std: float
    begin: float
    end: float


@dataclass(frozen=True, eq=False)
class Recovery:
    """How the rate of a stream comes back after each of its tags.

    Attributes
    ----------
    relative : float64 array
        Rate at each interval, given that no tag came earlier, over the rate at long intervals.
        NaN where no interval is so long.
    level : float
        That rate per tick.
    dead_time : DeadTime or None
        None if too few intervals are missing at the beginning to tell.
    afterpulses : Afterpulses
    """

    relative: npt.NDArray[np.float64]
    level: float
    dead_time: DeadTime | None
    afterpulses: Afterpulses


def recovery(counted: IntervalCounter) -> Recovery:
    """Work out dead time and afterpulses from intervals.

    Of n_k intervals in a bin of m lags among S_k that are at least as long, the rate is
    −ln(1 − n_k / S_k) / m: what earlier tags hid is taken back (Coates, J. Phys. E 1, 878
    (1968)). The second half of the bins gives the level of chance. What lies above it in the
    first half is due to afterpulses, as in Humer et al., J. Lightwave Technol. 33, 3098 (2015),
    but without a law of decay: all that are later than the first half are missed.

    Parameters
    ----------
    counted : IntervalCounter
        With bins from zero, that reach far beyond the last afterpulses.

    Raises
    ------
    ParameterError
        Fewer than a hundred intervals lie in the second half of the bins, or none beyond it.
    """
    counts, bins = counted.counts, counted.bins
    edges = np.maximum(bins.edges, 0).astype(float)
    left = counted.intervals - np.concatenate([[0], np.cumsum(counts)])
    half = len(bins) // 2
    tail = int(left[half] - left[-1])
    if tail < 100 or left[-1] < 1:
        raise ParameterError("too few intervals as long as the bins reach")
    level = math.log(left[half] / left[-1]) / (edges[-1] - edges[half])
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = -np.log1p(-counts / left[:-1])
        relative = hazard / (np.diff(edges) * level)
    dead = _dead_time(counts, edges, left, level, half)
    first = 0 if dead is None else int(np.searchsorted(edges, dead.time, side="right")) - 1
    begin = edges[0] if dead is None else dead.time
    excess = math.log(left[first] / left[half]) - level * (edges[half] - begin)
    spread = math.sqrt(
        float(np.sum(counts[first:half] / left[first:half].astype(float) ** 2))
        + ((edges[half] - begin) * level) ** 2 / tail
        + (0.0 if dead is None else (level * dead.std) ** 2)
    )
    stays = math.exp(-excess)
    found = Afterpulses(-math.expm1(-excess), stays * spread, float(begin), float(edges[half]))
    return Recovery(relative, level, dead, found)


def _dead_time(
    counts: npt.NDArray[np.int64],
    edges: npt.NDArray[np.float64],
    left: npt.NDArray[np.int64],
    level: float,
    half: int,
) -> DeadTime | None:
    """Find where the rate first reaches half the level, with bins joined until they can tell."""
    per_tick = float(left[0]) * level
    width = (edges[half] - edges[1]) / max(half - 1, 1)
    join = max(1, math.ceil(_WANTED / (per_tick * width)))
    places = np.arange(0, half + 1, join)
    if places.size < 3:
        return None
    found = np.diff(left[0] - left[places])
    sizes = np.diff(edges[places])
    risen = np.flatnonzero(found >= per_tick * sizes / 2)
    if not risen.size or risen[0] == 0:
        return None
    k = int(risen[0])
    missing = per_tick * float(edges[places[k]] - edges[0])
    if pdtr(int(found[:k].sum()), missing) > _UNLIKELY:
        return None
    # Of a sharp edge within bin k, the filled part of the bin tells where; before it, nothing.
    share = min(1.0, float(found[k] / (per_tick * sizes[k])))
    begin, end = float(edges[places[k]]), float(edges[places[k + 1]])
    time = end - share * (end - begin)
    return DeadTime(time, max(1.0, (end - begin) / math.sqrt(12)))
