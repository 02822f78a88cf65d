"""The course of a clock through readings of its phase: phase, frequency and drift.

Kalman's filter, forwards and backwards, and at each time the sum of what the two know (Fraser
and Potter, IEEE Trans. Automatic Control 14, 387 (1969)), for readings at any times. White and
random-walk noise of the frequency are those by which each reading is best predicted from those
before it, and none where that is no worse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["Course", "Noise", "advance", "smooth"]

Floats = npt.NDArray[np.float64]

#: Logarithm of likelihood that a parameter of the noise must bring.
_WORTH = 4.0
_UNKNOWN = 1e8
#: Drift is known beforehand to be no more than so many readings' deviations per step squared.
_DRIFTS = 1e8
_SKIPPED = 3


@dataclass(frozen=True)
class Noise:
    """How a clock wanders.

    Attributes
    ----------
    white : float
        Variance of the phase's random walk, per second (white frequency noise).
    walk : float
        Variance of the frequency's random walk, per second.
    drifts : bool
        Whether the frequency also changes steadily.
    """

    white: float
    walk: float
    drifts: bool


@dataclass(frozen=True, eq=False)
class Course:
    """A smoothed course.

    Attributes
    ----------
    states : (n, 3) array
        Phase, frequency and drift at each time.
    covariances : (n, 3, 3) array
    noise : Noise
    misfit : float
        Mean square of the readings' innovations over their variance; 1 if all is well.
    """

    states: Floats
    covariances: Floats
    noise: Noise
    misfit: float


def smooth(times: Floats, phases: Floats, variances: Floats) -> Course:
    """Return the smoothed course through readings.

    Parameters
    ----------
    times : float64 array
        Seconds, ascending.
    phases, variances : float64 array
        Readings; where the variance is infinite there is none.
    """
    read = np.isfinite(variances)
    typical = float(np.median(variances[read]))
    step = float(np.median(np.diff(times[read]))) if np.count_nonzero(read) > 1 else 1.0
    whites = [typical / step * 10.0**k for k in range(-5, 2)]
    walks = [typical / step**3 * 10.0**k for k in range(-8, 1)]
    trials = [Noise(0.0, 0.0, False), Noise(0.0, 0.0, True)]
    trials += [Noise(white, 0.0, False) for white in whites]
    trials += [Noise(0.0, walk, False) for walk in walks]
    trials += [Noise(white, walk, False) for white in whites[:-1] for walk in walks[:-1:2]]
    best, best_score = trials[0], -np.inf
    for noise in trials:
        score = _filtered(times, phases, variances, noise, typical, step)[2]
        score -= _WORTH * ((noise.white > 0) + (noise.walk > 0) + noise.drifts)
        if score > best_score:
            best, best_score = noise, score
    states, covariances, _, squares = _filtered(times, phases, variances, best, typical, step)
    misfit = squares / max(int(np.count_nonzero(read)) - _SKIPPED, 1)
    late, spread, _, _ = _filtered(times[::-1], phases[::-1], variances[::-1], best, typical, step)
    late, spread = late[::-1], spread[::-1]
    for n in range(times.size - 1):
        gap = times[n] - times[n + 1]
        late[n], spread[n] = advance(late[n + 1], spread[n + 1], gap, best.white, best.walk)
    _joined(states[:-1], covariances[:-1], late[:-1], spread[:-1], 3 if best.drifts else 2)
    return Course(states, covariances, best, misfit)


def _filtered(
    times: Floats, phases: Floats, variances: Floats, noise: Noise, typical: float, step: float
) -> tuple[Floats, Floats, float, float]:
    start = np.diag(
        [
            _UNKNOWN * typical,
            _UNKNOWN * typical / step**2,
            _DRIFTS * typical / step**4 if noise.drifts else 0.0,
        ]
    )
    states = np.zeros((times.size, 3))
    covariances = np.zeros((times.size, 3, 3))
    likelihood, squares = _filter(
        times, phases, variances, noise.white, noise.walk, start, states, covariances
    )
    return states, covariances, float(likelihood), float(squares)


@njit(cache=True, nogil=True)
def advance(
    x: Floats, p: Floats, dt: float, white: float, walk: float
) -> tuple[Floats, Floats]:  # pragma: no cover - compiled
    """Return state and covariance some seconds later, or earlier."""
    f = np.eye(3)
    f[0, 1], f[0, 2], f[1, 2] = dt, 0.5 * dt * dt, dt
    y, q = np.zeros(3), np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            y[i] += f[i, j] * x[j]
            for k in range(3):
                for m in range(3):
                    q[i, j] += f[i, k] * p[k, m] * f[j, m]
    long = abs(dt)
    q[0, 0] += white * long + walk * long**3 / 3
    q[0, 1] += walk * dt * long / 2
    q[1, 0] += walk * dt * long / 2
    q[1, 1] += walk * long
    return y, q


@njit(cache=True, nogil=True)
def _filter(
    times: Floats,
    phases: Floats,
    variances: Floats,
    white: float,
    walk: float,
    start: Floats,
    states: Floats,
    covariances: Floats,
) -> tuple[float, float]:  # pragma: no cover - compiled
    x, p = np.zeros(3), start.copy()
    likelihood, squares, seen = 0.0, 0.0, 0
    for n in range(times.size):
        if n:
            x, p = advance(x, p, times[n] - times[n - 1], white, walk)
        if np.isfinite(variances[n]):
            total = p[0, 0] + variances[n]
            miss = phases[n] - x[0]
            seen += 1
            if seen > 3:
                likelihood -= 0.5 * (np.log(total) + miss * miss / total)
                squares += miss * miss / total
            gain = p[:, 0] / total
            x = x + gain * miss
            # Joseph's form, which stays positive from whatever is unknown at first
            keep = np.eye(3)
            keep[:, 0] -= gain
            q = np.zeros((3, 3))
            for i in range(3):
                for j in range(3):
                    q[i, j] = gain[i] * gain[j] * variances[n]
                    for k in range(3):
                        for m in range(3):
                            q[i, j] += keep[i, k] * p[k, m] * keep[j, m]
            p = q
        states[n], covariances[n] = x, p
    return likelihood, squares


def _joined(states: Floats, covariances: Floats, later: Floats, spreads: Floats, n: int) -> None:
    """Join what earlier and later readings say, by the sum of their information, in place."""
    mine, others = _inverse(covariances[:, :n, :n]), _inverse(spreads[:, :n, :n])
    joint = _inverse(mine + others)
    told = mine @ states[:, :n, None] + others @ later[:, :n, None]
    states[:, :n] = (joint @ told)[..., 0]
    covariances[:, :n, :n] = joint


def _inverse(matrices: Floats) -> Floats:
    """Invert covariances whose entries differ by many orders of magnitude."""
    scale = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
    unit = scale[:, :, None] * scale[:, None, :]
    found: Floats = np.linalg.inv(matrices / unit) / unit
    return found
