"""A fibre that carries time: its delay there and back, and how it changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.kernels import kernel
from drivers.simulated.plant.noise import Noise
from drivers.simulated.plant.temperatures import Temperature, TemperatureParameters

__all__ = ["ClockFibre", "ClockFibreParameters", "Way"]

_C_KM_PER_S = 299_792.458
_DAMPING_DAY_M, _DAMPING_YEAR_M = 0.12, 2.4
_SAGNAC_S_PER_KM = 3.7e-12

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFibreParameters:
    """A fibre from where the reference is (A) to a site (B), and back.

    Attributes
    ----------
    length_km, group_index : float
        4.90 us/km at 1.468.
    thermal_ps_per_km_k : float
        Change of the delay with temperature, 37 to 40.
    exposed_km : float
        How much of it is in the air: ducts, buildings, the ends.
    burial_m : float
        How deep the rest lies. Soil damps the day with 0.12 m and the year with 2.4 m.
    air_daily_k, air_yearly_k, air_wander_k : float
        Amplitudes of the air's temperature through day and year, and standard deviation of
        the weather; that does not reach the buried part.
    acoustic_h : float
        Phase noise one way, S_phi = h L/f^2 in rad^2/Hz with L in km; 1 to 30 if buried.
    carrier_hz : float
        Frequency of the light.
    asymmetry : float
        alpha = d_AB/d_BA - 1 of the fibre itself.
    dispersion_ps_per_nm_km, wavelength_difference_nm : float
        Of the two directions: what A sends is longer by this much.
    east_km : float
        How far B is east of A at 45 degrees of latitude (Sagnac: 0.37 ns per 100 km).
    """

    length_km: float = 50.0
    group_index: float = 1.468
    thermal_ps_per_km_k: float = 38.0
    exposed_km: float = 0.5
    burial_m: float = 1.0
    air_daily_k: float = 5.0
    air_yearly_k: float = 10.0
    air_wander_k: float = 1.5
    acoustic_h: float = 10.0
    carrier_hz: float = 193.4e12
    asymmetry: float = 0.0
    dispersion_ps_per_nm_km: float = 17.0
    wavelength_difference_nm: float = 0.0
    east_km: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.exposed_km <= self.length_km:
            raise ValueError("exposed_km lies between 0 and length_km")
        if self.carrier_hz <= 0.0 or self.burial_m < 0.0 or self.acoustic_h < 0.0:
            raise ValueError("carrier_hz is above 0; burial_m and acoustic_h are not negative")


@kernel
def _warmth(t_ns: int, waves: _Array) -> float:
    """Return by how much late waves of amplitude, rate and lag exceed themselves at time 0."""
    value = 0.0
    for j in range(waves.shape[0]):
        angle = waves[j, 1] * (t_ns * 1e-9)
        value += waves[j, 0] * (math.sin(angle - waves[j, 2]) + math.sin(waves[j, 2]))
    return value


@kernel
def _warmths(times_ns: NDArray[np.int64], waves: _Array) -> _Array:
    out = np.zeros(times_ns.size)
    for i in range(times_ns.size):
        out[i] = _warmth(times_ns[i], waves)
    return out


class ClockFibre:
    """The delays of a fibre, functions of time and seed.

    Acoustic noise of S_phi = h L/f^2 is white frequency noise of h0 = h L/nu^2: it
    is common to both directions. The delay at time 0 is the nominal one.
    """

    def __init__(self, parameters: ClockFibreParameters, seed: tuple[int, ...]) -> None:
        p = self.parameters = parameters
        mean_s = p.length_km * p.group_index / _C_KM_PER_S
        apart_s = 2.0 * p.asymmetry * mean_s / (2.0 + p.asymmetry)
        apart_s += p.dispersion_ps_per_nm_km * 1e-12 * p.wavelength_difference_nm * p.length_km
        apart_s += 2.0 * _SAGNAC_S_PER_KM * p.east_km
        #: Delays at time 0: A to B, and B to A.
        self.forward_s = mean_s + 0.5 * apart_s
        self.backward_s = mean_s - 0.5 * apart_s
        self._share = 0.5 * apart_s / mean_s if mean_s else 0.0
        h0 = p.acoustic_h * p.length_km / p.carrier_hz**2
        self._acoustic = Noise(OscillatorParameters.from_h(h0), (*seed, 1))
        self._air = Temperature(
            TemperatureParameters(
                daily_k=p.air_daily_k, yearly_k=p.air_yearly_k, wander_k=p.air_wander_k
            ),
            (*seed, 2),
        )
        day, year = p.burial_m / _DAMPING_DAY_M, p.burial_m / _DAMPING_YEAR_M
        self._soil = np.array(
            [
                (p.air_daily_k * math.exp(-day), 2.0 * math.pi / 86_400.0, day),
                (p.air_yearly_k * math.exp(-year), 2.0 * math.pi / (365.25 * 86_400.0), year),
            ]
        )

        self._exposed = 1e-12 * p.thermal_ps_per_km_k * p.exposed_km
        self._buried = 1e-12 * p.thermal_ps_per_km_k * (p.length_km - p.exposed_km)
        self.change = lru_cache(maxsize=8)(self._change)

    def _change(self, t_ns: int) -> float:
        """Return the mean delay of both directions less that at time 0."""
        thermal_s = self._exposed * self._air.deviation_k(t_ns)
        thermal_s += self._buried * _warmth(t_ns, self._soil)
        return thermal_s + self._acoustic.at_one(t_ns)

    def change_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the mean delays of both directions less that at time 0 at many times."""
        thermal_s = self._exposed * self._air.deviation_at(times_ns)
        thermal_s += self._buried * _warmths(times_ns, self._soil)
        return thermal_s + self._acoustic.at(times_ns)

    def way(self, *, back: bool) -> Way:
        """Return one direction: from A to B, or `back`."""
        mean_s, share = self.backward_s, 1.0 - self._share
        if not back:
            mean_s, share = self.forward_s, 1.0 + self._share
        return Way(self, mean_s, share)


class Way:
    """One direction of a fibre."""

    def __init__(self, fibre: ClockFibre, mean_s: float, share: float) -> None:
        self._fibre = fibre
        self._mean_s = mean_s
        self._share = share

    def delay_s(self, t_ns: int) -> float:
        """Return the delay of what arrives at `t_ns`."""
        return self._mean_s + self._share * self._fibre.change(t_ns)

    def delay_at(self, times_ns: NDArray[np.int64]) -> _Array:
        """Return the delays of what arrives at many times."""
        return self._mean_s + self._share * self._fibre.change_at(times_ns)
