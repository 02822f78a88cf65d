"""Taking time intervals, and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drivers.core.errors import InstrumentFaultError
from drivers.roles import IntervalCounter

__all__ = [
    "LEAST",
    "centred",
    "mean_and_variance",
    "mean_interval",
    "measured_together",
    "present",
]

#: Readings below which no scatter is believed.
LEAST = 8


def measured_together(counters: Sequence[IntervalCounter]) -> list[float]:
    """Return one interval of each counter, all of the same pulses; nan where one is missing."""
    for counter in counters:
        counter.begin_interval()
    return [counter.interval_s() for counter in counters]


def centred(interval_s: float, period_s: float) -> float:
    """Return an interval of pulses between minus and plus half their period; nan stays."""
    if math.isnan(interval_s):
        return interval_s
    return interval_s - period_s * math.floor(interval_s / period_s + 0.5)


def present(values: Sequence[float], instrument: str = "") -> list[tuple[int, float]]:
    """Return the readings that came, each with its number.

    Raises
    ------
    InstrumentFaultError
        If fewer than 8, or fewer than half of them, came.
    """
    there = [(k, value) for k, value in enumerate(values) if not math.isnan(value)]
    if len(there) < LEAST or 2 * len(there) < len(values):
        raise InstrumentFaultError(
            f"only {len(there)} of {len(values)} pulses came",
            remedy="check the pulses, their levels and the cables",
            instrument=instrument,
        )
    return there


def mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its variance, of two values at least."""
    mean = math.fsum(values) / len(values)
    scatter = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, scatter / len(values)


def mean_interval(values: Sequence[float], instrument: str = "") -> tuple[float, float, int]:
    """Return the mean of the readings that came, its variance, and how many they are.

    Raises
    ------
    InstrumentFaultError
        If too few came; see `present`.
    """
    there = [value for _, value in present(values, instrument)]
    return *mean_and_variance(there), len(there)
