"""Which of its cycles a 10 MHz phase belongs to.

The phase of a sine is known modulo its period and to picoseconds, a seconds pulse without
ambiguity but to nanoseconds. Together they give a time that is both, as long as the pulse is
good enough to choose the cycle: at 15 ns of standard uncertainty half a cycle of 100 ns is
more than three deviations away, and one choice in a thousand is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.errors import ParameterError

__all__ = ["LARGEST_PULSE_UNCERTAINTY_S", "Cycle", "resolve_cycle"]

LARGEST_PULSE_UNCERTAINTY_S = 15e-9
"""Standard uncertainty of the 1PPS above which a 10 MHz cycle is not resolved."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A resolved phase.

    Attributes
    ----------
    cycle : int
        Whole periods, to be recorded with the run.
    x_s : float
        Local - reference: the phase plus that many periods.
    margin_s : float
        How much further off the pulse could be before another cycle were nearer.
    """

    cycle: int
    x_s: float
    margin_s: float


def resolve_cycle(
    phase_s: float, pulse_s: float, pulse_uncertainty_s: float, *, period_s: float = 100e-9
) -> Cycle:
    """Return the cycle that brings a phase nearest to what the seconds pulses say.

    Parameters
    ----------
    phase_s : float
        Local - reference from the sines, known modulo the period.
    pulse_s : float
        Local - reference from the seconds pulses.
    pulse_uncertainty_s : float
        Standard uncertainty of that.
    period_s : float
        Of the sine.

    Raises
    ------
    ParameterError
        A value is not finite, or the pulse too uncertain for this period (15 ns at 100 ns,
        and in proportion).
    """
    if not (math.isfinite(phase_s) and math.isfinite(pulse_s) and 0.0 < period_s < math.inf):
        raise ParameterError("phase, pulse and period must be finite numbers")
    largest = LARGEST_PULSE_UNCERTAINTY_S * (period_s / 100e-9)
    if not 0.0 <= pulse_uncertainty_s <= largest:
        raise ParameterError(
            f"the 1PPS is uncertain by {pulse_uncertainty_s:.2g} s: "
            f"above {largest:.2g} s it cannot choose between cycles of {period_s:.2g} s"
        )
    cycle = round((pulse_s - phase_s) / period_s)
    x_s = phase_s + cycle * period_s
    return Cycle(cycle, x_s, max(0.5 * period_s - abs(pulse_s - x_s), 0.0))
