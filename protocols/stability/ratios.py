"""The ratios B1 and R(n), which tell the noise of few points.

References
----------
D. A. Howe, "The total deviation approach to long-term characterization of frequency
stability", IEEE Trans. UFFC 47, 1102 (2000), table 3, for B1. IEEE Std 1139-2008, table B.2,
and NIST Special Publication 1065, section 5.5.3, for R(n).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["BLOCKS", "by_b1", "by_r_of_n", "cumulated"]

BLOCKS = 16
"""Blocks of the phase in an averaging time; R(n) needs no finer sums."""


@njit(cache=True, nogil=True)
def cumulated(
    phase: NDArray[np.float64], offset: float, slope: float, block: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sums of the phase less a line, and of how many are there, up to each block."""
    sums = np.zeros(phase.size // block + 1)
    there = np.zeros(sums.size, np.int64)
    for k in range(sums.size - 1):
        total = 0.0
        for i in range(k * block, (k + 1) * block):
            if phase[i] == phase[i]:  # not so for NaN
                total += (phase[i] - offset) - slope * i
                there[k + 1] += 1
        sums[k + 1] = sums[k] + total
        there[k + 1] += there[k]
    return sums, there


@njit(cache=True, nogil=True)
def _b1(n: int, mu: int) -> float:
    """Return what B1 of `n` frequencies should be where the Allan variance goes as tau^mu."""
    if mu == -2:
        return (n + 1.0) / (1.5 * n)
    if mu == -1:
        return 1.0
    if mu == 0:
        return n * math.log(float(n)) / (2.0 * (n - 1) * math.log(2.0))
    power: float = (float(n) ** mu - 1.0) / (2.0**mu - 1.0)
    return n * power / (2.0 * (n - 1))


@njit(cache=True, nogil=True)
def _alpha_of(frequency: NDArray[np.float64], size: int) -> float:
    """Return alpha as B1 has it, from 2, which stands for any phase noise, to −2."""
    total = allan = 0.0
    n = pairs = 0
    for i in range(size):
        if frequency[i] == frequency[i]:
            total += frequency[i]
            n += 1
            if i + 1 < size and frequency[i + 1] == frequency[i + 1]:
                allan += (frequency[i + 1] - frequency[i]) ** 2
                pairs += 1
    if n < 3 or pairs == 0 or allan <= 0.0:
        return math.nan
    allan /= 2.0 * pairs
    mean = total / n
    variance = 0.0
    for i in range(size):
        if frequency[i] == frequency[i]:
            variance += (frequency[i] - mean) ** 2
    ratio = variance / (n - 1) / allan
    alpha = 2.0
    for mu in range(-2, 1):  # between neighbours the geometric mean divides
        if ratio < math.sqrt(_b1(n, mu) * _b1(n, mu + 1)):
            break
        alpha = -2.0 - mu
    return alpha


@njit(cache=True, nogil=True)
def by_r_of_n(
    phase: NDArray[np.float64],
    sums: NDArray[np.float64],
    there: NDArray[np.int64],
    block: int,
    factor: int,
) -> float:
    """Return 2, 1 or 0, whichever R(n) says, at the factor in whole blocks."""
    length = factor // block
    m = length * block
    if m == 1 or sums.size <= 3 * length:
        return 2.0
    plain = modified = 0.0
    plain_terms = modified_terms = 0
    for i in range(0, sums.size - 3 * length, max(1, 2 * length // BLOCKS)):
        start = i * block
        d = phase[start + 2 * m] - 2.0 * phase[start + m] + phase[start]
        if d == d:
            plain += d * d
            plain_terms += 1
        whole = True
        d = 0.0
        for k in range(i, i + 3 * length, length):
            n = there[k + length] - there[k]
            whole = whole and 2 * n >= m
            if n > 0:
                d += (-2.0 if k == i + length else 1.0) * (sums[k + length] - sums[k]) / n
        if whole:
            modified += d * d
            modified_terms += 1
    if plain_terms == 0 or modified_terms == 0 or plain <= 0.0:
        return 2.0
    ratio = (modified / modified_terms) / (plain / plain_terms)
    # White phase, flicker phase up to half the sampling rate, and white frequency noise.
    white = 1.0 / m
    flicker = 1.5 * math.log(256.0 / 27.0) / (1.038 + 3.0 * math.log(math.pi * m))
    frequency = 0.5 + 0.5 * white * white
    if ratio < math.sqrt(white * flicker):
        return 2.0
    return 1.0 if ratio < math.sqrt(flicker * frequency) else 0.0


@njit(cache=True, nogil=True)
def by_b1(series: NDArray[np.float64], most: int) -> float:
    """Return alpha by B1, 2 for any phase noise; `series` is every m-th phase, and is used up."""
    size = series.size - 1
    for i in range(size):
        series[i] = series[i + 1] - series[i]
    alpha = _alpha_of(series, size)
    if alpha == -2.0 and most == 3:
        # Beyond, the Allan variance diverges: judge the differences, which lie 2 higher.
        size -= 1
        for i in range(size):
            series[i] = series[i + 1] - series[i]
        beyond = _alpha_of(series, size)
        if beyond == beyond:
            return min(-2.0, max(-4.0, beyond - 2.0))
    return alpha
