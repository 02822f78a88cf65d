"""Which power law the noise follows at an averaging factor.

The phase is taken at every m-th point (the first 65 536 of them, where there are more),
its quadratic removed, and its lag-1 autocorrelation gives alpha, after as many differences as
make it stationary. That needs 30 points. With fewer, the ratio B1 of the variance of the mean
frequencies to their Allan variance decides; where it says phase noise, the ratio R(n) of the
modified to the plain Allan variance tells white from flicker, or that it is white frequency
noise after all. Two mean frequencies decide nothing: then the noise found at the next smaller
factor stands.

References
----------
W. J. Riley, C. A. Greenhall, "Power law noise identification using the lag 1
autocorrelation", Proc. 18th EFTF (2004).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.stability.ratios import BLOCKS, by_b1, by_r_of_n, cumulated
from protocols.stability.statistic import Floats, Integers

__all__ = ["identify_noise"]

_LEAST = 30  # points for the lag-1 autocorrelation
_MOST = 1 << 16  # the first so many: more would not change a whole number
_LANES = 256  # sums side by side, for speed


@njit(cache=True, nogil=True)
def _totals(lanes: NDArray[np.float64]) -> NDArray[np.float64]:
    totals = np.zeros(lanes.shape[0])
    for k in range(totals.size):
        for j in range(_LANES):
            totals[k] += lanes[k, j]
    return totals


@njit(cache=True, nogil=True)
def _moments(series: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of 1, t, t², t³, t⁴ and x, t·x, t²·x, t from −1 to 1, over what is there."""
    lanes = np.zeros((8, _LANES))
    for start in range(0, series.size, _LANES):
        part = series[start : start + _LANES]
        origin = start * steps[1] - 1.0
        for j in range(part.size):
            there = part[j] == part[j]  # not so for NaN
            x = part[j] if there else 0.0
            weight = 1.0 if there else 0.0
            t = origin + steps[j]
            square = weight * t * t
            lanes[0, j] += weight
            lanes[1, j] += weight * t
            lanes[2, j] += square
            lanes[3, j] += square * t
            lanes[4, j] += square * t * t
            lanes[5, j] += x
            lanes[6, j] += x * t
            lanes[7, j] += x * t * t
    return _totals(lanes)


@njit(cache=True, nogil=True)
def _take_off_quadratic(series: NDArray[np.float64]) -> None:
    """Take the least-squares quadratic off."""
    steps: NDArray[np.float64] = np.arange(_LANES, dtype=np.float64) * (2.0 / (series.size - 1.0))
    s = _moments(series, steps)
    rows = np.empty((3, 4))
    for j in range(3):
        for k in range(3):
            rows[j, k] = s[j + k]
        rows[j, 3] = s[5 + j]
    for j in range(3):  # elimination; the matrix is positive definite
        for k in range(3):
            if k != j:
                ratio = rows[k, j] / rows[j, j]
                for n in range(j, 4):
                    rows[k, n] -= ratio * rows[j, n]
    a = rows[0, 3] / rows[0, 0]
    b = rows[1, 3] / rows[1, 1]
    c = rows[2, 3] / rows[2, 2]
    for start in range(0, series.size, _LANES):
        part = series[start : start + _LANES]
        origin = start * steps[1] - 1.0
        for k in range(part.size):
            t = origin + steps[k]
            part[k] -= a + t * (b + t * c)


@njit(cache=True, nogil=True)
def _lag_1(series: NDArray[np.float64]) -> float:
    """Return the lag-1 autocorrelation, from the pairs that are there."""
    # Sums of x, x² and, over pairs, x·x', x + x'; numbers of points and of pairs. The mean
    # is small against the scatter, so it may be taken off the sums.
    lanes = np.zeros((6, _LANES))
    last = series.size - 1
    for start in range(0, last, _LANES):
        part = series[start : start + _LANES]
        following = series[start + 1 : start + 1 + _LANES]
        for j in range(following.size):
            there = part[j] == part[j]
            x = part[j] if there else 0.0
            pair = there and following[j] == following[j]
            lanes[0, j] += x
            lanes[1, j] += x * x
            lanes[2, j] += 1.0 if there else 0.0
            lanes[3, j] += x * following[j] if pair else 0.0
            lanes[4, j] += x + following[j] if pair else 0.0
            lanes[5, j] += 1.0 if pair else 0.0
    total, squares, points, products, both, pairs = _totals(lanes)
    if last >= 0 and series[last] == series[last]:
        total += series[last]
        squares += series[last] ** 2
        points += 1.0
    if pairs == 0.0:
        return math.nan
    mean = total / points
    squares -= points * mean * mean
    products -= mean * both - pairs * mean * mean
    if squares <= 0.0:
        return math.nan
    r: float = (products / pairs) / (squares / points) * (points - 1.0) / points
    return r


@njit(cache=True, nogil=True)
def _by_autocorrelation(series: NDArray[np.float64], most: int) -> float:
    """Return alpha by the lag-1 autocorrelation of phases; the series is used up."""
    _take_off_quadratic(series)
    for differences in range(most + 1):
        r = _lag_1(series)
        if r != r:  # NaN: nothing varies
            return math.nan
        rho = r / (1.0 + r)
        if rho < 0.25 or differences == most:
            alpha: float = 2.0 - 2.0 * differences - np.round(2.0 * rho)
            return min(2.0, alpha)
        for i in range(series.size - 1):
            series[i] = series[i + 1] - series[i]
        series = series[: series.size - 1]
    return math.nan


@njit(cache=True, nogil=True)
def _identified(
    phase: NDArray[np.float64], factors: NDArray[np.int64], most: int
) -> NDArray[np.float64]:
    # A straight line off keeps the sums small.
    first, last = 0, phase.size - 1
    while first < last and phase[first] != phase[first]:
        first += 1
    while last > first and phase[last] != phase[last]:
        last -= 1
    offset = phase[first]
    slope = (phase[last] - offset) / max(last - first, 1)
    offset -= slope * first
    sums = np.zeros(0)
    there = np.zeros(0, np.int64)
    block = 1
    found = np.full(factors.size, np.nan)
    known = math.nan
    for k in range(factors.size):
        m = factors[k]
        series = np.empty(min(_MOST, (phase.size + m - 1) // m))
        points = 0
        for i in range(series.size):
            series[i] = (phase[i * m] - offset) - slope * (i * m)
            points += series[i] == series[i]
        if points >= _LEAST:
            alpha = _by_autocorrelation(series, most)
        else:
            alpha = by_b1(series, most)
            if alpha == 2.0:
                if sums.size == 0:
                    block = max(1, m // BLOCKS)
                    sums, there = cumulated(phase, offset, slope, block)
                alpha = by_r_of_n(phase, sums, there, block, m)
        if alpha == alpha:
            known = alpha
        found[k] = known
    return found


def identify_noise(phase: Floats, factors: Integers, *, differences: int = 2) -> Floats:
    """Return the power alpha of the frequency noise at each averaging factor.

    Parameters
    ----------
    phase : numpy.ndarray
        One record, NaN where a sample is missing.
    factors : numpy.ndarray
        Averaging factors, ascending.
    differences : {2, 3}
        Highest order of differences of the phase: 2 finds alpha from 2 to −2, as the Allan
        variance needs, 3 to −4, as the Hadamard variance does.

    Returns
    -------
    numpy.ndarray
        Whole numbers; NaN where nothing can be said, at this factor or any smaller one
        that was asked for.
    """
    found: Floats = _identified(phase, factors, differences)
    return np.maximum(found, 2.0 - 2.0 * differences)
