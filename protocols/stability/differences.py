"""Allan and Hadamard deviations: mean squares of second and third differences of the phase.

References
----------
NIST Special Publication 1065 (W. J. Riley, 2008), sections 5.2.2 to 5.2.4 and 5.2.8, 5.2.9.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.stability.edf import greenhall_riley
from protocols.stability.statistic import Floats, Integers, Statistic

__all__ = ["STATISTICS", "mean_square_kernel"]

# Sums in lanes: the processor adds several at once, and rounding grows with the terms of
# one lane only.
_LANES = 256


@njit(cache=True, nogil=True)
def _second(
    phase: NDArray[np.float64],
    m: int,
    broken: bool,
    totals: NDArray[np.float64],
    terms: NDArray[np.int32],
) -> None:
    count = phase.size - 2 * m
    for start in range(0, count, _LANES):
        n = min(_LANES, count - start)
        a = phase[start : start + n]
        b = phase[start + m : start + m + n]
        c = phase[start + 2 * m : start + 2 * m + n]
        if broken:
            for j in range(n):
                difference = (c[j] - b[j]) - (b[j] - a[j])
                there = difference == difference  # not so for NaN
                totals[j] += difference * difference if there else 0.0
                terms[j] += there
        else:
            for j in range(n):
                difference = (c[j] - b[j]) - (b[j] - a[j])
                totals[j] += difference * difference


@njit(cache=True, nogil=True)
def _third(
    phase: NDArray[np.float64],
    m: int,
    broken: bool,
    totals: NDArray[np.float64],
    terms: NDArray[np.int32],
) -> None:
    count = phase.size - 3 * m
    for start in range(0, count, _LANES):
        n = min(_LANES, count - start)
        a = phase[start : start + n]
        b = phase[start + m : start + m + n]
        c = phase[start + 2 * m : start + 2 * m + n]
        d = phase[start + 3 * m : start + 3 * m + n]
        if broken:
            for j in range(n):
                difference = (d[j] - c[j]) - 2.0 * (c[j] - b[j]) + (b[j] - a[j])
                there = difference == difference
                totals[j] += difference * difference if there else 0.0
                terms[j] += there
        else:
            for j in range(n):
                difference = (d[j] - c[j]) - 2.0 * (c[j] - b[j]) + (b[j] - a[j])
                totals[j] += difference * difference


@njit(cache=True, nogil=True)
def _mean_squares(
    phase: NDArray[np.float64],
    factors: NDArray[np.int64],
    order: int,
    overlapping: bool,
    broken: bool,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    totals = np.zeros(_LANES)
    terms = np.zeros(_LANES, np.int32)
    for k in range(factors.size):
        m = factors[k]
        # Terms that do not overlap are those of every m-th phase.
        taken = phase if overlapping else phase[::m].copy()
        lag = m if overlapping else 1
        totals[:] = 0.0
        terms[:] = 0
        if order == 2:
            _second(taken, lag, broken, totals, terms)
        else:
            _third(taken, lag, broken, totals, terms)
        scale = (2.0 if order == 2 else 6.0) * float(m) * float(m)
        if not broken:
            counts[k] = max(0, taken.size - order * lag)
        for j in range(_LANES):
            sums[k] += totals[j]
            counts[k] += terms[j]
        sums[k] /= scale
    return sums, counts


def mean_square_kernel(
    phase: Floats, factors: Integers, *, order: int, overlapping: bool
) -> tuple[Floats, Integers]:
    """Return sums of squared differences over ``2 m²`` or ``6 m²``, and their number.

    Parameters
    ----------
    phase, factors
        As `Statistic.kernel` takes them.
    order : {2, 3}
        Of the difference: 2 is the Allan variance, 3 the Hadamard variance.
    overlapping : bool
        Terms start at every phase point, or at every `m`-th.
    """
    broken = bool(np.isnan(phase).any())
    sums, counts = _mean_squares(phase, factors, order, overlapping, broken)
    return sums, counts


def _statistic(name: str, *, order: int, overlapping: bool) -> Statistic:
    return Statistic(
        name,
        kernel=partial(mean_square_kernel, order=order, overlapping=overlapping),
        largest=lambda points: (points - 1) // order,
        edf=partial(greenhall_riley, order=order, overlapping=overlapping, modified=False),
        differences=2 if order == 2 else 3,
    )


STATISTICS = (
    _statistic("adev", order=2, overlapping=False),
    _statistic("oadev", order=2, overlapping=True),
    _statistic("hdev", order=3, overlapping=False),
    _statistic("ohdev", order=3, overlapping=True),
)
