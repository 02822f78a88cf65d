"""Temperatures of rooms and of soil: a daily and a yearly wave, and weather."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.kernels import kernel, stream_key

__all__ = ["Temperature", "TemperatureParameters"]

_DAILY = 2.0 * math.pi / 86_400.0
_YEARLY = 2.0 * math.pi / (365.25 * 86_400.0)
_GRID_NS = 10_000_000_000
_GRID_S = 10.0
_BLOCK = 4096

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureParameters:
    """How warm a place is.

    Attributes
    ----------
    mean_c : float
        Mean temperature, that at time 0.
    daily_k, yearly_k : float
        Amplitudes of sines that rise through 0 at time 0.
    wander_k, wander_s : float
        Standard deviation of an Ornstein-Uhlenbeck process that starts at 0, and its
        relaxation time: the weather, or the room's controller.
    """

    mean_c: float = 23.0
    daily_k: float = 0.0
    yearly_k: float = 0.0
    wander_k: float = 0.0
    wander_s: float = 100_000.0

    def __post_init__(self) -> None:
        if self.wander_s <= 0.0:
            raise ValueError("wander_s must be above 0")


@kernel
def _wandered(normals: _Array, keep: float, kick: float, start: float) -> _Array:
    out = np.empty(normals.size)
    for i in range(normals.size):
        start = keep * start + kick * normals[i]
        out[i] = start
    return out


@kernel
def _deviation(
    t_ns: int,
    daily_k: float,
    yearly_k: float,
    left: float,
    right: float,
    area: float,
    summed: bool,
) -> float:
    """Return the deviation, or its integral since 0 if `summed`.

    The weather is `left` at the last point of the grid and `right` at the next; `area` is
    its integral up to the last.
    """
    t_s = t_ns * 1e-9
    after_s = (t_ns - t_ns // _GRID_NS * _GRID_NS) * 1e-9
    slope = (right - left) / _GRID_S
    if summed:
        value = 2.0 * daily_k / _DAILY * math.sin(0.5 * (_DAILY * t_s)) ** 2
        value += 2.0 * yearly_k / _YEARLY * math.sin(0.5 * (_YEARLY * t_s)) ** 2
        return value + (area + after_s * (left + 0.5 * slope * after_s))
    value = daily_k * math.sin(_DAILY * t_s) + yearly_k * math.sin(_YEARLY * t_s)
    return value + (left + slope * after_s)


@kernel
def _deviations(
    times_ns: NDArray[np.int64],
    daily_k: float,
    yearly_k: float,
    knots: _Array,
    sums: _Array,
    summed: bool,
) -> _Array:
    """Return the deviations, or their integrals; `sums` is that of the interpolated `knots`."""
    out = np.empty(times_ns.size)
    for i in range(times_ns.size):
        place = times_ns[i] // _GRID_NS
        left = right = area = 0.0
        if knots.size and place >= 0:
            left, right, area = knots[place], knots[place + 1], sums[place]
        out[i] = _deviation(times_ns[i], daily_k, yearly_k, left, right, area, summed)
    return out


class Temperature:
    """The temperature of a place, a function of its seed; see `TemperatureParameters`."""

    def __init__(self, parameters: TemperatureParameters, seed: tuple[int, ...]) -> None:
        p = self.parameters = parameters
        self._seed = seed
        self._daily_k, self._yearly_k = float(p.daily_k), float(p.yearly_k)
        self._knots = np.zeros(1 if p.wander_k else 0)
        self._sums = self._knots.copy()
        self._blocks = 0

    def celsius(self, t_ns: int) -> float:
        """Return the temperature in degrees Celsius."""
        return self.parameters.mean_c + self.deviation_k(t_ns)

    def celsius_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the temperatures in degrees Celsius at many times."""
        return self.parameters.mean_c + self._at(times_ns, summed=False)

    def deviation_k(self, t_ns: int) -> float:
        """Return how much warmer it is than at time 0."""
        return self._at_one(t_ns, summed=False)

    def deviation_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return how much warmer it is than at time 0 at many times."""
        return self._at(times_ns, summed=False)

    def warmth_ks(self, t_ns: int) -> float:
        """Return the integral of the deviation since time 0, in kelvin seconds."""
        return self._at_one(t_ns, summed=True)

    def warmth_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the integrals of the deviation since time 0 at many times."""
        return self._at(times_ns, summed=True)

    def _at_one(self, t_ns: int, *, summed: bool) -> float:
        left = right = area = 0.0
        place = t_ns // _GRID_NS
        if self._knots.size and place >= 0:
            if place + 1 >= self._knots.size:
                self._extend(place + 1)
            knot = self._knots.item
            left, right, area = knot(place), knot(place + 1), self._sums.item(place)
        return _deviation(t_ns, self._daily_k, self._yearly_k, left, right, area, summed)

    def _at(self, times_ns: NDArray[np.int64], *, summed: bool) -> _Array:
        if self._knots.size and times_ns.size:
            self._extend(int(times_ns.max()) // _GRID_NS + 1)
        waves = self._daily_k, self._yearly_k
        return _deviations(times_ns, *waves, self._knots, self._sums, summed)

    def _extend(self, place: int) -> None:
        p = self.parameters
        while self._knots.size <= place:
            keep = math.exp(-_GRID_S / p.wander_s)
            kick = p.wander_k * math.sqrt(1.0 - keep * keep)
            self._blocks += 1
            key = int(stream_key(*self._seed, self._blocks))
            normals = np.random.Generator(np.random.PCG64(key)).standard_normal(_BLOCK)
            more = _wandered(normals, keep, kick, float(self._knots[-1]))
            whole = np.concatenate((self._knots[-1:], more))
            areas = self._sums[-1] + np.cumsum(0.5 * _GRID_S * (whole[1:] + whole[:-1]))
            self._knots = np.concatenate((self._knots, more))
            self._sums = np.concatenate((self._sums, areas))
