"""Verify the sign and the gain of a clock's steering against a counter.

The clock is steered up, down, down and up again by the same amount, so that its own
frequency and drift cancel (weights + - - + over equal times). The counter's intervals,
started by the clock's pulse and stopped by the reference's, give the slope of the phase in
each quarter; positive phase means that the clock comes first, so a clock that is steered up
gains. Afterwards the steering is what it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivers.core.errors import InstrumentFaultError, ValueOutOfRangeError
from drivers.roles import IntervalCounter, SteerableStandard

__all__ = ["SteeringGain", "calibrate_steering"]

_QUARTERS = (1.0, -1.0, -1.0, 1.0)
_LEAST = 8


@dataclass(frozen=True, slots=True)
class SteeringGain:
    """The calibration's record.

    Attributes
    ----------
    gain : float
        Change of the frequency over change of the steering; 1 for a clock that does as it
        is told, negative for one whose sign is wrong.
    standard_uncertainty : float
        Of the gain, from the scatter of the readings about straight lines.
    excursion : float
        Fractional frequency by which the clock was steered either way.
    readings : int
        Intervals that were used.
    """

    gain: float
    standard_uncertainty: float
    excursion: float
    readings: int

    @property
    def sign(self) -> int:
        """Return 1 or -1, the direction of the steering; 0 where it cannot be told."""
        if abs(self.gain) <= 5.0 * self.standard_uncertainty:
            return 0
        return 1 if self.gain > 0.0 else -1


def calibrate_steering(
    clock: SteerableStandard,
    counter: IntervalCounter,
    *,
    excursion: float = 1e-10,
    readings: int = 100,
) -> SteeringGain:
    """Steer a clock to and fro and return what its frequency did.

    Parameters
    ----------
    clock : SteerableStandard
        Its steering is where it was when this returns, or raises.
    counter : IntervalCounter
        Prepared: started by the clock's pulses, stopped by the reference's, one a second.
    excursion : float
        Fractional frequency to steer by, up and down from the present steering; rounded to
        the clock's steps.
    readings : int
        Intervals of each quarter, at least 8.

    Raises
    ------
    ValueOutOfRangeError
        If the steering has no room for the excursion, or readings are too few.
    InstrumentFaultError
        If so many pulses are missing that a quarter cannot be judged.
    """
    step = clock.steering_step
    by = step * max(1, round(excursion / step))
    start = clock.steering
    low, high = clock.steering_range
    if not low <= start - by <= start + by <= high:
        raise ValueOutOfRangeError(
            f"steering by {by:g} from {start:g} leaves {low:g} to {high:g}",
            remedy="choose a smaller excursion",
            instrument=getattr(clock, "path", ""),
        )
    if readings < _LEAST:
        raise ValueOutOfRangeError(f"{readings} readings are fewer than {_LEAST}")
    slopes, variances, used = [], [], 0
    try:
        for sign in _QUARTERS:
            clock.steering = start + sign * by
            found = [_interval(counter) for _ in range(readings)]
            slope, variance, count = _line(found, getattr(counter, "path", ""))
            slopes.append(slope)
            variances.append(variance)
            used += count
    finally:
        clock.steering = start
    gain = sum(s * w for s, w in zip(slopes, _QUARTERS, strict=True)) / (4.0 * by)
    return SteeringGain(gain, math.sqrt(sum(variances)) / (4.0 * by), by, used)


def _interval(counter: IntervalCounter) -> float:
    counter.begin_interval()
    return counter.interval_s()


def _line(values: list[float], instrument: str) -> tuple[float, float, int]:
    """Return the slope per reading, its variance and the number of readings used.

    Intervals are taken between minus and plus half a second of the first.
    """
    points = [(k, v) for k, v in enumerate(values) if not math.isnan(v)]
    if len(points) < _LEAST or 2 * len(points) < len(values):
        raise InstrumentFaultError(
            f"only {len(points)} of {len(values)} pulses came",
            remedy="check the pulses, their levels and the cables",
            instrument=instrument,
        )
    first = points[0][1]
    points = [(k, (v - first + 0.5) % 1.0 - 0.5) for k, v in points]
    n = len(points)
    mean_k = sum(k for k, _ in points) / n
    mean_v = sum(v for _, v in points) / n
    spread = sum((k - mean_k) ** 2 for k, _ in points)
    slope = sum((k - mean_k) * (v - mean_v) for k, v in points) / spread
    rest = sum((v - mean_v - slope * (k - mean_k)) ** 2 for k, v in points)
    return slope, rest / (n - 2) / spread, n
