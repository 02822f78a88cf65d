"""The controllers: from the estimate to the steering that is wanted next.

Both take the phase and the frequency that the next command will meet (`kalman.ahead`, plus
the phase that steering adds until then), so that the dead time is part of the design and
not an error of it.

References
----------
.. [1] P. Koppang, R. Leland, IEEE Trans. UFFC 46, 517 (1999): linear quadratic Gaussian
   steering of clocks.
.. [2] K. J. Astrom, T. Hagglund, "PID Controllers" (ISA 1995), sect. 3.5: windup, and
   conditional integration against it.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

__all__ = ["Gains", "lqg", "pi"]


class Gains(NamedTuple):
    """How hard a controller pulls.

    Attributes
    ----------
    phase : float
        Steering per second of phase error, in 1/s.
    frequency : float
        For `lqg` the part of a frequency error that one command takes away (0 to 1); for
        `pi` what its integral gains in a step, per second of phase error, in 1/s.
    reading : float
        The part of the phase (0 to 1) that is taken from the reading itself and not from the
        estimate. The estimate has the least error, but the loop's own answer to noise on top
        of the filter's may be worse than without the filter.
    """

    phase: float
    frequency: float
    reading: float = 0.0


@njit(cache=True, nogil=True)
def lqg(
    phase_gain: float, frequency_gain: float, phase_s: float, frequency: float, steering: float
) -> float:
    """Return the steering wanted next by state feedback on the estimate.

    Parameters
    ----------
    phase_gain, frequency_gain : float
        See `Gains`.
    phase_s : float
        Estimated phase when the command will act.
    frequency : float
        Estimated free-running frequency over the step from then on.
    steering : float
        The steering in force until then.
    """
    return steering - frequency_gain * (frequency + steering) - phase_gain * phase_s


@njit(cache=True, nogil=True)
def pi(
    phase_gain: float,
    frequency_gain: float,
    phase_s: float,
    integral: float,
    lower: float,
    upper: float,
) -> tuple[float, float]:
    """Return the steering wanted next by a PI controller, and its integral after that.

    Conditional integration: where the actuator holds the steering back (outside `lower` to
    `upper`, see `actuator.reach`), a phase error that pulls further is not integrated.

    Parameters
    ----------
    phase_gain, frequency_gain : float
        See `Gains`.
    phase_s : float
        Estimated phase when the command will act.
    integral : float
        The steering that has held the frequency so far.
    lower, upper : float
        The steering that can be set now.
    """
    more = integral - frequency_gain * phase_s
    wanted = more - phase_gain * phase_s
    if (wanted > upper and phase_s < 0.0) or (wanted < lower and phase_s > 0.0):
        return wanted, integral
    return wanted, more
