"""Going back to an estimate from before the reference was in doubt.

Snapshots are kept 1, 2, 4 ... steps apart, two of each, so that for an age of 2^k steps, up to
2048, there is one that is less than twice as old. From there the estimate is predicted to the
present with the steering and the temperature that were: what the readings in between said is
forgotten, and the covariance has grown as if they had never come.
"""

from __future__ import annotations

from numba import njit

from protocols.clock.kalman import predict
from protocols.clock.memory import HISTORY, LEVELS, Record
from protocols.clock.model import PHASE

__all__ = ["anchor", "pass_step", "roll_back", "snapshot"]


@njit(cache=True, nogil=True)
def pass_step(
    memory: Record, design: Record, steered_s: float, shaken: float, warmth: float
) -> None:
    """Predict the estimate over one step and remember what happened in it.

    Parameters
    ----------
    memory, design : numpy.record
        Of the loop.
    steered_s : float
        What steering added to the phase.
    shaken : float
        Variance of that, in s^2, where a command may or may not have been obeyed.
    warmth : float
        Mean temperature less that of the design, in kelvin.
    """
    memory.step += 1
    place = memory.step % HISTORY
    memory.steered_s[place] = steered_s
    memory.shaken[place] = shaken
    memory.warmths[place] = warmth
    predict(
        memory.state, memory.covariance, design.advance, design.decay, design.noise,
        design.step_s, steered_s, warmth,
    )  # fmt: skip
    memory.covariance[PHASE, PHASE] += shaken


@njit(cache=True, nogil=True)
def _keep(memory: Record, place: int) -> None:
    memory.old_states[place, :] = memory.state
    memory.old_covariances[place, :, :] = memory.covariance
    memory.old_steps[place] = memory.step


@njit(cache=True, nogil=True)
def snapshot(memory: Record) -> None:
    """Keep the present estimate at every level whose turn it is."""
    for level in range(LEVELS):
        if memory.step % (1 << level):
            break
        _keep(memory, 1 + 2 * level + ((memory.step >> level) & 1))


@njit(cache=True, nogil=True)
def anchor(memory: Record) -> None:
    """Forget all snapshots and keep the present estimate until there are older ones."""
    memory.old_steps[:] = -1
    _keep(memory, 0)


@njit(cache=True, nogil=True)
def roll_back(memory: Record, design: Record, age: int) -> None:
    """Return to the newest snapshot that is at least `age` steps old, or to the oldest."""
    best = oldest = -1
    for place in range(memory.old_steps.size):
        step = memory.old_steps[place]
        if step < 0 or memory.step - step >= HISTORY:
            continue
        if oldest < 0 or step < memory.old_steps[oldest]:
            oldest = place
        if memory.step - step >= age and (best < 0 or step > memory.old_steps[best]):
            best = place
    if best < 0:
        best = oldest
    if best < 0:
        return
    memory.state[:] = memory.old_states[best]
    memory.covariance[:, :] = memory.old_covariances[best]
    for step in range(memory.old_steps[best] + 1, memory.step + 1):
        place = step % HISTORY
        predict(
            memory.state, memory.covariance, design.advance, design.decay, design.noise,
            design.step_s, memory.steered_s[place], memory.warmths[place],
        )  # fmt: skip
        memory.covariance[PHASE, PHASE] += memory.shaken[place]
