"""A loop run against given clocks, as fast as compiled code goes: a day in a tenth of a second.

The very step of `tick` runs here without Python in between, so what is learnt from a thousand
rehearsed days holds for the loop that steers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.clock.memory import Record, designed, new_memory
from protocols.clock.settings import LoopSettings
from protocols.clock.tick import report, tick
from protocols.errors import ParameterError

__all__ = ["Rehearsal", "rehearse"]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a loop did, one value per step.

    Attributes
    ----------
    local_s : ndarray
        Phase of the steered clock.
    states : ndarray
        `State`, after each reading.
    flags : ndarray
        `Flag`, of each reading.
    bounds_95_s : ndarray
        Reported after each reading.
    steering : ndarray
        Commanded at each reading, as fractional frequency.
    """

    local_s: NDArray[np.float64]
    states: NDArray[np.int8]
    flags: NDArray[np.int32]
    bounds_95_s: NDArray[np.float64]
    steering: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _run(
    memory: Record,
    design: Record,
    free_s: NDArray[np.float64],
    seen_s: NDArray[np.float64],
    qualities: NDArray[np.int8],
    warmths: NDArray[np.float64],
    local_s: NDArray[np.float64],
    states: NDArray[np.int8],
    flags: NDArray[np.int32],
    bounds_s: NDArray[np.float64],
    steering: NDArray[np.float64],
) -> None:
    steered = 0.0
    for k in range(free_s.size):
        local_s[k] = free_s[k] + steered
        reading = local_s[k] - seen_s[k]
        usable = abs(reading) <= 1.0
        flags[k], _, _, moved = tick(
            memory, design, 1, usable, reading if usable else 0.0, qualities[k], warmths[k],
            True, True, False,
        )  # fmt: skip
        states[k] = memory.mode
        bounds_s[k] = report(memory, design)[-1]
        steering[k] = memory.after
        steered += moved + design.step_s * (
            design.dead * memory.before + (1.0 - design.dead) * memory.after
        )


def rehearse(
    settings: LoopSettings,
    free_s: NDArray[np.float64],
    seen_s: NDArray[np.float64],
    *,
    qualities: NDArray[np.int8] | None = None,
    warmths_k: NDArray[np.float64] | None = None,
    setting: int = 0,
) -> Rehearsal:
    """Run a loop from its start against clocks whose phases are given at every step.

    Parameters
    ----------
    settings : LoopSettings
        Of the loop.
    free_s : ndarray
        Phase of the local clock left alone, in seconds, one value per step.
    seen_s : ndarray
        Phase of the reference as it arrives, with the noise of the readings; NaN where
        there is none.
    qualities : ndarray, optional
        `Quality` of each reading; good if not given.
    warmths_k : ndarray, optional
        Temperature less that at which the clock's coefficient counts from.
    setting : int
        What the actuator is set to at the start; `free_s` is without it.

    Raises
    ------
    ParameterError
        The arrays differ in length.
    """
    size = free_s.size
    quality = np.zeros(size, np.int8) if qualities is None else qualities
    warmth = np.zeros(size) if warmths_k is None else warmths_k
    if not size == seen_s.size == quality.size == warmth.size:
        raise ParameterError("all that is rehearsed must be given at the same steps")
    design = designed(settings)
    result = Rehearsal(
        np.empty(size), np.empty(size, np.int8), np.empty(size, np.int32), np.empty(size),
        np.empty(size),
    )  # fmt: skip
    _run(
        new_memory(design, setting), design, free_s, seen_s, quality, warmth, result.local_s,
        result.states, result.flags, result.bounds_95_s, result.steering,
    )  # fmt: skip
    return result
