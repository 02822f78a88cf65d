"""Intervals that surely hold a result: arithmetic rounded outwards, on arrays of intervals.

The decoy formulas run on plain numbers and, unchanged, on these: over a box of intensities
an enclosure holds every value that the formula takes in the box (Moore, Interval Analysis,
1966). It may hold more, and the less the smaller the box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Enclosure", "Real", "exp", "positive"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Enclosure:
    """Arrays of lower and upper ends."""

    low: Floats
    high: Floats

    def __add__(self, other: Real) -> Enclosure:
        low, high = _ends(other)
        return _outwards(self.low + low, self.high + high)

    def __radd__(self, other: float) -> Enclosure:
        return self + other

    def __neg__(self) -> Enclosure:
        return Enclosure(-self.high, -self.low)

    def __sub__(self, other: Real) -> Enclosure:
        low, high = _ends(other)
        return _outwards(self.low - high, self.high - low)

    def __rsub__(self, other: float) -> Enclosure:
        return -self + other

    def __mul__(self, other: Real) -> Enclosure:
        low, high = _ends(other)
        with np.errstate(invalid="ignore"):
            products = (self.low * low, self.low * high, self.high * low, self.high * high)
        least, most = np.minimum.reduce(products), np.maximum.reduce(products)
        anything = np.isnan(least)  # 0 times infinity
        return _outwards(np.where(anything, -np.inf, least), np.where(anything, np.inf, most))

    def __rmul__(self, other: float) -> Enclosure:
        return self * other

    def __truediv__(self, other: Real) -> Enclosure:
        low, high = np.broadcast_arrays(*_ends(other))
        fits = (low > 1e-300) | (high < -1e-300)  # else the quotient may be anything
        inverse = _outwards(1 / np.where(fits, high, 1.0), 1 / np.where(fits, low, 1.0))
        return self * Enclosure(
            np.where(fits, inverse.low, -np.inf), np.where(fits, inverse.high, np.inf)
        )

    def __rtruediv__(self, other: float) -> Enclosure:
        return Enclosure(np.float64(other) + 0 * self.low, np.float64(other) + 0 * self.low) / self


Real = float | Enclosure
"""A number, or an enclosure of one for each of many boxes."""


def exp(x: Real) -> Real:
    """Return e to the power of x."""
    if not isinstance(x, Enclosure):
        return math.exp(x)
    once = _outwards(np.exp(x.low), np.exp(x.high))
    return _outwards(once.low, once.high)  # the library's exp errs by less than two steps


def positive(x: Real) -> Real:
    """Return x, or 0 where it is less."""
    if not isinstance(x, Enclosure):
        return max(0.0, x)
    return Enclosure(np.maximum(x.low, 0.0), np.maximum(x.high, 0.0))


def _ends(x: Real) -> tuple[Floats | float, Floats | float]:
    return (x.low, x.high) if isinstance(x, Enclosure) else (x, x)


def _outwards(low: Floats, high: Floats) -> Enclosure:
    return Enclosure(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))
