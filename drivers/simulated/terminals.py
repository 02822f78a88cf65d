"""What leads out of a simulated device into the plant: light, volts, edges, clocks.

A device is built with the terminals that its station names and tells them what
it does, with the bench time in nanoseconds; the plant turns that into physics.
A device never sees another device, and the plant never sees a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Attenuation",
    "BiasPoint",
    "Detector",
    "EdgeInput",
    "EventSource",
    "LightSource",
    "Oscillator",
    "PowerProbe",
    "ShifterInput",
    "VoltageInput",
    "Waveform",
]


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A sampled voltage, as a generator's converter plays it.

    The volts of sample i are ``codes[i] * volts_per_code + offset_v``, held
    for ``1 / sample_rate_hz``. `repeats` is how often the record is played;
    None plays it until something else is asked for.
    """

    codes: NDArray[np.int16]
    volts_per_code: float
    offset_v: float
    sample_rate_hz: float
    repeats: int | None = 1


class VoltageInput(Protocol):
    """An electrode that a generator drives."""

    def hold(self, t_ns: int, volts: float) -> None:
        """Apply a steady voltage from `t_ns` on."""

    def play(self, t_ns: int, waveform: Waveform) -> None:
        """Play a waveform from `t_ns` on; afterwards its first sample is held."""


class BiasPoint(Protocol):
    """The bias electrode and the tap photodiode of a Mach-Zehnder modulator."""

    def hold(self, t_ns: int, volts: float) -> None:
        """Apply a steady bias voltage."""

    def lock(self, t_ns: int, point: str) -> None:
        """Follow an operating point: ``peak``, ``null``, ``quad+`` or ``quad-``."""

    def volts(self, t_ns: int) -> float:
        """Return the bias voltage that is applied."""

    def tap_w(self, t_ns: int) -> float:
        """Return the optical power at the modulator's tap in watts."""


class LightSource(Protocol):
    """The fibre behind a laser's connector."""

    def emit(self, t_ns: int, power_w: float, wavelength_m: float) -> None:
        """Emit steady light from `t_ns` on; 0 W is dark."""


class Attenuation(Protocol):
    """One variable attenuator in a light path."""

    def set(self, t_ns: int, loss_db: float) -> None:
        """Set the loss in dB from `t_ns` on; infinity for a closed shutter."""

    def power_w(self, t_ns: int) -> float:
        """Return the optical power that leaves the attenuator in watts."""


class PowerProbe(Protocol):
    """A place where a power meter's head looks at the light."""

    def power_w(self, t_ns: int, average_s: float) -> float:
        """Return the mean power in watts over `average_s` from `t_ns` on."""


class Detector(Protocol):
    """A single-photon detector seen from its control box."""

    def bias(self, t_ns: int, overvoltage_v: float) -> None:
        """Set the voltage above breakdown; not above 0 V the detector is blind."""

    def temperature(self, t_ns: int, celsius: float) -> None:
        """Set the temperature of the diode."""

    def count(self, t_ns: int, window_s: float) -> int:
        """Return the number of clicks within `window_s` before `t_ns`."""


class EventSource(Protocol):
    """The coaxial lines that arrive at a time tagger."""

    def listen(self, t_ns: int, channels: int) -> None:
        """From `t_ns` on keep the edges of lines 1 to `channels`; 0 stops."""

    def edges(self, until_ns: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return all edges before `until_ns` that were not returned yet, in order.

        The first array holds picoseconds of bench time, the second line numbers
        from 1.
        """


class EdgeInput(Protocol):
    """A trigger or marker line that a device drives."""

    def edge(self, t_ns: int) -> None:
        """Send one rising edge."""


class Oscillator(Protocol):
    """A frequency source whose error can be asked for.

    While there is no signal, its phase is nan.
    """

    def nominal_hz(self) -> float:
        """Return the nominal frequency."""

    def phase_s(self, t_ns: int) -> float:
        """Return the time error x(t) in seconds: positive when it is ahead."""


class ShifterInput(Protocol):
    """An acousto-optic shifter that a generator drives."""

    def drive(self, t_ns: int, frequency_hz: float, turns: float, amplitude: float) -> None:
        """Drive it from `t_ns` on with a frequency, a phase in turns and a share of full scale.

        A change of frequency leaves the phase continuous.
        """
