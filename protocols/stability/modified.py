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


@njit(cache=True, nogil=True)
def _unbroken(phase: NDArray[np.float64], m: int) -> tuple[float, int]:
    """As `_broken`, of a record without NaN."""
    windows = phase.size - 3 * m + 1
    if windows < 1:
        return 0.0, 0
    window = 0.0
    for i in range(m):
        window += (phase[i + 2 * m] - phase[i + m]) - (phase[i + m] - phase[i])
    total = window * window
    # Four steps at a time: only one addition in four has to wait for the one before.
    a, b, c, d = phase, phase[m:], phase[2 * m :], phase[3 * m :]
    even = odd = 0.0
    steps = windows - 1
    for i in range(0, steps - steps % 4, 4):
        first = (d[i] - a[i]) - 3.0 * (c[i] - b[i])
        second = (d[i + 1] - a[i + 1]) - 3.0 * (c[i + 1] - b[i + 1]) + first
        third = (d[i + 2] - a[i + 2]) - 3.0 * (c[i + 2] - b[i + 2])
        fourth = (d[i + 3] - a[i + 3]) - 3.0 * (c[i + 3] - b[i + 3]) + third
        even += (window + first) ** 2 + (window + (second + third)) ** 2
        odd += (window + second) ** 2 + (window + (second + fourth)) ** 2
        window += second + fourth
    for i in range(steps - steps % 4, steps):
        window += (d[i] - a[i]) - 3.0 * (c[i] - b[i])
        total += window * window
    return (total + even + odd) / (float(m) * m), windows


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
    broken = np.isnan(phase).any()
    for k in range(factors.size):
        if broken:
            sums[k], counts[k] = _broken(phase, factors[k])
        else:
            sums[k], counts[k] = _unbroken(phase, factors[k])
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
