"""Find the skew of a counter's inputs by swapping the leads to them.

One pulse comes through a splitter and two leads, of which that to input 2 is the longer. With
the leads swapped the interval starts at input 2 and stops at input 1, so that the early pulse
always starts it. The leads add to the two readings alike, the inputs with opposite signs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calibration.intervals import LEAST, mean_interval, measured_together
from drivers.core.errors import InstrumentFaultError, ValueOutOfRangeError
from drivers.roles import IntervalCounter
from protocols.clock.ledger import skew_by_swapping

__all__ = ["CounterSkew", "calibrate_counter_skew", "counter_skew"]

#: No lead is longer: two readings further apart are not of the same pulse.
_LONGEST_S = 1e-5


@dataclass(frozen=True, slots=True)
class CounterSkew:
    """The calibration's record.

    Attributes
    ----------
    skew_s : float
        Delay from connector to trigger of input 1 less that of input 2: what a ledger adds to
        an interval that the local pulse starts at input 1 (c_local - c_ref).
    standard_uncertainty_s : float
        Of the skew, from the scatter of the readings.
    leads_s : float
        By how much the one lead was the longer.
    readings : int
        Intervals that were used.
    """

    skew_s: float
    standard_uncertainty_s: float
    leads_s: float
    readings: int


def calibrate_counter_skew(
    counter: IntervalCounter,
    swap: Callable[[], None],
    *,
    readings: int = 100,
    within_s: float = 2.5,
) -> CounterSkew:
    """Measure, have the leads swapped, and measure again.

    Parameters
    ----------
    counter : IntervalCounter
        Its thresholds are set, and the leads from the splitter are plugged in.
    swap : callable
        Returns when the two leads have been swapped at the inputs.
    readings : int
        Intervals each way round, at least 8.
    within_s : float
        How long a pulse is waited for.

    Raises
    ------
    ValueOutOfRangeError
        If the readings are too few.
    InstrumentFaultError
        If pulses are missing, or the inputs do not see the same one.
    """
    if readings < LEAST:
        raise ValueOutOfRangeError(f"{readings} readings are fewer than {LEAST}")
    counter.prepare_intervals(1, 2, within_s)
    straight = [measured_together([counter])[0] for _ in range(readings)]
    swap()
    counter.prepare_intervals(2, 1, within_s)
    swapped = [measured_together([counter])[0] for _ in range(readings)]
    return counter_skew(straight, swapped, getattr(counter, "path", ""))


def counter_skew(
    straight: Sequence[float], swapped: Sequence[float], instrument: str = ""
) -> CounterSkew:
    """Return the skew from intervals of inputs 1 to 2, and with swapped leads of 2 to 1.

    Raises
    ------
    InstrumentFaultError
        If pulses are missing, or the inputs do not see the same one.
    """
    first, first_variance, first_count = mean_interval(straight, instrument)
    second, second_variance, second_count = mean_interval(swapped, instrument)
    if max(abs(first), abs(second)) > _LONGEST_S:
        raise InstrumentFaultError(
            f"the pulses come {first:.3g} s apart, and {second:.3g} s with the leads swapped",
            remedy="lead one pulse through a splitter to both inputs, the longer lead to input 2",
            instrument=instrument,
        )
    return CounterSkew(
        skew_by_swapping(first, -second),
        0.5 * math.sqrt(first_variance + second_variance),
        0.5 * (first + second),
        first_count + second_count,
    )
