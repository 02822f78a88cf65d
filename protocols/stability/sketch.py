"""What is kept of a long record so that its noise can be identified."""

from __future__ import annotations

import numpy as np

from protocols.stability.noise import identify_noise
from protocols.stability.statistic import Floats, Integers

__all__ = ["POINTS", "Sketch"]

POINTS = 1 << 17
"""Phase samples kept of either."""


class Sketch:
    """A record thinned to what fits, and its beginning, for the identification of noise."""

    def __init__(self) -> None:
        self.head: Floats = np.zeros(0)
        self.thinned: Floats = np.zeros(0)
        self.stride = 1
        self.seen = 0

    def take(self, phase: Floats) -> None:
        """Take more of the record."""
        if self.head.size < POINTS:
            self.head = np.append(self.head, phase[: POINTS - self.head.size])
        self.thinned = np.append(self.thinned, phase[-self.seen % self.stride :: self.stride])
        self.seen += phase.size
        while self.thinned.size > POINTS:
            self.thinned = self.thinned[::2].copy()
            self.stride *= 2

    def identify(self, factors: Integers, differences: int) -> Floats:
        """Return alpha at each factor, all powers of two, as `identify_noise`."""
        fine = factors < self.stride
        below = identify_noise(self.head, factors[fine], differences=differences)
        above = identify_noise(self.thinned, factors[~fine] // self.stride, differences=differences)
        alpha: Floats = np.concatenate([below, above])
        return alpha
