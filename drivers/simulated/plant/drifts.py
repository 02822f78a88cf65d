"""Slow wandering of a quantity: a random walk, held near its start or free."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

__all__ = ["Drift"]

_BLOCK = 1024


class Drift:
    """An Ornstein-Uhlenbeck process that starts at 0, on a grid of one second.

    Over times much shorter than the relaxation it is a random walk; over longer
    ones its standard deviation stays at rate * sqrt(relaxation / 2). The steps
    are exact (Gillespie, Phys. Rev. E 54, 2084, 1996, eq. 3.1); between them it
    is interpolated linearly.

    Parameters
    ----------
    per_sqrt_s : float
        Standard deviation after one second, in the quantity's unit.
    relaxation_s : float
        Relaxation time, infinite for a random walk.
    seed : sequence of int
        Seed of the walk.
    """

    def __init__(self, per_sqrt_s: float, relaxation_s: float, seed: tuple[int, ...]) -> None:
        self._seed = seed
        self._keep = math.exp(-1.0 / relaxation_s)
        if math.isinf(relaxation_s):
            self._kick = per_sqrt_s
        else:
            self._kick = per_sqrt_s * math.sqrt(0.5 * relaxation_s * (1.0 - self._keep**2))
        self._blocks: list[NDArray[np.float64]] = []

    def at(self, t_ns: int) -> float:
        """Return the deviation from the start at `t_ns`."""
        if self._kick == 0.0:
            return 0.0
        second, rest_ns = divmod(t_ns, 1_000_000_000)
        before, after = self._knot(second), self._knot(second + 1)
        return before + (after - before) * (rest_ns * 1e-9)

    def _knot(self, second: int) -> float:
        if second <= 0:
            return 0.0
        block, place = divmod(second - 1, _BLOCK)
        while len(self._blocks) <= block:
            number = len(self._blocks)
            seed = np.random.SeedSequence((*self._seed, number))
            kicks = self._kick * np.random.Generator(np.random.PCG64(seed)).standard_normal(_BLOCK)
            start = self._blocks[-1][-1] if self._blocks else 0.0
            path = accumulate(kicks.tolist(), lambda x, kick: self._keep * x + kick, initial=start)
            self._blocks.append(np.array(list(path)[1:]))
        return float(self._blocks[block][place])
