"""What the stations choose, and what a block should count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from protocols.errors import ParameterError

__all__ = ["Answers", "Detections", "ExpectedCounts", "Pulses", "Settings", "expected"]

_MOST_COUNTS = 2**53  # as in the finite-key analysis


@dataclass(frozen=True)
class Settings:
    """What the stations choose.

    Attributes
    ----------
    intensities : tuple of float
        With decoys the mean photon numbers, strictly descending; for single photons the
        probability that a pulse has one; for entangled pairs their mean number in a pulse.
    probabilities : tuple of float
        Of the intensities, with sum 1.
    p_z : two floats
        Alice's and Bob's probability of the key basis, between 0 and 1.

    Raises
    ------
    ParameterError
        A value is out of its range.
    """

    intensities: tuple[float, ...]
    probabilities: tuple[float, ...]
    p_z: tuple[float, float]

    def __post_init__(self) -> None:
        levels = self.intensities
        if not (levels and 0 < levels[0] < math.inf and levels[-1] >= 0):
            raise ParameterError("intensities are positive, the last may be 0")
        if not all(a > b for a, b in pairwise(levels)):
            raise ParameterError("intensities are strictly descending")
        if len(self.probabilities) != len(levels):
            raise ParameterError("each intensity has its probability")
        if not (min(self.probabilities) > 0 and abs(math.fsum(self.probabilities) - 1) < 1e-9):
            raise ParameterError("the probabilities of the intensities are positive with sum 1")
        if not all(0 < p < 1 for p in self.p_z):
            raise ParameterError("p_z lies between 0 and 1, not at an end")


@dataclass(frozen=True)
class Detections:
    """A block that is full with so many detections in the key basis."""

    count: float
    unit: ClassVar[str] = "detections"

    def __post_init__(self) -> None:
        _check_size(self.count)

    def pulses(self, sifted: float) -> float:
        """Return the pulses it takes, of which a share `sifted` joins the key block."""
        return self.count / sifted


@dataclass(frozen=True)
class Pulses:
    """A block of so many pulses sent."""

    count: float
    unit: ClassVar[str] = "pulses"

    def __post_init__(self) -> None:
        _check_size(self.count)

    def pulses(self, sifted: float) -> float:
        """Return the number of pulses, whatever share of them joins the key block."""
        return self.count


def _check_size(count: float) -> None:
    if not 1 <= count < math.inf:
        raise ParameterError(f"a block has at least 1 pulse or detection, not {count:g}")


@dataclass(frozen=True)
class Answers:
    """Detections and errors per pulse of each intensity, with equal bases.

    Attributes
    ----------
    gains, errors : tuple of float
        Q and E·Q of each intensity, in the order of the settings.
    """

    gains: tuple[float, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True)
class ExpectedCounts:
    """Expected counts of one block, one entry for each intensity.

    Attributes
    ----------
    pulses : float
        Pulses of the block.
    n_z, n_x, m_z, m_x : tuple of float
        Detections and errors in the key basis and in the test basis.
    """

    pulses: float
    n_z: tuple[float, ...]
    n_x: tuple[float, ...]
    m_z: tuple[float, ...]
    m_x: tuple[float, ...]


def expected(found: Answers, settings: Settings, block: Detections | Pulses) -> ExpectedCounts:
    """Return the expected counts of a block.

    Raises
    ------
    ParameterError
        Nothing is detected, so that no number of pulses fills a block of detections; or
        more than can be analysed.
    """
    alice, bob = settings.p_z
    gains = [p * q for p, q in zip(settings.probabilities, found.gains, strict=True)]
    errors = [p * q for p, q in zip(settings.probabilities, found.errors, strict=True)]
    sifted = alice * bob * sum(gains)
    if sifted <= 0:
        raise ParameterError("nothing is detected over this link")
    pulses = block.pulses(sifted)
    z, x = pulses * alice * bob, pulses * (1 - alice) * (1 - bob)
    if max(z, x) * sum(gains) > _MOST_COUNTS:
        raise ParameterError(f"a block of more than {_MOST_COUNTS:.2g} detections is too large")
    return ExpectedCounts(
        pulses,
        tuple(z * q for q in gains),
        tuple(x * q for q in gains),
        tuple(z * q for q in errors),
        tuple(x * q for q in errors),
    )
