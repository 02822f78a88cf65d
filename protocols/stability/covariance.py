"""Telling oscillators apart: Groslambert codeviation and three-cornered hat.

References
----------
F. Vernotte, C. E. Calosso, E. Rubiola, "Three-cornered hat versus Allan covariance", Proc. IEEE
IFCS (2016). J. E. Gray, D. W. Allan, "A method for estimating the frequency stability of an
individual oscillator", Proc. 28th Annual Symposium on Frequency Control (1974).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit
from numpy.typing import NDArray

from protocols.errors import ParameterError
from protocols.stability.estimate import stability
from protocols.stability.series import Quantity, records, samples
from protocols.stability.statistic import Floats, Integers
from protocols.stability.taus import Taus, averaging_factors

__all__ = ["Codeviation", "ThreeCorneredHat", "gcodev", "three_cornered_hat"]


@dataclass(frozen=True, slots=True)
class Codeviation:
    """Groslambert codeviation against averaging time.

    Attributes
    ----------
    tau : numpy.ndarray
        Averaging times in seconds.
    dev : numpy.ndarray
        ``sign(c)·sqrt(|c|)`` of the covariance c; NaN where gaps leave no term. No
        degrees of freedom are published, so there are no limits.
    n : numpy.ndarray of int
        Number of terms.
    """

    tau: Floats
    dev: Floats
    n: Integers


@dataclass(frozen=True, slots=True)
class ThreeCorneredHat:
    """Deviations of three oscillators from those of their three differences.

    Attributes
    ----------
    tau : numpy.ndarray
        Averaging times in seconds.
    a, b, c : numpy.ndarray
        Deviations of the oscillators. NaN where the estimated variance is negative: the
        method gives that for an oscillator much quieter than the others, or when they are
        correlated.
    n : numpy.ndarray of int
        Number of terms.
    """

    tau: Floats
    a: Floats
    b: Floats
    c: Floats
    n: Integers


@njit(cache=True, nogil=True)
def _products(
    first: NDArray[np.float64], second: NDArray[np.float64], factors: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    for k in range(factors.size):
        m = factors[k]
        for i in range(first.size - 2 * m):
            one = (first[i + 2 * m] - first[i + m]) - (first[i + m] - first[i])
            two = (second[i + 2 * m] - second[i + m]) - (second[i + m] - second[i])
            product = one * two
            if product == product:  # not so for NaN
                sums[k] += product
                counts[k] += 1
        sums[k] /= 2.0 * float(m) * float(m)
    return sums, counts


def _common_mask(
    series: tuple[npt.ArrayLike, ...], mask: npt.ArrayLike | None, quantity: Quantity
) -> npt.NDArray[np.bool_]:
    """Return where any of the series has no sample that can be used."""
    there = [samples(x, mask, quantity)[1] for x in series]
    if any(one.size != there[0].size for one in there):
        raise ParameterError("the series differ in length")
    missing: npt.NDArray[np.bool_] = ~np.logical_and.reduce(there)
    return missing


def gcodev(
    x_1: npt.ArrayLike,
    x_2: npt.ArrayLike,
    tau0_s: float,
    taus: Taus = "octave",
    input: Quantity = "phase",  # noqa: A002  what every program of the field calls it
    mask: npt.ArrayLike | None = None,
) -> Codeviation:
    """Return the Groslambert codeviation of two series measured at the same instants.

    It is the overlapping Allan deviation of what both have in common. Of A − C and B − C
    that is C, positive; of A − B and B − C it is B, negative. Noise of the two measurements
    averages out, unlike with the three-cornered hat.

    Parameters
    ----------
    x_1, x_2 : array_like
        Phase in seconds or fractional frequency; where either is missing, neither is used.
    tau0_s, taus, input, mask
        As `stability` takes them.

    Raises
    ------
    ParameterError
        As `stability`, or the series differ in length.
    """
    masked = _common_mask((x_1, x_2), mask, input)
    first = records(x_1, tau0_s, quantity=input, mask=masked)
    second = records(x_2, tau0_s, quantity=input, mask=masked)
    largest = max((record.size - 1) // 2 for record in first)
    if largest < 1:
        raise ParameterError("the data are too few for gcodev at any tau")
    factors = averaging_factors(taus, tau0_s, largest)
    sums = np.zeros(factors.size)
    counts = np.zeros(factors.size, np.int64)
    for one, two in zip(first, second, strict=True):
        part, terms = _products(one, two, factors)
        sums += part
        counts += terms
    covariance = sums / np.where(counts > 0, counts, np.nan) / tau0_s**2
    there = counts > 0 if isinstance(taus, str) else np.ones(factors.size, np.bool_)
    dev = np.sign(covariance) * np.sqrt(np.abs(covariance))
    tau: Floats = tau0_s * factors.astype(np.float64)
    return Codeviation(tau[there], dev[there], counts[there])


def three_cornered_hat(
    ab: npt.ArrayLike,
    bc: npt.ArrayLike,
    ca: npt.ArrayLike,
    tau0_s: float,
    statistic: str = "oadev",
    taus: Taus = "octave",
    input: Quantity = "phase",  # noqa: A002  what every program of the field calls it
    mask: npt.ArrayLike | None = None,
) -> ThreeCorneredHat:
    """Return the deviations of three oscillators from their differences, in pairs.

    It assumes that they are independent, and counts the noise of the measurements as
    theirs. The signs of the differences do not matter.

    Parameters
    ----------
    ab, bc, ca : array_like
        Phase in seconds or fractional frequency of A against B, B against C and C against
        A, measured at the same instants; where one is missing, none is used.
    tau0_s, statistic, taus, input, mask
        As `stability` takes them. The statistic should be the root of a variance: of
        `mtie` the result means nothing.

    Raises
    ------
    ParameterError
        As `stability`, or the series differ in length, or `statistic` is `mtie`.
    """
    if statistic == "mtie":
        raise ParameterError("mtie is no variance: there is no three-cornered hat of it")
    masked = _common_mask((ab, bc, ca), mask, input)
    found = [stability(x, tau0_s, statistic, taus, input, mask=masked) for x in (ab, bc, ca)]
    squares = [one.dev**2 for one in found]
    total = (squares[0] + squares[1] + squares[2]) / 2.0

    def less(opposite: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            dev: Floats = np.sqrt(total - opposite)
        return dev

    return ThreeCorneredHat(
        found[0].tau, less(squares[1]), less(squares[2]), less(squares[0]), found[0].n
    )
