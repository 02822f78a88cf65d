"""How often a link answers a pulse, and how often wrongly, for light of any statistics.

With n photons in the pulse both probabilities are sums of c·xⁿ, one term for each way in
which no photon is seen. Over a pulse's distribution P(n) they become sums of c·g(x), where
g(x) = Σ P(n) xⁿ is its generating function: a light is given by that function alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Light", "Response", "coherent", "mixture", "pairs", "single_photons"]

Light = Callable[[float], float]
"""The generating function of a pulse's photon number, for x from 0 to 1."""

Terms = tuple[tuple[float, float], ...]


def coherent(mu: float) -> Light:
    """Return light with Poisson statistics of mean `mu`: a laser of random phase."""
    return lambda x: math.exp(mu * (x - 1))


def single_photons(emission: float) -> Light:
    """Return light with one photon, with probability `emission`, or none."""
    return lambda x: 1 + emission * (x - 1)


def pairs(mean: float) -> Light:
    """Return one arm of a down-conversion source of entangled pairs, `mean` pairs a pulse.

    P(n) = (n + 1) λⁿ / (1 + λ)ⁿ⁺² with λ half the mean (Ma, Fung and Lo, Phys. Rev. A 76,
    012307, 2007).
    """
    return lambda x: (1 - mean / 2 * (x - 1)) ** -2


def mixture(lights: Sequence[Light], probabilities: Sequence[float]) -> Light:
    """Return the light of a source that chooses among several."""
    return lambda x: sum(p * g(x) for g, p in zip(lights, probabilities, strict=True))


@dataclass(frozen=True)
class Response:
    """What a pulse does at the receiver when both bases agree.

    Attributes
    ----------
    gain, error : pairs of floats
        The terms (c, x) of a detection and of a wrong detection, per pulse.
    """

    gain: Terms
    error: Terms

    def to(self, light: Light) -> tuple[float, float]:
        """Return the probabilities of a detection and of a wrong one (Q and E·Q)."""
        gain = max(0.0, sum(c * light(x) for c, x in self.gain))  # not below 0 by rounding
        return gain, min(gain, max(0.0, sum(c * light(x) for c, x in self.error)))

    def to_photons(self, count: int) -> tuple[float, float]:
        """Return the same for exactly `count` photons (the yield Yₙ, and eₙ·Yₙ)."""
        return self.to(lambda x: x**count)
