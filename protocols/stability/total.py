"""Total deviation: the record goes on beyond its ends as its own mirror image.

Howe, "Total variance explained", Proc. 1999 EFTF/IFCS, pp. 1093–1099; NIST SP 1065,
section 5.2.11. Its deviation is that of the overlapping Allan deviation with a better
confidence where the averaging time is a good part of the record.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from protocols.stability.edf import greenhall_riley
from protocols.stability.statistic import Floats, Integers, Statistic

__all__ = ["STATISTICS", "totdev_kernel"]

# By alpha. Bias: Howe 1999, table 1. EDF: Howe and Greenhall, "Total variance: a progress
# report", Proc. 29th PTTI, 1997; none is published for phase noise.
_BIAS = {0: 0.0, -1: 0.481, -2: 0.750}
_EDF = {0: (1.50, 0.0), -1: (1.17, 0.22), -2: (0.93, 0.36)}
_SMALLEST_FOR_EDF = 8  # below, the paper's is too large: at m = 1 up to twice


def totdev_kernel(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    """Sum the squared second differences about every inner sample of the extended record.

    The record is extended at its first and last sample that are not masked, with the sign
    inverted: ``2 x[0] − x[j]`` stands j samples before the first. See `Statistic`.
    """
    valid = np.flatnonzero(~np.isnan(phase))
    sums, counts = np.zeros(factors.size), np.zeros(factors.size, np.int64)
    if valid.size:
        record = np.ascontiguousarray(phase[valid[0] : valid[-1] + 1])
        _totals(record, factors, sums, counts)
    return sums, counts


@njit(cache=True, nogil=True)
def _totals(x: Floats, factors: Integers, sums: Floats, counts: Integers) -> None:
    last = x.size - 1
    for k in range(factors.size):
        m = factors[k]
        if m > last:
            continue
        total, count = 0.0, 0
        for i in range(1, last):
            before, after = i - m, i + m
            left = x[before] if before >= 0 else 2 * x[0] - x[-before]
            right = x[after] if after <= last else 2 * x[last] - x[2 * last - after]
            term = left - 2 * x[i] + right
            if term == term:  # else NaN: one of the three is masked
                total += term * term
                count += 1
        sums[k] = total / (2.0 * m * m)
        counts[k] = count


def _edf(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    """``b N/m − c`` of N points, as the count tells, and NaN beyond N/2; OADEV's at small m."""
    points = counts + 2
    terms = np.where(factors < _SMALLEST_FOR_EDF, np.maximum(points - 2 * factors, 0), 0)
    edf = greenhall_riley(alpha, factors, terms, order=2, overlapping=True, modified=False)
    ratio = points / factors
    for noise, (slope, offset) in _EDF.items():
        here = (alpha == noise) & (ratio >= 2) & (factors >= _SMALLEST_FOR_EDF)
        edf[here] = slope * ratio[here] - offset
    return edf


def _bias(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    """``1 − a m/N`` up to half the record."""
    part = factors / (counts + 2)
    bias = np.ones(alpha.shape)
    for noise, slope in _BIAS.items():
        here = (alpha == noise) & (part <= 0.5)
        bias[here] = 1 - slope * part[here]
    return bias


STATISTICS = (
    Statistic(
        "totdev", totdev_kernel, largest=lambda points: max(points - 1, 0) if points > 2 else 0,
        edf=_edf, bias=_bias,
    ),
)  # fmt: skip
