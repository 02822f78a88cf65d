"""What a loop will reach, from the noise of its clocks alone.

References
----------
.. [1] J. A. Barnes et al., IEEE Trans. Instrum. Meas. IM-20, 105 (1971), for the integrals
   of `protocols.clock.spectrum`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.clock import kalman
from protocols.clock.actuator import Actuator
from protocols.clock.control import Gains
from protocols.clock.model import PHASE, StateSpace
from protocols.clock.rehearsal import rehearse
from protocols.clock.response import closed_loop, filter_response, is_stable, margins
from protocols.clock.settings import LoopSettings
from protocols.clock.spectrum import adev_weights, frequency_grid, tdev_weights
from protocols.clock.states import State
from protocols.clock.tuning import Design, Task, clock_density
from protocols.errors import ParameterError

__all__ = [
    "Holdover",
    "Stability",
    "phase_margin_deg",
    "predicted_holdover",
    "predicted_lock_s",
    "predicted_stability",
]

_MOST_STEPS = 1_000_000  # the grid of frequencies reaches a hundred times lower
_FINE, _SPAN = 1e-15, 10**8  # an actuator that stands in nobody's way

_Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stability:
    """Predicted stability of the three clocks, and the loop's figures.

    Attributes
    ----------
    taus_s : ndarray
        Averaging times.
    steered_tdev, reference_tdev, free_tdev : ndarray
        Time deviations in seconds: of the steered clock, of the reference as it is read
        (with the noise of the readings), of the local clock left alone.
    steered_adev, reference_adev, free_adev : ndarray
        Allan deviations of the same.
    bandwidth_hz : float
        Where the answer of the steered clock to the reference has fallen by 3 dB.
    phase_margin_deg : float
        Of the open loop, where its gain is 1.
    """

    taus_s: _Curve
    steered_tdev: _Curve
    reference_tdev: _Curve
    free_tdev: _Curve
    steered_adev: _Curve
    reference_adev: _Curve
    free_adev: _Curve
    bandwidth_hz: float
    phase_margin_deg: float

    @property
    def ratio(self) -> _Curve:
        """Steered time deviation over the smaller one of reference and free clock."""
        return self.steered_tdev / np.minimum(self.reference_tdev, self.free_tdev)

    @property
    def pays_from_s(self) -> float:
        """Averaging time from which on the reference as read is the better one; inf if never."""
        worse = np.flatnonzero(self.reference_tdev >= self.free_tdev)
        first = int(worse[-1]) + 1 if worse.size else 0
        return float(self.taus_s[first]) if first < self.taus_s.size else math.inf


def predicted_stability(task: Task, design: Design, samples: NDArray[np.int64]) -> Stability:
    """Predict the stability of a loop that has settled.

    Ageing is left out: the loop removes it, and of a free clock it is no noise.

    Parameters
    ----------
    task : Task
        The clocks and the readings.
    design : Design
        The loop.
    samples : ndarray of int
        Averaging times in steps, 1 to 1e6.

    Raises
    ------
    ParameterError
        There is no averaging time, or one is out of its range.
    """
    if samples.size == 0 or samples.min() < 1 or samples.max() > _MOST_STEPS:
        raise ParameterError(f"averaging times are 1 to {_MOST_STEPS} steps")
    grid = frequency_grid(task.step_s)
    answer = closed_loop(
        design.controller, design.gains, filter_response(task.model(), grid, task.dead)
    )
    free = clock_density(task.local, grid)
    reference = clock_density(task.reference, grid) + 2.0 * task.reading_s**2
    steered = np.abs(answer) ** 2 * reference + np.abs(1.0 - answer) ** 2 * free
    in_time, in_frequency = tdev_weights(grid, samples), adev_weights(grid, samples)
    bandwidth, margin = margins(answer, grid)
    return Stability(
        task.step_s * samples.astype(np.float64),
        steered_tdev=_root(in_time @ steered),
        reference_tdev=_root(in_time @ reference),
        free_tdev=_root(in_time @ free),
        steered_adev=_root(in_frequency @ steered),
        reference_adev=_root(in_frequency @ reference),
        free_adev=_root(in_frequency @ free),
        bandwidth_hz=bandwidth,
        phase_margin_deg=margin,
    )


def phase_margin_deg(task: Task, controller: str, gains: Gains) -> float:
    """Return the phase margin of a loop in degrees; see `Stability`.

    Raises
    ------
    ParameterError
        With these gains the loop is unstable.
    """
    if not is_stable(controller, gains, task.dead, task.step_s):
        raise ParameterError("with these gains the loop is unstable")
    grid = frequency_grid(task.step_s)
    filtered = filter_response(task.model(), grid, task.dead)
    return margins(closed_loop(controller, gains, filtered), grid)[1]


def _root(variance: _Curve) -> _Curve:
    root: _Curve = np.sqrt(variance)
    return root


@dataclass(frozen=True, slots=True)
class Holdover:
    """Predicted error after the reference was lost.

    Attributes
    ----------
    times_s : ndarray
        Since the loss.
    rms_s : ndarray
        Standard deviation of local - reference.
    """

    times_s: _Curve
    rms_s: _Curve

    @property
    def bound_95_s(self) -> _Curve:
        """Bound that 95 of 100 errors stay within."""
        return 1.959963984540054 * self.rms_s


def predicted_holdover(
    task: Task, samples: NDArray[np.int64], *, learnt_s: float = 86_400.0
) -> Holdover:
    """Predict the error of holdover, steered by the estimate alone.

    Parameters
    ----------
    task : Task
        The clocks and the readings.
    samples : ndarray of int
        Times after the loss, in steps, rising.
    learnt_s : float
        How long the reference was read before.

    Raises
    ------
    ParameterError
        The times do not rise from above 0, or are too many to compute.
    """
    if samples.size == 0 or samples[0] < 1 or np.any(np.diff(samples) < 1):
        raise ParameterError("times after the loss must rise, from one step on")
    if not 0.0 <= learnt_s / task.step_s <= 1e8 or samples[-1] > 100_000_000:
        raise ParameterError("at most 1e8 steps can be predicted")
    variances = _grown(task.model(), round(learnt_s / task.step_s), samples)
    return Holdover(task.step_s * samples.astype(np.float64), _root(variances))


def _grown(model: StateSpace, learnt: int, samples: NDArray[np.int64]) -> _Curve:
    state, covariance = kalman.initial(model)
    return _variances(
        state, covariance, model.advance, model.decay, model.noise, model.step_s,
        model.reading_variance, learnt, samples,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _variances(
    state: _Curve,
    covariance: _Curve,
    advance: _Curve,
    decay: _Curve,
    noise: _Curve,
    step_s: float,
    reading_variance: float,
    learnt: int,
    samples: NDArray[np.int64],
) -> _Curve:
    for _ in range(learnt):
        kalman.predict(state, covariance, advance, decay, noise, step_s, 0.0, 0.0)
        kalman.update(state, covariance, reading_variance, 0.0)
    found = np.empty(samples.size)
    done = 0
    for k in range(samples.size):
        for _ in range(samples[k] - done):
            kalman.predict(state, covariance, advance, decay, noise, step_s, 0.0, 0.0)
        done = samples[k]
        found[k] = covariance[PHASE, PHASE]
    return found


def predicted_lock_s(
    task: Task,
    design: Design,
    *,
    phase_s: float = 100e-9,
    frequency: float = 1e-10,
    phase_limit_s: float = 5e-9,
    slew: float = 1e-9,
    longest_s: float = 3600.0,
) -> float | None:
    """Return the time from a warm start to the lock: a loop's run against clocks without noise.

    The loop knows no more than in earnest: its doubt of phase and frequency is that of noisy
    readings. Noise itself moves the time by some tens of seconds.

    Parameters
    ----------
    task : Task
        The clocks and the readings.
    design : Design
        The loop.
    phase_s, frequency : float
        Local - reference at the start.
    phase_limit_s : float
        What the lock claims.
    slew : float
        Largest change of the steering from one command to the next.
    longest_s : float
        When to give up.

    Returns
    -------
    float or None
        None if it has not locked by then.

    Raises
    ------
    ParameterError
        The start is further off than a second or a part in a thousand, or no number.
    """
    if not (abs(phase_s) <= 1.0 and abs(frequency) <= 1e-3):
        raise ParameterError("a warm start is within a second and a part in a thousand")
    steps = max(math.ceil(longest_s / task.step_s), 1)
    actuator = Actuator(step=_FINE, lower=-_SPAN, upper=_SPAN, slew=slew)
    settings = LoopSettings(
        model=task.model(), actuator=actuator, gains=design.gains, controller=design.controller,
        dead_steps=task.dead, phase_limit_s=phase_limit_s,
    )  # fmt: skip
    seconds = task.step_s * np.arange(steps, dtype=np.float64)
    free: _Curve = phase_s + frequency * seconds
    run = rehearse(settings, free, np.zeros(steps))
    locked = run.states == int(State.LOCKED)
    return float(seconds[np.argmax(locked)]) if locked.any() else None
