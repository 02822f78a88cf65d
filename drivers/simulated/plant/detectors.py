"""Single-photon avalanche diodes: efficiency, dark counts, dead time, afterpulses."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.kernels import GOLDEN, grown, kernel, uniform
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.plant.timing import Timeline

__all__ = ["Diode", "Registration"]

_NEVER = np.int64(1 << 62)
_FWHM_PER_SD = 2.0 * math.sqrt(2.0 * math.log(2.0))


@kernel
def _registered(
    avalanches: NDArray[np.int64],
    origin_ps: int,
    until_ps: int,
    end_ps: int,
    dead_ps: int,
    afterpulse: float,
    decay_ps: float,
    state: NDArray[np.int64],
    counter: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], int]:
    """Return the clicks before `until_ps` and how many avalanches were looked at.

    `state` is the end of the dead time and the time of the next afterpulse.
    """
    out = np.empty(16 + avalanches.size + avalanches.size // 8, dtype=np.int64)
    filled, used = 0, 0
    ready, again, draws = state[0], state[1], counter[0]
    while True:
        t = avalanches[used] + origin_ps if used < avalanches.size else end_ps
        late = again < t
        if late:
            t = again
        elif used == avalanches.size:
            break
        if t >= until_ps:
            break
        if late:
            again = _NEVER
        else:
            used += 1
        if t < ready:
            continue
        if filled == out.size:
            out = grown(out)
        out[filled] = t
        filled += 1
        ready = t + dead_ps
        draws += GOLDEN
        if uniform(draws) < afterpulse:
            draws += GOLDEN
            delayed = ready - np.int64(decay_ps * math.log(uniform(draws)))
            again = min(again, delayed)
    state[0], state[1], counter[0] = ready, again, draws
    return out[:filled], used


class Registration:
    """One diode's dead time and afterpulses, carried from call to call.

    A click is followed, with the afterpulse probability, by another avalanche at
    an exponentially distributed time after the end of the dead time; that one may
    again be followed. The dead time is not extended by what falls into it.
    """

    def __init__(self, dead_ps: int, decay_ps: float, key: np.uint64) -> None:
        self._dead_ps = dead_ps
        self._decay_ps = decay_ps
        self._state = np.array([-_NEVER, _NEVER], dtype=np.int64)
        self._counter = np.array([key], dtype=np.uint64)

    def rest(self) -> None:
        """Let a long time pass unobserved: no afterpulse is to come."""
        self._state[1] = _NEVER

    def clicks(
        self,
        avalanches: NDArray[np.int64],
        origin_ps: int,
        until_ps: int,
        end_ps: int,
        afterpulse: float,
    ) -> tuple[NDArray[np.int64], int]:
        """Register avalanches in order.

        Parameters
        ----------
        avalanches : array of int64
            Times in ps after `origin_ps`, ascending, of a piece that ends at `end_ps`.
        origin_ps, until_ps, end_ps : int
            Bench times in ps; nothing from `until_ps` on is looked at.
        afterpulse : float
            Afterpulse probability.

        Returns
        -------
        tuple
            Bench times of the clicks in ps, and how many avalanches are done with.
        """
        return _registered(
            avalanches,
            origin_ps,
            until_ps,
            end_ps,
            self._dead_ps,
            afterpulse,
            self._decay_ps,
            self._state,
            self._counter,
        )


class Diode:
    """One avalanche diode with its bias and cooler (a `Detector`).

    Parameters
    ----------
    parameters : LinkParameters
        The link.
    number : int
        0 or 1.
    slot_at : callable
        From bench time to the first slot that reaches the detectors after it.
    changed : callable
        Told the first slot of every change.
    counted : callable
        Clicks of this detector between two bench times in ns.
    """

    def __init__(
        self,
        parameters: LinkParameters,
        number: int,
        slot_at: Callable[[int], int],
        changed: Callable[[int], None],
        counted: Callable[[int, int, int], int],
    ) -> None:
        self._parameters = parameters
        self._number = number
        self._slot_at = slot_at
        self._counted = counted
        self.overvoltage_v = Timeline(parameters.detector_overvoltage_v[number], changed)
        self.celsius = Timeline(parameters.detector_celsius, changed)

    def bias(self, t_ns: int, overvoltage_v: float) -> None:
        """Set the voltage above breakdown; not above 0 V the detector is blind."""
        self.overvoltage_v.set(self._slot_at(t_ns), overvoltage_v)

    def temperature(self, t_ns: int, celsius: float) -> None:
        """Set the temperature of the diode."""
        self.celsius.set(self._slot_at(t_ns), celsius)

    def count(self, t_ns: int, window_s: float) -> int:
        """Return the number of clicks within `window_s` before `t_ns`."""
        return self._counted(self._number, t_ns - round(window_s * 1e9), t_ns)

    def efficiency(self, slot: int) -> float:
        """Return the detection efficiency."""
        p, n = self._parameters, self._number
        volts = self.overvoltage_v.at(slot)
        if volts <= 0.0:
            return 0.0
        nominal = -math.expm1(-p.detector_overvoltage_v[n] / p.detector_saturation_v)
        share = -math.expm1(-volts / p.detector_saturation_v) / nominal
        return min(p.detector_efficiency[n] * share, 1.0)

    def dark_hz(self, slot: int) -> float:
        """Return the dark count rate."""
        p, n = self._parameters, self._number
        volts = self.overvoltage_v.at(slot)
        if volts <= 0.0:
            return 0.0
        above = (volts - p.detector_overvoltage_v[n]) / p.detector_dark_overvoltage_v
        warmer = (self.celsius.at(slot) - p.detector_celsius) / p.detector_dark_doubling_k
        return float(p.detector_dark_hz[n] * math.exp(above) * 2.0**warmer)

    def afterpulse(self, slot: int) -> float:
        """Return the probability that a click is followed by an afterpulse."""
        p, n = self._parameters, self._number
        share = max(self.overvoltage_v.at(slot), 0.0) / p.detector_overvoltage_v[n]
        return min(p.afterpulse_probability * share, 1.0)

    def spread_ps(self, fibre_spread_ps: float) -> float:
        """Return the standard deviation of arrivals: jitter, pulse width and dispersion."""
        p = self._parameters
        pulse_ps = p.pulse_fwhm_ps / _FWHM_PER_SD
        return math.sqrt(p.jitter_ps[self._number] ** 2 + pulse_ps**2 + fibre_spread_ps**2)
