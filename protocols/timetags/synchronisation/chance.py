"""How likely chance makes so many coincidences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, xlogy

__all__ = ["FALSE_ALARM", "log_tail"]

FALSE_ALARM = 1e-6
"""Probability, over everything that is searched, up to which a find is no accident."""

Floats = npt.NDArray[np.float64]
_SMALLEST = 1e-280


def log_tail(
    counts: npt.ArrayLike, means: npt.ArrayLike, dispersion: npt.ArrayLike = 1.0
) -> Floats:
    """Return the logarithm of the probability of so many counts or more.

    Poisson's, at low counts too. Where tags come in bunches (afterpulses, flicker), their
    number varies more than that: then in units of the variance over the mean. Below what a
    float holds it is Chernoff's bound, which is above the probability.

    Parameters
    ----------
    counts, means : array_like
        Counts, and what is expected by chance.
    dispersion : array_like
        Variance over mean of chance counts; taken as 1 where it is less.
    """
    unit = np.maximum(np.asarray(dispersion, np.float64), 1.0)
    k = np.asarray(counts, np.float64) / unit
    m = np.maximum(np.asarray(means, np.float64) / unit, 1e-300)
    tail = np.where(k > 0, gammainc(np.maximum(k, 1e-9), m), 1.0)
    bound = np.where(k > m, k - m - xlogy(k, k / m), 0.0)
    found: Floats = np.where(tail > _SMALLEST, np.log(np.maximum(tail, _SMALLEST)), bound)
    return found
