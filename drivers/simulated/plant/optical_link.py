"""An optical frequency link: fibre, shifter, and the beat that comes back from the far end.

The fibre's phase is a random walk, S_phi = h L / f^2 one way with h from 1 to 30 rad^2 Hz
a kilometre (buried fibres; Williams, Swann and Newbury, J. Opt. Soc. Am. B 25, 1284, 2008),
plus a steady Doppler shift. The walk is exact at any two times: whole seconds are knots,
between them midpoints are set by Brownian bridges down to about a microsecond. Light
passes shifter and fibre twice; the delay of the light, below a millisecond, is left out.
Each tracker follows the beat with white phase noise of its own, and slips: a whole number
of cycles at once, at random, or as the station file orders. While the light is lost each
runs at a frequency of its own.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.kernels import GOLDEN, kernel, mixed, normal_pair, stream_key

if TYPE_CHECKING:
    from drivers.simulated.time import BenchTime

__all__ = ["OpticalLinkParameters", "OpticalLinkPlant", "SecondsPulse", "Shifter", "Tracker"]

_SECOND_NS = 1_000_000_000
_LEVELS = 20  # midpoints from a second down to a microsecond
_BLOCK = 1024
_TWO_PI = 2.0 * math.pi


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalLinkParameters:
    """One link from the laser to the far end and back.

    Attributes
    ----------
    length_km : float
        Length of the fibre.
    noise_rad2_hz_per_km : float
        h of its phase noise, one way.
    doppler_hz : float
        Steady frequency shift, one way, such as a slow warming makes.
    shifter_hz : float
        Frequency of the shifter at which the beat is `beat_hz`.
    beat_hz : float
        Frequency of the beat as the trackers give it.
    tracker_cycles : float
        White phase noise of each tracker, standard deviation in cycles.
    slips_per_day : float
        Mean rate of slips of each tracker.
    slips, losses : tuple of tuple of float
        Ordered slips, each (second, tracker 0 or 1, cycles), and times without light, each
        (first second, last second).
    """

    length_km: float = 50.0
    noise_rad2_hz_per_km: float = 2.5
    doppler_hz: float = 5.0
    shifter_hz: float = 80e6
    beat_hz: float = 10e6
    tracker_cycles: float = 0.03
    slips_per_day: float = 0.0
    slips: tuple[tuple[float, ...], ...] = ()
    losses: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        for slip in self.slips:
            if len(slip) != 3 or slip[1] not in (0, 1) or slip[0] < 0 or slip[2] != int(slip[2]):
                raise ValueError("a slip is a second, a tracker (0 or 1) and whole cycles")
        for loss in self.losses:
            if len(loss) != 2 or not 0 <= loss[0] < loss[1]:
                raise ValueError("a loss is its first and its last second")
        if min(self.length_km, self.noise_rad2_hz_per_km, self.tracker_cycles) < 0:
            raise ValueError("length and noise are not negative")
        if self.slips_per_day < 0 or min(self.shifter_hz, self.beat_hz) <= 0:
            raise ValueError("frequencies are above 0, and slips not fewer than none")


@kernel
def _normal(key: np.uint64, place: np.uint64) -> float:
    first = mixed(key + place * GOLDEN)
    return normal_pair(first, first ^ np.uint64(0x5851F42D4C957F2D))[0]


@kernel
def _bridged(key: np.uint64, second: int, rest_ns: int, before: float, after: float) -> float:
    """Return a unit random walk between its values at two whole seconds."""
    low, high = 0.0, 1e9
    place = np.uint64(1)
    base = mixed(key ^ np.uint64(second))
    for _ in range(_LEVELS):
        middle = 0.5 * (low + high)
        spread = 0.5 * math.sqrt((high - low) * 1e-9)
        value = 0.5 * (before + after) + spread * _normal(base, place)
        place *= np.uint64(2)
        if rest_ns < middle:
            high, after = middle, value
        else:
            low, before = middle, value
            place += np.uint64(1)
    return before + (after - before) * (rest_ns - low) / (high - low)


class _Walk:
    """A random walk of unit variance a second, from 0 at time 0."""

    def __init__(self, *seed: int) -> None:
        self._seed = seed
        self._key = stream_key(*seed, 1)
        self._blocks: list[NDArray[np.float64]] = []

    def at(self, t_ns: int) -> float:
        second, rest_ns = divmod(t_ns, _SECOND_NS)
        before = self._knot(second)
        if rest_ns == 0:
            return before
        return float(_bridged(self._key, second, rest_ns, before, self._knot(second + 1)))

    def _knot(self, second: int) -> float:
        if second <= 0:
            return 0.0
        block, place = divmod(second - 1, _BLOCK)
        while len(self._blocks) <= block:
            seed = np.random.SeedSequence((*self._seed, len(self._blocks)))
            steps = np.random.Generator(np.random.PCG64(seed)).standard_normal(_BLOCK)
            start = self._blocks[-1][-1] if self._blocks else 0.0
            self._blocks.append(start + np.cumsum(steps))
        return float(self._blocks[block][place])


class Shifter:
    """The acousto-optic shifter at the near end; see `terminals.ShifterInput`."""

    def __init__(self, nominal_hz: float) -> None:
        self._nominal_hz = nominal_hz
        self._from_ns = [0]
        self._pieces = [(0.0, 0.0)]  # phase in cycles, deviation in Hz

    def drive(self, t_ns: int, frequency_hz: float, turns: float, amplitude: float) -> None:
        """Set the frequency from `t_ns` on; without amplitude it shifts as before."""
        if amplitude <= 0.0:
            return
        phase = self.cycles(t_ns)
        while len(self._from_ns) > 1 and self._from_ns[-1] >= t_ns:
            del self._from_ns[-1], self._pieces[-1]
        self._from_ns.append(t_ns)
        self._pieces.append((phase, frequency_hz - self._nominal_hz))

    def cycles(self, t_ns: int) -> float:
        """Return the phase gained against the nominal frequency."""
        place = max(bisect_right(self._from_ns, t_ns) - 1, 0)
        phase, deviation_hz = self._pieces[place]
        return phase + deviation_hz * (t_ns - self._from_ns[place]) * 1e-9


class Tracker:
    """A tracking oscillator that follows the beat; an `Oscillator` for a counter's input."""

    def __init__(self, plant: OpticalLinkPlant, number: int, seed: int) -> None:
        self._plant = plant
        self._number = number
        self._key = stream_key(seed, 40 + number)
        parameters = plant.parameters
        self._slips = sorted(
            (round(at_s * 1e9), cycles)
            for at_s, which, cycles in parameters.slips
            if which == number
        )
        self._rate_hz = parameters.slips_per_day / 86_400.0
        self._random = np.random.default_rng((seed, 50 + number))
        self._next_ns = self._wait_ns(0)
        self._drawn: list[tuple[int, float]] = []

    def nominal_hz(self) -> float:
        """Return the frequency of the beat."""
        return self._plant.parameters.beat_hz

    def phase_s(self, t_ns: int) -> float:
        """Return the tracked phase, in seconds of the beat."""
        white = self._plant.parameters.tracker_cycles * float(_normal(self._key, np.uint64(t_ns)))
        cycles = self._plant.cycles(t_ns) + white + self.slipped(t_ns) + self._astray(t_ns)
        return cycles / self._plant.parameters.beat_hz

    def slipped(self, t_ns: int) -> float:
        """Return the cycles slipped until `t_ns`."""
        while self._next_ns <= t_ns:
            self._drawn.append((self._next_ns, float(self._random.choice([-2, -1, -1, 1, 1, 2]))))
            self._next_ns = self._wait_ns(self._next_ns)
        return sum(cycles for at_ns, cycles in (*self._slips, *self._drawn) if at_ns <= t_ns)

    def _wait_ns(self, t_ns: int) -> int:
        if self._rate_hz == 0.0:
            return 1 << 62
        return t_ns + 1 + round(float(self._random.exponential(1.0 / self._rate_hz)) * 1e9)

    def _astray(self, t_ns: int) -> float:
        """Return what the tracker has gained by itself while there was no light."""
        hertz = 2_000.0 + 317.0 * self._number
        return hertz * sum(
            max(0.0, min(t_ns * 1e-9, last_s) - first_s)
            for first_s, last_s in self._plant.parameters.losses
        )


class SecondsPulse:
    """One pulse a second, without error; an `Oscillator`."""

    def nominal_hz(self) -> float:
        """Return 1 Hz."""
        return 1.0

    def phase_s(self, t_ns: int) -> float:
        """Return 0."""
        return 0.0


class OpticalLinkPlant:
    """The physics of the link.

    Parameters
    ----------
    parameters : OpticalLinkParameters
    seed : int
        Seed of all noise.
    time : BenchTime, optional
        The bench's clock, which this plant does not need.

    Attributes
    ----------
    shifter : Shifter
        A `ShifterInput`.
    trackers : tuple of Tracker
        Two oscillators for the counters' inputs.
    arming : SecondsPulse
        One pulse a second, which starts the counters' gates.
    """

    def __init__(
        self, parameters: OpticalLinkParameters, seed: int, time: BenchTime | None = None
    ) -> None:
        self.parameters = parameters
        self.shifter = Shifter(parameters.shifter_hz)
        rad2_hz = parameters.noise_rad2_hz_per_km * parameters.length_km
        self._cycles_per_sqrt_s = math.sqrt(2.0 * math.pi**2 * rad2_hz) / _TWO_PI
        self._walk = _Walk(seed, 30)
        self.trackers = (Tracker(self, 0, seed), Tracker(self, 1, seed))
        self.arming = SecondsPulse()

    def fibre_cycles(self, t_ns: int) -> float:
        """Return the fibre's phase, one way, in cycles."""
        drift = self.parameters.doppler_hz * t_ns * 1e-9
        return self._cycles_per_sqrt_s * self._walk.at(t_ns) + drift

    def delivered_cycles(self, t_ns: int) -> float:
        """Return the phase of the light at the far end against the laser."""
        return self.fibre_cycles(t_ns) + self.shifter.cycles(t_ns)

    def cycles(self, t_ns: int) -> float:
        """Return the phase of the beat against its nominal frequency."""
        return 2.0 * self.delivered_cycles(t_ns)
