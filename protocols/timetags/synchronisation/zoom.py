"""Looking closely at a line: pairs near it, in ever finer bins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.timetags.synchronisation.chance import log_tail

__all__ = ["Line", "Sight", "near", "zoom"]

Ticks = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_FINER = 4
_MOST_PAIRS = 1 << 21
#: A finer bin that makes chance likelier by more than this factor's logarithm has lost pairs.
_WORSE = 25.0


@dataclass(frozen=True)
class Line:
    """A relation of the two clocks: t_B − t_A = lag + rate (t_A − middle), in ticks.

    Attributes
    ----------
    middle : int
    lag : int
    rate : float
    """

    middle: int
    lag: int
    rate: float

    def moved(self, by: float, rate: float) -> Line:
        """Return the line with its lag and rate increased."""
        return Line(self.middle, self.lag + round(by), self.rate + rate)

    def at(self, tick: int) -> Line:
        """Return the same line, its lag given at another instant of A."""
        since = tick - self.middle
        return Line(tick, self.lag + round(self.rate * since), self.rate)


@dataclass(frozen=True)
class Sight:
    """A line in the bin in which it stands out most.

    Attributes
    ----------
    line : Line
    width : float
        Of the window around it, in ticks.
    begin, end : int
        A's stretch.
    count : int
        Pairs in the window.
    chance : float
        Expected there by chance.
    log_probability : float
        Natural logarithm of an upper limit of the probability that chance shows as much at
        any offset and rate that could have been searched with this window.
    """

    line: Line
    width: float
    begin: int
    end: int
    count: int
    chance: float
    log_probability: float


def near(
    a: Ticks, b: Ticks, line: Line, begin: int, end: int, reach: float, most: int = _MOST_PAIRS
) -> tuple[Floats, Floats]:
    """Return the pairs near a line: A's times since the line's middle, and distances from it.

    Parameters
    ----------
    a, b : int64 array
        Sorted.
    line : Line
    begin, end : int
        Stretch of A.
    reach : float
        Largest distance, in ticks.
    most : int
        Pairs at most; later ones are left out.
    """
    inside = a[np.searchsorted(a, begin) : np.searchsorted(a, end)]
    since = (inside - line.middle).astype(np.float64)
    # The large part in integers; what is left is far below 2**53.
    drift = line.rate * since
    whole = np.floor(drift)
    aim = inside + line.lag + whole.astype(np.int64)
    span = round(reach) + 1
    first, last = np.searchsorted(b, aim - span), np.searchsorted(b, aim + span, side="right")
    counts = np.minimum(last - first, most)
    held = np.cumsum(counts) <= most
    first, counts = first[held], counts[held]
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    places = np.repeat(first - before, counts) + np.arange(total)
    times = np.repeat(since[held], counts)
    rest = np.repeat((drift - whole)[held], counts)
    distance = (b[places] - np.repeat(aim[held], counts)).astype(np.float64) - rest
    inner = np.abs(distance) <= reach
    return times[inner], distance[inner]


def zoom(
    a: Ticks,
    b: Ticks,
    line: Line,
    begin: int,
    end: int,
    width: float,
    finest: float,
    space: tuple[float, float],
) -> Sight:
    """Return the line near this one that stands out most, in the bin in which it does.

    Parameters
    ----------
    a, b : int64 array
        Sorted, in common ticks.
    line : Line
        A candidate, known to about a bin in lag at both ends.
    begin, end : int
        A's stretch.
    width : float
        That bin, in ticks.
    finest : float
        Bin below which none is narrowed.
    space : tuple of float
        Range of all offsets, in ticks, and of all frequency differences that were searched.
    """
    middle = (begin + end) // 2
    line, length = line.at(middle), float(end - begin)
    best: Sight | None = None
    reach = 2.5 * width
    while True:
        times, distances = near(a, b, line, begin, end, reach + width)
        fine = width / _FINER
        step = fine / length
        turns = np.arange(-4.0 * _FINER, 4 * _FINER + 1) * step
        half = fine / 2
        bins = int(2 * reach / half)
        count, turn, place = _brightest(times, distances, turns, reach, half, bins)
        line = line.moved(-reach + (place + 1) * half, float(turns[turn]))
        # Of all that is near, what is not in the window is chance.
        share = fine / (2 * (reach + width))
        chance = max(distances.size - count, 1) * share / (1 - share)
        hypotheses = space[0] / fine * (space[1] / step + 1)
        tail = float(log_tail(count, chance)) + math.log(hypotheses) + 2 * math.log(count + 2)
        seen = Sight(line, fine, begin, end, count, chance, min(tail, 0.0))
        if best is None or seen.log_probability < best.log_probability:
            best = seen
        if fine <= finest or seen.log_probability > best.log_probability + _WORSE:
            return best
        width, reach = fine, 2.0 * fine


@njit(cache=True, nogil=True)
def _brightest(
    times: Floats, distances: Floats, turns: Floats, reach: float, half: float, bins: int
) -> tuple[int, int, int]:  # pragma: no cover - compiled
    """Return the most pairs in two neighbouring half bins, with which turn, and where."""
    best, best_turn, best_place = -1, 0, 0
    counts = np.zeros(bins, np.int64)
    for which in range(turns.size):
        counts[:] = 0
        turn = turns[which]
        for i in range(times.size):
            place = np.int64(np.floor((distances[i] - turn * times[i] + reach) / half))
            if 0 <= place < bins:
                counts[place] += 1
        for low in range(bins - 1):
            both = int(counts[low] + counts[low + 1])
            if both > best:
                best, best_turn, best_place = both, which, low
    return best, best_turn, best_place
