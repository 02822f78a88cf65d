"""Microchip SA.5x miniature atomic clock on its serial port.

Framing, names, units and ranges after the sources that the driver names. Assumed:
the numbers of refusals, what a set answers, how long locking takes, the signs of
the phase and of the pulse's offset, which is later here, and the loop of
disciplining, of which the time constant is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drivers.simulated.device import SerialLine, Setting
from drivers.simulated.devices.atomic_clock import PulseFollowingClock
from drivers.simulated.line import line
from drivers.simulated.time import BenchTime

__all__ = ["MicrochipSA5xDevice"]

_SECOND_NS = 1_000_000_000
_STEP = 1e-15
_TUNING = 20_000_000
_UNKNOWN, _RANGE, _READ_ONLY = "[!1]", "[!2]", "[!3]"
_NO_PULSE, _AT_LIMIT = 1 << 17, 1 << 18

#: What can be set: lowest, highest, step and the value at power-on.
_SETTABLE = {
    "DigitalTuning": (-_TUNING, _TUNING, 1, 0),
    "Disciplining": (0, 1, 1, 0),
    "PhaseMetering": (0, 1, 1, 0),
    "TauPps0": (10, 10_000, 1, 500),
    "DisciplineThresholdPps0": (1, 1000, 1, 20),
    "PhaseLimit": (-1_000_000, 1_000_000, 1, 1000),
    "PpsOffset": (-83_886_080, 83_886_080, 10, 0),
    "PpsWidth": (100, 83_886_080, 10, 80_000_000),
    "CableDelay": (-500_000_000, 500_000_000, 1, 0),
    "PpsSource": (0, 1, 1, 0),
}


class MicrochipSA5xDevice(PulseFollowingClock):
    """A miniature clock.

    Settings
    --------
    temperature_c : float
        Its temperature in a room of 23 degrees Celsius.

    Attributes
    ----------
    memory_writes : int
        How often the memory was written.
    """

    serial = SerialLine(baud=57600)
    line_ends = b"}"
    latency_s = 2e-3
    steering_step = _STEP
    most_followed = _TUNING * _STEP
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "serial_number": "2101MX00042",
        "firmware": "V1.1.7",
        "warm_up_s": 300.0,
        "temperature_c": 41.5,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._values = {name: start for name, (*_, start) in _SETTABLE.items()}

    def unknown(self, text: str) -> str:
        """Refuse what is no command."""
        return _UNKNOWN

    def report_error(self, code: int, text: str = "") -> None:
        """Refuse a command."""
        assert self.session is not None  # there is an exchange
        self._answer(self.session, f"[!{code}]")

    @line(r"\\?\{swrev\?")
    def revision(self) -> str:
        """Answer the firmware."""
        return f"[={self.settings['firmware']},SA5X]"

    @line(r"\\?\{serial\?")
    def serial_number(self) -> str:
        """Answer the serial number."""
        return f"[={self.settings['serial_number']}]"

    @line(r"\\?\{get,(\w+)", flags=0)
    def get(self, name: str) -> str:
        """Answer a parameter."""
        value = self._reading(name)
        return _UNKNOWN if value is None else f"[={value}]"

    @line(r"\\?\{set,(\w+),([+-]?\d{1,12})", flags=0)
    def set(self, name: str, value: str) -> str:
        """Set a parameter."""
        if name not in _SETTABLE:
            return _UNKNOWN if self._reading(name) is None else _READ_ONLY
        low, high, step, _ = _SETTABLE[name]
        if not low <= int(value) <= high or int(value) % step:
            return _RANGE
        if name == "PpsOffset":
            self._own_second.move(self.t_ns, (int(value) - self._values[name]) * 1e-9)
        self._values[name] = int(value)
        if name == "DigitalTuning" and not self._pulses.running:
            self._steering.set(self.t_ns, int(value))
        elif name == "Disciplining":
            self._discipline(bool(int(value)))
        return f"[={int(value)}]"

    @line(r"\\?\{latch")
    def latch(self) -> str:
        """Make the steering the calibration; the output's frequency stays."""
        self._steering.latch()
        self._values["DigitalTuning"] = 0
        self.memory_writes += 1
        return "[=1]"

    @line(r"\\?\{store")
    def store(self) -> str:
        """Keep the settings."""
        self.memory_writes += 1
        return "[=1]"

    def advance(self, t_ns: int) -> None:
        """Let the disciplining work through the seconds since the last time."""
        if self._pulses.running:
            self._pulses.follow(t_ns, self._values["TauPps0"])

    # ---- state -------------------------------------------------------------------

    def _discipline(self, on: bool) -> None:
        if on and not self._pulses.running:
            self._pulses.place(self.t_ns)
            self._pulses.start(self.t_ns)
        elif not on and self._pulses.running:
            self._pulses.stop()
            self._values["DigitalTuning"] = self._steering.steps

    def _reading(self, name: str) -> str | None:
        """Return a parameter as text, None for one that does not exist."""
        if name in self._values:
            return str(self._values[name])
        phase_s = self._pulses.phase_s(self.t_ns // _SECOND_NS * _SECOND_NS)
        measures = self._pulses.running or self._values["PhaseMetering"]
        good = self._values["DisciplineThresholdPps0"] * 1e-9
        if name == "Alarms":
            at_limit = self._pulses.running and abs(self._steering.steps) >= _TUNING
            return str((_NO_PULSE if phase_s is None else 0) | (_AT_LIMIT if at_limit else 0))
        readings = {
            "Locked": int(self.t_ns >= self._locked_from_ns),
            "LockProgress": self._progress(),
            "Temperature": round(self._inside_c() * 1000),
            "PpsInDetected": int(phase_s is not None),
            "DisciplineLocked": int(
                self._pulses.running and phase_s is not None and abs(phase_s) <= good
            ),
            "EffectiveTuning": self._steering.steps,
            "LastCorrection": self._pulses.correction_steps,
            "JamSyncing": 0,
        }
        if name == "Phase":
            return f"{phase_s * 1e9:.1f}" if measures and phase_s is not None else "0.0"
        return str(readings[name]) if name in readings else None

    def _progress(self) -> int:
        needed_ns = self._locked_from_ns - self._started_ns
        if not needed_ns:
            return 100
        return min(100, 100 * (self.t_ns - self._started_ns) // needed_ns)
