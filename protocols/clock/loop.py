"""The discipline of a local clock as one state machine: readings in, decisions out.

A loop is fed only with what was recorded, and a decision follows from the readings so far and
nothing else, so that a recorded run gives the same commands again, bit for bit.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from protocols.clock.alarms import Alarm, Watched, alarms_after
from protocols.clock.memory import designed, new_memory, one_row
from protocols.clock.settings import LoopSettings
from protocols.clock.states import Flag, Quality, Reason, State
from protocols.clock.tick import report, tick_and_report

__all__ = ["Decision", "Loop", "Reading"]

_FURTHEST_S = 1.0
_LONGEST_STEPS = 10_000_000
_EARLY = 0.25  # of a step that a missing reading may be reported before its end
_WARMEST_C = 200.0
_STATES, _REASONS = tuple(State), tuple(Reason)
_GARBAGE, _UNTIMELY, _GAP = int(Flag.GARBAGE), int(Flag.UNTIMELY), int(Flag.GAP)
_NO_TEMPERATURE = int(Flag.NO_TEMPERATURE)


class Reading(NamedTuple):
    """All that a loop learns at one time.

    Attributes
    ----------
    t_tai_ns : int
        When, in nanoseconds of TAI.
    x_s : float or None
        Local - reference; None where the counter gave nothing.
    quality : Quality
        What the reference says of itself.
    temperature_c : float or None
        Of the local clock, where there is a sensor.
    healthy : bool
        Whether the local clock says that it is well (a rubidium that has lost its resonance
        does not).
    confirmed : bool
        Whether the last command is known to have been obeyed.
    accept : bool
        An operator's word that the reference is right although the loop refuses it.
    calibrated_tai_ns : int or None
        Date of the oldest delay that went into `x_s`.
    """

    t_tai_ns: int
    x_s: float | None
    quality: Quality = Quality.GOOD
    temperature_c: float | None = None
    healthy: bool = True
    confirmed: bool = True
    accept: bool = False
    calibrated_tai_ns: int | None = None


class Decision(NamedTuple):
    """What the loop makes of a reading.

    Attributes
    ----------
    t_tai_ns : int
        Of the reading.
    state : State
        Where the loop stands now.
    reason : Reason
        Why it is there.
    flags : Flag
        What was noticed at this reading.
    setting : int
        What the actuator is to be set to, in its steps.
    steering : float
        The fractional frequency that this adds, positive raises.
    placement_s : float
        By how much the local 1PPS is to be moved at once, positive earlier; nearly always 0.
    phase_s, phase_sigma_s : float
        Estimate of local - reference at the reading's time.
    frequency, frequency_sigma : float
        Of the clock left alone, over the coming step.
    drift_per_s, drift_sigma_per_s : float
        Its ageing.
    residual_s, residual_sigma_s : float
        Reading less prediction and the deviation expected of that; 0 without a reading.
    bound_95_s : float
        |local - reference| is below this in 95 of 100 cases.
    alarms : Alarm
        Those that stand.
    """

    t_tai_ns: int
    state: State
    reason: Reason
    flags: Flag
    setting: int
    steering: float
    placement_s: float
    phase_s: float
    phase_sigma_s: float
    frequency: float
    frequency_sigma: float
    drift_per_s: float
    drift_sigma_per_s: float
    residual_s: float
    residual_sigma_s: float
    bound_95_s: float
    alarms: Alarm

    @property
    def locked(self) -> bool:
        """Whether the loop claims that the local clock is right."""
        return self.state is State.LOCKED


class Loop:
    """Discipline one clock.

    Parameters
    ----------
    settings : LoopSettings
        See there.
    setting : int
        What the actuator is set to at the start, in its steps.

    Raises
    ------
    ParameterError
        The setting is out of the actuator's range.
    """

    __slots__ = (
        "_alarms", "_design", "_half", "_memory", "_middle", "_own", "_settings", "_step_ns",
        "_t_ns", "_told", "_warmth", "_zero_c",
    )  # fmt: skip

    def __init__(self, settings: LoopSettings, setting: int = 0) -> None:
        self._settings = settings
        self._step_ns = settings.model.step_s * 1e9
        self._middle = 0.5 * (settings.actuator.lower + settings.actuator.upper)
        self._half = 0.5 * (settings.actuator.upper - settings.actuator.lower)
        self._design = designed(settings)
        self._told = one_row(self._design)
        self._start(setting)
        self._t_ns: int | None = None
        self._zero_c = settings.temperature_c
        self._warmth = 0.0
        self._alarms = Alarm.NONE

    def _start(self, setting: int) -> None:
        """Know nothing yet."""
        self._memory = new_memory(self._design, setting)
        self._own = one_row(self._memory)

    def step(self, reading: Reading) -> Decision:
        """Take in what was read and decide what to do; call it once per step.

        Never raises for anything a reading can hold: what cannot be used is flagged.
        """
        steps, t_ns = 1, reading.t_tai_ns
        if self._t_ns is not None:
            # Readings come whole steps apart and are the measure of time. One that is missing
            # is reported at any time: what is left of a step then counts with the next.
            late = (t_ns - self._t_ns) / self._step_ns
            steps = round(late if reading.x_s is not None else late - _EARLY)
        if steps < 1:
            return self._decide(
                reading, (_UNTIMELY, 0.0, 0.0, 0.0), report(self._memory, self._design)
            )
        extra = 0 if steps == 1 else _GAP
        anew = steps > _LONGEST_STEPS
        if anew:
            self._start(int(self._memory.setting))
            steps = 1
        x_s, usable = 0.0, reading.x_s is not None
        if reading.x_s is not None:
            if abs(reading.x_s) <= _FURTHEST_S:
                x_s = reading.x_s
            else:
                usable, extra = False, extra | _GARBAGE
        temperature_c = reading.temperature_c
        if temperature_c is not None and abs(temperature_c) < _WARMEST_C:
            if self._zero_c is None:
                self._zero_c = temperature_c
            self._warmth = temperature_c - self._zero_c
        elif self._zero_c is not None:
            extra |= _NO_TEMPERATURE
        found, said = tick_and_report(
            self._own, self._told, steps, usable, x_s, int(reading.quality),
            self._warmth, reading.healthy, reading.confirmed, reading.accept,
        )  # fmt: skip
        if self._t_ns is None or anew or reading.x_s is not None:
            self._t_ns = t_ns
        else:
            self._t_ns += round(steps * self._step_ns)
        return self._decide(reading, (found[0] | extra, *found[1:]), said)

    def _decide(
        self, reading: Reading, found: tuple[int, float, float, float], said: tuple[Any, ...]
    ) -> Decision:
        flags, residual, sigma, placement = found
        (
            mode, reason, setting, missed, steering, phase, phase_sigma, mean, mean_sigma,
            drift, drift_sigma, bound,
        ) = said  # fmt: skip
        t_ns, calibrated = reading.t_tai_ns, reading.calibrated_tai_ns
        watched = Watched(
            phase_s=bound,
            frequency=mean,
            actuator=abs(setting - self._middle) / self._half,
            link=missed,
            calibration_s=0.0 if calibrated is None else (t_ns - calibrated) * 1e-9,
            temperature_k=math.nan if flags & _NO_TEMPERATURE else self._warmth,
        )
        self._alarms = alarms_after(self._settings.alarms, self._alarms, watched)
        return Decision(
            t_ns, _STATES[mode], _REASONS[reason], Flag(flags), setting, steering, placement,
            phase, phase_sigma, mean, mean_sigma, drift, drift_sigma, residual, sigma, bound,
            self._alarms,
        )  # fmt: skip
