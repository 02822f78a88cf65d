"""What a loop makes of the phase of both clocks, at each frequency.

Once its gains have settled the estimator is a linear filter. Its answer to steering is exact,
since steering is known to it; so the poles of the loop are the controller's and the filter's,
and one transfer function tells all: with H from the reference as it is read to the steered
clock, the steered clock is H reference + (1 - H) free-running clock.

References
----------
.. [1] K. J. Astrom, B. Wittenmark, "Computer-Controlled Systems", 3rd ed. (Prentice Hall
   1997), sect. 4.4 (separation of estimator and state feedback) and 3.3 (margins).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from protocols.clock import kalman
from protocols.clock.control import Gains
from protocols.clock.model import DRIFT, PHASE, StateSpace
from protocols.clock.spectrum import Grid

__all__ = [
    "CONTROLLERS",
    "FilterResponse",
    "closed_loop",
    "filter_response",
    "is_stable",
    "margins",
    "settled_gain",
]

CONTROLLERS = ("pi", "lqg")
"""The names of the controllers in `protocols.clock.control`."""

_SETTLING = 20_000

_Response = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class FilterResponse:
    """Transfer functions of the estimator from the phase of the free-running difference.

    `now` is to the estimated phase; `phase` and `frequency` to what the next command will
    meet (`kalman.ahead`). `delay` is that of one step, `dead` the dead time in steps.
    """

    now: _Response
    phase: _Response
    frequency: _Response
    delay: _Response
    dead: float
    step_s: float


def filter_response(model: StateSpace, grid: Grid, dead: float) -> FilterResponse:
    """Return the transfer functions of the estimator after a few hours of readings.

    Parameters
    ----------
    model : StateSpace
        What the estimator assumes.
    grid : Grid
        The frequencies.
    dead : float
        Time from a reading to when its command acts, in steps, 0 to 1.
    """
    gain = settled_gain(model)
    size = model.size
    kept = model.transition()
    kept -= np.outer(gain, kept[PHASE])
    system: _Response = np.eye(size) - grid.delay[:, None, None] * kept
    drive = np.broadcast_to(gain[:, None], (*system.shape[:2], 1))
    states: _Response = np.linalg.solve(system, drive)[..., 0].astype(np.complex128)
    now = model.advance.copy()
    now[PHASE] = 0.0
    then = now * model.decay
    then[DRIFT] += model.step_s**2
    phase: _Response = states[:, PHASE] + dead * (states @ now)
    frequency: _Response = states @ (now + dead * (then - now)) / model.step_s
    settled: _Response = states[:, PHASE]
    return FilterResponse(settled, phase, frequency, grid.delay, dead, model.step_s)


def settled_gain(model: StateSpace) -> NDArray[np.float64]:
    """Return the gains after many readings; the slowest states never quite settle."""
    state, covariance = kalman.initial(model)
    for _ in range(_SETTLING):
        kalman.predict(
            state, covariance, model.advance, model.decay, model.noise, model.step_s, 0.0, 0.0
        )
        kalman.update(state, covariance, model.reading_variance, 0.0)
    gain: NDArray[np.float64] = covariance[PHASE] / model.reading_variance
    return gain


def closed_loop(controller: str, gains: Gains, filtered: FilterResponse) -> _Response:
    """Return H: from the reference as read to the steered clock.

    Parameters
    ----------
    controller : {"pi", "lqg"}
        Which one.
    gains : Gains
        Its gains.
    filtered : FilterResponse
        Of the estimator.
    """
    q, dead, step_s = filtered.delay, filtered.dead, filtered.step_s
    phase = filtered.phase + gains.reading * (1.0 - filtered.now)
    pending = dead * step_s * q  # phase that the present steering adds until the command acts
    steered = step_s * q * (1.0 - dead + dead * q) / (1.0 - q)  # from commands to phase
    if controller == "pi":
        pull = gains.phase + gains.frequency / (1.0 - q)
        return steered * pull * phase / (1.0 + pull * (pending + steered))
    pull = gains.frequency * filtered.frequency + gains.phase * phase
    loop = 1.0 - q * (1.0 - gains.frequency) + gains.phase * (pending + steered)
    return steered * pull / loop


def is_stable(controller: str, gains: Gains, dead: float, step_s: float) -> bool:
    """Tell whether the controller's poles lie inside the unit circle (the filter's always do)."""
    rest = np.array([1.0, -1.0])  # 1 - q, by rising powers of the delay q
    reach = polynomial.polyadd(
        polynomial.polymul(rest, [0.0, dead * step_s]),
        [0.0, (1.0 - dead) * step_s, dead * step_s],
    )
    if controller == "pi":
        pull = np.array([gains.phase + gains.frequency, -gains.phase])
        characteristic = polynomial.polyadd(
            polynomial.polymul(rest, rest), polynomial.polymul(pull, reach)
        )
    else:
        hold = np.array([1.0, gains.frequency - 1.0])
        characteristic = polynomial.polyadd(polynomial.polymul(rest, hold), gains.phase * reach)
    poles = np.roots(characteristic)  # rising powers of q are falling powers of z
    return bool(np.all(np.abs(poles) < 1.0 - 1e-9))


def margins(response: _Response, grid: Grid) -> tuple[float, float]:
    """Return bandwidth (where |H| falls to -3 dB for good) in hertz, and phase margin in degrees.

    The phase margin is the least over the frequencies where the open loop H/(1 - H) has gain
    1; infinite where there is none.
    """
    hertz = grid.frequencies / grid.step_s
    passing = np.flatnonzero(np.abs(response) >= math.sqrt(0.5))
    bandwidth = float(hertz[passing[-1]]) if passing.size else 0.0
    opened = response / (1.0 - response)
    above = np.abs(opened) >= 1.0
    crossing = np.flatnonzero(above[1:] != above[:-1])
    if not crossing.size:
        return bandwidth, math.inf
    angle = np.degrees(np.angle(-opened[crossing]))
    return bandwidth, float(np.min(np.abs(angle)))
