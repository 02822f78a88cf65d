"""Sample standard deviation of the mean frequencies, for comparison.

It grows without limit with the record for noise that diverges: the Allan deviation is there to
replace it. NIST Special Publication 1065, section 5.2.1.
"""

from __future__ import annotations

import numpy as np

from protocols.stability.statistic import Floats, Integers, Statistic

__all__ = ["STATISTICS"]


def _standard(phase: Floats, factors: Integers) -> tuple[Floats, Integers]:
    """Squares about the mean of each record; the count is one less than its frequencies."""
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    for k, m in enumerate(factors.tolist()):
        frequency = np.diff(phase[::m]) / m
        frequency = frequency[~np.isnan(frequency)]
        if frequency.size > 1:
            sums[k] = np.sum((frequency - frequency.mean()) ** 2)
            counts[k] = frequency.size - 1
    return sums, counts


def _edf(alpha: Floats, factors: Integers, counts: Integers) -> Floats:
    """Those of independent readings, which white frequency noise alone gives."""
    edf: Floats = np.where((alpha == 0.0) & (counts > 0), counts.astype(np.float64), np.nan)
    return edf


STATISTICS = (
    Statistic("sd", kernel=_standard, largest=lambda points: (points - 1) // 2, edf=_edf),
)
