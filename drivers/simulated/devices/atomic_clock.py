"""What the simulated atomic clocks share: warm-up, steering, room, and a 1PPS input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drivers.simulated.device import Setting
from drivers.simulated.devices.pulse_discipline import OwnSecond, PulseDiscipline
from drivers.simulated.devices.steering import Steering
from drivers.simulated.devices.surroundings import inside_c
from drivers.simulated.line import LineDevice
from drivers.simulated.time import BenchTime

__all__ = ["AtomicClock", "PulseFollowingClock"]


class AtomicClock(LineDevice):
    """A clock on a serial line; each declares the defaults of its settings.

    Terminals
    ---------
    oscillator : Oscillator
        Its output; steered if it can be.
    pps_input : Oscillator
        The clock whose seconds arrive at the 1PPS input; left out, none do.
    pps_output : Pulses
        The pulses that it sends.
    room : Room
        Where it stands; left out, it is 23 degrees Celsius there.

    Settings
    --------
    serial_number, firmware : str
        Its identity.
    warm : bool
        Whether it has been on for long.
    warm_up_s : float
        Time to lock after power-on.

    Attributes
    ----------
    steering_step : float
        Fractional frequency of one step of its steering.
    temperature_setting : str
        The setting with its temperature in a room of 23 degrees Celsius.
    """

    connectors = ("serial",)
    terminal_names = ("oscillator", "pps_input", "pps_output", "room")
    default_settings: ClassVar[Mapping[str, Setting]] = {"warm": True}
    steering_step: ClassVar[float]
    temperature_setting: ClassVar[str] = "temperature_c"

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._started_ns = self.t_ns
        warm_up_s = 0.0 if self.settings["warm"] else self.settings["warm_up_s"]
        self._locked_from_ns = self.t_ns + round(warm_up_s * 1e9)
        self._steering = Steering(self.terminals.get("oscillator"), self.steering_step)

    def _inside_c(self) -> float:
        usual_c = self.settings[self.temperature_setting]
        return inside_c(self.terminals.get("room"), self.t_ns, usual_c)


class PulseFollowingClock(AtomicClock):
    """An atomic clock whose own second can be put onto the input's, and kept there.

    Attributes
    ----------
    most_followed : float
        Highest fractional frequency by which it follows its input.
    memory_writes : int
        How often its non-volatile memory was written.
    """

    most_followed: ClassVar[float]

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        own, output = self.terminals.get("oscillator"), self.terminals.get("pps_output")
        self._own_second = OwnSecond(own, output, self.t_ns)
        self._pulses = PulseDiscipline(
            self._own_second,
            self.terminals.get("pps_input"),
            self._steering,
            step=self.steering_step,
            resolution_s=1e-9,
            most=self.most_followed,
        )
        self.memory_writes = 0
