"""Following the readings: which are used, when the loop is locked, and when it no longer is.

`locked` claims that local and reference differ by less than a limit. It is set after a number
of readings in a row for which |x| + 4 sigma was below 0.8 of the limit, and cleared when that
exceeds the limit, when three readings in a row are lost, when eight of the last sixteen are,
when the residuals drift, or when the reference says that it is bad. The gap between both
levels keeps the claim from flickering.
"""

from __future__ import annotations

import math

from numba import njit

from protocols.clock.kalman import innovation, update
from protocols.clock.memory import Record
from protocols.clock.model import PHASE
from protocols.clock.outliers import cumulate, run_beyond
from protocols.clock.states import Flag, Quality, Reason, State
from protocols.clock.transitions import LOST_IN_A_ROW, change, restart, retreat, set_phase

__all__ = ["detect_lock", "follow", "reading_variance"]

_ACQUIRING, _LOCKED = int(State.ACQUIRING), int(State.LOCKED)
_RECOVERING = int(State.RECOVERING)
_MISSING, _OUTLIER, _SUSPICIOUS = int(Flag.MISSING), int(Flag.OUTLIER), int(Flag.SUSPICIOUS)
_READINGS_MISSING = int(Reason.READINGS_MISSING)
_OUTLIERS_IN_A_ROW = int(Reason.OUTLIERS_IN_A_ROW)
_TOO_MANY_LOST, _RESIDUALS_DRIFT = int(Reason.TOO_MANY_LOST), int(Reason.RESIDUALS_DRIFT)
_REFERENCE_BAD = int(Reason.REFERENCE_BAD)
_RESTARTED = int(Reason.ACQUISITION_RESTARTED)
_WITHIN, _BEYOND = int(Reason.PHASE_WITHIN_LIMIT), int(Reason.PHASE_BEYOND_LIMIT)
_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)

_RECENT = (1 << 16) - 1
_LOST_OF_RECENT = 8
_SURE_SIGMAS = 4.0
_ENTER = 0.8
_DEGRADED_FACTOR = 9.0  # thrice the noise of a good reading


@njit(cache=True, nogil=True)
def reading_variance(design: Record, quality: int) -> float:
    """Return the variance of a reading of this quality, in s^2."""
    variance: float = design.reading_variance
    return variance if quality == _GOOD else _DEGRADED_FACTOR * variance


@njit(cache=True, nogil=True)
def _count(bits: int) -> int:
    found = 0
    while bits:
        bits &= bits - 1
        found += 1
    return found


@njit(cache=True, nogil=True)
def follow(
    memory: Record, design: Record, usable: bool, reading_s: float, quality: int
) -> tuple[int, float, float]:
    """Take a reading, or its absence, into the estimate and draw the consequences.

    Returns
    -------
    flags : int
        Of this reading.
    residual_s, sigma_s : float
        Reading less prediction, and the standard deviation of that; zero without a reading.
    """
    acquiring = memory.mode == _ACQUIRING
    if quality == _BAD:
        if not acquiring:
            flags = retreat(memory, design, _REFERENCE_BAD, design.distrust_readings)
            return flags | _MISSING, 0.0, 0.0
        usable = False
    variance = reading_variance(design, quality)
    if not usable:
        return _lose(memory, design, _MISSING), 0.0, 0.0
    if memory.fresh:
        set_phase(memory, reading_s, variance)
        return 0, 0.0, math.sqrt(variance)
    residual, sigma = innovation(memory.state, memory.covariance, variance, reading_s)
    cumulate(memory, residual / sigma)
    run = run_beyond(memory, design.drift_sigmas)
    if run:
        flags = _SUSPICIOUS
        if acquiring:
            restart(memory, design, _RESTARTED, True)
            set_phase(memory, reading_s, variance)
        else:
            flags |= retreat(memory, design, _RESIDUALS_DRIFT, 2 * run)
        return flags, residual, sigma
    if abs(residual) > design.outlier_sigmas * sigma:
        flags = _lose(memory, design, _OUTLIER)
        if memory.fresh:
            set_phase(memory, reading_s, variance)
        return flags, residual, sigma
    update(memory.state, memory.covariance, variance, residual)
    memory.accepted += 1
    memory.lost = 0
    memory.recent = (memory.recent << 1) & _RECENT
    if quality == _GOOD:
        memory.near += 1
    return 0, residual, sigma


@njit(cache=True, nogil=True)
def _lose(memory: Record, design: Record, flag: int) -> int:
    """Count a reading that is missing or an outlier; give up when there are too many."""
    if flag == _MISSING:
        cumulate(memory, 0.0)
    memory.lost += 1
    memory.recent = ((memory.recent << 1) | 1) & _RECENT
    if memory.lost >= LOST_IN_A_ROW:
        reason = _READINGS_MISSING if flag == _MISSING else _OUTLIERS_IN_A_ROW
    elif _count(memory.recent) >= _LOST_OF_RECENT:
        reason = _TOO_MANY_LOST
    else:
        return flag
    if memory.mode != _ACQUIRING:
        doubtful = 0 if flag == _MISSING else 2 * memory.lost
        return flag | retreat(memory, design, reason, doubtful)
    if flag == _OUTLIER:
        restart(memory, design, _RESTARTED, True)
    return flag


@njit(cache=True, nogil=True)
def detect_lock(memory: Record, design: Record) -> None:
    """Set or clear the lock by the phase."""
    worst = abs(memory.state[PHASE]) + _SURE_SIGMAS * math.sqrt(memory.covariance[PHASE, PHASE])
    if memory.mode == _LOCKED:
        if not worst <= design.phase_limit_s:
            change(memory, _RECOVERING, _BEYOND)
        return
    if not worst <= _ENTER * design.phase_limit_s:
        memory.near = 0
    elif memory.near >= design.lock_readings:
        change(memory, _LOCKED, _WITHIN)
