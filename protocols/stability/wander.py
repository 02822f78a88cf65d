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

__all__ = ["STATISTICS"]

_LANES = 256


@njit(cache=True, nogil=True)
def _double(high: NDArray[np.float64], low: NDArray[np.float64], width: int, size: int) -> None:
    """Turn extremes over `width` points into those over twice as many, in place."""
    for i in range(size - width):
        high[i] = high[i + width] if high[i + width] > high[i] else high[i]
        low[i] = low[i + width] if low[i + width] < low[i] else low[i]


@njit(cache=True, nogil=True)
def _widest(
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    shift: int,
    windows: int,
    lanes: NDArray[np.float64],
) -> float:
    lanes[:] = -np.inf
    for start in range(0, windows, _LANES):
        n = min(_LANES, windows - start)
        h = high[start : start + n]
        hs = high[start + shift : start + shift + n]
        lo = low[start : start + n]
        ls = low[start + shift : start + shift + n]
        for j in range(n):
            top = hs[j] if hs[j] > h[j] else h[j]
            bottom = ls[j] if ls[j] < lo[j] else lo[j]
            span = top - bottom
            lanes[j] = span if span > lanes[j] else lanes[j]
    widest: float = lanes.max()
    return widest


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
def _maximum(
    phase: NDArray[np.float64], factors: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    high = phase.copy()
    low = phase.copy()
    missing = False
    for i in range(phase.size):
        if phase[i] != phase[i]:
            missing = True
            high[i] = -np.inf
            low[i] = np.inf
    lanes = np.empty(_LANES)
    width = 1
    for k in range(factors.size):
        m = factors[k]
        windows = phase.size - m
        if windows < 1:
            break
        while 2 * width <= m + 1:
            _double(high, low, width, phase.size)
            width *= 2
        counts[k] = _pairs(phase, m) if missing else windows
        if counts[k] > 0:
            sums[k] = _widest(high, low, m + 1 - width, windows, lanes) ** 2
    return sums, counts


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
    sums, counts = _maximum(phase, factors)
    return sums, counts


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
