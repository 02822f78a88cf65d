"""The gains with the smallest worst ratio of the steered clock to the better of both.

A steered clock should follow its own oscillator at short times and the reference at long
ones, and pay as little as possible where they meet. The figure of merit is therefore the
largest ratio, over octaves of the averaging time, of the steered clock's time deviation to
the smaller one of the free clock's and of the reference's as it is read (with the noise of
the readings). It is computed from the transfer functions and minimised over the gains of
each controller. Least squares is another question with another answer: an estimate without
excess error, used in full, has a ratio of up to 2 and more where both clocks are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from protocols.clock.clocks import Clock
from protocols.clock.control import Gains
from protocols.clock.model import NoiseCoefficients, StateSpace, state_space
from protocols.clock.response import (
    CONTROLLERS,
    closed_loop,
    filter_response,
    is_stable,
)
from protocols.clock.spectrum import Grid, frequency_grid, phase_density, tdev_weights
from protocols.errors import ParameterError

__all__ = ["SHORT_STEPS", "Design", "Task", "clock_density", "judged", "octaves", "tune"]

SHORT_STEPS = np.array([1, 2, 5], np.int64)
"""Averaging times below the octaves, in steps."""

_READING_S, _STEP_S = (1e-18, 1e-3), (1e-3, 1e5)
_CELLS = 500  # of the grid: the ratios are right to a few parts in 1e4
_UNSTABLE = 1e3
_FIRST, _OCTAVES = 10, 11  # steps: 10, 20 ... 10 240
_SHORT = (1.5, 2.0, 3.0, 4.5)  # ratios at short times, tried in this order
_PRICE = 1.1  # how much larger the worst ratio may be for less loss at short times
_EXCESS = 10.0  # what the search pays for a ratio at short times beyond its limit
_DAMPING = 3.0  # of the PI loop at most, lest its integral forget the frequency
_TAKEN = 1.3  # of a frequency error at most, by LQG: beyond, its commands alternate
_LEAST = 1e-6  # phase gain per step: weaker loops cannot be told from unstable ones
_STARTS = (0.5, 0.05, 0.005)  # phase gains, per step
_READINGS = (-2.0, 2.0)  # parts of the reading, as logits
_SEARCHES = ((-1.0, 2.0, 2.0), (0.2, -1.0, 1.0))  # first steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A clock to be steered to another.

    Attributes
    ----------
    local, reference : Clock
        The clock that is steered, and what it follows.
    reading_s : float
        Standard deviation of the white phase noise of a reading, link included.
    step_s : float
        Time between two readings.
    dead : float
        Time from a reading to when its command acts, in steps, 0 to 1.

    Raises
    ------
    ParameterError
        A value is out of its range.
    """

    local: Clock
    reference: Clock
    reading_s: float
    step_s: float = 1.0
    dead: float = 1.0

    def __post_init__(self) -> None:
        if not _READING_S[0] <= self.reading_s <= _READING_S[1]:
            raise ParameterError("the noise of a reading is {:g} to {:g} s".format(*_READING_S))
        if not _STEP_S[0] <= self.step_s <= _STEP_S[1]:
            raise ParameterError("readings are {:g} to {:g} s apart".format(*_STEP_S))
        if self.local.noise == NoiseCoefficients():
            raise ParameterError("a local clock without noise needs no loop")
        if not 0.0 <= self.dead <= 1.0:
            raise ParameterError("the dead time is 0 to 1 steps")

    def model(self) -> StateSpace:
        """Return what the estimator of this task assumes."""
        white = (self.reading_s, self.local.white_phase_s, self.reference.white_phase_s)
        return state_space(
            self.local.noise + self.reference.noise,
            step_s=self.step_s,
            reading_s=math.sqrt(sum(part * part for part in white)),
            drift_per_s=self.local.ageing_per_s + self.reference.ageing_per_s,
            per_kelvin=self.local.per_kelvin,
        )


@dataclass(frozen=True, slots=True)
class Design:
    """A controller with its gains.

    Attributes
    ----------
    controller : {"pi", "lqg"}
        Which one.
    gains : Gains
        Its gains, of three significant digits.
    worst_ratio : float
        The largest predicted ratio over the octaves.
    """

    controller: str
    gains: Gains
    worst_ratio: float


def clock_density(clock: Clock, grid: Grid) -> NDArray[np.float64]:
    """Return the density of a clock's sampled phase (`phase_density`), quartz included."""
    density = phase_density(clock.noise, grid)
    if clock.quartz is not None:
        turn = (2.0 * math.pi * grid.frequencies * clock.quartz_time_s / grid.step_s) ** 2
        density = (density + turn * phase_density(clock.quartz, grid)) / (1.0 + turn)
    return density + 2.0 * clock.white_phase_s**2


def octaves() -> NDArray[np.int64]:
    """Return the averaging times that count, in steps: 10, 20 ... 10 240."""
    return _FIRST * 2 ** np.arange(_OCTAVES, dtype=np.int64)


def tune(
    task: Task,
    *,
    controllers: tuple[str, ...] = CONTROLLERS,
    short_ratio: float | None = None,
) -> Design:
    """Return the design whose worst ratio over the octaves is smallest.

    Parameters
    ----------
    task : Task
        The clocks and the readings.
    controllers : tuple of str
        Those to choose from.
    short_ratio : float, optional
        Largest ratio at 1, 2 and 5 steps, below the octaves; infinity where those do not
        count. Where it cannot be kept it is approached. If not given it is the smallest of
        1.5, 2, 3 and 4.5 that costs at most a tenth of the worst ratio.

    Raises
    ------
    ParameterError
        There is no controller to choose from.
    """
    if not controllers or not set(controllers) <= set(CONTROLLERS):
        raise ParameterError(f"the controllers are {', '.join(CONTROLLERS)}")
    judge = _Judge(task)
    if short_ratio is not None:
        return _best(judge, task, controllers, short_ratio)
    unbound = _best(judge, task, controllers, math.inf)
    short, _ = judge(unbound.controller, unbound.gains)
    for limit in _SHORT:
        if short <= limit:
            break
        found = _best(judge, task, controllers, limit)
        if found.worst_ratio <= _PRICE * unbound.worst_ratio:
            return found
    return unbound


def _best(judge: _Judge, task: Task, controllers: tuple[str, ...], short_ratio: float) -> Design:
    """Return the best design that loses no more than this at short times."""

    def cost(place: NDArray[np.float64], controller: str) -> float:
        gains = _gains(controller, place, task.step_s)
        if not is_stable(controller, gains, task.dead, task.step_s):
            return _UNSTABLE
        short, worst = judge(controller, gains)
        return worst + _EXCESS * max(short - short_ratio, 0.0)

    def designs() -> Iterator[tuple[float, Design]]:
        for controller, start, reading in product(controllers, _STARTS, _READINGS):
            place = np.array([math.log(start), 0.0, reading])
            for steps in _SEARCHES:  # the second time around what the first has found
                simplex = np.vstack([place, place + np.diag(steps)])
                found = minimize(
                    cost, place, args=(controller,), method="Nelder-Mead",
                    options={"initial_simplex": simplex, "xatol": 1e-2, "fatol": 1e-4},
                )  # fmt: skip
                place = found.x
            gains = _rounded(_gains(controller, place, task.step_s))
            yield float(found.fun), Design(controller, gains, judge(controller, gains)[1])

    return min(designs(), key=lambda pair: pair[0])[1]


def judged(task: Task, controller: str, gains: Gains) -> Design:
    """Return the design with given gains, and its worst ratio.

    Raises
    ------
    ParameterError
        There is no such controller, a gain is out of its range, or the loop is unstable.
    """
    if controller not in CONTROLLERS:
        raise ParameterError(f"the controllers are {', '.join(CONTROLLERS)}")
    if not (gains.phase > 0.0 and gains.frequency > 0.0 and 0.0 <= gains.reading <= 1.0):
        raise ParameterError("gains must be above zero, the part of the reading 0 to 1")
    if not is_stable(controller, gains, task.dead, task.step_s):
        raise ParameterError("with these gains the loop is unstable")
    return Design(controller, gains, _Judge(task)(controller, gains)[1])


class _Judge:
    """Gives the largest ratios of a design at short times and over the octaves."""

    def __init__(self, task: Task) -> None:
        grid = frequency_grid(task.step_s, _CELLS)
        weights = tdev_weights(grid, np.concatenate([SHORT_STEPS, octaves()]))
        local = weights * clock_density(task.local, grid)
        reference = weights * (clock_density(task.reference, grid) + 2.0 * task.reading_s**2)
        best = np.minimum(local.sum(axis=1), reference.sum(axis=1))[:, None]
        self._local, self._reference = local / best, reference / best
        self._filtered = filter_response(task.model(), grid, task.dead)

    def __call__(self, controller: str, gains: Gains) -> tuple[float, float]:
        answer = closed_loop(controller, gains, self._filtered)
        squares = self._reference @ np.abs(answer) ** 2 + self._local @ np.abs(1.0 - answer) ** 2
        ratios = np.sqrt(squares)
        short = SHORT_STEPS.size
        return float(ratios[:short].max()), float(ratios[short:].max())


def _gains(controller: str, place: NDArray[np.float64], step_s: float) -> Gains:
    """Return the gains at a place in the search, where every place is allowed."""
    phase = math.exp(min(max(float(place[0]), math.log(_LEAST)), 3.0)) / step_s
    share = 1.0 / (1.0 + math.exp(-min(max(float(place[1]), -30.0), 30.0)))
    reading = 1.0 / (1.0 + math.exp(-min(max(float(place[2]), -30.0), 30.0)))
    if controller == "lqg":
        return Gains(phase, _TAKEN * share, reading)
    damping = 0.3 + (_DAMPING - 0.3) * share
    return Gains(phase, phase**2 * step_s / (4.0 * damping**2), reading)


def _rounded(gains: Gains) -> Gains:
    """Return gains of three digits: those of all machines, whatever their last digits are."""
    return Gains(*(float(f"{gain:.3g}") for gain in gains))
