"""Thorlabs MBX modulator bias controller.

Commands and replies after the guide TTN116413-D04 (settings are answered by
``1``, errors by ``Err: ...``, p. 5; VOA p. 15 and 16) and, for the modulator and
the lighting, PyMeasure's `ThorlabsMBXSeries`. Lines end in CR LF: the guide
says NL, PyMeasure reads up to CR. How long a calibration and a lock take is
not published: those are settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import Any, ClassVar

from drivers.simulated.device import SerialLine, Setting
from drivers.simulated.line import LineDevice, line
from drivers.simulated.time import BenchTime

__all__ = ["ThorlabsMBXDevice"]

_POINTS = {1: "peak", 2: "null", 3: "quad+", 4: "quad-"}
_HOLD = (5, 6)
_MANUAL = 7
_RANGE = "Err: Data out of range"
_NUMBER = r"([+-]?\d+(?:\.\d*)?(?:E[+-]?\d+)?)"


class ThorlabsMBXDevice(LineDevice):
    """A bias controller in front of a modulator's bias electrode and tap.

    Settings
    --------
    identity : str
        What ``*IDN?`` answers.
    acknowledges : bool
        Whether settings are answered by ``1`` (firmware 1.9.4 and later).
    calibration_s, lock_s : float
        Time of a calibration, and of reaching another operating point.
    voa_loss_db : float
        Loss of the attenuator when its loop is off.
    """

    connectors = ("serial",)
    serial = SerialLine(baud=115200, reply_end=b"\r\n")
    terminal_names = ("modulator",)
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "identity": "THORLABS,MBX,00000000,1.9.5",
        "acknowledges": True,
        "calibration_s": 8.0,
        "lock_s": 2.0,
        "voa_loss_db": 0.5,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._mode = 0
        self._ratio = 250
        self._hold_mv = 0
        self._busy_until_ns = 0
        self._locked_from_ns = 0
        self._voa = {"POWER": 0, "MODE": 0}
        self._voa_atten_db = 0.5
        self._voa_output_mw = 1.0
        self._lights = {"POWER": 0, "RED": 0, "GREEN": 0, "BLUE": 0, "WHITE": 0}
        self._held_v = 0.0

    # ---- system ------------------------------------------------------------------

    def unknown(self, text: str) -> str:
        """Answer what the guide gives for anything that is not understood."""
        return "Err: Undefined header"

    @line(r"\*IDN\?")
    def identity(self) -> str:
        """Answer the identity."""
        return str(self.settings["identity"])

    def _done(self) -> str | None:
        return "1" if self.settings["acknowledges"] else None

    # ---- modulator ---------------------------------------------------------------

    @line("MZM:RESET")
    def calibrate(self) -> str:
        """Start a calibration, which every firmware answers."""
        self._busy_until_ns = self.t_ns + round(self.settings["calibration_s"] * 1e9)
        self._locked_from_ns = self._busy_until_ns + round(self.settings["lock_s"] * 1e9)
        return "1"

    @line(r"MZM:CALIBRATING\?")
    def calibrating(self) -> str:
        """Answer whether a calibration runs."""
        return str(int(self.t_ns < self._busy_until_ns))

    @line(r"MZM:SETPOINT\?")
    def stable(self) -> str:
        """Answer whether the operating point is held."""
        return str(int(self._mode != 0 and self.t_ns >= self._locked_from_ns))

    @line(r"MZM:MODE: ?(\d+)")
    def set_mode(self, number: str) -> str | None:
        """Go to another operating point."""
        if int(number) > 9:
            return _RANGE
        self._mode = int(number)
        self._locked_from_ns = max(self.t_ns, self._busy_until_ns)
        if self._mode != _MANUAL:
            self._locked_from_ns += round(self.settings["lock_s"] * 1e9)
        self._apply()
        return self._done()

    @line(r"MZM:MODE\?")
    def mode(self) -> str:
        """Answer the operating point's number."""
        return str(self._mode)

    @line(r"MZM:HOLD:RATIO: ?(\d+)")
    def set_ratio(self, hundredths: str) -> str | None:
        """Set the ratio that modes 8 and 9 hold."""
        if not 250 <= int(hundredths) <= 10000:
            return _RANGE
        self._ratio = int(hundredths)
        return self._done()

    @line(r"MZM:HOLD:RATIO\?")
    def ratio(self) -> str:
        """Answer the ratio times 100."""
        return str(self._ratio)

    @line(r"MZM:HOLD:VOLTAGE: ?([+-]?\d+)")
    def set_hold(self, millivolts: str) -> str | None:
        """Set the voltage that mode 7 holds."""
        if abs(int(millivolts)) > 10000:
            return _RANGE
        self._hold_mv = int(millivolts)
        if self._mode == _MANUAL:
            self._apply()
        return self._done()

    @line(r"MZM:HOLD:VOLTAGE\?")
    def hold(self) -> str:
        """Answer the voltage to hold in millivolts."""
        return str(self._hold_mv)

    @line(r"MZM:VOLTAGE\?")
    def voltage(self) -> str:
        """Answer the bias in volts."""
        return f"{self._bias_v():.3f}"

    @line(r"MZM:TAP:MW\?")
    def tap(self) -> str:
        """Answer the power behind the modulator in milliwatts."""
        return f"{self._tap_mw():.6g}"

    # ---- attenuator --------------------------------------------------------------

    @line(r"VOA:(POWER|MODE): ?([01])")
    def set_voa(self, what: str, value: str) -> str | None:
        """Switch the attenuator's loop, or what it holds."""
        self._voa[what.upper()] = int(value)
        return "1" if what.upper() == "MODE" else self._done()

    @line(r"VOA:(POWER|MODE)\?")
    def voa(self, what: str) -> str:
        """Answer a switch of the attenuator."""
        return str(self._voa[what.upper()])

    @line(rf"VOA:ATTEN: ?{_NUMBER}")
    def set_attenuation(self, decibels: str) -> str | None:
        """Set the attenuation to hold."""
        if not 0.5 <= float(decibels) <= 20:
            return _RANGE
        self._voa_atten_db = float(decibels)
        return self._done()

    @line(r"VOA:ATTEN\?")
    def attenuation(self) -> str:
        """Answer the attenuation to hold."""
        return f"{self._voa_atten_db:.12g}"

    @line(rf"VOA:OUTPUT:MW: ?{_NUMBER}")
    def set_output(self, milliwatts: str) -> str | None:
        """Set the power to hold."""
        if not 0.01 <= float(milliwatts) <= 100:
            return _RANGE
        self._voa_output_mw = float(milliwatts)
        return self._done()

    @line(r"VOA:OUTPUT:MW\?")
    def output(self) -> str:
        """Answer the power to hold."""
        return f"{self._voa_output_mw:.12g}"

    @line(r"VOA:MEASURED\?")
    def measured(self) -> str:
        """Answer the attenuation as it is."""
        return f"{self._loss_db():.3f}"

    @line(r"VOA:ERROR\?")
    def error(self) -> str:
        """Answer measured minus set attenuation."""
        return f"{self._loss_db() - self._voa_atten_db:.3f}"

    @line(r"VOA:TAP:MW\?")
    def voa_tap(self) -> str:
        """Answer the power behind the attenuator."""
        return f"{self._tap_mw() * 10 ** (-self._loss_db() / 10):.6g}"

    @line(r"VOA:SETPOINT\?")
    def voa_stable(self) -> str:
        """Answer whether the attenuation is within 0.1 dB of what is set."""
        return str(int(abs(self._loss_db() - self._voa_atten_db) <= 0.1))

    # ---- lighting ----------------------------------------------------------------

    @line(r"RGB:(POWER|RED|GREEN|BLUE|WHITE): ?(\d+)")
    def set_light(self, what: str, value: str) -> str | None:
        """Set the lighting below the case."""
        if int(value) > (2 if what.upper() == "POWER" else 100):
            return _RANGE
        self._lights[what.upper()] = int(value)
        return self._done()

    @line(r"RGB:(POWER|RED|GREEN|BLUE|WHITE)\?")
    def light(self, what: str) -> str:
        """Answer a setting of the lighting."""
        return str(self._lights[what.upper()])

    # ---- what the terminal does --------------------------------------------------

    def _apply(self) -> None:
        """Tell the modulator what the controller does from now on."""
        modulator = self.terminals.get("modulator")
        if self._mode in _POINTS:
            if modulator is not None:
                modulator.lock(self._locked_from_ns, _POINTS[self._mode])
            return
        if self._mode == _MANUAL:
            self._held_v = self._hold_mv * 1e-3
        elif self._mode == 0:
            self._held_v = 0.0
        elif self._mode in _HOLD and modulator is not None:
            modulator.lock(self.t_ns, "quad+" if self._mode == _HOLD[0] else "quad-")
            self._held_v = modulator.volts(self.t_ns)
        if modulator is not None:
            modulator.hold(self.t_ns, self._held_v)

    def _bias_v(self) -> float:
        modulator = self.terminals.get("modulator")
        return self._held_v if modulator is None else float(modulator.volts(self.t_ns))

    def _tap_mw(self) -> float:
        modulator = self.terminals.get("modulator")
        return 0.0 if modulator is None else float(modulator.tap_w(self.t_ns)) * 1e3

    def _loss_db(self) -> float:
        """Return the loss of the attenuator, whose loop is taken as fast."""
        least = float(self.settings["voa_loss_db"])
        if not self._voa["POWER"]:
            return least
        wanted = self._voa_atten_db
        if self._voa["MODE"]:
            power = self._tap_mw()
            wanted = 10 * log10(power / self._voa_output_mw) if power > 0 else least
        return min(max(wanted, least), 20.0)
