"""Holdover: the bound on the phase, and when a reference that comes back is believed.

Without readings the estimate is predicted and steered to zero, and its covariance grows. The
reported bound is |x| + 1.96 sigma, with sigma as much larger as the residuals have been
(`outliers.misjudgement`). A reference that comes back is watched first: it must lie
within four deviations of the prediction (about twice the bound) and must not move meanwhile
by more than both clocks and the readings can.

One that lies further off is refused, and stays refused while it stays where it is, although
the bound grows past it: only a jump into the bound, an operator, or (where it is allowed) a
long steady time makes it acceptable.
"""

from __future__ import annotations

import math

from numba import njit

from protocols.clock.kalman import frequency, innovation
from protocols.clock.lock import reading_variance
from protocols.clock.memory import MOST_RELAPSES, Record
from protocols.clock.model import PHASE
from protocols.clock.outliers import misjudgement
from protocols.clock.states import Flag, Quality, Reason, State
from protocols.clock.transitions import LOST_IN_A_ROW, change, recover, restart

__all__ = ["bound_95", "watch"]

_HOLDOVER, _CHECKING = int(State.HOLDOVER), int(State.CHECKING)
_MISSING, _INCONSISTENT = int(Flag.MISSING), int(Flag.INCONSISTENT)
_BACK, _REFUSED = int(Reason.REFERENCE_BACK), int(Reason.REFERENCE_INCONSISTENT)
_MOVED = int(Reason.REFERENCE_MOVED_WHILE_WATCHED)
_LOST = int(Reason.REFERENCE_LOST_WHILE_WATCHED)
_ACCEPTED = int(Reason.REFERENCE_ACCEPTED)
_BAD = int(Quality.BAD)

_NORMAL_95 = 1.959963984540054
_MOVED_SIGMAS = 5.0


@njit(cache=True, nogil=True)
def bound_95(memory: Record) -> float:
    """Return what |local - reference| stays below in 95 of 100 cases, in s."""
    phase: float = abs(memory.state[PHASE])
    sigma = misjudgement(memory) * math.sqrt(memory.covariance[PHASE, PHASE])
    return phase + _NORMAL_95 * sigma


@njit(cache=True, nogil=True)
def _wander(design: Record, variance: float, sigma_y: float, steps: int) -> float:
    """Return the deviation of the difference of two residuals that are `steps` apart."""
    drifted = sigma_y * (steps * design.step_s)
    wander = design.noise[PHASE, PHASE] * steps
    return math.sqrt(2.0 * variance + drifted * drifted + wander)


@njit(cache=True, nogil=True)
def watch(
    memory: Record, design: Record, usable: bool, reading_s: float, quality: int
) -> tuple[int, float, float]:
    """Judge a reading in holdover; see `lock.follow` for what is returned."""
    if not usable or quality == _BAD:
        memory.lost += 1
        if memory.mode == _CHECKING and memory.lost >= LOST_IN_A_ROW:
            change(memory, _HOLDOVER, _LOST)
        return _MISSING, 0.0, 0.0
    variance = reading_variance(design, quality)
    residual, sigma = innovation(memory.state, memory.covariance, variance, reading_s)
    _, sigma_y = frequency(
        memory.state, memory.covariance, design.advance, design.step_s, memory.warmth
    )
    beyond = abs(residual) > design.relock_sigmas * misjudgement(memory) * sigma
    if memory.mode == _CHECKING:
        return _check(memory, design, residual, variance, beyond), residual, sigma
    if _refused(memory, design, residual, variance, sigma_y, beyond):
        if design.accept_after > 0 and memory.steady >= design.accept_after:
            restart(memory, design, _ACCEPTED, False)
        elif memory.reason != _REFUSED:
            change(memory, _HOLDOVER, _REFUSED)
        return _INCONSISTENT, residual, sigma
    memory.lost = 0
    memory.first, memory.first_residual, memory.first_sigma = memory.step, residual, sigma_y
    change(memory, _CHECKING, _BACK)
    return 0, residual, sigma


@njit(cache=True, nogil=True)
def _refused(
    memory: Record, design: Record, residual: float, variance: float, sigma_y: float, beyond: bool
) -> bool:
    """Return whether the reference is out of bounds, or still where it was refused.

    It takes three readings in a row elsewhere to believe that it has moved: one could be an
    outlier.
    """
    if not memory.refused:
        if not beyond:
            return False
        memory.refused, memory.elsewhere, memory.steady = 1, 0, 0
        memory.seen, memory.seen_residual = memory.step, residual
        return True
    allowed = _MOVED_SIGMAS * _wander(design, variance, sigma_y, memory.step - memory.seen)
    if abs(residual - memory.seen_residual) <= allowed:
        memory.elsewhere = 0
        memory.steady += 1
    else:
        memory.elsewhere += 1
        if memory.elsewhere < LOST_IN_A_ROW:
            return True
        memory.refused, memory.elsewhere, memory.steady = int(beyond), 0, 0
    memory.seen, memory.seen_residual = memory.step, residual
    return bool(memory.refused)


@njit(cache=True, nogil=True)
def _check(memory: Record, design: Record, residual: float, variance: float, beyond: bool) -> int:
    """Go on watching a reference that came back; returns flags."""
    steps = memory.step - memory.first
    allowed = _MOVED_SIGMAS * _wander(design, variance, memory.first_sigma, steps)
    if beyond or abs(residual - memory.first_residual) > allowed:
        memory.lost += 1
        if memory.lost >= LOST_IN_A_ROW:
            memory.relapses = min(memory.relapses + 1, MOST_RELAPSES)
            if beyond:
                memory.refused, memory.elsewhere, memory.steady = 1, 0, 0
                memory.seen, memory.seen_residual = memory.step, residual
                change(memory, _HOLDOVER, _REFUSED)
            else:
                change(memory, _HOLDOVER, _MOVED)
        return _INCONSISTENT
    memory.lost = 0
    if steps >= max(design.relock_readings << memory.relapses, memory.watch):
        recover(memory)
    return 0
