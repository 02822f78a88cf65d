"""A source of photon pairs, one photon of each going to one of two stations.

Pairs are born at random, independently of each other (spontaneous parametric
down-conversion into many modes). Each arm has its transmission with the detectors'
efficiency, its delay, light and dark counts that belong to no pair, and behind a
splitter up to four detectors with jitter, dead time and afterpulses, on lines 1 to 4 of
the station's tagger. The taggers' clocks are of each other unaware.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.detectors import Registration
from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.kernels import stream_key
from drivers.simulated.plant.oscillators import NoisyOscillator

if TYPE_CHECKING:
    from drivers.simulated.time import BenchTime

__all__ = ["Arm", "PairParameters", "PairPlant"]

_BLOCK_PS = 50_000_000_000
_SPREADS = 10.0
_FWHM_PER_SD = 2.0 * math.sqrt(2.0 * math.log(2.0))

Edges = tuple[NDArray[np.int64], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairParameters:
    """The source and its two arms; what is a pair of figures is of arm 0 and arm 1.

    Attributes
    ----------
    pair_rate_hz : float
        Pairs born a second.
    transmission : two floats
        Share of its photons that an arm detects: fibre, optics and efficiency.
    background_hz : two floats
        Detections a second of an arm that belong to no pair, over all its detectors.
    detectors : two ints
        Detectors behind the splitter of an arm, 1 to 4.
    delay_ns : two floats
        From birth to the tagger.
    jitter_fwhm_ps, dead_time_ns : two floats
        Of each detector.
    afterpulse_probability, afterpulse_decay_ns : float
        That a click is followed by another one, and how soon after the dead time.
    gaps : tuple of tuple of float
        Times without any light, each (first second, last second) of the bench.
    oscillators : two OscillatorParameters
        The taggers' own clocks.
    """

    pair_rate_hz: float = 200_000.0
    transmission: tuple[float, float] = (0.1, 0.1)
    background_hz: tuple[float, float] = (2_000.0, 5_000.0)
    detectors: tuple[int, int] = (2, 2)
    delay_ns: tuple[float, float] = (20.0, 48_940.0)
    jitter_fwhm_ps: tuple[float, float] = (350.0, 350.0)
    dead_time_ns: tuple[float, float] = (50.0, 50.0)
    afterpulse_probability: float = 0.01
    afterpulse_decay_ns: float = 200.0
    gaps: tuple[tuple[float, ...], ...] = ()
    oscillators: tuple[OscillatorParameters, OscillatorParameters] = field(
        default=(OscillatorParameters.preset("crystal"), OscillatorParameters.preset("crystal"))
    )

    def __post_init__(self) -> None:
        if any(not 1 <= count <= 4 for count in self.detectors):
            raise ValueError("an arm has one to four detectors")
        if any(not 0.0 <= share <= 1.0 for share in self.transmission):
            raise ValueError("a transmission is between 0 and 1")
        least = (
            self.pair_rate_hz, *self.background_hz, *self.delay_ns, *self.jitter_fwhm_ps,
            *self.dead_time_ns, self.afterpulse_decay_ns,
        )  # fmt: skip
        if min(least) < 0.0 or not 0.0 <= self.afterpulse_probability < 1.0:
            raise ValueError("rates and times are not negative, and a probability is below 1")
        for gap in self.gaps:
            if len(gap) != 2 or not 0.0 <= gap[0] < gap[1]:
                raise ValueError("a gap is its first and its last second")


class Arm:
    """One station's detectors on the lines of its tagger (an `EventSource`).

    Parameters
    ----------
    parameters : PairParameters
    number : int
        0 or 1.
    seed : int
    births : callable
        Birth times in ps of the pairs of a block, ascending.
    """

    def __init__(
        self,
        parameters: PairParameters,
        number: int,
        seed: int,
        births: Callable[[int], NDArray[np.int64]],
    ) -> None:
        self._parameters = parameters
        self._number = number
        self._seed = seed
        self._births = births
        self._detectors = parameters.detectors[number]
        self._spread_ps = parameters.jitter_fwhm_ps[number] / _FWHM_PER_SD
        self._delay_ps = round(parameters.delay_ns[number] * 1e3)
        self._early_ps = self._delay_ps - math.ceil(_SPREADS * self._spread_ps)
        dead_ps = round(parameters.dead_time_ns[number] * 1e3)
        self._registrations = [
            Registration(
                dead_ps, parameters.afterpulse_decay_ns * 1e3, stream_key(seed, 62, number, line)
            )
            for line in range(self._detectors)
        ]
        self._channels = 0
        self._since_ps = 0
        self._block = 0
        self._coming: Edges = _none()

    def listen(self, t_ns: int, channels: int) -> None:
        """From `t_ns` on keep the edges of lines 1 to `channels`; 0 stops."""
        if channels < 0:
            raise ValueError("the number of lines is not negative")
        if channels and not self._channels:
            self._since_ps = t_ns * 1000
            self._block = (self._since_ps - self._early_ps) // _BLOCK_PS - 1
            self._coming = _none()
            for registration in self._registrations:
                registration.rest()
        self._channels = channels

    def edges(self, until_ns: int) -> Edges:
        """Return all edges before `until_ns` that were not returned yet, in order.

        The first array holds picoseconds of bench time, the second line numbers
        from 1.
        """
        until_ps = until_ns * 1000
        if not self._channels or until_ps <= self._since_ps:
            return _none()
        avalanches, lines = self._avalanches(until_ps)
        clicks, numbers = [], []
        for line, registration in enumerate(self._registrations):
            if line >= self._channels:
                break
            times, _ = registration.clicks(
                avalanches[lines == line],
                0,
                until_ps,
                until_ps,
                self._parameters.afterpulse_probability,
            )
            clicks.append(times)
            numbers.append(np.full(times.size, line + 1, np.uint8))
        times = np.concatenate(clicks)
        order = np.argsort(times, kind="stable")
        self._since_ps = until_ps
        return times[order], np.concatenate(numbers)[order]

    def _avalanches(self, until_ps: int) -> Edges:
        """Return what is detected from where it was left up to a time, with lines from 0."""
        pieces = [self._coming]
        while self._block * _BLOCK_PS + self._early_ps < until_ps:
            pieces.append(self._block_of(self._block))
            self._block += 1
        times = np.concatenate([piece[0] for piece in pieces])
        lines = np.concatenate([piece[1] for piece in pieces])
        order = np.argsort(times, kind="stable")
        times, lines = times[order], lines[order]
        first, end = np.searchsorted(times, (self._since_ps, until_ps))
        self._coming = times[end:], lines[end:]
        return times[first:end], lines[first:end]

    def _block_of(self, block: int) -> Edges:
        p, number = self._parameters, self._number
        draws = _generator(self._seed, 61, number, block)
        births = self._births(block)
        births = births[draws.random(births.size) < p.transmission[number]]
        spread = np.rint(draws.standard_normal(births.size) * self._spread_ps).astype(np.int64)
        count = draws.poisson(p.background_hz[number] * _BLOCK_PS * 1e-12)
        others = block * _BLOCK_PS + draws.integers(0, _BLOCK_PS, count)
        times = np.concatenate((births + self._delay_ps + spread, others + self._delay_ps))
        lines = draws.integers(0, self._detectors, times.size, dtype=np.uint8)
        for first_s, last_s in p.gaps:
            kept = (times < first_s * 1e12) | (times >= last_s * 1e12)
            times, lines = times[kept], lines[kept]
        return times, lines


class PairPlant:
    """The source and both stations.

    Parameters
    ----------
    parameters : PairParameters
    seed : int
        Seed of everything random in it.
    time : BenchTime, optional
        The bench's clock, which this plant does not need.

    Attributes
    ----------
    arms : two Arm
        The lines of each station's tagger.
    oscillators : two NoisyOscillator
        The taggers' own clocks.
    """

    def __init__(
        self, parameters: PairParameters, seed: int, time: BenchTime | None = None
    ) -> None:
        self.parameters = parameters
        self._seed = seed
        births = lru_cache(maxsize=8)(self._births)
        self.arms = (Arm(parameters, 0, seed, births), Arm(parameters, 1, seed, births))
        first, second = parameters.oscillators
        self.oscillators = NoisyOscillator(first, (seed, 63)), NoisyOscillator(second, (seed, 64))

    def _births(self, block: int) -> NDArray[np.int64]:
        draws = _generator(self._seed, 60, block)
        count = draws.poisson(self.parameters.pair_rate_hz * _BLOCK_PS * 1e-12)
        return block * _BLOCK_PS + np.sort(draws.integers(0, _BLOCK_PS, count))


def _generator(*names: int) -> np.random.Generator:
    key = int(stream_key(*names))  # a block before time 0 has a negative number
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def _none() -> Edges:
    return np.empty(0, np.int64), np.empty(0, np.uint8)
