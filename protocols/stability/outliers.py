"""Flagging outliers, so that they can be masked.

References
----------
L. Davies, U. Gather, "The identification of multiple outliers", J. Am. Stat. Assoc. 88, 782
(1993): the Hampel identifier. NIST Special Publication 1065, section 5.17 on outliers: median
and median absolute deviation. B. Iglewicz, D. C. Hoaglin, "How to detect and handle outliers"
(1993): the mean absolute deviation where the median one is 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit
from numpy.typing import NDArray

from protocols.errors import ParameterError
from protocols.stability.series import Quantity, samples

__all__ = ["flag_outliers", "robust_sigma"]

# Standard deviation of Gaussian noise over its median and its mean absolute deviation.
_OVER_MEDIAN = 1.482602218505602
_OVER_MEAN = 1.2533141373155001


def robust_sigma(values: npt.NDArray[np.float64]) -> float:
    """Return the standard deviation of the bulk of the values, were it Gaussian.

    It is 1.4826 times the median absolute deviation; where that is 0, as of coarse readings,
    1.2533 times the mean absolute deviation. NaN is left out; of nothing it is 0.
    """
    there = values[~np.isnan(values)]
    if there.size == 0:
        return 0.0
    deviations = np.abs(there - np.median(there))
    median = float(np.median(deviations))
    return _OVER_MEDIAN * median if median > 0.0 else _OVER_MEAN * float(np.mean(deviations))


@njit(cache=True, nogil=True)
def _running_median(series: NDArray[np.float64], half_width: int) -> NDArray[np.float64]:
    """Return the median of each sample and those around it, as many on either side."""
    found = np.full(series.size, np.nan)
    window = np.empty(2 * half_width + 1)
    for i in range(series.size):
        reach = min(half_width, i, series.size - 1 - i)
        n = 0
        for j in range(i - reach, i + reach + 1):
            if series[j] == series[j]:  # not so for NaN
                place = n
                while place > 0 and window[place - 1] > series[j]:
                    window[place] = window[place - 1]
                    place -= 1
                window[place] = series[j]
                n += 1
        if n > 0:
            found[i] = (window[(n - 1) // 2] + window[n // 2]) / 2.0
    return found


def flag_outliers(
    x: npt.ArrayLike,
    threshold: float = 7.0,
    half_width: int = 5,
    input: Quantity = "phase",  # noqa: A002  what every program of the field calls it
    mask: npt.ArrayLike | None = None,
) -> npt.NDArray[np.bool_]:
    """Return where samples lie too far from the median of their neighbours.

    The residual of a sample is its distance from the median of itself and the `half_width`
    samples on either side (fewer, equally many, near an end). It is an outlier where its
    residual is more than `threshold` times 1.4826 median absolute deviations of all
    residuals. The median follows drift, random walk and steps, so none of them is flagged.
    Phase has its local frequency taken off first, the running median of its first
    differences, lest a slope hide an outlier. The first and the last sample have no neighbours
    on both sides, and are not judged.

    Parameters
    ----------
    x : array_like
        Phase or frequency; NaN is not an outlier.
    threshold : float
        Above 0. At 7 and half width 5, about 2 of 1e6 samples of Gaussian white phase
        noise are flagged by chance, 4 of white frequency noise taken as phase, and 2 of 1000
        of random-walk frequency noise taken as phase.
    half_width : int
        At least 1. Up to that many outliers in a row are found.
    input : {"phase", "frequency"}
        What `x` is.
    mask : array_like of bool, optional
        True where a sample takes no part already.

    Returns
    -------
    numpy.ndarray of bool
        True at outliers, without those of `mask`.

    Raises
    ------
    ParameterError
        An argument is out of its range.
    """
    if not threshold > 0.0 or half_width < 1:
        raise ParameterError("the threshold must be above 0, the half width at least 1")
    series, there = samples(x, mask, input)
    series = np.where(there, series, np.nan)
    if input == "phase" and series.size > 1:
        slope = _running_median(np.diff(series), half_width)
        series[1:] -= np.cumsum(np.nan_to_num(slope))
    residual = series - _running_median(series, half_width)
    sigma = robust_sigma(residual[1:-1])  # those of both ends are 0 by construction
    with np.errstate(invalid="ignore"):
        flagged: npt.NDArray[np.bool_] = np.abs(residual) > threshold * sigma
    return flagged
