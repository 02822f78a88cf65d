"""The difference of two clocks as a linear system in discrete time.

The phase x = local - reference integrates white frequency noise, a random walk of the
frequency, its drift, and flicker frequency noise. Flicker noise has no finite model; a sum of
Gauss-Markov frequencies, each with a time constant sqrt(10) times the last one's, has its
spectrum over the decades they span (a Lorentzian 4 v tau / (1 + (2 pi f tau)^2) each; with
v = h_-1 ln sqrt(10) they add up to h_-1/f). All steps are exact, whatever their length.

The transition needs exponentials. They are summed here as series, and squares are written as
products, since the last digit of a library's `exp` and `pow` depends on the machine, and
what a steering command follows from must not.

References
----------
.. [1] C. Zucca, P. Tavella, IEEE Trans. UFFC 52, 289 (2005): phase, random walk and drift.
.. [2] D. T. Gillespie, Phys. Rev. E 54, 2084 (1996), eqs. 2.14 to 2.23: a Gauss-Markov
   process and its integral.
.. [3] J. A. Davis, C. A. Greenhall, P. W. Stacey, Metrologia 42, 1 (2005): flicker noise
   as a sum of Markov processes in a clock's Kalman filter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.errors import ParameterError

__all__ = [
    "DRIFT",
    "FLICKER",
    "FLICKER_TIMES_S",
    "PHASE",
    "WALK",
    "WARMTH",
    "NoiseCoefficients",
    "StateSpace",
    "state_space",
]

PHASE, WALK, DRIFT, WARMTH, FLICKER = 0, 1, 2, 3, 4
"""Places in the state: phase [s], random-walk frequency, its drift [1/s], temperature
coefficient of the frequency [1/K]; from the last on, flicker frequencies."""

_LN_2, _LN_SQRT_10 = 0.6931471805599453, 1.1512925464970229
_SQRT_10 = 3.1622776601683795

FLICKER_TIMES_S = tuple(20.0 * 10 ** (k // 2) * (_SQRT_10 if k % 2 else 1.0) for k in range(11))
"""Time constants of the flicker states, 20 s to 2e6 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseCoefficients:
    """The frequency noise of a clock, S_y(f) = h_0 + h_-1/f + h_-2/f^2, one-sided.

    Attributes
    ----------
    h_0 : float
        White frequency noise, in 1/Hz.
    h_minus_1 : float
        Flicker frequency noise.
    h_minus_2 : float
        Random walk of the frequency, in Hz.

    Raises
    ------
    ParameterError
        A coefficient is negative or above 1, or not a number.
    """

    h_0: float = 0.0
    h_minus_1: float = 0.0
    h_minus_2: float = 0.0

    def __post_init__(self) -> None:
        if not all(0.0 <= h <= 1.0 for h in (self.h_0, self.h_minus_1, self.h_minus_2)):
            raise ParameterError("a noise coefficient is 0 to 1")

    @classmethod
    def from_adev(
        cls, white: float = 0.0, flicker: float = 0.0, walk: float = 0.0
    ) -> NoiseCoefficients:
        """Return the coefficients for Allan deviations (NIST SP 1065, table 5).

        Parameters
        ----------
        white, walk : float
            Allan deviation at 1 s of the white and of the random-walk frequency noise.
        flicker : float
            The flicker floor.
        """
        return cls(
            h_0=2.0 * white * white,
            h_minus_1=flicker * flicker / (2.0 * _LN_2),
            h_minus_2=3.0 * walk * walk / (2.0 * math.pi * math.pi),
        )

    def __add__(self, other: NoiseCoefficients) -> NoiseCoefficients:
        """Return the noise of the difference of two independent clocks."""
        return NoiseCoefficients(
            h_0=self.h_0 + other.h_0,
            h_minus_1=self.h_minus_1 + other.h_minus_1,
            h_minus_2=self.h_minus_2 + other.h_minus_2,
        )


@dataclass(frozen=True, slots=True)
class StateSpace:
    """One step of the difference of two clocks: x' = F x + steering + noise of covariance Q.

    The state is phase, random-walk frequency, drift, temperature coefficient and flicker
    frequencies. F has `decay` on its diagonal and `advance` as its first row; besides, only
    the drift moves the random-walk frequency. The temperature coefficient adds its product
    with the warmth (a temperature less a fixed one) to the frequency, which is `predict`'s
    business. A reading is the phase and white noise.

    Attributes
    ----------
    step_s : float
        Length of the step.
    advance : ndarray
        First row of F: what each state adds to the phase; 1 at the phase itself, 0 at the
        temperature coefficient.
    decay : ndarray
        Diagonal of F.
    noise : ndarray
        Q: covariance of what comes in during a step, symmetric.
    reading_variance : float
        Variance of the noise of a reading, in s^2.
    prior : ndarray
        Variance of each state before the first reading; its mean is zero.
    """

    step_s: float
    advance: NDArray[np.float64]
    decay: NDArray[np.float64]
    noise: NDArray[np.float64]
    reading_variance: float
    prior: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Number of states."""
        return self.advance.size

    def transition(self) -> NDArray[np.float64]:
        """Return F in full."""
        full = np.diag(self.decay)
        full[PHASE] = self.advance
        full[WALK, DRIFT] = self.step_s
        return full


def state_space(
    noise: NoiseCoefficients,
    *,
    step_s: float = 1.0,
    reading_s: float,
    phase_s: float = 1e-6,
    frequency: float = 1e-7,
    drift_per_s: float = 0.0,
    per_kelvin: float = 0.0,
) -> StateSpace:
    """Return the linear system for the noise of local and reference clock together.

    Parameters
    ----------
    noise : NoiseCoefficients
        The sum of both clocks' (only the difference can be seen, and theirs is that of one
        clock with the summed coefficients).
    step_s : float
        Time between two readings.
    reading_s : float
        Standard deviation of the white phase noise of a reading.
    phase_s, frequency, drift_per_s, per_kelvin : float
        Standard deviations of what is not known before the first reading: phase, frequency,
        ageing and temperature coefficient. Of the last two, zero leaves it at zero for good.

    Returns
    -------
    StateSpace
        With 15 states, or 4 without flicker noise.

    Raises
    ------
    ParameterError
        A value is out of its range.
    """
    if not all(0.0 < value < math.inf for value in (step_s, reading_s, phase_s, frequency)):
        raise ParameterError("step, reading noise, phase and frequency must be above zero")
    if not (0.0 <= drift_per_s < math.inf and 0.0 <= per_kelvin < math.inf):
        raise ParameterError("ageing and temperature coefficient must not be negative")
    times = FLICKER_TIMES_S if noise.h_minus_1 > 0.0 else ()
    size = FLICKER + len(times)
    t = step_s
    q1, q2 = noise.h_0 / 2.0, 2.0 * math.pi * math.pi * noise.h_minus_2
    advance, decay, prior = np.zeros(size), np.ones(size), np.zeros(size)
    q = np.zeros((size, size))
    advance[:FLICKER] = 1.0, t, t * t / 2.0, 0.0
    doubts = np.array([phase_s, frequency, drift_per_s, per_kelvin])
    prior[:FLICKER] = doubts * doubts
    q[PHASE, PHASE] = q1 * t + q2 * t * t * t / 3.0
    q[PHASE, WALK] = q[WALK, PHASE] = q2 * t * t / 2.0
    q[WALK, WALK] = q2 * t
    variance = noise.h_minus_1 * _LN_SQRT_10
    for place, time_s in enumerate(times, start=FLICKER):
        keep, lost, area = _relaxation(t / time_s)
        advance[place] = time_s * lost
        decay[place] = keep
        prior[place] = variance
        q[PHASE, PHASE] += variance * time_s * time_s * area
        q[PHASE, place] = q[place, PHASE] = variance * time_s * lost * lost
        q[place, place] = variance * lost * (1.0 + keep)
    return StateSpace(t, advance, decay, q, reading_s * reading_s, prior)


def _relaxation(x: float) -> tuple[float, float, float]:
    """Return exp(-x), 1 - exp(-x) and 2 x - 3 + 4 exp(-x) - exp(-2 x), without cancellation.

    The series serve x up to 1/2; from there exp(-x) is squared up, and nothing cancels.
    """
    halvings, small = 0, x
    while small > 0.5:
        halvings, small = halvings + 1, small / 2.0
    lost = area = 0.0
    term, power = 1.0, 1.0
    for n in range(1, 24):
        term *= -small / n
        power *= 2.0
        lost -= term
        if n > 2:  # the terms before cancel
            area += (4.0 - power) * term
    keep = 1.0 - lost
    if halvings:
        for _ in range(halvings):
            keep *= keep
        lost, area = 1.0 - keep, 2.0 * x - 3.0 + keep * (4.0 - keep)
    return keep, lost, area
