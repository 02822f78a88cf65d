"""The second-order correlation: counts over what chance would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.timetags.correlation.bins import Bins
from protocols.timetags.correlation.singles import Singles

__all__ = ["Correlation", "normalise"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Correlation:
    """A histogram of lags, and what chance would give.

    Attributes
    ----------
    bins : Bins
    counts : int64 array
        Pairs in each bin.
    expected : float64 array
        Pairs in each bin if the streams were independent.
    g2, g2_std : float64 array
        Counts over expected, and its standard uncertainty: of the counts as Poisson numbers
        (no count as one), and of the singles. NaN where nothing is expected.
    """

    bins: Bins
    counts: npt.NDArray[np.int64]
    expected: Floats
    g2: Floats
    g2_std: Floats

    def above(self, number: int) -> Correlation:
        """Return the part with bins of larger numbers."""
        kept = slice(number + 1 - self.bins.first, None)
        return Correlation(
            Bins(self.bins.width, number + 1, self.bins.last),
            self.counts[kept],
            self.expected[kept],
            self.g2[kept],
            self.g2_std[kept],
        )


def normalise(
    bins: Bins, counts: npt.NDArray[np.int64], singles: Singles, *, first_only: bool = False
) -> Correlation:
    """Divide counts by those expected of independent streams.

    With the rates r1, r2 per tick, over the time T that both streams were observed, a bin of m
    lags around tau expects m ∫ r1 r2 dt (1 − |tau| / T) pairs: at constant rates
    N1 N2 m (T − |tau|) / T². The integral is `Singles.chance_rate`, which follows gaps and
    drifts of the rates.

    Where only first stops were counted, a bin expects of the starts that had no stop yet the
    part 1 − exp(−m r2 (1 − |tau| / T)), which takes back what the earlier stops hid (Coates,
    J. Phys. E 1, 878 (1968)).

    Parameters
    ----------
    bins : Bins
    counts : int64 array
    singles : Singles
        Of two streams: starts and stops, the same twice for an autocorrelation.
    first_only : bool
        What was counted.
    """
    there = np.clip(1 - np.abs(bins.middles) / max(singles.duration, 1), 0, None)
    chance = singles.chance_rate(0, 1, reach=int(np.abs(bins.edges).max()))
    totals = np.maximum(singles.totals, 1)
    if first_only:
        waiting = totals[0] - np.concatenate([[0], np.cumsum(counts)[:-1]])
        later = np.diff(np.maximum(bins.edges, 0))  # of the first bin, lags that there can be
        expected = -waiting * np.expm1(-later * there * chance / totals[0])
    else:
        expected = bins.ticks * there * chance
    divisor = np.where(expected > 0, expected, np.nan)
    g2 = counts / divisor
    std = np.sqrt(np.maximum(counts, 1) / divisor**2 + g2**2 * float(np.sum(1 / totals)))
    return Correlation(bins, counts, expected, g2, std)
