"""How the clock of one station runs against that of another, and bringing tags across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.errors import ParameterError

__all__ = ["ClockModel"]

Ticks = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MOST = 1 << 62
#: What the ratio of two ticks may have above and below the line, so that 64 bits suffice.
_RATIO = 1 << 31
#: Clocks further apart than this share are none.
_WILD = 0.5


@dataclass(frozen=True, eq=False)
class ClockModel:
    """The course of B's clock against A's, in straight pieces: t_B = t_A + offset + u (t_A − t_A0).

    Instants are known on both clocks at nodes; between them both run evenly, and before
    the first and after the last node the outermost pieces go on.

    Attributes
    ----------
    tick_a, tick_b : Fraction
        Seconds per tick of each clock.
    ticks_b : int64 array
        Nodes on B's clock, two at least, ascending.
    ticks_a : int64 array, equally long
        The last of A's ticks before each node.
    fractions : float64 array, equally long
        What the nodes are later than that, in A's ticks.

    Raises
    ------
    ParameterError
        The nodes do not describe two clocks that run forward at about the same rate, or the
        ticks are too different for 64 bits.
    """

    tick_a: Fraction
    tick_b: Fraction
    ticks_b: Ticks
    ticks_a: Ticks
    fractions: Floats
    _excess: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not (self.tick_a > 0 and self.tick_b > 0):
            raise ParameterError("ticks last longer than nothing")
        if self.ticks_b.dtype != np.int64 or self.ticks_a.dtype != np.int64:
            raise ParameterError("the nodes of a clock model are int64 ticks")
        if not self.ticks_b.shape == self.ticks_a.shape == self.fractions.shape:
            raise ParameterError("the nodes of a clock model must be equally many on both clocks")
        if self.ticks_b.ndim != 1 or self.ticks_b.size < 2:
            raise ParameterError("a clock model has two nodes at least")
        if not np.all(np.isfinite(self.fractions)) or np.any(np.abs(self.fractions) > _RATIO):
            raise ParameterError("the nodes of a clock model must be finite")
        ratio = self.tick_b / self.tick_a
        if ratio.numerator >= _RATIO or ratio.denominator >= _RATIO:
            raise ParameterError("the ticks of the two clocks are too different")
        excess = _excess(self.ticks_b, self.ticks_a, self.fractions, ratio)
        object.__setattr__(self, "_excess", excess)

    @classmethod
    def through(
        cls, ticks_a: Sequence[int], lags_s: Sequence[Fraction], tick_a: Fraction, tick_b: Fraction
    ) -> ClockModel:
        """Return the model with t_B − t_A given at instants of A's clock.

        Parameters
        ----------
        ticks_a : sequence of int
            Instants, ascending, two at least.
        lags_s : sequence of Fraction
            t_B − t_A there, in seconds.
        tick_a, tick_b : Fraction
            Seconds per tick.
        """
        nodes_b, nodes_a, fractions = [], [], []
        for tick, lag in zip(ticks_a, lags_s, strict=True):
            on_b = (tick * tick_a + lag) / tick_b
            node = round(on_b)
            # Within half a tick B's clock gains less than a thousandth of a tick on A's.
            on_a = tick + (node - on_b) * tick_b / tick_a
            nodes_b.append(node)
            nodes_a.append(on_a.__floor__())
            fractions.append(float(on_a - nodes_a[-1]))
        if any(abs(node) >= _MOST for node in nodes_a + nodes_b):
            raise ParameterError("the clocks' times leave 64 bits")
        return cls(
            tick_a,
            tick_b,
            np.array(nodes_b, np.int64),
            np.array(nodes_a, np.int64),
            np.array(fractions, np.float64),
        )

    @classmethod
    def line(
        cls,
        origin: int,
        offset_s: Fraction,
        frequency_ratio_minus_1: float,
        tick_a: Fraction,
        tick_b: Fraction,
    ) -> ClockModel:
        """Return the model of one piece, t_B = t_A + offset + u (t_A − origin).

        Parameters
        ----------
        origin : int
            A's first tag, in A's ticks.
        offset_s : Fraction
            t_B − t_A there, in seconds.
        frequency_ratio_minus_1 : float
            u, positive where B's clock runs fast.
        tick_a, tick_b : Fraction
            Seconds per tick.
        """
        day = round(86_400 / tick_a)  # far apart, so that rounding does not touch the slope
        later = offset_s + Fraction(frequency_ratio_minus_1) * day * tick_a
        return cls.through([origin, origin + day], [offset_s, later], tick_a, tick_b)

    @property
    def frequency_ratio_minus_1(self) -> Floats:
        """Say of each piece by what share, u, B's clock runs faster than A's."""
        return -self._excess / (1.0 + self._excess)

    def to_a(self, ticks_b: Ticks) -> Ticks:
        """Return B's tags on A's clock, to the nearest of A's ticks.

        The model is followed to better than a picosecond over days: what is exactly
        proportional is worked out in integers, the rest, some 1e-4 of it, in floats.

        Parameters
        ----------
        ticks_b : int64 array
            In any order; fastest if nearly sorted.

        Raises
        ------
        ParameterError
            The result would leave 64 bits.
        """
        ratio = self.tick_b / self.tick_a
        if ticks_b.size:
            far = max(abs(int(ticks_b.min())), abs(int(ticks_b.max())))
            most = (far + int(np.abs(self.ticks_b).max())) * ratio * 2
            if most + int(np.abs(self.ticks_a).max()) >= _MOST:
                raise ParameterError("the tags leave 64 bits on the other clock")
        out = np.empty(ticks_b.size, np.int64)
        _convert(
            np.ascontiguousarray(ticks_b),
            self.ticks_b,
            self.ticks_a,
            self.fractions,
            self._excess,
            ratio.numerator,
            ratio.denominator,
            out,
        )
        return out


def _excess(ticks_b: Ticks, ticks_a: Ticks, fractions: Floats, ratio: Fraction) -> Floats:
    """Return by what share each piece is longer on A's clock than on B's."""
    p, q = ratio.numerator, ratio.denominator
    nodes = zip(ticks_b.tolist(), ticks_a.tolist(), fractions.tolist(), strict=True)
    excess = []
    for (b0, a0, f0), (b1, a1, f1) in pairwise(nodes):
        if b1 <= b0:
            raise ParameterError("the nodes of a clock model must ascend")
        whole = (a1 - a0) * q - (b1 - b0) * p  # exact: Python's integers
        excess.append((whole + (f1 - f0) * q) / ((b1 - b0) * p))
        if not abs(excess[-1]) < _WILD:
            raise ParameterError("a clock model's clocks must run at about the same rate")
    return np.array(excess)


@njit(cache=True, nogil=True)
def _convert(
    ticks: Ticks,
    nodes_b: Ticks,
    nodes_a: Ticks,
    fractions: Floats,
    excess: Floats,
    p: int,
    q: int,
    out: Ticks,
) -> None:  # pragma: no cover - compiled
    piece, last = 0, nodes_b.size - 2
    scale = p / q
    for i in range(ticks.size):
        tick = ticks[i]
        while piece < last and tick >= nodes_b[piece + 1]:
            piece += 1
        while piece > 0 and tick < nodes_b[piece]:
            piece -= 1
        since = tick - nodes_b[piece]
        whole = since // q
        rest = since - whole * q
        small = fractions[piece] + rest * scale + excess[piece] * (since * scale)
        out[i] = nodes_a[piece] + whole * p + np.int64(np.rint(small))
