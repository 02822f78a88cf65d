"""Microchip (HP, Symmetricom) 5071A caesium standard on its serial port.

Commands, replies and the echo with its prompt after the sources that the driver
names; keywords are taken in their exact short or long form (manual, p. 51). The
readings are those of a unit of monitor_5071a. Assumed, for want of a source: how
long warming up takes, the names of the states before normal operation, the digits
of the steering's answer, how a refusal reads, and the columns of the report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from drivers.simulated.device import SerialLine, Setting
from drivers.simulated.devices.pulse_discipline import OwnSecond
from drivers.simulated.devices.steering import Steering
from drivers.simulated.devices.surroundings import inside_c
from drivers.simulated.line import LineDevice, line
from drivers.simulated.scpi.headers import parse_pattern
from drivers.simulated.time import BenchTime

__all__ = ["Microchip5071ADevice"]

_STEP = 6.331991e-15
_HIGHEST = 1e-9
_SECOND_NS = 1_000_000_000
_MJD_AT_START = 60137
_OPERATING = "Operating normally"
_UNKNOWN = "Undefined header"
_LOCAL = "Not in remote mode"
_RANGE = "Data out of range"


def _forms(header: str) -> str:
    """Return a pattern for an SCPI header, whose words have a short and a long form."""
    pattern, colon = "", ""
    for node in parse_pattern(header):
        word = f"(?:{node.short}|{node.long})"
        if not node.optional:
            pattern, colon = f"{pattern}{colon}{word}", ":"
        elif colon:
            pattern += f"(?::{word})?"
        else:
            pattern += f"(?:{word}:)?"
    return pattern


#: Queries whose answers do not change.
_READINGS = [
    (re.compile(_forms(header), re.IGNORECASE), reply)
    for header, reply in {
        "DIAGnostic:STATus:SUPPly": '"AC"',
        "DIAGnostic:CURRent:BEAM": "    +16.1",
        "DIAGnostic:CURRent:CFIeld": "  +12.117",
        "DIAGnostic:CURRent:PUMP": "     +3.4",
        "DIAGnostic:GAIN": "    +14.4",
        "DIAGnostic:RFAMplitude": "     +23.7,     +22.3",
        "DIAGnostic:VOLTage:COVen": "     +8.7",
        "DIAGnostic:VOLTage:EMULtiplier": "    +1321",
        "DIAGnostic:VOLTage:HWIonizer": "     +0.9",
        "DIAGnostic:VOLTage:MSPec": "    +11.9",
        "DIAGnostic:VOLTage:PLLoop": "   +0.0,   +3.8,     +1.8,     +3.2",
        "DIAGnostic:VOLTage:ROSCillator": "     -9.0",
        "DIAGnostic:VOLTage:SUPPly": "     +5.4,     +12.3,     -12.3",
        "[SOURce]:ROSCillator:CONTrol": "   -14.42",
    }.items()
]
_REPORT = """\
MJD    {mjd} {time}
CBT ID: {tube}
Status summary: {state}
Power source: AC
Log status: Empty

Freq Offset    : {offset}        Osc. control   : -14.42 %
RF amplitude 1 :    23.7 %       RF amplitude 2 :    22.3 %
Zeeman Freq    :   39949 Hz      C-field curr   :  12.117 mA
E-multiplier   :    1321 V       Signal Gain    :    14.4 %
CBT Oven       :     8.7 V       CBT Oven Err   :    0.00 C
Osc. Oven      :    -9.0 V       Ion Pump       :     3.4 uA
HW Ionizer     :     0.9 V       Mass spec      :    11.9 V
SAW Tuning     :     0.0 V       DRO Tuning     :     3.8 V
87MHz PLL      :     1.8 V       uP Clock PLL   :     3.2 V
+12V supply    :    12.3 V       -12V supply    :   -12.3 V
+5V  supply    :     5.4 V       Thermometer    : {inside:7.1f} C"""


class Microchip5071ADevice(LineDevice):
    """A caesium standard.

    Terminals
    ---------
    oscillator : Oscillator
        Its output; steered if it can be.
    sync_front, sync_rear : Oscillator
        The clocks whose seconds arrive at the 1PPS inputs; left out, none do.
    pps_output : Pulses
        The pulses that it sends.
    room : Room
        Where it stands; left out, it is 23 degrees Celsius there.

    Settings
    --------
    maker, serial_number, firmware : str
        Its identity.
    tube : str
        Serial number of the beam tube.
    warm : bool
        Whether it has been on for long.
    warm_up_s : float
        Time to normal operation after power-on.
    temperature_c : float
        Its temperature in a room of 23 degrees Celsius.
    """

    connectors = ("serial",)
    serial = SerialLine(baud=9600, echo=True, prompt=b"scpi > ")
    latency_s = 0.02
    terminal_names = ("oscillator", "sync_front", "sync_rear", "pps_output", "room")
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "maker": "SYMMETRICOM",
        "serial_number": "0",
        "firmware": "5216",
        "tube": "US50120909(H)",
        "warm": True,
        "warm_up_s": 1800.0,
        "temperature_c": 45.2,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        warm_up_s = 0.0 if self.settings["warm"] else self.settings["warm_up_s"]
        self._operating_from_ns = self.t_ns + round(warm_up_s * 1e9)
        own = self.terminals.get("oscillator")
        self._steering = Steering(own, _STEP)
        self._second = OwnSecond(own, self.terminals.get("pps_output"), self.t_ns)
        self._remote = False
        self._standby = False
        self._day = _MJD_AT_START
        self._set_at_s, self._set_to_s = 0, 0

    # ---- identity and readings ---------------------------------------------------

    def unknown(self, text: str) -> str:
        """Refuse what is no command."""
        return _UNKNOWN

    def report_error(self, code: int, text: str = "") -> None:
        """Print an error instead of an answer."""
        assert self.session is not None  # there is an exchange
        self._answer(self.session, text or str(code))
        self.session.send(self.serial.prompt, self.t_ns)

    @line(r"\*IDN\?")
    def identity(self) -> str:
        """Answer the identity."""
        settings = self.settings
        return f"{settings['maker']},5071A,{settings['serial_number']},{settings['firmware']}"

    @line(r"\*CLS")
    def clear_status(self) -> None:
        """Forget errors, of which none is kept."""

    @line(_forms("DIAGnostic:STATus:GLOB") + r"\?")
    def global_status(self) -> str:
        """Answer the state."""
        return f'"{self._state()}"'

    @line(_forms("DIAGnostic:CONT:STATE") + r"\?")
    def continuous_operation(self) -> str:
        """Answer whether operation has been continuous."""
        return "ON" if self._state() == _OPERATING else "OFF"

    @line(_forms("DIAGnostic:TEMPerature") + r"\?")
    def temperature(self) -> str:
        """Answer the temperature."""
        return f"{self._inside_c():+9.1f}"

    @line(_forms("DIAGnostic:CBTSerial") + r"\?")
    def tube(self) -> str:
        """Answer the serial number of the tube."""
        return f'"{self.settings["tube"]}"'

    @line(_forms("SYSTem:PRINT") + r"\?")
    def report(self) -> str:
        """Print everything."""
        seconds = self._seconds()
        clock = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        text = _REPORT.format(
            mjd=self._day + seconds // 86400,
            time=clock,
            tube=self.settings["tube"],
            state=self._state(),
            inside=self._inside_c(),
            offset=f"{self._steering.fractional * 1e15:.0f}e-15".rjust(10),
        )
        return text.replace("\n", "\r\n")

    @line(_forms("DIAGnostic:LOG:PRINT") + r"\?")
    def log(self) -> str:
        """Print the log."""
        return "Log status: Empty"

    @line(_forms("[SOURce]:ROSCillator:STEer") + r"\?")
    def steering(self) -> str:
        """Answer the steering."""
        return f"{self._steering.fractional:+.6E}"

    @line(r"((?:DIAG|SOUR|ROSC).*)\?")
    def reading(self, header: str) -> str:
        """Answer a query of what does not change."""
        return next((reply for form, reply in _READINGS if form.fullmatch(header)), _UNKNOWN)

    # ---- settings ----------------------------------------------------------------

    @line(_forms("SYSTem:REM") + r"\s+(ON|OFF)")
    def set_remote(self, state: str) -> None:
        """Give or take remote control."""
        self._remote = state.upper() == "ON"

    @line(_forms("[SOURce]:ROSCillator:STEer") + r"\s+(\S+)")
    def steer(self, fractional: str) -> str | None:
        """Steer by the nearest whole number of steps."""
        try:
            value = float(fractional)
        except ValueError:
            return _UNKNOWN
        if not abs(value) <= _HIGHEST:
            return _RANGE
        if not self._remote:
            return _LOCAL
        self._steering.set(self.t_ns, round(value / _STEP))
        return None

    @line(_forms("[SOURce]:PTIMe:SYNC") + r"\s+(FRONT|REAR|OFF)")
    def synchronise(self, port: str) -> str | None:
        """Move the pulses onto the next one at an input; without one they stay."""
        if not self._remote:
            return _LOCAL
        next_ns = (self.t_ns // _SECOND_NS + 1) * _SECOND_NS
        early_s = self._second.early_s(self.terminals.get(f"sync_{port.lower()}"), next_ns)
        if early_s is not None:
            self._second.move(next_ns, early_s)
        return None

    @line("DISP(?:LAY)?:ENAB(?:LE)?" + r"\s+(ON|OFF)")
    def accept(self, state: str) -> str | None:
        """Take a setting that shows nowhere on the line."""
        return None if self._remote else _LOCAL

    @line(_forms("[SOURce]:PTIMe:STAN") + r"\s+(ON|OFF)")
    def set_standby(self, state: str) -> str | None:
        """Switch the beam off or on, after which it warms up again."""
        if not self._remote:
            return _LOCAL
        if self._standby and state.upper() == "OFF":
            self._operating_from_ns = self.t_ns + round(self.settings["warm_up_s"] * 1e9)
        self._standby = state.upper() == "ON"
        return None

    @line(_forms("[SOURce]:PTIMe[:TIME]") + r"\s+(\d+),(\d+),(\d+)")
    def set_time(self, hour: str, minute: str, second: str) -> str | None:
        """Set the time of day."""
        if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
            return _RANGE
        if not self._remote:
            return _LOCAL
        self._day += self._seconds() // 86400
        self._set_at_s = self.t_ns // _SECOND_NS
        self._set_to_s = int(hour) * 3600 + int(minute) * 60 + int(second)
        return None

    @line(_forms("[SOURce]:PTIMe:MJD") + r"\s+(\d+)")
    def set_date(self, day: str) -> str | None:
        """Set the date."""
        if not self._remote:
            return _LOCAL
        self._day = int(day) - self._seconds() // 86400
        return None

    # ---- state -------------------------------------------------------------------

    def _state(self) -> str:
        if self._standby:
            return "Standby"
        return _OPERATING if self.t_ns >= self._operating_from_ns else "Warm-up"

    def _inside_c(self) -> float:
        return inside_c(self.terminals.get("room"), self.t_ns, self.settings["temperature_c"])

    def _seconds(self) -> int:
        return self._set_to_s + self.t_ns // _SECOND_NS - self._set_at_s
