"""What a discipline loop is told once: its model, its actuator and its limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from protocols.clock.actuator import Actuator
from protocols.clock.alarms import AlarmLevels
from protocols.clock.control import Gains
from protocols.clock.model import StateSpace
from protocols.errors import ParameterError

__all__ = ["LoopSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How a loop estimates, steers, locks and gives up.

    Attributes
    ----------
    model : StateSpace
        The noise of both clocks and of a reading; its step is the time between readings.
    actuator : Actuator
        The local clock's steering.
    gains : Gains
        Of the controller once it has settled.
    controller : str
        ``lqg`` or ``pi``. In holdover the prediction is followed by ``lqg`` either way.
    dead_steps : float
        Time from a reading until its command acts, in steps, 0 to 1.
    phase_limit_s : float
        `locked` claims that local and reference differ by less.
    lock_readings : int
        Readings within the limit for the lock before it is claimed.
    outlier_sigmas : float
        A reading whose residual is further off is not used.
    drift_sigmas : float
        A sum of residuals further off ends the lock.
    relock_sigmas : float
        A reference that returns is consistent up to this many deviations of the prediction.
    relock_readings : int
        Readings a returned reference is watched for; doubled after each relapse, up to 64
        times as long, until a lock has held for an hour.
    distrust_readings : int
        Readings before the reference called itself bad that are forgotten.
    place_above_s : float
        Phase from which the loop asks that the 1PPS be placed, before the first lock and three
        times at most; never if infinite.
    accept_after_readings : int
        Steady readings after which a refused reference is accepted; 0 leaves it to an
        operator. A steady drift looks steady too.
    temperature_c : float or None
        Temperature at which the clock's coefficient counts from; None takes the first one
        that is read.
    alarms : AlarmLevels
        When alarms are raised and cleared.

    Raises
    ------
    ParameterError
        A value is out of its range.
    """

    model: StateSpace
    actuator: Actuator
    gains: Gains
    controller: str = "lqg"
    dead_steps: float = 1.0
    phase_limit_s: float = 5e-9
    lock_readings: int = 30
    outlier_sigmas: float = 5.0
    drift_sigmas: float = 5.5
    relock_sigmas: float = 4.0
    relock_readings: int = 60
    distrust_readings: int = 10
    place_above_s: float = math.inf
    accept_after_readings: int = 0
    temperature_c: float | None = None
    alarms: AlarmLevels = field(default_factory=AlarmLevels)

    def __post_init__(self) -> None:
        if self.controller not in ("lqg", "pi"):
            raise ParameterError("the controller is lqg or pi")
        if not 0.0 <= self.dead_steps <= 1.0:
            raise ParameterError("a command must act within a step of its reading")
        above = (
            self.phase_limit_s, self.outlier_sigmas, self.drift_sigmas, self.relock_sigmas,
            self.place_above_s, self.lock_readings, self.relock_readings,
        )  # fmt: skip
        if not all(value > 0.0 for value in above):
            raise ParameterError("limits and numbers of readings must be above zero")
        if self.distrust_readings < 0 or self.accept_after_readings < 0:
            raise ParameterError("a number of readings cannot be negative")
