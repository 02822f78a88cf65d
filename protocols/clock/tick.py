"""One step of the discipline: from a reading to the next command.

What is computed here decides what is commanded, so it is + - * / and square roots in a fixed
order only, and works on `memory` alone.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit
from numpy.typing import NDArray

from protocols.clock.actuator import drive, reach
from protocols.clock.control import lqg, pi
from protocols.clock.history import pass_step, snapshot
from protocols.clock.holdover import bound_95, watch
from protocols.clock.kalman import ahead, frequency
from protocols.clock.lock import detect_lock, follow
from protocols.clock.memory import Record
from protocols.clock.model import DRIFT, PHASE
from protocols.clock.states import Flag, Reason, State
from protocols.clock.transitions import LOST_IN_A_ROW, change, restart, retreat

__all__ = ["report", "steer", "tick", "tick_and_report"]

_ACQUIRING, _LOCKED = int(State.ACQUIRING), int(State.LOCKED)
_HOLDOVER, _CHECKING = int(State.HOLDOVER), int(State.CHECKING)
_RECOVERING, _FAULT = int(State.RECOVERING), int(State.FAULT)
_HELD_BACK, _UNCONFIRMED = int(Flag.HELD_BACK), int(Flag.UNCONFIRMED)
_IN_FAULT = int(Flag.LOCAL_FAULT)
_LOCAL_FAULT, _LOCAL_RECOVERED = int(Reason.LOCAL_FAULT), int(Reason.LOCAL_RECOVERED)
_READINGS_MISSING = int(Reason.READINGS_MISSING)
_ACCEPTED, _PLACED = int(Reason.REFERENCE_ACCEPTED), int(Reason.PPS_PLACED)

_PLACE_AFTER = 10  # readings
_PLACEMENTS = 3  # in all: a command may be lost, which only the readings tell
_FASTEST = 10.0  # steps in which a phase error decays at first
_SETTLED = 120  # steps before the tuned controller takes over
_BRAKING = 0.7  # of the pull from which the slew limit could just stop at zero


@njit(cache=True, nogil=True)
def tick(
    memory: Record,
    design: Record,
    steps: int,
    usable: bool,
    reading_s: float,
    quality: int,
    warmth: float,
    healthy: bool,
    confirmed: bool,
    accept: bool,
) -> tuple[int, float, float, float]:
    """Take the loop to the time of a reading, draw the consequences, and steer.

    Parameters
    ----------
    memory, design : numpy.record
        From `memory.new_memory` and `memory.designed`; the memory is changed.
    steps : int
        Steps since the last call, at least 1.
    usable : bool
        Whether there is a reading that can be used.
    reading_s : float
        Local - reference; ignored where it is not usable.
    quality : int
        A `Quality`.
    warmth : float
        Temperature less that of the design, in kelvin.
    healthy : bool
        Whether the local clock is well.
    confirmed : bool
        Whether the last command was obeyed for all that is known.
    accept : bool
        An operator's word that the reference is right as it is.

    Returns
    -------
    flags : int
        See `Flag`.
    residual_s, sigma_s : float
        Reading less prediction and the standard deviation of that; 0 without a reading.
    placement_s : float
        By how much the local 1PPS is to be moved now, positive earlier; nearly always 0.
    """
    mean = 0.5 * (memory.warmth + warmth)
    memory.warmth = warmth
    for _ in range(steps):
        _pass(memory, design, confirmed, mean)
    flags = 0 if confirmed else _UNCONFIRMED
    memory.unconfirmed = 0 if confirmed else memory.unconfirmed + 1
    memory.since += steps
    memory.settling += steps
    if not healthy:
        flags |= _IN_FAULT
        if memory.mode != _FAULT:
            change(memory, _FAULT, _LOCAL_FAULT)
    elif memory.mode == _FAULT:
        restart(memory, design, _LOCAL_RECOVERED, True)
    elif accept and (memory.mode == _HOLDOVER or memory.mode == _CHECKING):
        restart(memory, design, _ACCEPTED, False)
    if steps > LOST_IN_A_ROW and (memory.mode == _LOCKED or memory.mode == _RECOVERING):
        flags |= retreat(memory, design, _READINGS_MISSING, 0)
    residual = sigma = placement = left = 0.0
    if memory.mode == _HOLDOVER or memory.mode == _CHECKING:
        found, residual, sigma = watch(memory, design, usable, reading_s, quality)
        flags |= found
    elif memory.mode != _FAULT:
        found, residual, sigma = follow(memory, design, usable, reading_s, quality)
        flags |= found
        if memory.mode != _HOLDOVER and not memory.fresh:
            detect_lock(memory, design)
            placement = _place(memory, design)
            snapshot(memory)
            if usable and found == 0:
                left = reading_s - memory.state[PHASE]
    if steer(memory, design, left):
        flags |= _HELD_BACK
    return flags, residual, sigma, placement


@njit(cache=True, nogil=True)
def _pass(memory: Record, design: Record, confirmed: bool, warmth: float) -> None:
    """Predict over one step, with the steering that was in force."""
    step = design.step_s
    if confirmed:
        steered = step * (design.dead * memory.before + (1.0 - design.dead) * memory.after)
        shaken = 0.0
        memory.before = memory.after
    else:
        steered = step * memory.before
        shaken = step * (memory.after - memory.before)
        shaken *= shaken
    pass_step(memory, design, steered, shaken, warmth)


@njit(cache=True, nogil=True)
def _place(memory: Record, design: Record) -> float:
    """Return the one move of the 1PPS that saves hours of slewing, when it is due."""
    phase: float = memory.state[PHASE]
    if (
        memory.placed >= _PLACEMENTS
        or memory.mode != _ACQUIRING
        or memory.accepted < _PLACE_AFTER
        or abs(phase) <= design.place_above_s
    ):
        return 0.0
    restart(memory, design, _PLACED, False)
    memory.placed += 1
    return -phase


@njit(cache=True, nogil=True)
def steer(memory: Record, design: Record, left_s: float) -> bool:
    """Command the actuator; returns whether range or slew limit held it back.

    Until the loop has settled, and in holdover, the estimate is followed directly, with a
    gain that glides down to the tuned one. A command that was not confirmed is given again,
    since the clock may be on either side of it; a clock that is not well keeps its steering.

    Parameters
    ----------
    memory, design : numpy.record
        Of the loop.
    left_s : float
        What the reading lies above the estimate that it went into.
    """
    if memory.unconfirmed or memory.mode == _FAULT:
        return False
    step, before = design.step_s, memory.before
    phase, mean = ahead(
        memory.state, design.advance, design.decay, step, design.dead, memory.warmth
    )
    phase += design.dead * step * before
    gliding = 2.0 / ((2.0 * _FASTEST + memory.settling) * step)
    following = memory.mode != _HOLDOVER and memory.mode != _CHECKING
    settled = following and memory.settling >= _SETTLED and gliding <= design.phase_gain
    gain = max(design.phase_gain, gliding)
    if settled:
        phase += design.reading_gain * left_s
    # No pull that the slew limit could not take away in time.
    most = _BRAKING * math.sqrt(2.0 * abs(phase) * (design.most * design.quantum / step)) / gain
    phase = min(max(phase, -most), most)
    if settled and design.integrating:
        lower, upper = reach(
            memory.setting, design.quantum, design.lower, design.upper, design.sign, design.most
        )
        wanted, memory.integral = pi(
            gain, design.frequency_gain, phase, memory.integral, lower, upper
        )
    else:
        memory.integral = -mean
        wanted = lqg(gain, design.frequency_gain if settled else 1.0, phase, mean, before)
    memory.setting, memory.carried, memory.after, held = drive(
        wanted, memory.setting, memory.carried, design.quantum, design.lower, design.upper,
        design.sign, design.most,
    )  # fmt: skip
    return held


@njit(cache=True, nogil=True)
def report(
    memory: Record, design: Record
) -> tuple[int, int, int, int, float, float, float, float, float, float, float, float]:
    """Return what a decision says of the memory.

    Returns
    -------
    mode, reason, setting, missed : int
        The last is the number of readings or confirmations missed in a row.
    steering, phase_s, phase_sigma_s, frequency, frequency_sigma, drift_per_s, \
    drift_sigma_per_s, bound_95_s : float
        See `loop.Decision`.
    """
    state, covariance = memory.state, memory.covariance
    mean, deviation = frequency(state, covariance, design.advance, design.step_s, memory.warmth)
    return (
        memory.mode, memory.reason, memory.setting, max(memory.lost, memory.unconfirmed),
        memory.after, state[PHASE], math.sqrt(covariance[PHASE, PHASE]), mean, deviation,
        state[DRIFT], math.sqrt(covariance[DRIFT, DRIFT]), bound_95(memory),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def tick_and_report(
    memory: NDArray[Any],
    design: NDArray[Any],
    steps: int,
    usable: bool,
    reading_s: float,
    quality: int,
    warmth: float,
    healthy: bool,
    confirmed: bool,
    accept: bool,
) -> tuple[
    tuple[int, float, float, float],
    tuple[int, int, int, int, float, float, float, float, float, float, float, float],
]:
    """Return what `tick` and then `report` do, for records given by `memory.one_row`."""
    own, told = memory[0], design[0]
    found = tick(own, told, steps, usable, reading_s, quality, warmth, healthy, confirmed, accept)
    return found, report(own, told)
