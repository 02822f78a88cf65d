"""The Kalman estimator of phase, frequency and drift between two clocks.

One `predict` a step and one `update` a reading; a missing reading is a step without an
update, and the covariance grows as it must. Steering is no noise: its phase is given to the
prediction. All memory is in two arrays, the state and its covariance, that the functions
change in place. All products are loops of + - * / in a fixed order, so that a recorded run
gives the same steering on every machine (no BLAS, no fused multiplications).

References
----------
.. [1] R. G. Brown, P. Y. C. Hwang, "Introduction to Random Signals and Applied Kalman
   Filtering", 4th ed. (Wiley 2012), sect. 4.2: the recursion.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.clock.model import DRIFT, FLICKER, PHASE, WALK, WARMTH, StateSpace

__all__ = ["ahead", "frequency", "initial", "innovation", "predict", "update"]


def initial(model: StateSpace) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return state and covariance before the first reading."""
    return np.zeros(model.size), np.diag(model.prior)


@njit(cache=True, nogil=True)
def predict(
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    advance: NDArray[np.float64],
    decay: NDArray[np.float64],
    noise: NDArray[np.float64],
    step_s: float,
    steered_s: float,
    warmth: float,
) -> None:
    """Take state and covariance over one step, in place: F x + steering, F P F' + Q.

    Parameters
    ----------
    state, covariance : ndarray
        Changed in place.
    advance, decay, noise : ndarray
        Of the `StateSpace`, as is `step_s`.
    steered_s : float
        What steering added to the phase during the step.
    warmth : float
        Mean temperature of the clock in the step less a fixed one, in kelvin; 0 without a
        sensor.
    """
    size = state.size
    heat = step_s * warmth
    phase = heat * state[WARMTH]
    for j in range(size):
        phase += advance[j] * state[j]
    state[PHASE] = phase + steered_s
    state[WALK] += step_s * state[DRIFT]
    for j in range(FLICKER, size):
        state[j] *= decay[j]
    for j in range(size):  # F P
        phase = heat * covariance[WARMTH, j]
        for i in range(size):
            phase += advance[i] * covariance[i, j]
        covariance[PHASE, j] = phase
        covariance[WALK, j] += step_s * covariance[DRIFT, j]
        for i in range(FLICKER, size):
            covariance[i, j] *= decay[i]
    for i in range(size):  # (F P) F' + Q, the lower triangle, then its mirror image
        phase = heat * covariance[i, WARMTH]
        for j in range(size):
            phase += advance[j] * covariance[i, j]
        covariance[i, PHASE] = phase
        covariance[i, WALK] += step_s * covariance[i, DRIFT]
        for j in range(FLICKER, i + 1):
            covariance[i, j] *= decay[j]
        for j in range(i + 1):
            covariance[i, j] += noise[i, j]
            covariance[j, i] = covariance[i, j]


@njit(cache=True, nogil=True)
def innovation(
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    reading_variance: float,
    reading_s: float,
) -> tuple[float, float]:
    """Return a reading minus its prediction, and the standard deviation of that.

    Changes nothing: a test for outliers comes between this and `update`.
    """
    return reading_s - state[PHASE], math.sqrt(covariance[PHASE, PHASE] + reading_variance)


@njit(cache=True, nogil=True)
def update(
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    reading_variance: float,
    innovation_s: float,
) -> None:
    """Take in a reading, in place, that differs from its prediction by `innovation_s`."""
    size = state.size
    total = covariance[PHASE, PHASE] + reading_variance
    left = reading_variance / total
    # The column of the phase comes last: all others need it as it was.
    for i in range(size):
        gain = covariance[i, PHASE] / total
        state[i] += gain * innovation_s
        for j in range(1, i + 1):
            covariance[i, j] -= gain * covariance[j, PHASE]
            covariance[j, i] = covariance[i, j]
    for i in range(size):
        covariance[i, PHASE] *= left
        covariance[PHASE, i] = covariance[i, PHASE]


@njit(cache=True, nogil=True)
def ahead(
    state: NDArray[np.float64],
    advance: NDArray[np.float64],
    decay: NDArray[np.float64],
    step_s: float,
    fraction: float,
    warmth: float,
) -> tuple[float, float]:
    """Return what a command that acts `fraction` of a step from now will meet.

    Returns
    -------
    phase_s : float
        The phase then, without steering meanwhile.
    frequency : float
        The free-running frequency, averaged over the step from then on.
    """
    now = step_s * (warmth * state[WARMTH])
    then = now + step_s * (step_s * state[DRIFT])
    for j in range(1, state.size):
        now += advance[j] * state[j]
        then += advance[j] * (decay[j] * state[j])
    return state[PHASE] + fraction * now, (now + fraction * (then - now)) / step_s


@njit(cache=True, nogil=True)
def frequency(
    state: NDArray[np.float64],
    covariance: NDArray[np.float64],
    advance: NDArray[np.float64],
    step_s: float,
    warmth: float,
) -> tuple[float, float]:
    """Return the mean free-running frequency of the coming step, and its deviation.

    White frequency noise, which nothing predicts, is in neither.
    """
    size = state.size
    mean = variance = 0.0
    for i in range(1, size):
        a = advance[i] / step_s
        if i == WARMTH:
            a = warmth
        mean += a * state[i]
        row = 0.0
        for j in range(1, size):
            b = advance[j] / step_s
            if j == WARMTH:
                b = warmth
            row += b * covariance[i, j]
        variance += a * row
    return mean, math.sqrt(max(variance, 0.0))
