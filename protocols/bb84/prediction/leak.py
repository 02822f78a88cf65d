"""What error correction discloses, before there is anything to correct."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

from protocols.bb84.finite_key import binary_entropy
from protocols.errors import ParameterError

__all__ = ["FrameLimit", "LeakModel", "ScaledLeak"]


class LeakModel(Protocol):
    """What predictions ask of error correction."""

    def efficiency(self, error: float) -> float:
        """Return the bits disclosed over n·h(error), for an error rate up to 1/2."""


@dataclass(frozen=True)
class ScaledLeak:
    """A leak of f·h(E) per bit, with the same f at all error rates."""

    f: float = 1.16

    def __post_init__(self) -> None:
        if not 1 <= self.f < math.inf:
            raise ParameterError(f"an efficiency is at least 1, not {self.f}")

    def efficiency(self, error: float) -> float:
        """Return f."""
        return self.f


@dataclass(frozen=True)
class FrameLimit:
    """The least that one-way correction of frames can disclose.

    n h(E) + sqrt(n E (1 − E)) log2((1 − E)/E) Φ⁻¹(1 − p) − log2(n)/2 bits for a frame of n
    bits that fails with probability p (Tomamichel, Martinez-Mateo, Pacher and Elkouss,
    Quantum Inf. Process. 16, 280, 2017).

    Attributes
    ----------
    frame : int
        Bits of a frame.
    failures : float
        Share of the frames that may fail, between 0 and 1/2.
    """

    frame: int
    failures: float = 1e-3

    def __post_init__(self) -> None:
        if self.frame < 1 or not 0 < self.failures < 0.5:
            raise ParameterError("a frame has bits, and fails in a share between 0 and 1/2")

    def efficiency(self, error: float) -> float:
        """Return the least bits disclosed over n·h(error)."""
        entropy = self.frame * binary_entropy(error)
        if entropy == 0 or error >= 0.5:
            return 1.0
        spread = math.sqrt(self.frame * error * (1 - error)) * math.log2((1 - error) / error)
        more = spread * NormalDist().inv_cdf(1 - self.failures) - math.log2(self.frame) / 2
        return max(1.0, 1 + more / entropy)
