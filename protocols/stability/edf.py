"""Equivalent degrees of freedom of variances of finite differences.

References
----------
C. A. Greenhall, W. J. Riley, "Uncertainty of stability variances based on finite
differences", Proc. 35th PTTI Meeting (2003), equations 7 to 13, tables 1 to 3.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.stability.statistic import Floats, Integers

__all__ = ["greenhall_riley"]

# Longest sum that is worked out term by term; the paper's J_max.
_LONGEST = 100

# Tables 1 and 2: a0 and a1 by alpha = 2 ... -4 and order 2, 3. NaN where the variance diverges.
_MODIFIED = np.array(
    [
        [[7 / 9, 1 / 2], [22 / 25, 2 / 3]],
        [[0.997, 0.616], [1.141, 0.843]],
        [[1.033, 0.607], [1.184, 0.848]],
        [[1.048, 0.534], [1.180, 0.816]],
        [[1.302, 0.535], [1.175, 0.777]],
        [[math.nan, math.nan], [1.194, 0.703]],
        [[math.nan, math.nan], [1.489, 0.702]],
    ]
)
_UNMODIFIED = np.array(
    [
        [[35 / 18, 1.0], [231 / 100, 3 / 2]],
        [[790.0, 410.0], [9950.0, 6520.0]],
        [[2 / 3, 1 / 3], [7 / 9, 1 / 2]],
        [[0.852, 0.375], [0.997, 0.617]],
        [[1.079, 0.368], [1.033, 0.607]],
        [[math.nan, math.nan], [1.053, 0.553]],
        [[math.nan, math.nan], [1.302, 0.535]],
    ]
)
# Table 3: b0 and b1 of flicker phase noise, order 2 and 3.
_LOGARITHM = np.array([[15.23, 12.0], [47.8, 40.0]])
# Central differences of order 4 and 6, from the middle out.
_WEIGHTS = np.array([[6.0, -4.0, 1.0, 0.0], [20.0, -15.0, 6.0, -1.0]])


@njit(cache=True, nogil=True)
def _white(t: float, alpha: int) -> float:
    """Equation 7: generalised autocovariance of the noise after a certain integration."""
    t = abs(t)
    power: float = t ** (3 - alpha)
    if alpha % 2 == 0:
        return -power if alpha == 2 else power
    return power * math.log(t) if t > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _filtered(t: float, factor: float, alpha: int) -> float:
    """Equation 8: the same of averages over ``1 / factor``; of the phase itself at infinity."""
    if factor == math.inf:
        return _white(t, alpha + 2)
    if alpha == 1:
        # Written in steps of 1 / factor, since the squares of the paper's form cancel.
        u = abs(t) * factor
        step = 2.0 * math.log(factor)
        if u > 1000.0:
            return step - 2.0 * math.log(u) - 3.0 + 1.0 / (6.0 * u * u)
        return step + 2.0 * _white(u, 1) - _white(u - 1.0, 1) - _white(u + 1.0, 1)
    step = 1.0 / factor
    second = 2.0 * _white(t, alpha) - _white(t - step, alpha) - _white(t + step, alpha)
    return factor * factor * second


@njit(cache=True, nogil=True)
def _differenced(
    t: float, factor: float, alpha: int, order: int, weights: NDArray[np.float64]
) -> float:
    """Equation 9: the autocovariance of the differences of that order."""
    total: float = weights[order - 2, 0] * _filtered(t, factor, alpha)
    for k in range(1, order + 1):
        both = _filtered(t - k, factor, alpha) + _filtered(t + k, factor, alpha)
        total += weights[order - 2, k] * both
    return total


@njit(cache=True, nogil=True)
def _inverse(
    terms: float,
    count: float,
    stride: float,
    factor: float,
    alpha: int,
    order: int,
    weights: NDArray[np.float64],
) -> float:
    """Return 1 / edf without approximation: equations 10 and 11, J = `terms`, M = `count`."""
    variance = _differenced(0.0, factor, alpha, order, weights)
    total: float = 1.0
    for j in range(1, int(terms) + 1):
        ratio = _differenced(j / stride, factor, alpha, order, weights) / variance
        share: float = (1.0 if j == int(terms) else 2.0) * (1.0 - j / count)
        total += share * ratio * ratio
    return total / count


@njit(cache=True, nogil=True)
def _one(
    alpha: int,
    m: int,
    count: int,
    order: int,
    overlapping: bool,
    modified: bool,
    tables: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    weights: NDArray[np.float64],
) -> float:
    table1, table2, table3 = tables
    stride = float(m) if overlapping else 1.0
    total = float(count)
    terms = min(total, (order + 1) * stride)
    r = total / stride
    row = 2 - alpha
    column = order - 2
    if alpha == 2 and not modified:
        # White phase noise correlates only terms whole factors apart (case 4).
        steps = min(math.ceil(r) - 1, order)
        binomial = 1.0
        total_ratio = 1.0
        for k in range(1, steps + 1):
            binomial *= (order - k + 1) / (order + k)
            total_ratio += 2.0 * (1.0 - k / r) * binomial * binomial
        return total / total_ratio
    if modified:
        factor, limit, scale = 1.0, 1.0, 1.0
        a0, a1 = table1[row, column]
    elif alpha == 1:
        factor = float(m)
        limit = 0.0
        b0, b1 = table3[column]
        scale = (b0 + b1 * math.log(float(m))) ** 2
        a0, a1 = table2[row, column]
    else:
        factor = float(m) if m * (order + 1) <= _LONGEST else math.inf
        limit, scale = math.inf, 1.0
        a0, a1 = table2[row, column]
    edf: float
    if terms <= _LONGEST:
        edf = 1.0 / _inverse(terms, total, stride, factor, alpha, order, weights)
        return edf
    if r > order + 1:
        edf = r * scale / (a0 - a1 / r)
        return edf
    m_prime = _LONGEST / r
    if limit == 0.0:
        limit = m_prime
        # The sum is divided by the variance at m, which the table gives, not at m'.
        scale /= _differenced(0.0, limit, alpha, order, weights) ** 2
    longest = float(_LONGEST)
    return scale / _inverse(longest, longest, m_prime, limit, alpha, order, weights)


@njit(cache=True, nogil=True)
def _all(
    alpha: NDArray[np.float64],
    factors: NDArray[np.int64],
    counts: NDArray[np.int64],
    order: int,
    overlapping: bool,
    modified: bool,
    tables: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    edf = np.full(alpha.size, np.nan)
    for i in range(alpha.size):
        if 2.0 >= alpha[i] > 1.0 - 2.0 * order and counts[i] > 0:
            edf[i] = _one(
                int(alpha[i]), factors[i], counts[i], order, overlapping, modified, tables, weights
            )
    return edf


def greenhall_riley(
    alpha: Floats,
    factors: Integers,
    counts: Integers,
    *,
    order: int,
    overlapping: bool,
    modified: bool,
) -> Floats:
    """Return the equivalent degrees of freedom of a variance of finite differences.

    The number of terms stands for the length of the record: where terms are missing, the
    figure is that of the unbroken record that would give as many.

    Parameters
    ----------
    alpha : numpy.ndarray
        Power of the frequency noise, whole numbers from 2 down; NaN gives NaN, and so does
        a noise for which the variance diverges (below −2 at order 2, below −4 at order 3).
    factors, counts : numpy.ndarray
        Averaging factors, and numbers of terms.
    order : {2, 3}
        Of the difference: 2 Allan, 3 Hadamard.
    overlapping, modified : bool
        Whether terms start at every phase point; whether the phase is averaged first,
        which implies `overlapping`.

    Returns
    -------
    numpy.ndarray
        At least 1 in exact arithmetic; NaN where there are no terms.
    """
    edf: Floats = _all(
        np.asarray(alpha, np.float64),
        np.asarray(factors, np.int64),
        np.asarray(counts, np.int64),
        order,
        overlapping,
        modified,
        (_MODIFIED, _UNMODIFIED, _LOGARITHM),
        _WEIGHTS,
    )
    return edf
