"""The ordinary call: a statistic with its noise, degrees of freedom and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from protocols.errors import ParameterError
from protocols.stability.noise import identify_noise
from protocols.stability.series import Quantity, records
from protocols.stability.statistic import Floats, Integers, Statistic
from protocols.stability.table import STATISTICS
from protocols.stability.taus import Taus, averaging_factors

__all__ = ["Progress", "Stability", "chi_squared_limits", "stability"]

Progress = Callable[[str, int, int], None]
_PIECES = 500  # of a work at most


@dataclass(frozen=True, slots=True)
class Stability:
    """A statistic of frequency stability against averaging time.

    Attributes
    ----------
    statistic : str
        Its name.
    tau : numpy.ndarray
        Averaging times in seconds, ascending.
    dev : numpy.ndarray
        The deviation; of tdev, ttotdev, mtie and tierms in seconds. NaN where gaps leave no
        term.
    lo, hi : numpy.ndarray
        Confidence limits of `dev`; NaN where no degrees of freedom are published.
    alpha : numpy.ndarray
        Power of the frequency noise, 2 (white phase) to −4; NaN where it cannot be told.
    n : numpy.ndarray of int
        Number of terms that `dev` is the mean of.
    edf : numpy.ndarray
        Equivalent degrees of freedom.
    """

    statistic: str
    tau: Floats
    dev: Floats
    lo: Floats
    hi: Floats
    alpha: Floats
    n: Integers
    edf: Floats


def chi_squared_limits(dev: Floats, edf: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Return the limits between which the true deviation lies (SP 1065, equation 45).

    Parameters
    ----------
    dev, edf : numpy.ndarray
        Deviations and their equivalent degrees of freedom.
    confidence : float
        Probability of lying between the limits, above 0 and below 1; what is left is divided
        equally between both sides.

    Raises
    ------
    ParameterError
        `confidence` is out of its range.
    """
    if not 0.0 < confidence < 1.0:
        raise ParameterError(f"the confidence must lie between 0 and 1, not {confidence!r}")
    half = edf / 2.0
    lo: Floats = dev * np.sqrt(half / gammaincinv(half, (1.0 + confidence) / 2.0))
    with np.errstate(divide="ignore"):  # with next to no freedom there is no upper limit
        hi: Floats = dev * np.sqrt(half / gammaincinv(half, (1.0 - confidence) / 2.0))
    return lo, hi


def _in_pieces(
    statistic: Statistic, series: tuple[Floats, ...], factors: Integers, progress: Progress
) -> tuple[Floats, Integers]:
    """Return what `_variance` does, worked out a few factors at a time."""
    # The kernel of a maximum goes from one factor to the next and is fast as a whole only.
    pieces = 1 if statistic.maximum and factors.size < _PIECES else min(factors.size, _PIECES)
    found = []
    for done, piece in enumerate(np.array_split(factors, pieces), start=1):
        found.append(_variance(statistic, series, piece))
        progress(statistic.name, done, pieces)
    variances, counts = zip(*found, strict=True)
    return np.concatenate(variances), np.concatenate(counts)


def _variance(
    statistic: Statistic, series: tuple[Floats, ...], factors: Integers
) -> tuple[Floats, Integers]:
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    for record in series:
        usable = factors[: np.searchsorted(factors, statistic.largest(record.size), "right")]
        if usable.size == 0:
            continue
        part, terms = statistic.kernel(record, usable)
        head = sums[: usable.size]
        np.maximum(head, part, out=head) if statistic.maximum else np.add(head, part, out=head)
        counts[: usable.size] += terms
    divisor = np.where(counts > 0, 1 if statistic.maximum else counts, np.nan)
    return sums / divisor, counts


def stability(
    x: npt.ArrayLike,
    tau0_s: float,
    statistic: str = "oadev",
    taus: Taus = "octave",
    input: Quantity = "phase",  # noqa: A002  what every program of the field calls it
    confidence: float = 0.683,
    mask: npt.ArrayLike | None = None,
    progress: Progress | None = None,
) -> Stability:
    """Work out a statistic of frequency stability, with noise and confidence limits.

    Missing and masked samples never contribute, and frequency is never cumulated through a
    gap: see `records`. Noise is identified in the longest record, one per averaging time.

    Parameters
    ----------
    x : array_like
        Phase in seconds or fractional frequency at equal intervals; NaN where there is none.
    tau0_s : float
        The interval in seconds.
    statistic : str
        One of `STATISTICS`.
    taus : {"octave", "decade", "all"} or sequence of float
        1, 2, 4, 8 and so on; 1, 2, 4 times each power of ten; every one; or times in
        seconds, each of which becomes the nearest multiple of the interval.
    input : {"phase", "frequency"}
        What `x` is.
    confidence : float
        Probability that the limits enclose the true value, above 0 and below 1.
    mask : array_like of bool, optional
        True where a sample must not be used.
    progress : callable, optional
        Is told the statistic, how many pieces of the work are done, and of how many. What it
        raises ends the work.

    Returns
    -------
    Stability
        For named taus, those at which there is at least one term; for taus that were given,
        all of them, without a deviation where gaps leave no term.

    Raises
    ------
    ParameterError
        An argument is out of its range, a given tau is longer than the data allow, or the
        data are too few for this statistic at any tau.
    """
    chosen = STATISTICS.get(statistic)
    if chosen is None:
        raise ParameterError(f"no statistic {statistic!r}: there are {', '.join(STATISTICS)}")
    if not 0.0 < confidence < 1.0:
        raise ParameterError(f"the confidence must lie between 0 and 1, not {confidence!r}")
    series = records(x, tau0_s, quantity=input, mask=mask)
    largest = chosen.largest(max(record.size for record in series))
    if largest < chosen.multiple:
        raise ParameterError(f"the data are too few for {statistic} at any tau")
    factors = averaging_factors(taus, chosen.stretch * tau0_s, largest, chosen.multiple)
    if progress is None:
        variance, counts = _variance(chosen, series, factors)
    else:
        variance, counts = _in_pieces(chosen, series, factors, progress)
    if isinstance(taus, str):
        there = counts > 0
        if not there.any():
            raise ParameterError(f"the data leave no term of {statistic} at any tau")
        factors, variance, counts = factors[there], variance[there], counts[there]
    longest = max(series, key=lambda record: int(np.count_nonzero(~np.isnan(record))))
    alpha = identify_noise(longest, factors, differences=chosen.differences)
    if chosen.bias is not None:
        variance = variance / chosen.bias(alpha, factors, counts)
    dev = np.sqrt(variance)
    if chosen.dimension == "frequency":
        dev /= tau0_s
    nothing = np.full(factors.size, np.nan)
    edf = nothing if chosen.edf is None else chosen.edf(alpha, factors, counts)
    lo, hi = chi_squared_limits(dev, edf, confidence)
    tau: Floats = chosen.stretch * tau0_s * factors.astype(np.float64)
    return Stability(statistic, tau, dev, lo, hi, alpha, counts, edf)
