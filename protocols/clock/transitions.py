"""Changes of the loop's state, and what each leaves behind."""

from __future__ import annotations

from numba import njit

from protocols.clock.history import anchor, roll_back
from protocols.clock.memory import MOST_RELAPSES, Record
from protocols.clock.model import PHASE
from protocols.clock.outliers import forget_residuals, run_beyond
from protocols.clock.states import Flag, Reason, State

__all__ = ["LOST_IN_A_ROW", "change", "recover", "restart", "retreat", "set_phase"]

_ACQUIRING, _HOLDOVER = int(State.ACQUIRING), int(State.HOLDOVER)
_LOCKED, _RECOVERING = int(State.LOCKED), int(State.RECOVERING)
_ROLLED_BACK = int(Flag.ROLLED_BACK)
_CONSISTENT = int(Reason.REFERENCE_CONSISTENT)

# A run of residuals this far off does not end a lock, but is forgotten with it: less is
# asked for where the readings themselves are why it ended.
_SUSPECT_SIGMAS = 3.5
_DOUBTFUL_SIGMAS = 4.5
LOST_IN_A_ROW = 3
"""Readings missing or outliers in a row that end a lock."""
_FORGIVEN_AFTER = 3600  # steps of lock, after which earlier relapses no longer count


@njit(cache=True, nogil=True)
def change(memory: Record, mode: int, reason: int) -> None:
    """Go to another state for a reason."""
    memory.mode = mode
    memory.reason = reason
    memory.since = 0
    memory.near = 0


@njit(cache=True, nogil=True)
def _fresh_start(memory: Record) -> None:
    memory.accepted = 0
    memory.lost = 0
    memory.recent = 0
    memory.settling = 0
    memory.refused = 0
    forget_residuals(memory)


@njit(cache=True, nogil=True)
def restart(memory: Record, design: Record, reason: int, forget: bool) -> None:
    """Learn anew: the phase, which the next reading sets, or everything."""
    if forget:
        memory.state[:] = 0.0
        memory.covariance[:, :] = 0.0
        for i in range(memory.state.size):
            memory.covariance[i, i] = design.prior[i]
    memory.fresh = 1
    _fresh_start(memory)
    memory.old_steps[:] = -1
    change(memory, _ACQUIRING, reason)


@njit(cache=True, nogil=True)
def set_phase(memory: Record, reading_s: float, variance: float) -> None:
    """Take the phase from a reading alone."""
    memory.state[PHASE] = reading_s
    memory.covariance[PHASE, :] = 0.0
    memory.covariance[:, PHASE] = 0.0
    memory.covariance[PHASE, PHASE] = variance
    memory.fresh = 0
    _fresh_start(memory)
    anchor(memory)


@njit(cache=True, nogil=True)
def retreat(memory: Record, design: Record, reason: int, doubtful: int) -> int:
    """Go into holdover from an estimate older than the last `doubtful` readings.

    More is forgotten where a longer run of residuals is suspect; the reference is then
    watched for as long, lest the same drift pass for noise again. Returns flags.
    """
    run = run_beyond(memory, _SUSPECT_SIGMAS if doubtful else _DOUBTFUL_SIGMAS)
    age = max(doubtful, 2 * run)
    memory.watch = 2 * run
    flags = 0
    if age > 0:
        roll_back(memory, design, age)
        flags = _ROLLED_BACK
    if memory.mode == _LOCKED and memory.since >= _FORGIVEN_AFTER:
        memory.relapses = 0
    else:
        memory.relapses = min(memory.relapses + 1, MOST_RELAPSES)
    _fresh_start(memory)
    change(memory, _HOLDOVER, reason)
    return flags


@njit(cache=True, nogil=True)
def recover(memory: Record) -> None:
    """Follow a returned reference again; a relapse goes back to the estimate of now."""
    _fresh_start(memory)
    anchor(memory)
    change(memory, _RECOVERING, _CONSISTENT)
