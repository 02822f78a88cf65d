"""Alarms with a level that sets them and a lower one that clears them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

from protocols.errors import ParameterError

__all__ = ["Alarm", "AlarmLevels", "Levels", "Watched", "alarms_after"]


class Alarm(IntFlag):
    """What needs somebody's attention."""

    NONE = 0
    #: The phase against the reference, or its 95 % bound in holdover.
    PHASE = 1
    #: The clock's own frequency has left the value that steering should have to correct.
    FREQUENCY = 2
    #: The steering has used up most of its range.
    ACTUATOR = 4
    #: Commands are not confirmed or readings do not come.
    LINK = 8
    #: A delay in the ledger was calibrated too long ago.
    CALIBRATION = 16
    #: The temperature has left its range, or cannot be read although it should be.
    TEMPERATURE = 32


@dataclass(frozen=True, slots=True)
class Levels:
    """An alarm is raised above `set_at` and cleared below `clear_at`.

    Raises
    ------
    ParameterError
        The level that clears is not below the one that sets.
    """

    set_at: float
    clear_at: float

    def __post_init__(self) -> None:
        if not self.clear_at < self.set_at:
            raise ParameterError("an alarm must be cleared below the level that sets it")

    def after(self, raised: int, value: float) -> bool:
        """Return whether the alarm stands after `value`; one that is no number raises it."""
        return not value <= (self.clear_at if raised else self.set_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLevels:
    """The levels of every alarm.

    Attributes
    ----------
    phase_s : Levels
        Of the 95 % bound on the phase.
    frequency : Levels
        Of the magnitude of the free-running frequency.
    actuator : Levels
        Of the part of the range that is used, 0 to 1.
    link : Levels
        Of the readings or confirmations missed in a row.
    calibration_s : Levels
        Of the age of the oldest delay in use.
    temperature_k : Levels
        Of the distance from the temperature at which the clock is meant to work.
    """

    phase_s: Levels = Levels(5e-9, 4e-9)
    frequency: Levels = Levels(1e-9, 8e-10)
    actuator: Levels = Levels(0.8, 0.7)
    link: Levels = Levels(2.5, 0.5)
    calibration_s: Levels = Levels(366 * 86400.0, 365 * 86400.0)
    temperature_k: Levels = Levels(5.0, 4.0)


class Watched(NamedTuple):
    """The quantities that alarms are about; see `AlarmLevels` for each."""

    phase_s: float = 0.0
    frequency: float = 0.0
    actuator: float = 0.0
    link: float = 0.0
    calibration_s: float = 0.0
    temperature_k: float = 0.0


def alarms_after(levels: AlarmLevels, standing: Alarm, watched: Watched) -> Alarm:
    """Return the alarms that stand after new values, given those that stood before."""
    before, found = int(standing), 0
    if levels.phase_s.after(before & 1, watched.phase_s):
        found |= 1
    if levels.frequency.after(before & 2, abs(watched.frequency)):
        found |= 2
    if levels.actuator.after(before & 4, watched.actuator):
        found |= 4
    if levels.link.after(before & 8, watched.link):
        found |= 8
    if levels.calibration_s.after(before & 16, watched.calibration_s):
        found |= 16
    if levels.temperature_k.after(before & 32, abs(watched.temperature_k)):
        found |= 32
    return standing if found == before else Alarm(found)
