"""Modified Allan deviation and time deviation: second differences of averaged phase.

References
----------
NIST Special Publication 1065 (W. J. Riley, 2008), sections 5.2.5 and 5.2.6.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.stability.edf import greenhall_riley
from protocols.stability.statistic import Floats, Integers, Statistic

__all__ = ["STATISTICS"]

_LANES = 256  # sums side by side, for speed
_DOUBLINGS = 5  # in a row, then rounding has grown enough


@njit(cache=True, nogil=True)
def _windows(phase: NDArray[np.float64], m: int, window_sums: NDArray[np.float64]) -> float:
    """Sum the second differences over every window of `m`; return the sum of the squares."""
    window = 0.0
    for i in range(m):
        window += (phase[i + 2 * m] - phase[i + m]) - (phase[i + m] - phase[i])
    window_sums[0] = window
    total = window * window
    # Two steps at a time: only one addition in two has to wait for the one before.
    a, b, c, d = phase, phase[m:], phase[2 * m :], phase[3 * m :]
    steps = phase.size - 3 * m
    for i in range(0, steps - steps % 2, 2):
        first = (d[i] - a[i]) - 3.0 * (c[i] - b[i])
        both = (d[i + 1] - a[i + 1]) - 3.0 * (c[i + 1] - b[i + 1]) + first
        window_sums[i + 1] = window + first
        window += both
        window_sums[i + 2] = window
        total += window_sums[i + 1] ** 2 + window * window
    if steps % 2:
        window += (d[steps - 1] - a[steps - 1]) - 3.0 * (c[steps - 1] - b[steps - 1])
        window_sums[steps] = window
        total += window * window
    return total


@njit(cache=True, nogil=True)
def _doubled(
    window_sums: NDArray[np.float64], m: int, windows: int, doubled: NDArray[np.float64]
) -> float:
    """Turn window sums at factor `m` into those at twice it; return the sum of the squares.

    The second differences at 2m are sums 1, 2, 1 of those at m, their windows sums 1, 1 of
    windows: together 1, 3, 3, 1. Of white phase noise, whose sums alternate, rounding grows
    fourfold against them.
    """
    lanes = np.zeros(_LANES)
    for start in range(0, windows, _LANES):
        n = min(_LANES, windows - start)
        a = window_sums[start : start + n]
        b = window_sums[start + m : start + m + n]
        c = window_sums[start + 2 * m : start + 2 * m + n]
        d = window_sums[start + 3 * m : start + 3 * m + n]
        out = doubled[start : start + n]
        for j in range(n):
            value = (a[j] + d[j]) + 3.0 * (b[j] + c[j])
            out[j] = value
            lanes[j] += value * value
    total = 0.0
    for j in range(_LANES):
        total += lanes[j]
    return total


@njit(cache=True, nogil=True)
def _unbroken(
    phase: NDArray[np.float64],
    factors: NDArray[np.int64],
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """As `_broken` at every factor, of a record without NaN."""
    window_sums = np.empty(phase.size)
    spare = np.empty(phase.size)
    doublings = 0
    for k in range(factors.size):
        m = factors[k]
        windows = phase.size - 3 * m + 1
        if windows < 1:
            break
        if k > 0 and m == 2 * factors[k - 1] and doublings < _DOUBLINGS:
            doublings += 1
            total = _doubled(window_sums, factors[k - 1], windows, spare)
            window_sums, spare = spare, window_sums
        else:
            doublings = 0
            total = _windows(phase, m, window_sums)
        sums[k] = total / (float(m) * m)
        counts[k] = windows


@njit(cache=True, nogil=True)
def _broken(phase: NDArray[np.float64], m: int) -> tuple[float, int]:
    """Return the sum of squared means of `m` second differences, and how many there are."""
    # The window runs over second differences, never over a cumulated phase: they carry
    # neither mean nor slope, so nothing large is subtracted from anything large.
    windows = phase.size - 3 * m + 1
    if windows < 1:
        return 0.0, 0
    window = 0.0
    there = 0
    for i in range(m):
        new = (phase[i + 2 * m] - phase[i + m]) - (phase[i + m] - phase[i])
        if new == new:  # not so for NaN
            window += new
            there += 1
    total = 0.0
    count = 0
    for i in range(windows):
        if 2 * there >= m and there > 0:
            mean = window / there
            total += mean * mean
            count += 1
        if i + 1 < windows:
            old = (phase[i + 2 * m] - phase[i + m]) - (phase[i + m] - phase[i])
            new = (phase[i + 3 * m] - phase[i + 2 * m]) - (phase[i + 2 * m] - phase[i + m])
            if old == old:
                window -= old
                there -= 1
            if new == new:
                window += new
                there += 1
    return total, count


@njit(cache=True, nogil=True)
def _mean_squares(
    phase: NDArray[np.float64], factors: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    if not np.isnan(phase).any():
        _unbroken(phase, factors, sums, counts)
        return sums, counts
    for k in range(factors.size):
        sums[k], counts[k] = _broken(phase, factors[k])
    return sums, counts


def _modified(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    sums, counts = _mean_squares(phase, factors)
    return sums / (2.0 * factors.astype(np.float64) ** 2), counts


def _time(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    sums, counts = _mean_squares(phase, factors)
    return sums / 6.0, counts


_EDF = partial(greenhall_riley, order=2, overlapping=True, modified=True)

STATISTICS = (
    Statistic("mdev", kernel=_modified, largest=lambda points: points // 3, edf=_EDF),
    Statistic("tdev", kernel=_time, largest=lambda points: points // 3, edf=_EDF, dimension="time"),
)
