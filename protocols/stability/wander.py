"""Maximum time interval error and rms time interval error.

Both are of the phase as it is given: a frequency offset belongs to the wander. Of frequency
the mean is taken off first, since nothing says what is nominal; take it off the phase too
(`remove_drift`) where the two must compare.

References
----------
ITU-T Recommendation G.810 (1996), sections 4.5.14 and II.5. S. Bregni, "Measurement of maximum
time interval error for telecommunications clock stability characterization", IEEE Trans.
Instrum. Meas. 45, 900 (1996), for windows that double.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.stability.statistic import Floats, Integers, Statistic

__all__ = ["STATISTICS", "widest_windows"]

_LANES = 256


@njit(cache=True, nogil=True)
def _double(high: NDArray[np.float64], low: NDArray[np.float64], width: int) -> None:
    """Turn extremes over `width` entries into those over twice as many, in place."""
    for i in range(high.size - width):
        high[i] = high[i + width] if high[i + width] > high[i] else high[i]
        low[i] = low[i + width] if low[i + width] < low[i] else low[i]


@njit(cache=True, nogil=True)
def _widest(
    high: NDArray[np.float64], low: NDArray[np.float64], shift: int, first: int, end: int
) -> tuple[float, int]:
    """Return the largest span of the windows from `first` to `end`, and how many have one."""
    lanes = np.full(_LANES, -np.inf)
    there = np.zeros(_LANES, np.int32)
    for start in range(first, end, _LANES):
        n = min(_LANES, end - start)
        h = high[start : start + n]
        hs = high[start + shift : start + shift + n]
        lo = low[start : start + n]
        ls = low[start + shift : start + shift + n]
        for j in range(n):
            top = hs[j] if hs[j] > h[j] else h[j]
            bottom = ls[j] if ls[j] < lo[j] else lo[j]
            span = top - bottom
            lanes[j] = span if span > lanes[j] else lanes[j]
            there[j] += span >= 0.0
    widest: float = lanes.max()
    return widest, there.sum()


@njit(cache=True, nogil=True)
def widest_windows(
    high: NDArray[np.float64], low: NDArray[np.float64], widths: NDArray[np.int64], fresh: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the largest span of windows of `widths` entries, and how many have any.

    Parameters
    ----------
    high, low : numpy.ndarray
        Largest and smallest values of each entry; −inf and inf where there is none. They are
        used up.
    widths : numpy.ndarray
        Ascending.
    fresh : int
        Only windows that end in the last so many entries are looked at.
    """
    spans = np.full(widths.size, -np.inf)
    counts = np.zeros(widths.size, np.int64)
    doubled = 1
    for k in range(widths.size):
        width = widths[k]
        if width > high.size:
            break
        while 2 * doubled <= width:
            _double(high, low, doubled)
            doubled *= 2
        first = max(0, high.size - fresh - width + 1)
        end = high.size - width + 1
        spans[k], counts[k] = _widest(high, low, width - doubled, first, end)
    return spans, counts


@njit(cache=True, nogil=True)
def _pairs(phase: NDArray[np.float64], m: int) -> int:
    """Return how many windows of ``m + 1`` points hold at least two that are there."""
    there = 0
    count = 0
    for i in range(phase.size):
        there += phase[i] == phase[i]
        if i > m:
            there -= phase[i - m - 1] == phase[i - m - 1]
        if i >= m:
            count += there >= 2
    return count


@njit(cache=True, nogil=True)
def _rms(
    phase: NDArray[np.float64], factors: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    totals = np.zeros(_LANES)
    terms = np.zeros(_LANES, np.int32)
    for k in range(factors.size):
        m = factors[k]
        totals[:] = 0.0
        terms[:] = 0
        for start in range(0, phase.size - m, _LANES):
            n = min(_LANES, phase.size - m - start)
            a = phase[start : start + n]
            b = phase[start + m : start + m + n]
            for j in range(n):
                error = b[j] - a[j]
                there = error == error  # not so for NaN
                totals[j] += error * error if there else 0.0
                terms[j] += there
        for j in range(_LANES):
            sums[k] += totals[j]
            counts[k] += terms[j]
    return sums, counts


def _mtie(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    missing = np.isnan(phase)
    broken = bool(missing.any())
    high = np.where(missing, -np.inf, phase) if broken else phase.copy()
    low = np.where(missing, np.inf, phase) if broken else phase.copy()
    spans, counts = widest_windows(high, low, factors + 1, phase.size)
    if broken:
        counts = np.array([_pairs(phase, m) for m in factors.tolist()], np.int64)
    return np.where(counts > 0, spans, 0.0) ** 2, counts


def _tie_rms(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    sums, counts = _rms(phase, factors)
    return sums, counts


STATISTICS = (
    Statistic(
        "mtie",
        kernel=_mtie,
        largest=lambda points: points - 1,
        dimension="time",
        maximum=True,
    ),
    Statistic("tierms", kernel=_tie_rms, largest=lambda points: points - 1, dimension="time"),
)
