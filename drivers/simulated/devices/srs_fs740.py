"""SRS FS740 GPS time and frequency system: timebase, holdover, counter inputs.

Commands and ranges after the manual as CeNTREX's driver quotes it. Assumed: how
long the states before lock last, the loop and its time constants, the sensitivity
of the control voltage, the sign of the time interval, positions and satellites.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from drivers.simulated.device import SerialLine
from drivers.simulated.devices.pulse_discipline import OwnSecond, PulseDiscipline
from drivers.simulated.devices.steering import Steering
from drivers.simulated.scpi import (
    Boolean,
    Choice,
    Later,
    Number,
    ScpiDevice,
    ScpiError,
    Setting,
    command,
    query,
)
from drivers.simulated.time import BenchTime

__all__ = ["SRSFS740Device"]

_SECOND_NS = 1_000_000_000
_STEP = 1e-15
_MIDDLE_V, _PER_VOLT = 2.048, 1e-9
_TARGET_S = 500.0
_QUICKEST_S = 3.0
_START = datetime(2026, 1, 1)  # noqa: DTZ001 - the unit's own clock has no zone
_BEFORE_LOCK = ("POW", "SEAR", "STAB", "VTIM")
_HELD = ("MAN", "NGPS", "BGPS")
_FREQUENCY = Number("HZ", 0.1, 1.5e8, optional=True)
_ANY = Number(optional=True)


class SRSFS740Device(ScpiDevice):
    """A GPS-disciplined clock.

    Terminals
    ---------
    oscillator : Oscillator
        Its timebase; steered if it can be.
    gps : Oscillator
        The time that the antenna brings; left out, there is none.
    pps_output : Pulses
        The pulses that it sends.
    input1, input2 : Oscillator
        What is at the counter inputs.

    Settings
    --------
    warm : bool
        Whether it has been on and locked for long.
    warm_up_s : float
        Time to lock after power-on, if there is GPS.
    """

    maker = "Stanford Research Systems"
    model = "FS740"
    options = "2,A,A,A"
    connectors = ("socket", "serial")
    serial = SerialLine(baud=115200)
    reply_end = b"\r\n"
    terminal_names = ("oscillator", "gps", "pps_output", "input1", "input2")
    default_settings: ClassVar[dict[str, Any]] = {
        "serial_number": "s/n001043",
        "firmware": "ver1.13",
        "warm": True,
        "warm_up_s": 400.0,
    }

    follow = Setting("TBASe:CONFig:LOCK", Boolean(), default=True)
    bandwidth = Setting("TBASe:CONFig:BWIDth", Choice("AUTo", "MANual"))
    holdover_exit = Setting("TBASe:CONFig:HMODe", Choice("WAIT", "JUMP", "SLEW"))
    limit_s = Setting("TBASe:CONFig[:TINTerval]:LIMit", Number("S", 50e-9, 1.0, 1e-6))
    gate_s = Setting("SENSe[1|2]:FREQuency:GATE", Number("S", 1e-2, 1e3, 0.1))
    level_v = Setting("INPut[1|2]:LEVel", Number("V", -3.0, 3.0, 1.0))

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        own = self.terminals.get("oscillator")
        warm = bool(self.settings["warm"])
        self._started_ns = self._seen_ns = self.t_ns
        self._warm_up_s = 0.0 if warm else float(self.settings["warm_up_s"])
        self._steering = Steering(own, _STEP)
        self._pulses = PulseDiscipline(
            OwnSecond(own, self.terminals.get("pps_output"), self.t_ns),
            self.terminals.get("gps"),
            self._steering,
            step=_STEP,
            resolution_s=1e-10,
            most=_MIDDLE_V * _PER_VOLT,
            near_s=math.inf,
        )
        self._manual_s = _TARGET_S
        self._mean_s = 0.0
        self._events: deque[tuple[str, int]] = deque([("POW", self.t_ns)], maxlen=100)
        self._state = "POW"
        self._slews = False
        self._since_ns = self.t_ns
        self._warmed_s = 0
        self._look(self.t_ns)

    # ---- timebase ----------------------------------------------------------------

    @query("TBASe[:STATe]")
    def state(self) -> str:
        """Answer the state."""
        return self._state

    @query("TBASe:STATe:LOCK:DURation")
    def locked_for(self) -> int:
        """Answer for how long it has been locked."""
        return self._lasting_s() if self._state == "LOCK" else 0

    @query("TBASe:STATe:HOLDover:DURation")
    def held_for(self) -> int:
        """Answer for how long it has been in holdover."""
        return self._lasting_s() if self._state in _HELD else 0

    @query("TBASe:WARMup")
    def warm_up(self) -> int:
        """Answer how long the first lock took."""
        return self._warmed_s

    @query("TBASe:TINTerval", Choice("CURRent", "AVERage", optional=True))
    def time_interval(self, which: str | None) -> str:
        """Answer the time between timebase and GPS."""
        if which == "AVER":
            return f"{self._mean_s:.4e}"
        return f"{self._pulses.phase_s(self._second()) or 0.0:.4e}"

    @command("TBASe:TCONstant", Number("S", _QUICKEST_S, 1e6))
    def set_time_constant(self, seconds: float) -> None:
        """Set the time constant for manual bandwidth."""
        self._manual_s = seconds

    @query("TBASe:TCONstant", Choice("CURRent", "TARGet", "MANual", optional=True))
    def time_constant(self, which: str | None) -> str:
        """Answer a time constant."""
        values = {"TARG": _TARGET_S, "MAN": self._manual_s}
        return f"{values.get(which or '', self._time_constant_s()):.0f}"

    @command("TBASe:FCONtrol", Number("V", 0.0, 4.096))
    def set_control(self, volts: float) -> None:
        """Set the control voltage, unless GPS does."""
        if self._state == "LOCK":
            raise ScpiError(-221)
        self._steering.set(self.t_ns, round((volts - _MIDDLE_V) * _PER_VOLT / _STEP))

    @query("TBASe:FCONtrol")
    def control(self) -> str:
        """Answer the control voltage."""
        return f"{_MIDDLE_V + self._steering.fractional / _PER_VOLT:.6f}"

    @query("TBASe:EVENt:COUNt")
    def event_count(self) -> int:
        """Answer how many events wait."""
        return len(self._events)

    @query("TBASe:EVENt[:NEXT]")
    def next_event(self) -> str:
        """Answer the oldest event and forget it."""
        if not self._events:
            return "NON,0,0,0,0,0,0"
        state, t_ns = self._events.popleft()
        at = _clock(t_ns)
        fields = (at.year, at.month, at.day, at.hour, at.minute, at.second)
        return ",".join((state, *map(str, fields)))

    # ---- GPS and clock -----------------------------------------------------------

    @query("GPS:POSition")
    def position(self) -> str:
        """Answer where it is."""
        return "0.9119,0.2337,45.20" if self._sees_gps() else "0,0,0"

    @query("GPS:SATellite:TRACking")
    def satellites(self) -> str:
        """Answer which satellites it follows."""
        return "6,3,6,11,14,22,31" if self._sees_gps() else "0"

    @query("SYSTem:DATe")
    def date(self) -> str:
        """Answer the date."""
        at = _clock(self.t_ns)
        return f"{at.year},{at.month},{at.day}"

    @query("SYSTem:TIMe")
    def time_of_day(self) -> str:
        """Answer the time."""
        at = _clock(self.t_ns)
        return f"{at.hour},{at.minute},{at.second + self.t_ns % _SECOND_NS * 1e-9:.8f}"

    @command("SYSTem:TIMe", Number(integer=True), Number(integer=True), Number(integer=True))
    @command("SYSTem:DATe", Number(integer=True), Number(integer=True), Number(integer=True))
    def set_clock(self, first: float, second: float, third: float) -> None:
        """Refuse to set the clock, which GPS or the bench sets."""
        raise ScpiError(-221)

    # ---- counter -----------------------------------------------------------------

    @command("CONFigure[1|2]:FREQuency", _FREQUENCY, _ANY)
    def configure(self, number: int, expected: float | None, resolution: float | None) -> None:
        """Prepare to measure a frequency."""
        self.gate_s[number] = 0.1

    @query("READ[1|2]")
    def read(self, number: int) -> Later:
        """Measure a frequency over a gate."""
        source = self.terminals.get(f"input{number}")
        began_ns, gate_ns = self.t_ns, round(self.gate_s[number] * 1e9)

        def measured() -> str:
            if source is None:
                return "NAN"
            own = self.terminals.get("oscillator")
            gained_s = _gained(source, began_ns, gate_ns)
            own_s = 0.0 if own is None else _gained(own, began_ns, gate_ns)
            hz = source.nominal_hz() * (1.0 + (gained_s - own_s) / (gate_ns * 1e-9))
            return "NAN" if math.isnan(hz) else f"{hz:.13e}"

        return Later(began_ns + gate_ns, measured)

    # ---- state -------------------------------------------------------------------

    def advance(self, t_ns: int) -> None:
        """Work through the seconds since the last time."""
        first, last = self._seen_ns // _SECOND_NS + 1, t_ns // _SECOND_NS
        for second in range(first, last + 1):
            self._look(second * _SECOND_NS)
        self._seen_ns = max(t_ns, self._seen_ns)

    def _look(self, t_ns: int) -> None:
        """Find the state at a second, and let the loop work."""
        phase_s = self._pulses.phase_s(t_ns)
        state = self._next_state(t_ns, phase_s)
        if state != self._state:
            self._enter(state, t_ns)
        if state == "LOCK" and phase_s is not None:
            if not self._pulses.running:
                self._pulses.start(t_ns - _SECOND_NS)
            self._pulses.follow(t_ns, self._time_constant_s(t_ns))
            self._mean_s += (phase_s - self._mean_s) / self._time_constant_s(t_ns)

    def _next_state(self, t_ns: int, phase_s: float | None) -> str:
        left_s = self._warm_up_s - (t_ns - self._started_ns) * 1e-9
        if left_s > 0.0:
            part = int((1.0 - left_s / self._warm_up_s) * len(_BEFORE_LOCK))
            return _BEFORE_LOCK[part if phase_s is not None else min(part, 1)]
        if not self.follow:
            return "MAN"
        if phase_s is None:
            return "NGPS" if self._warmed_s or self.settings["warm"] else "SEAR"
        if abs(phase_s) <= self.limit_s:
            self._slews = False
        elif self._state in _BEFORE_LOCK or (
            self._state != "LOCK" and self.holdover_exit == "JUMP"
        ):
            self._pulses.place(t_ns)
        elif self._state != "LOCK" and self.holdover_exit == "SLEW":
            self._slews = True
        elif not self._slews:
            return "BGPS"
        return "LOCK"

    def _enter(self, state: str, t_ns: int) -> None:
        if state == "LOCK" and not self._warmed_s:
            self._warmed_s = max(1, (t_ns - self._started_ns) // _SECOND_NS)
        if state != "LOCK":
            self._pulses.stop()
        self._state, self._since_ns = state, t_ns
        self._events.append((state, t_ns))

    def _time_constant_s(self, t_ns: int | None = None) -> float:
        if self.bandwidth == "MAN":
            return self._manual_s
        locked_s = ((self.t_ns if t_ns is None else t_ns) - self._since_ns) * 1e-9
        return max(_QUICKEST_S, min(locked_s / 10.0, _TARGET_S))

    def _lasting_s(self) -> int:
        return (self.t_ns - self._since_ns) // _SECOND_NS

    def _sees_gps(self) -> bool:
        return self._pulses.phase_s(self._second()) is not None

    def _second(self) -> int:
        return self.t_ns // _SECOND_NS * _SECOND_NS


def _clock(t_ns: int) -> datetime:
    return _START + timedelta(seconds=t_ns // _SECOND_NS)


def _gained(oscillator: Any, began_ns: int, gate_ns: int) -> float:
    return float(oscillator.phase_s(began_ns + gate_ns) - oscillator.phase_s(began_ns))
