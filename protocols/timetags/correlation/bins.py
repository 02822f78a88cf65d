"""Bins of lags whose width need not be a whole number of ticks."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError

__all__ = ["Bins"]

_MOST = 1 << 62
_MOST_BINS = 1 << 24


@dataclass(frozen=True)
class Bins:
    """Bins of equal width around multiples of it: number k holds (k − ½) w <= lag < (k + ½) w.

    Lags are whole ticks and the edges are rational, so every lag falls into its bin exactly.
    Where w is no whole number of ticks, some bins hold one tick more than others: with ticks
    of 1/256 ns, bins of 10 ps hold 2 or 3. Counts of even light show that beat; divided by
    `ticks`, or as g2, they do not.

    Attributes
    ----------
    width : Fraction
        w, in ticks, at least 1.
    first, last : int
        Numbers of the outermost bins.

    Raises
    ------
    ParameterError
        The width is below a tick, there are no bins or more than 2^24, or the arithmetic
        would leave 64 bits.
    """

    width: Fraction
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ParameterError("a bin is narrower than a tick")
        if not 0 <= self.last - self.first < _MOST_BINS:
            raise ParameterError(f"there must be between 1 and {_MOST_BINS:,} bins")
        reach = 2 * max(abs(self.first), abs(self.last)) + 2
        if reach * self.width.numerator + 2 * self.width.denominator >= _MOST:
            raise ParameterError("the lags are too long for bins of this width")

    @classmethod
    def around_zero(cls, width: Fraction, range_ticks: Fraction) -> Bins:
        """Return the bins whose middles are at most `range_ticks` from zero, on both sides."""
        if width < 1:  # before dividing by it
            raise ParameterError("a bin is narrower than a tick")
        reach = int(range_ticks // width)
        return cls(width, -reach, reach)

    @classmethod
    def from_zero(cls, width: Fraction, range_ticks: Fraction) -> Bins:
        """Return the bins whose middles lie between 0 and `range_ticks`."""
        if width < 1:
            raise ParameterError("a bin is narrower than a tick")
        return cls(width, 0, int(range_ticks // width))

    def __len__(self) -> int:
        return self.last - self.first + 1

    @cached_property
    def edges(self) -> npt.NDArray[np.int64]:
        """First lag of every bin, in ticks, and the first one beyond the last bin."""
        up, down = self.width.numerator, self.width.denominator
        k = np.arange(self.first, self.last + 2, dtype=np.int64)
        return -((1 - 2 * k) * up // (2 * down))

    @cached_property
    def ticks(self) -> npt.NDArray[np.int64]:
        """How many lags each bin holds."""
        return np.diff(self.edges)

    @cached_property
    def middles(self) -> npt.NDArray[np.float64]:
        """Mean of the lags in each bin, in ticks: not quite k w."""
        return (self.edges[:-1] + self.edges[1:] - 1) / 2

    @property
    def arithmetic(self) -> tuple[int, int, int]:
        """Scale, shift and divisor: a lag is in place (lag · scale + shift) // divisor."""
        up, down = self.width.numerator, self.width.denominator
        return 2 * down, up - 2 * up * self.first, 2 * up
