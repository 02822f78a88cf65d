"""Ticks of one length as ticks of another, exactly or with the error known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError

__all__ = ["Rescaling"]

_MOST = 1 << 62


class Rescaling:
    """Turns ticks of `from_s` into ticks of `to_s`.

    Parameters
    ----------
    from_s, to_s : Fraction
        Their lengths in seconds.
    rounded : bool
        Whether times between two ticks are rounded to the nearest, the later one of two.

    Attributes
    ----------
    largest_error_s : Fraction
        Of all rounding so far.
    """

    def __init__(self, from_s: Fraction, to_s: Fraction, *, rounded: bool = False) -> None:
        ratio = from_s / to_s
        self._up, self._down = ratio.numerator, ratio.denominator
        if self._up >= 1 << 31 or self._down >= 1 << 31:
            raise ParameterError("the two ticks have no simple ratio")
        self._to_s = to_s
        self._rounded = rounded
        self.largest_error_s = Fraction(0)

    def ticks(self, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the same times in the other ticks.

        Raises
        ------
        ParameterError
            A time lies between two ticks and is not to be rounded, or beyond 62 bits.
        """
        if self._up == self._down == 1 or not ticks.size:
            return ticks
        high, low = ticks // self._down, ticks % self._down
        if max(abs(int(high.max())), abs(int(high.min()))) * self._up >= _MOST:
            raise ParameterError("a time does not fit 62 bits in the other ticks")
        low *= self._up
        whole: npt.NDArray[np.int64] = high * self._up + low // self._down
        rest = low % self._down
        if not rest.any():
            return whole
        if not self._rounded:
            raise ParameterError("a time lies between two ticks of the other length")
        up = 2 * rest >= self._down
        error = int(np.where(up, self._down - rest, rest).max())
        self.largest_error_s = max(self.largest_error_s, error * self._to_s / self._down)
        return whole + up
