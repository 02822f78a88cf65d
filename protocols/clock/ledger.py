"""The delay ledger: every delay between a clock's connector and what a counter says.

x = TI + c_local - c_ref, where TI was started by the local and stopped by the reference
clock, and c is the delay from a clock's connector to the counter's trigger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from protocols.errors import ParameterError

__all__ = ["Correction", "Delay", "Way", "correction", "skew_by_swapping"]


class Way(StrEnum):
    """On whose way to the trigger a delay lies."""

    LOCAL = "local"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """One entry of the ledger.

    Attributes
    ----------
    item : str
        What it is the delay of.
    way : Way
        On whose way it lies.
    value_s, uncertainty_s : float
        The delay and its standard uncertainty.
    calibrated_tai_ns : int
        When it was measured.
    temperature_c : float
        At which it was measured.
    connector : str
        From where to where.
    per_kelvin_s, expected_k : float
        Its temperature coefficient, and how far from `temperature_c` it may be used; both
        together add to the uncertainty.

    Raises
    ------
    ParameterError
        A value is not finite, or an uncertainty negative.
    """

    item: str
    way: Way
    value_s: float
    uncertainty_s: float
    calibrated_tai_ns: int
    temperature_c: float
    connector: str
    per_kelvin_s: float = 0.0
    expected_k: float = 0.0

    def __post_init__(self) -> None:
        finite = (self.value_s, self.temperature_c, self.per_kelvin_s, self.expected_k)
        if not all(map(math.isfinite, finite)) or not 0.0 <= self.uncertainty_s < math.inf:
            raise ParameterError(f"the delay of {self.item} is not a finite number")
        if not self.item or not self.connector:
            raise ParameterError("a delay names its item and its connector")

    @property
    def total_uncertainty_s(self) -> float:
        """Standard uncertainty with what the temperature may do."""
        return math.hypot(self.uncertainty_s, self.per_kelvin_s * self.expected_k)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a ledger adds to a time interval.

    Attributes
    ----------
    value_s : float
        c_local - c_ref.
    uncertainty_s : float
        Its standard uncertainty; the entries are taken as independent.
    oldest_tai_ns : int or None
        Date of the oldest entry; None for an empty ledger.
    """

    value_s: float
    uncertainty_s: float
    oldest_tai_ns: int | None


def correction(ledger: Sequence[Delay]) -> Correction:
    """Return the sum of a ledger, to be added to TI.

    Raises
    ------
    ParameterError
        The same item is entered twice on one way.
    """
    items = [(entry.way, entry.item) for entry in ledger]
    if len(set(items)) < len(items):
        twice = next(item for item in items if items.count(item) > 1)
        raise ParameterError(f"the ledger has {twice[1]} twice on the {twice[0]} way")
    signed = (d.value_s if d.way is Way.LOCAL else -d.value_s for d in ledger)
    return Correction(
        math.fsum(signed),
        math.hypot(*(entry.total_uncertainty_s for entry in ledger)),
        min((entry.calibrated_tai_ns for entry in ledger), default=None),
    )


def skew_by_swapping(straight_s: float, swapped_s: float) -> float:
    """Return c_local - c_ref of a counter from one interval measured both ways round.

    Swapping the inputs negates the interval but not the skew of the channels:
    TI = x - skew, then TI' = -x - skew.

    Parameters
    ----------
    straight_s, swapped_s : float
        The reading with local starting, and with the same two cables swapped at the counter.
    """
    return -0.5 * (straight_s + swapped_s)
