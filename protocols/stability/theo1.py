"""Theo1: stability at averaging times up to three quarters of the record.

Howe and Tasset, "Theo1: characterization of very long-term frequency stability", Proc.
18th EFTF, 2004; NIST SP 1065, section 5.2.15. Averaging factors are even and at least 10;
what is found stands at 0.75 times the averaging time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from protocols.stability.statistic import Floats, Integers, Statistic

__all__ = ["STATISTICS", "theo1_kernel"]

_SMALLEST = 10
_BLOCK = 2048  # samples that stay in the nearest cache


def theo1_kernel(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    """Average ``(x[i] − x[i+d]) + (x[i+m] − x[i+m−d])`` squared over i, then over d by 1/d.

    Where samples are masked, the average over i for each d is that of the terms that are
    whole, and the count is that of the d with the fewest; there is no result if a d has none.
    See `Statistic`.
    """
    sums, counts = np.zeros(factors.size), np.zeros(factors.size, np.int64)
    record = np.ascontiguousarray(phase)
    gaps = bool(np.isnan(record).any())
    for k, m in enumerate(factors.tolist()):
        terms = record.size - m
        if m % 2 or m < _SMALLEST or terms < 1:
            continue
        if gaps:
            mean, counts[k] = _mean_of_whole(record, m)
        else:
            mean, counts[k] = _mean(record, m, np.empty(min(terms, _BLOCK))), terms
        sums[k] = counts[k] * mean / (0.75 * m * m)
    return sums, counts


@njit(cache=True, nogil=True)
def _mean(x: Floats, m: int, terms: Floats) -> float:
    total = 0.0
    for start in range(0, x.size - m, terms.size):
        size = min(terms.size, x.size - m - start)
        near, far = x[start : start + size], x[start + m : start + m + size]
        terms[:size] = 0.0
        for d in range(1, m // 2 + 1):
            weight = 1.0 / d
            after, before = x[start + d :], x[start + m - d :]
            for i in range(size):
                term = (near[i] - after[i]) + (far[i] - before[i])
                terms[i] += weight * term * term
        for i in range(size):
            total += terms[i]
    return total / float(x.size - m)


@njit(cache=True, nogil=True)
def _mean_of_whole(x: Floats, m: int) -> tuple[float, int]:
    mean, fewest = 0.0, x.size
    for d in range(1, m // 2 + 1):
        total, count = 0.0, 0
        for i in range(x.size - m):
            term = (x[i] - x[i + d]) + (x[i + m] - x[i + m - d])
            if term == term:  # else NaN: one of the four is masked
                total += term * term
                count += 1
        if count == 0:
            return 0.0, 0
        mean += total / count / d
        fewest = min(fewest, count)
    return mean, fewest


def _edf(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    """SP 1065, table 8: by the number of points N and r = 0.75 m, for alpha from 2 to −2."""
    n, r = (counts + factors).astype(float), 0.75 * factors
    with np.errstate(invalid="ignore", divide="ignore"):
        formulas = {
            2: 0.86 * (n + 1) * (n - 4 * r / 3) / (n - r) * r / (r + 1.14),
            1: (4.798 * n**2 - 6.374 * n * r + 12.387 * r)
            / (np.sqrt(r + 36.6) * (n - r))
            * r / (r + 0.3),
            0: ((4.1 * n + 0.8) / r - (3.1 * n + 6.5) / n) * r**1.5 / (r**1.5 + 5.2),
            -1: (2 * n**2 - 1.3 * n * r - 3.5 * r) / (n * r) * r**3 / (r**3 + 2.3),
            -2: (4.4 * n - 2) / (2.9 * r)
            * ((4.4 * n - 1) ** 2 - 8.6 * r * (4.4 * n - 1) + 11.4 * r**2) / (4.4 * n - 3) ** 2,
        }  # fmt: skip
    edf = np.full(alpha.shape, np.nan)
    for noise, found in formulas.items():
        edf[alpha == noise] = found[alpha == noise]
    return edf


STATISTICS = (
    Statistic(
        "theo1", theo1_kernel, edf=_edf, stretch=0.75, multiple=2,
        largest=lambda points: (points - 1) // 2 * 2 if points > _SMALLEST else 0,
    ),
)  # fmt: skip
