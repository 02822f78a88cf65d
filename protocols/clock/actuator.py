"""From a wanted frequency to the integer that the instrument takes.

The instrument's setting is a whole number of steps. What rounding leaves is carried to the
next command, so that the mean frequency is exact although each command is not (first-order
noise shaping: the phase error stays within half a step times the time between commands).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numba import njit

from protocols.errors import ParameterError

__all__ = ["Actuator", "drive", "reach"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuator:
    """How a clock's frequency is set.

    Attributes
    ----------
    step : float
        Fractional frequency of one step of the setting.
    lower, upper : int
        Range of the setting, in steps.
    sign : int
        +1 where a higher setting raises the frequency, -1 where it lowers it.
    slew : float
        Largest change of the fractional frequency from one command to the next.

    Raises
    ------
    ParameterError
        A value is out of its range.
    """

    step: float
    lower: int
    upper: int
    sign: int = 1
    slew: float = math.inf

    def __post_init__(self) -> None:
        if not 0.0 < self.step < math.inf or self.lower >= self.upper:
            raise ParameterError("an actuator needs a step above zero and lower < upper")
        if max(abs(self.lower), abs(self.upper)) >= 1 << 53:
            raise ParameterError("an actuator's setting must stay below 2^53")
        if self.sign not in (-1, 1):
            raise ParameterError("the sign of an actuator is 1 or -1")
        if not self.slew >= self.step:
            raise ParameterError("the slew limit must allow at least one step")

    @property
    def most(self) -> int:
        """Largest change from one command to the next, in steps."""
        span = self.upper - self.lower
        return span if self.slew >= span * self.step else math.floor(self.slew / self.step)


@njit(cache=True, nogil=True)
def reach(
    setting: int, step: float, lower: int, upper: int, sign: int, most: int
) -> tuple[float, float]:
    """Return the lowest and the highest steering that the next command can set.

    Parameters
    ----------
    setting : int
        The present one, in steps.
    step, lower, upper, sign, most
        Of the `Actuator`.
    """
    first = step * max(lower, setting - most)
    last = step * min(upper, setting + most)
    return (first, last) if sign > 0 else (-last, -first)


@njit(cache=True, nogil=True)
def drive(
    wanted: float,
    setting: int,
    carried: float,
    step: float,
    lower: int,
    upper: int,
    sign: int,
    most: int,
) -> tuple[int, float, float, bool]:
    """Return the setting nearest to a wanted steering that can be had now.

    Where range or slew limit hold it back nothing is carried: what could not be set is no
    rounding error. Anything but a finite number leaves the setting as it is.

    Parameters
    ----------
    wanted : float
        Fractional frequency, positive raises it.
    setting : int
        The present one, in steps.
    carried : float
        The part of the steering that rounding has withheld so far.
    step, lower, upper, sign, most
        Of the `Actuator`.

    Returns
    -------
    setting : int
        To be sent to the instrument.
    carried : float
        For the next call.
    steering : float
        What the setting does to the frequency.
    held : bool
        Range, slew limit or a number that is none kept it from what was wanted.
    """
    if not math.isfinite(wanted):
        return setting, 0.0, sign * (step * setting), True
    first, last = max(lower, setting - most), min(upper, setting + most)
    exact = sign * (wanted + carried) / step
    if exact < first - 0.5:
        return first, 0.0, sign * (step * first), True
    if exact > last + 0.5:
        return last, 0.0, sign * (step * last), True
    nearest = min(max(math.floor(exact + 0.5), first), last)
    steering = sign * (step * nearest)
    return nearest, wanted + carried - steering, steering, False
