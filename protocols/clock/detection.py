"""How small a drift of the reference the loop can tell from noise.

A drift d leaves its mark on the residuals: each is d s_k deviations off in the mean, k steps
after the onset, whatever the controller does, since the estimator knows the steering. A run of
m residuals that ends k steps after the onset is then off by d (s_(k-m+1) + ... + s_k)/sqrt(m)
deviations. The loop sees the drift when that passes its threshold by as much as the wanted
probability asks for. A drift that stays below is learnt as the local clock's own.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri

from protocols.clock.kalman import initial, innovation, predict, update
from protocols.clock.model import StateSpace
from protocols.clock.outliers import LONGEST_RUN, SHORTEST_RUN
from protocols.clock.settings import LoopSettings
from protocols.errors import ParameterError

__all__ = ["detectable_drift", "signature"]


@njit(cache=True, nogil=True)
def _marks(
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    advance: NDArray[np.float64],
    decay: NDArray[np.float64],
    noise: NDArray[np.float64],
    step_s: float,
    variance: float,
    readings: NDArray[np.float64],
) -> NDArray[np.float64]:
    found = np.empty(readings.size)
    for k in range(readings.size):
        predict(state, covariance, advance, decay, noise, step_s, 0.0, 0.0)
        residual, sigma = innovation(state, covariance, variance, readings[k])
        update(state, covariance, variance, residual)
        found[k] = residual / sigma
    return found


def signature(model: StateSpace, steps: int, *, settled_steps: int = 86_400) -> NDArray[np.float64]:
    """Return by how many deviations a unit drift of the reference shifts each residual.

    Parameters
    ----------
    model : StateSpace
        Of the loop.
    steps : int
        Steps after the onset, the first of them one step after it.
    settled_steps : int
        Steps that the estimator had before.
    """
    state, covariance = initial(model)
    given = (model.advance, model.decay, model.noise, model.step_s, model.reading_variance)
    _marks(state, covariance, *given, np.zeros(settled_steps))
    drift = -model.step_s * np.arange(1.0, steps + 1.0)
    marks: NDArray[np.float64] = _marks(state, covariance, *given, drift)
    return marks


def detectable_drift(
    settings: LoopSettings,
    within_steps: int,
    *,
    probability: float = 0.999,
    settled_steps: int = 86_400,
) -> float:
    """Return the smallest drift of the reference that ends a lock in time.

    Parameters
    ----------
    settings : LoopSettings
        Of the loop.
    within_steps : int
        Steps after the onset.
    probability : float
        Of being seen by then.
    settled_steps : int
        Steps that the loop had been locked for.

    Returns
    -------
    float
        Fractional frequency. Where the clocks are noisier than modelled it is larger by
        `outliers.misjudgement`.

    Raises
    ------
    ParameterError
        No run of residuals fits into the time.
    """
    if within_steps < 1 or not 0.0 < probability < 1.0:
        raise ParameterError("a drift takes at least one step, a probability is below one")
    marks = np.abs(signature(settings.model, within_steps, settled_steps=settled_steps))
    padded = np.concatenate((np.zeros(LONGEST_RUN), np.cumsum(marks)))
    runs = 1 << np.arange(SHORTEST_RUN.bit_length() - 1, LONGEST_RUN.bit_length())
    ends = np.arange(LONGEST_RUN, padded.size)
    best = max(
        float(np.max(padded[ends] - padded[ends - run])) / math.sqrt(run) for run in runs.tolist()
    )
    return (settings.drift_sigmas + float(ndtri(probability))) / best
