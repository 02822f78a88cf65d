"""The noise of an oscillator, on a grid of one second, exact at the grid's points.

Every noise that is not white is a sum of independent Gauss-Markov states: a
random walk is one that never forgets, flicker noise is a ladder of states
whose time constants are a factor sqrt(10) apart, each of variance
h ln sqrt(10). What the ladder leaves out at its short end is white and is
added. A state, the phase it adds up to and the servo that follows it go on
from one second to the next together, with the covariance that linear theory
gives (Gillespie, Phys. Rev. E 54, 2084, 1996; van Loan, IEEE TAC 23, 395, 1978).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.figures import BANDWIDTH_HZ, OscillatorParameters
from drivers.simulated.plant.kernels import kernel, mixed, normal_pair, stream_key

__all__ = ["Noise"]

_STEP_S = 1.0
_BLOCK = 4096
_RATIO = math.sqrt(10.0)
#: The shortest time constant that counts, and the ladder: up to two months.
_EDGE_S = 1.0 / (2.0 * math.pi * BANDWIDTH_HZ)
_LADDER_S = _EDGE_S * _RATIO ** (np.arange(19) + 0.5)
#: The sum of all time constants that the ladder would have below its edge, times ln sqrt(10).
_BELOW_S = _EDGE_S * math.log(_RATIO) / (math.sqrt(_RATIO) - 1.0 / math.sqrt(_RATIO))
_LEVELS = 10
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)

_Array = NDArray[np.float64]


class _Frequencies(NamedTuple):
    """How frequency states go on by one step, and what they add to phase and servo.

    `keep` of a state and a `kick`; `sweep` and `shared` are what the state and
    the kick's normal number add to the phase, `pull` and `tug` to the servo.
    """

    keep: _Array
    kick: _Array
    sweep: _Array
    shared: _Array
    pull: _Array
    tug: _Array


class _Steps(NamedTuple):
    """What all noise of a step is made from; the states are in `_Frequencies`.

    `own` and `servo_own` with `servo_shared` are the Cholesky factor of what the
    phase and the servo get beside the states' kicks.
    """

    own: float
    servo_keep: float
    servo_shared: float
    servo_own: float
    servo_s: float
    white_s: float


class _Source(NamedTuple):
    """A frequency state: its rate in 1/s, intensity, variance, and where it leads."""

    rate: float
    intensity: float
    variance: float
    to_phase: float
    to_servo: float


class _Model(NamedTuple):
    frequencies: _Frequencies
    phases: tuple[_Array, _Array]
    steps: _Steps
    start: _Array
    phase_start: _Array
    settled: _Array


def _ladder(h: float, to_phase: float, to_servo: float) -> list[_Source]:
    if h == 0.0:
        return []
    variance = h * math.log(_RATIO)
    return [
        _Source(1.0 / tau, 2.0 * variance / tau, variance, to_phase, to_servo)
        for tau in _LADDER_S.tolist()
    ]


def _walk(h: float, to_phase: float, to_servo: float) -> list[_Source]:
    return [_Source(0.0, 2.0 * math.pi**2 * h, 0.0, to_phase, to_servo)] if h else []


def _model(p: OscillatorParameters) -> _Model:
    follows = 1.0 if p.servo_s else 0.0
    quartz = OscillatorParameters(
        flicker_fm=p.quartz_flicker_fm, random_walk_fm=p.quartz_random_walk_fm
    )
    sources = _ladder(p.h_minus_1, 1.0, follows) + _walk(p.h_minus_2, 1.0, follows)
    whites = [(0.5 * p.h0 + 2.0 * p.h_minus_1 * _BELOW_S, 1.0, follows)]
    if p.servo_s:
        sources += _ladder(quartz.h_minus_1, 0.0, -1.0) + _walk(quartz.h_minus_2, 0.0, -1.0)
        whites.append((2.0 * quartz.h_minus_1 * _BELOW_S, 0.0, -1.0))
    frequencies, rest = _propagated(sources, whites, p.servo_s)
    own = math.sqrt(rest[0, 0])
    shared = rest[0, 1] / own if own else 0.0
    steps = _Steps(
        own,
        math.exp(-_STEP_S / p.servo_s) if p.servo_s else 0.0,
        shared,
        math.sqrt(max(rest[1, 1] - shared**2, 0.0)),
        p.servo_s,
        p.white_pm / math.sqrt(3.0),
    )
    variance = p.h1 / (4.0 * math.pi**2) * math.log(_RATIO)
    ladder = _LADDER_S if p.h1 else _LADDER_S[:0]
    fading = np.exp(-_STEP_S / ladder)
    return _Model(
        frequencies,
        (fading, np.sqrt(variance * -np.expm1(-2.0 * _STEP_S / ladder))),
        steps,
        np.sqrt(np.array([source.variance for source in sources])),
        np.full(ladder.size, math.sqrt(variance)),
        np.array([s.to_servo / (1.0 + s.rate * p.servo_s) for s in sources]),
    )


def _propagated(
    sources: list[_Source], whites: list[tuple[float, float, float]], servo_s: float
) -> tuple[_Frequencies, _Array]:
    """Return how states go on, and the covariance of what phase and servo get besides."""
    left_s = 0.5 * _STEP_S * (_NODES + 1.0)  # from a kick to the end of the step
    weights = 0.5 * _STEP_S * _WEIGHTS
    rows = []
    rest = np.zeros((2, 2))
    for source in sources:
        ends = _responses(source, np.array([_STEP_S]), servo_s)[:, 0]
        paths = _responses(source, left_s, servo_s)
        covariance = source.intensity * (paths * weights) @ paths.T
        kick = math.sqrt(covariance[0, 0])
        shared, tug = covariance[0, 1] / kick, covariance[0, 2] / kick
        rest += covariance[1:, 1:] - np.outer((shared, tug), (shared, tug))
        rows.append((ends[0], kick, ends[1], shared, ends[2], tug))
    for intensity, to_phase, to_servo in whites:
        fading = to_servo * np.exp(-left_s / servo_s) / servo_s if servo_s else 0.0 * left_s
        paths = np.array([np.full(left_s.size, to_phase), fading])
        rest += intensity * (paths * weights) @ paths.T
    columns = np.array(rows).reshape(-1, 6).T.copy()
    return _Frequencies(*columns), rest


def _responses(source: _Source, after_s: _Array, servo_s: float) -> _Array:
    """Return what a unit of a state leaves in state, phase and servo some time later."""
    rate = source.rate
    state = np.exp(-rate * after_s)
    phase = source.to_phase * (-np.expm1(-rate * after_s) / rate if rate else after_s)
    servo = np.zeros(after_s.size)
    if servo_s and source.to_servo:
        gap = 1.0 / servo_s - rate
        met = np.expm1(gap * after_s) / gap if abs(gap) > 1e-9 else after_s
        servo = source.to_servo / servo_s * np.exp(-after_s / servo_s) * met
    return np.array([state, phase, servo])


@kernel
def _walked(
    normals: _Array,
    frequencies: _Frequencies,
    phases: tuple[_Array, _Array],
    steps: _Steps,
    state: _Array,
    phase_state: _Array,
    sums: _Array,
) -> _Array:
    """Return the phase at the ends of the steps.

    `sums` holds the phase that frequencies have added up to, and the servo's state
    now and at the start.
    """
    keep, kick, sweep, shared, pull, tug = frequencies
    fading, wobble = phases
    out = np.empty(normals.shape[0])
    for i in range(normals.shape[0]):
        advance = steps.own * normals[i, 0]
        servo = steps.servo_shared * normals[i, 0] + steps.servo_own * normals[i, 1]
        place = 3
        for j in range(keep.size):
            n = normals[i, place + j]
            advance += sweep[j] * state[j] + shared[j] * n
            servo += pull[j] * state[j] + tug[j] * n
            state[j] = keep[j] * state[j] + kick[j] * n
        place += keep.size
        sums[0] += advance
        sums[1] = steps.servo_keep * sums[1] + servo
        phase = sums[0] - steps.servo_s * (sums[1] - sums[2])
        phase += steps.white_s * normals[i, 2]
        for j in range(fading.size):
            phase_state[j] = fading[j] * phase_state[j] + wobble[j] * normals[i, place + j]
            phase += phase_state[j]
        out[i] = phase
    return out


@kernel
def _bridged(left: float, right: float, part: float, second: int, key: int, spread: float) -> float:
    """Return the phase at a part of a second, between those at its ends.

    It is a Brownian bridge of `spread`, halved again and again (Levy's construction),
    each half with a random number that belongs to this place.
    """
    if spread > 0.0:
        half = 0.5 * spread
        node = np.uint64(1)
        first = np.uint64(key) + np.uint64(second) * np.uint64(1 << _LEVELS)
        for _ in range(_LEVELS):
            place = mixed(first + node)
            up, _ = normal_pair(place, mixed(place))
            middle = 0.5 * (left + right) + half * up
            half *= 0.7071067811865476
            node = node + node
            part = part + part
            if part >= 1.0:
                part -= 1.0
                left = middle
                node = node + np.uint64(1)
            else:
                right = middle
    return left + (right - left) * part


@kernel
def _between(times_ns: NDArray[np.int64], knots: _Array, key: int, spread: float) -> _Array:
    """Return the phase at any times from that at whole seconds."""
    out = np.empty(times_ns.size)
    for i in range(times_ns.size):
        second = times_ns[i] // 1_000_000_000
        part = (times_ns[i] - second * 1_000_000_000) * 1e-9
        if second < 0:
            out[i] = 0.0
        elif part == 0.0:
            out[i] = knots[second]
        else:
            out[i] = _bridged(knots[second], knots[second + 1], part, second, key, spread)
    return out


class Noise:
    """The random part of an oscillator's phase, a function of its seed.

    It is 0 at and before time 0. White frequency noise goes on between the grid's
    points, down to a millisecond; all else is interpolated there.

    Parameters
    ----------
    parameters : OscillatorParameters
        Its figures.
    seed : sequence of int
        Seed.
    """

    def __init__(self, parameters: OscillatorParameters, seed: tuple[int, ...]) -> None:
        self._seed = seed
        self._key = int(stream_key(*seed, -1)) >> 1
        self._model = model = _model(parameters)
        self._spread = 0.0 if parameters.servo_s else parameters.white_fm
        draws = self._draws(0)
        self._state = model.start * draws.standard_normal(model.start.size)
        self._phases = model.phase_start * draws.standard_normal(model.phase_start.size)
        servo = float(model.settled @ self._state)
        self._sums = np.array([0.0, servo, servo])
        self._blocks = 0
        self._knots = np.zeros(1)

    def at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the phase in seconds at each of `times_ns`."""
        if times_ns.size:
            self._extend(int(times_ns.max()) // 1_000_000_000 + 1)
        return _between(times_ns, self._knots, self._key, self._spread)

    def at_one(self, t_ns: int) -> float:
        """Return the phase in seconds at one time."""
        second, rest_ns = divmod(t_ns, 1_000_000_000)
        if second < 0:
            return 0.0
        if second >= self._blocks * _BLOCK:
            self._extend(second + 1)
        knot = self._knots.item
        if rest_ns == 0:
            return knot(second)
        left, right = knot(second), knot(second + 1)
        return _bridged(left, right, rest_ns * 1e-9, second, self._key, self._spread)

    def step(self, second: int) -> float:
        """Return the phase gained in the second that begins at `second`."""
        self._extend(second + 1)
        return float(self._knots[second + 1] - self._knots[second]) if second >= 0 else 0.0

    def _draws(self, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(int(stream_key(*self._seed, number))))

    def _extend(self, second: int) -> None:
        """Know the phase up to `second`."""
        more = -(-second // _BLOCK) - self._blocks
        if more <= 0:
            return
        model = self._model
        width = 3 + model.start.size + model.phase_start.size
        wanted = (self._blocks + more) * _BLOCK + 1
        if wanted > self._knots.size:
            longer = np.zeros(max(wanted, 2 * self._knots.size))
            longer[: self._knots.size] = self._knots
            self._knots = longer
        for _ in range(more):
            start = self._blocks * _BLOCK + 1
            self._blocks += 1
            normals = self._draws(self._blocks).standard_normal((_BLOCK, width))
            self._knots[start : start + _BLOCK] = _walked(
                normals,
                model.frequencies,
                model.phases,
                model.steps,
                self._state,
                self._phases,
                self._sums,
            )
