"""Oscillators of the plant: noise, offset, ageing, temperature and steering."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.noise import Noise

if TYPE_CHECKING:
    from drivers.simulated.plant.temperatures import Temperature

__all__ = ["NoisyOscillator"]


class NoisyOscillator:
    """An oscillator whose time error x(t) is a function of its seed.

    The noise lies on a grid of one second (see `drivers.simulated.plant.noise`);
    offset, ageing, temperature and steering are exact. Whether times are asked for
    one by one or as an array, and in which order, makes no difference to any bit.

    Parameters
    ----------
    parameters : OscillatorParameters
        Its figures.
    seed : sequence of int
        Seed of its noise.
    temperature : Temperature, optional
        Where it stands; without one its temperature does not change.
    """

    def __init__(
        self,
        parameters: OscillatorParameters,
        seed: tuple[int, ...],
        temperature: Temperature | None = None,
    ) -> None:
        self.parameters = parameters
        self._noise = Noise(parameters, seed)
        self._temperature = temperature if parameters.temperature_per_k else None
        self._steer_ns = [0]
        self._steers = [(0, 0.0, 0.0)]
        self._listeners: list[Callable[[int], None]] = []
        # Devices ask for the same instant again and again, and this never changes.
        self.free_phase_s = lru_cache(maxsize=8)(self._free_phase_s)

    def nominal_hz(self) -> float:
        """Return the nominal frequency."""
        return self.parameters.nominal_hz

    def phase_s(self, t_ns: int) -> float:
        """Return the time error x(t) in seconds: positive when it is ahead."""
        return self.free_phase_s(t_ns) + self._steered(t_ns)

    def phase_at(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the time errors x(t) in seconds at many times."""
        starts, fractional, phases = (np.array(each) for each in zip(*self._steers, strict=True))
        place = np.maximum(np.searchsorted(starts, times_ns, side="right") - 1, 0)
        steered: NDArray[np.float64] = fractional[place] * (times_ns - starts[place]) * 1e-9
        return self.free_phase_at(times_ns) + (phases[place] + steered)

    def _free_phase_s(self, t_ns: int) -> float:
        """Return the time error that it would have if nobody had steered it."""
        p = self.parameters
        t_s = t_ns * 1e-9
        phase = self._noise.at_one(t_ns) + p.offset * t_s + 0.5 * p.ageing_per_s * t_s * t_s
        if self._temperature is not None:
            phase += p.temperature_per_k * self._temperature.warmth_ks(t_ns)
        return phase

    def free_phase_at(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the unsteered time errors at many times."""
        p = self.parameters
        t_s = times_ns * 1e-9
        phase = self._noise.at(times_ns) + p.offset * t_s + 0.5 * p.ageing_per_s * t_s * t_s
        if self._temperature is not None:
            phase += p.temperature_per_k * self._temperature.warmth_at(times_ns)
        return phase

    def frequency(self, t_ns: int) -> float:
        """Return the fractional frequency error y(t) = dx/dt, just after `t_ns`.

        Of the noise it is the mean of the second.
        """
        p = self.parameters
        fractional = self._noise.step(t_ns // 1_000_000_000) + p.offset
        if self._temperature is not None:
            fractional += p.temperature_per_k * self._temperature.deviation_k(t_ns)
        return fractional + p.ageing_per_s * t_ns * 1e-9 + self._steer(t_ns)[1]

    def steer(self, t_ns: int, fractional: float) -> None:
        """Pull the frequency by `fractional` (positive raises it) from `t_ns` on."""
        phase = self._steered(t_ns)
        while self._steers and self._steer_ns[-1] >= t_ns:
            self._steers.pop()
            self._steer_ns.pop()
        self._steers.append((t_ns, fractional, phase))
        self._steer_ns.append(t_ns)
        for listener in self._listeners:
            listener(t_ns)

    def on_steer(self, listener: Callable[[int], None]) -> None:
        """Call `listener` with the time of every steering."""
        self._listeners.append(listener)

    def _steer(self, t_ns: int) -> tuple[int, float, float]:
        if self._steer_ns[-1] <= t_ns:
            return self._steers[-1]
        return self._steers[max(bisect_right(self._steer_ns, t_ns) - 1, 0)]

    def _steered(self, t_ns: int) -> float:
        since_ns, fractional, phase = self._steer(t_ns)
        return phase + fractional * (t_ns - since_ns) * 1e-9
