"""Free-running oscillators: white, flicker and random-walk frequency noise, and ageing."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.kernels import kernel

__all__ = ["CRYSTAL", "RUBIDIUM", "NoisyOscillator", "OscillatorParameters"]

_STEP_S = 1.0
_BLOCK = 1024
# Flicker: states a factor sqrt(10) apart, from a tenth of the grid's step to four months.
_TIME_CONSTANTS_S = _STEP_S * 10.0 ** (0.5 * np.arange(-2, 15))
_STATES = _TIME_CONSTANTS_S.size


@dataclass(frozen=True, slots=True, kw_only=True)
class OscillatorParameters:
    """The stability of an oscillator by its Allan deviation.

    Attributes
    ----------
    nominal_hz : float
        Its nominal frequency.
    white_fm : float
        Allan deviation at 1 s of its white frequency noise.
    flicker_fm : float
        Its flicker floor.
    random_walk_fm : float
        Allan deviation at 1 s of its random-walk frequency noise.
    offset : float
        Fractional frequency error at time 0; positive runs fast.
    ageing_per_s : float
        Fractional frequency drift per second.
    """

    nominal_hz: float = 10e6
    white_fm: float = 0.0
    flicker_fm: float = 0.0
    random_walk_fm: float = 0.0
    offset: float = 0.0
    ageing_per_s: float = 0.0

    @property
    def h0(self) -> float:
        """White-FM coefficient of S_y(f) in 1/Hz: 2 sigma^2 (NIST SP 1065, table 5)."""
        return 2.0 * self.white_fm**2

    @property
    def h_minus_1(self) -> float:
        """Flicker-FM coefficient of S_y(f): sigma^2 / (2 ln 2)."""
        return self.flicker_fm**2 / (2.0 * math.log(2.0))

    @property
    def h_minus_2(self) -> float:
        """Random-walk-FM coefficient of S_y(f) in Hz: 3 sigma^2 / (2 pi^2)."""
        return 3.0 * self.random_walk_fm**2 / (2.0 * math.pi**2)


# SRS FS725: 2e-11 at 1 s and 2e-12 at 100 s, 5e-11 a month; floor and random walk assumed.
RUBIDIUM = OscillatorParameters(
    white_fm=2e-11, flicker_fm=5e-13, random_walk_fm=3e-15, offset=2e-11, ageing_per_s=1.9e-17
)
# An uncompensated crystal inside a time tagger; all assumed.
CRYSTAL = OscillatorParameters(
    white_fm=1e-10, flicker_fm=3e-10, random_walk_fm=1e-11, offset=1.4e-6, ageing_per_s=1e-14
)


class _Flicker(NamedTuple):
    """How Gauss-Markov frequency states go on by one step, with the phase they add.

    Exact (Gillespie, Phys. Rev. E 54, 2084, 1996, eqs. 2.23): `keep` of the state
    and a `kick`; its integral is `sweep` times the state, plus `shared` times the
    kick's normal number and `own` times one of its own.
    """

    keep: NDArray[np.float64]
    kick: NDArray[np.float64]
    sweep: NDArray[np.float64]
    shared: NDArray[np.float64]
    own: NDArray[np.float64]


def _flicker(level: float) -> _Flicker:
    tau = _TIME_CONSTANTS_S
    keep = np.exp(-_STEP_S / tau)
    lost = -np.expm1(-_STEP_S / tau)
    kick = level * np.sqrt(lost * (1.0 + keep))
    covariance = level**2 * tau * lost**2
    variance = level**2 * tau**2 * (2.0 * _STEP_S / tau - 2.0 * lost - lost * (1.0 - keep))
    shared = np.divide(covariance, kick, out=np.zeros(_STATES), where=kick > 0.0)
    own = np.sqrt(np.maximum(variance - shared**2, 0.0))
    return _Flicker(keep, kick, tau * lost, shared, own)


@kernel
def _walk(
    normals: NDArray[np.float64],
    state: NDArray[np.float64],
    flicker: _Flicker,
    step_s: float,
    white: float,
    walk: float,
) -> NDArray[np.float64]:
    """Return the phase at the ends of the steps, given the last of which `state` holds.

    `state` is phase, random-walk frequency, then one frequency per flicker state.
    The walk and its integral are drawn together, exactly: covariance
    q [dt^3/3, dt^2/2; dt^2/2, dt].
    """
    steps = normals.shape[0]
    phase = np.empty(steps)
    keep, kick, sweep, shared, own = flicker
    for i in range(steps):
        turn = walk * math.sqrt(step_s) * normals[i, 1]
        bend = walk * step_s * math.sqrt(step_s / 12.0) * normals[i, 2]
        advance = white * math.sqrt(step_s) * normals[i, 0] + bend
        for j in range(keep.size):
            first, second = normals[i, 3 + 2 * j], normals[i, 4 + 2 * j]
            advance += sweep[j] * state[2 + j] + shared[j] * first + own[j] * second
            state[2 + j] = keep[j] * state[2 + j] + kick[j] * first
        state[0] += advance + step_s * (state[1] + 0.5 * turn)
        state[1] += turn
        phase[i] = state[0]
    return phase


class NoisyOscillator:
    """An oscillator whose time error x(t) is a function of its seed.

    The noise lies on a grid of one second and is interpolated linearly; offset,
    ageing and steering are exact. Flicker is a sum of Gauss-Markov frequency
    states a factor sqrt(10) apart, each of variance h_-1 ln sqrt(10).

    Parameters
    ----------
    parameters : OscillatorParameters
        Its figures.
    seed : sequence of int
        Seed of its noise.
    """

    def __init__(self, parameters: OscillatorParameters, seed: tuple[int, ...]) -> None:
        self.parameters = parameters
        self._seed = seed
        level = math.sqrt(parameters.h_minus_1 * 0.5 * math.log(10.0))
        self._flicker = _flicker(level)
        self._state = np.zeros(2 + _STATES)
        self._state[2:] = level * self._block(0).standard_normal(_STATES)
        self._blocks: list[NDArray[np.float64]] = []
        self._steers: list[tuple[int, float, float]] = [(0, 0.0, 0.0)]
        self._listeners: list[Callable[[int], None]] = []

    def nominal_hz(self) -> float:
        """Return the nominal frequency."""
        return self.parameters.nominal_hz

    def phase_s(self, t_ns: int) -> float:
        """Return the time error x(t) in seconds: positive when it is ahead."""
        t_s = t_ns * 1e-9
        second, rest_ns = divmod(t_ns, 1_000_000_000)
        before, after = self._knot(second), self._knot(second + 1)
        noise = before + (after - before) * (rest_ns * 1e-9)
        p = self.parameters
        return noise + p.offset * t_s + 0.5 * p.ageing_per_s * t_s * t_s + self._steered(t_ns)

    def frequency(self, t_ns: int) -> float:
        """Return the fractional frequency error y(t) = dx/dt, just after `t_ns`."""
        second = t_ns // 1_000_000_000
        noise = (self._knot(second + 1) - self._knot(second)) / _STEP_S
        p = self.parameters
        return noise + p.offset + p.ageing_per_s * t_ns * 1e-9 + self._steer(t_ns)[1]

    def steer(self, t_ns: int, fractional: float) -> None:
        """Pull the frequency by `fractional` (positive raises it) from `t_ns` on."""
        phase = self._steered(t_ns)
        while self._steers and self._steers[-1][0] >= t_ns:
            self._steers.pop()
        self._steers.append((t_ns, fractional, phase))
        for listener in self._listeners:
            listener(t_ns)

    def on_steer(self, listener: Callable[[int], None]) -> None:
        """Call `listener` with the time of every steering."""
        self._listeners.append(listener)

    def _steer(self, t_ns: int) -> tuple[int, float, float]:
        place = bisect_right(self._steers, t_ns, key=lambda steer: steer[0])
        return self._steers[max(place - 1, 0)]

    def _steered(self, t_ns: int) -> float:
        since_ns, fractional, phase = self._steer(t_ns)
        return phase + fractional * (t_ns - since_ns) * 1e-9

    def _block(self, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence((*self._seed, number))))

    def _knot(self, second: int) -> float:
        if second <= 0:
            return 0.0
        block, place = divmod(second - 1, _BLOCK)
        while len(self._blocks) <= block:
            draws = self._block(len(self._blocks) + 1)
            p = self.parameters
            self._blocks.append(
                _walk(
                    draws.standard_normal((_BLOCK, 3 + 2 * _STATES)),
                    self._state,
                    self._flicker,
                    _STEP_S,
                    p.white_fm,
                    math.sqrt(3.0) * p.random_walk_fm,
                )
            )
        return float(self._blocks[block][place])
