"""Parabolic deviation: differences of slopes fitted to the phase by least squares.

References
----------
F. Vernotte, M. Lenczner, P.-Y. Bourgeois, E. Rubiola, "The parabolic variance (PVAR)",
IEEE Trans. UFFC 63, 611 (2016).
F. Vernotte, S. Chen, E. Rubiola, "Response and uncertainty of the parabolic variance PVAR to
noninteger exponents of the power law", IEEE Trans. UFFC 67, 2020: equations 16, 18, 22, 23.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.stability.differences import mean_square_kernel
from protocols.stability.edf import greenhall_riley
from protocols.stability.series import flattened
from protocols.stability.statistic import Floats, Integers, Statistic

__all__ = ["STATISTICS"]


@njit(cache=True, nogil=True)
def _mean_square(phase: NDArray[np.float64], m: int) -> tuple[float, int]:
    # Running sums over the pairs (k, d), d = x[i + k] - x[i + m + k], of the window at i,
    # k counted from its middle: as the window moves on by one, every k falls by one.
    windows = phase.size - 2 * m
    half = (m - 1) / 2.0
    whole = m * (float(m) * m - 1.0) / 12.0  # sum of k² where no pair is missing
    n = 0
    d_sum = k_sum = kk_sum = kd_sum = 0.0
    for i in range(m):
        d = phase[i] - phase[i + m]
        if d == d:  # not so for NaN
            k = i - half
            n += 1
            d_sum += d
            k_sum += k
            kk_sum += k * k
            kd_sum += k * d
    total = 0.0
    count = 0
    for i in range(windows):
        if n == m:
            total += kd_sum * kd_sum
            count += 1
        elif 2 * n >= m and n > 1:
            slope = (n * kd_sum - k_sum * d_sum) / (n * kk_sum - k_sum * k_sum)
            total += (slope * whole) ** 2
            count += 1
        if i + 1 == windows:
            break
        kd_sum -= d_sum
        kk_sum += n - 2.0 * k_sum
        k_sum -= n
        old = phase[i] - phase[i + m]
        new = phase[i + m] - phase[i + 2 * m]
        if old == old:
            k = -half - 1.0
            n -= 1
            d_sum -= old
            k_sum -= k
            kk_sum -= k * k
            kd_sum -= k * old
        if new == new:
            n += 1
            d_sum += new
            k_sum += half
            kk_sum += half * half
            kd_sum += half * new
    return total, count


@njit(cache=True, nogil=True)
def _mean_squares(
    phase: NDArray[np.float64], factors: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    for k in range(factors.size):
        if 2 * factors[k] < phase.size:
            sums[k], counts[k] = _mean_square(phase, factors[k])
    return sums, counts


def _parabolic(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    # A mean frequency adds the same to every d: taken off, the sums stay small.
    sums, counts = _mean_squares(flattened(phase), factors)
    sums *= 72.0 / factors.astype(np.float64) ** 6
    first = factors == 1
    if first.any():
        # Of single points no slope can be fitted: there it is the Allan variance.
        sums[first], counts[first] = mean_square_kernel(
            phase, factors[first], order=2, overlapping=True
        )
    return sums, counts


def _edf(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    """Equation 16 up to ``m = 1.11 N / 4``, from there on the interpolation of equation 22.

    The formula is fitted to simulations and good to about ten per cent.
    """
    m = factors.astype(np.float64)
    windows = counts.astype(np.float64)
    points = windows + 2.0 * m
    amplitude = 27.0 + alpha / 4.0 + 5.0 / 14.0 * alpha**2 - 3.0 / 4.0 * alpha**3

    def formula(m: Floats) -> Floats:
        share = m / (points - 2.0 * m)
        edf: Floats = 35.0 / (amplitude * share - 12.0 * share**2)
        return edf

    knee = np.round(1.11 * points / 4.0)
    single = np.round(0.901 * points / 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (formula(knee) - 1.0) / np.log(knee / single)
        beyond = np.maximum(1.0 + slope * np.log(m / single), 1.0)
        edf = np.where(m <= knee, formula(m), beyond)
    edf[(counts < 1) | (alpha < -2.0)] = np.nan
    first = factors == 1
    edf[first] = greenhall_riley(
        alpha[first], factors[first], counts[first], order=2, overlapping=True, modified=False
    )
    return edf


STATISTICS = (
    Statistic("pdev", kernel=_parabolic, largest=lambda points: (points - 1) // 2, edf=_edf),
)
