"""Verify the sign and the gain of a clock's steering against a counter.

The clock is steered up, down, down and up again by the same amount, so that its own
frequency and drift cancel (weights + - - + over equal times), several times over. The
counter's intervals, started by the clock's pulse and stopped by the reference's, give the
slope of the phase in each quarter; positive phase means that the clock comes first, so a clock
that is steered up gains. The scatter of the cycles is the uncertainty: that of the readings
about a straight line would leave out the clock's own noise, which wanders. Afterwards the
steering is what it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from calibration.intervals import LEAST, mean_and_variance, measured_together, present
from drivers.core.errors import ValueOutOfRangeError
from drivers.roles import IntervalCounter, SteerableStandard

__all__ = ["SteeringGain", "calibrate_steering", "excursion_steps", "steering_gain"]

_QUARTERS = (1.0, -1.0, -1.0, 1.0)
_LEAST_CYCLES = 4


@dataclass(frozen=True, slots=True)
class SteeringGain:
    """The calibration's record.

    Attributes
    ----------
    gain : float
        Change of the frequency over change of the steering; 1 for a clock that does as it
        is told, negative for one whose sign is wrong.
    standard_uncertainty : float
        Of the gain, from the scatter of the cycles.
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
    readings: int = 20,
    cycles: int = 10,
    shielded: Callable[[], AbstractContextManager[None]] = nullcontext,
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
    cycles : int
        How often all four are done, at least 4.
    shielded : callable
        Gives a block that nobody can stop, in which the steering is put back.

    Raises
    ------
    ValueOutOfRangeError
        If the steering has no room for the excursion, or readings or cycles are too few.
    InstrumentFaultError
        If so many pulses are missing that a quarter cannot be judged.
    """
    by = clock.steering_step * excursion_steps(excursion, clock.steering_step)
    start = clock.steering
    low, high = clock.steering_range
    if not low <= start - by <= start + by <= high:
        raise ValueOutOfRangeError(
            f"steering by {by:g} from {start:g} leaves {low:g} to {high:g}",
            remedy="choose a smaller excursion",
            instrument=getattr(clock, "path", ""),
        )
    if readings < LEAST:
        raise ValueOutOfRangeError(f"{readings} readings are fewer than {LEAST}")
    if cycles < _LEAST_CYCLES:
        raise ValueOutOfRangeError(f"{cycles} cycles are fewer than {_LEAST_CYCLES}")
    quarters = []
    try:
        for sign in _QUARTERS * cycles:
            clock.steering = start + sign * by
            quarters.append([measured_together([counter])[0] for _ in range(readings)])
    finally:
        with shielded():
            clock.steering = start
    return steering_gain(quarters, by, getattr(counter, "path", ""))


def excursion_steps(excursion: float, step: float) -> int:
    """Return by how many steps a clock is steered, one at least."""
    return max(1, round(excursion / step))


def steering_gain(
    quarters: Sequence[Sequence[float]], excursion: float, instrument: str = ""
) -> SteeringGain:
    """Return the gain from the intervals of all quarters, four for each cycle.

    Raises
    ------
    InstrumentFaultError
        If so many pulses are missing that a quarter cannot be judged.
    """
    lines = [_line(quarter, instrument) for quarter in quarters]
    size = len(_QUARTERS)
    gains = [
        sum(slope * sign for (slope, _), sign in zip(lines[k : k + size], _QUARTERS, strict=True))
        / (size * excursion)
        for k in range(0, len(lines), size)
    ]
    gain, variance = mean_and_variance(gains)
    return SteeringGain(gain, math.sqrt(variance), excursion, sum(count for _, count in lines))


def _line(values: Sequence[float], instrument: str) -> tuple[float, int]:
    """Return the slope per reading and the number of readings used.

    Intervals are taken between minus and plus half a second of the first.
    """
    points = present(values, instrument)
    first = points[0][1]
    points = [(k, (v - first + 0.5) % 1.0 - 0.5) for k, v in points]
    n = len(points)
    mean_k = sum(k for k, _ in points) / n
    mean_v = sum(v for _, v in points) / n
    spread = sum((k - mean_k) ** 2 for k, _ in points)
    return sum((k - mean_k) * (v - mean_v) for k, v in points) / spread, n
