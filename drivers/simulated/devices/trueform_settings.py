"""What a Trueform generator can be set to, and how its levels are asked and told.

Keysight Trueform Series Operating and Service Guide, 33500-90901.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

from drivers.simulated.devices.trueform_levels import Amplitude, Clipped, Levels
from drivers.simulated.scpi import (
    Boolean,
    Choice,
    Number,
    ScpiDevice,
    ScpiError,
    Setting,
    Text,
    command,
    exponent,
    query,
    quoted,
)

__all__ = ["SPEED", "TrueformSettings"]

_SHAPES = ("SINusoid", "SQUare", "TRIangle", "RAMP", "PULSe", "PRBS", "NOISe", "ARBitrary", "DC")
#: Highest sample rate, sine and square frequency in Hz of the models.
SPEED = {
    "33611A": (660e6, 80e6, 50e6),
    "33612A": (660e6, 80e6, 50e6),
    "33621A": (1e9, 120e6, 100e6),
    "33622A": (1e9, 120e6, 100e6),
}
_FLOAT = exponent(15)


def _reply(value: float) -> str:
    return _FLOAT(9.9e37 if math.isinf(value) else value)


def _top_frequency(device: TrueformSettings, channel: int) -> float:
    _, sine, square = SPEED[device.settings["model"]]
    shape = device.function[channel]
    if shape in ("RAMP", "TRI"):
        return 800e3
    return square if shape in ("SQU", "PULS") else sine


def _top_rate(device: TrueformSettings, channel: int) -> float:
    rate = SPEED[device.settings["model"]][0]
    # as a 33500B, whose 250 MSa/s are 62.5 MSa/s without filter
    return rate / 4 if device.filter[channel] == "OFF" else rate


def _number(unit: str, low: Any, high: Any, default: float, **more: Any) -> Clipped:
    return Clipped(unit, low, high, default, reply=_reply, **more)


class TrueformSettings(ScpiDevice):
    """The settings of both outputs; `drive` is called whenever one changes.

    `levels` holds amplitude, offset and load of each output.
    """

    levels: dict[int, Levels]
    shown_text = ""

    # ---- waveform ------------------------------------------------------------------

    function = Setting("[SOURce[1|2]]:FUNCtion", Choice(*_SHAPES), then="reshape")
    frequency = Setting(
        "[SOURce[1|2]]:FREQuency", _number("HZ", 1e-6, _top_frequency, 1e3), then="drive"
    )
    phase = Setting("[SOURce[1|2]]:PHASe", _number("DEG", -360.0, 360.0, 0.0), then="drive")
    duty = Setting(
        "[SOURce[1|2]]:FUNCtion:SQUare:DCYCle", _number("PCT", 0.01, 99.99, 50.0), then="drive"
    )
    symmetry = Setting(
        "[SOURce[1|2]]:FUNCtion:RAMP:SYMMetry", _number("PCT", 0.0, 100.0, 100.0), then="drive"
    )
    pulse_hold = Setting("[SOURce[1|2]]:FUNCtion:PULSe:HOLD", Choice("WIDTh", "DCYCle"))
    pulse_width = Setting(
        "[SOURce[1|2]]:FUNCtion:PULSe:WIDTh", _number("S", 5e-9, 1e6, 100e-6), then="drive"
    )
    transition = Setting(
        "[SOURce[1|2]]:FUNCtion:PULSe:TRANsition[:BOTH]", _number("S", 2.9e-9, 1e-6, 10e-9)
    )
    bandwidth = Setting(
        "[SOURce[1|2]]:FUNCtion:NOISe:BANDwidth", _number("HZ", 1e-3, 120e6, 100e3), then="drive"
    )
    bit_rate = Setting(
        "[SOURce[1|2]]:FUNCtion:PRBS:BRATe", _number("", 1e-3, 200e6, 1e3), then="drive"
    )
    sample_rate = Setting(
        "[SOURce[1|2]]:FUNCtion:ARBitrary:SRATe",
        _number("", 1e-6, _top_rate, 40e3),
        then="drive",
    )
    filter = Setting(
        "[SOURce[1|2]]:FUNCtion:ARBitrary:FILTer",
        Choice("NORMal", "STEP", "OFF"),
        then="refilter",
    )
    advance_by = Setting("[SOURce[1|2]]:FUNCtion:ARBitrary:ADVance", Choice("SRATe", "TRIGger"))
    byte_order = Setting("FORMat:BORDer", Choice("NORMal", "SWAPped"))

    # ---- outputs -------------------------------------------------------------------

    on = Setting("OUTPut[1|2][:STATe]", Boolean(), then="drive")
    polarity = Setting("OUTPut[1|2]:POLarity", Choice("NORMal", "INVerted"), then="drive")
    sync_on = Setting("OUTPut:SYNC[:STATe]", Boolean(), default=True)
    sync_source = Setting("OUTPut:SYNC:SOURce", Choice("CH1", "CH2"))
    sync_mode = Setting("OUTPut[1|2]:SYNC:MODE", Choice("NORMal", "CARRier", "MARKer"))
    trigger_out = Setting("OUTPut:TRIGger[:STATe]", Boolean())
    reference = Setting("ROSCillator:SOURce", Choice("INTernal", "EXTernal"))

    # ---- bursts and triggers -------------------------------------------------------

    burst = Setting("[SOURce[1|2]]:BURSt:STATe", Boolean(), then="drive")
    burst_mode = Setting("[SOURce[1|2]]:BURSt:MODE", Choice("TRIGgered", "GATed"), then="drive")
    burst_cycles = Setting(
        "[SOURce[1|2]]:BURSt:NCYCles",
        _number("", 1.0, 1e8, 1.0, words={"INFinity": math.inf}),
        then="drive",
    )
    burst_period = Setting(
        "[SOURce[1|2]]:BURSt:INTernal:PERiod", _number("S", 1e-6, 8000.0, 10e-3), then="drive"
    )
    burst_phase = Setting(
        "[SOURce[1|2]]:BURSt:PHASe", _number("DEG", -360.0, 360.0, 0.0), then="drive"
    )
    gate_polarity = Setting("[SOURce[1|2]]:BURSt:GATE:POLarity", Choice("NORMal", "INVerted"))
    trigger_source = Setting(
        "TRIGger[1|2]:SOURce", Choice("IMMediate", "EXTernal", "TIMer", "BUS"), then="drive"
    )
    trigger_slope = Setting("TRIGger[1|2]:SLOPe", Choice("POSitive", "NEGative"))
    trigger_delay = Setting(
        "TRIGger[1|2]:DELay", Clipped("S", 0.0, 1000.0, 0.0, step=4e-9, reply=_reply)
    )
    trigger_count = Setting("TRIGger[1|2]:COUNt", _number("", 1.0, 1e6, 1.0))
    trigger_timer = Setting("TRIGger[1|2]:TIMer", _number("S", 1e-6, 8000.0, 1.0), then="drive")
    continuous = Setting("INITiate[1|2]:CONTinuous", Boolean(), default=True, then="rearm")

    @abstractmethod
    def drive(self, channel: int) -> None:
        """Apply what is set to an output."""

    @abstractmethod
    def rearm(self, channel: int) -> None:
        """Follow a change of continuous initiation."""

    def reshape(self, channel: int) -> None:
        """Bring the frequency within what the shape allows."""
        most = _top_frequency(self, channel)
        if self.frequency[channel] > most:
            self.frequency[channel] = most
            self.report_error(-221, "Settings conflict; frequency changed due to function")
        self.drive(channel)

    def refilter(self, channel: int) -> None:
        """Bring the sample rate within what the filter allows."""
        most = _top_rate(self, channel)
        if self.sample_rate[channel] > most:
            self.sample_rate[channel] = most
            self.report_error(-221, "Settings conflict; sample rate changed due to filter")
        self.drive(channel)

    @command("[SOURce[1|2]]:FUNCtion:PULSe:PERiod", _number("S", 1e-8, 1e6, 1e-3))
    def set_pulse_period(self, channel: int, seconds: float) -> None:
        """Set the period, which is the frequency's inverse."""
        self.frequency[channel] = min(1.0 / seconds, _top_frequency(self, channel))
        self._fit_pulse(channel)

    @query("[SOURce[1|2]]:FUNCtion:PULSe:PERiod")
    def pulse_period(self, channel: int) -> str:
        """Return the period."""
        return _FLOAT(1.0 / self.frequency[channel])

    @command("[SOURce[1|2]]:FUNCtion:PULSe:DCYCle", _number("PCT", 0.01, 99.99, 10.0))
    def set_pulse_duty(self, channel: int, percent: float) -> None:
        """Set the width as a part of the period."""
        self.pulse_width[channel] = percent / 100.0 / self.frequency[channel]
        self._fit_pulse(channel)

    @query("[SOURce[1|2]]:FUNCtion:PULSe:DCYCle")
    def pulse_duty(self, channel: int) -> str:
        """Return the width as a part of the period."""
        return _FLOAT(self.pulse_width[channel] * self.frequency[channel] * 100.0)

    def _fit_pulse(self, channel: int) -> None:
        period = 1.0 / self.frequency[channel]
        self.pulse_width[channel] = min(self.pulse_width[channel], 0.9999 * period)
        self.drive(channel)

    @command("DISPlay:TEXT[:DATA]", Text())
    def show_text(self, text: str) -> None:
        """Show a text on the panel."""
        self.shown_text = text

    @query("DISPlay:TEXT[:DATA]")
    def text_shown(self) -> str:
        """Return the text on the panel."""
        return quoted(self.shown_text)

    @command("DISPlay:TEXT:CLEar")
    def clear_text(self) -> None:
        """Take the text from the panel."""
        self.shown_text = ""

    @command("SYSTem:BEEPer[:IMMediate]")
    def beep(self) -> None:
        """Beep, which nobody hears on the bench."""

    # ---- levels --------------------------------------------------------------------

    @command("[SOURce[1|2]]:VOLTage", Amplitude())
    def set_amplitude(self, channel: int, amplitude: tuple[float, str]) -> None:
        """Set the amplitude."""
        levels, (value, unit) = self.levels[channel], amplitude
        if unit in ("MIN", "MAX", "DEF"):
            value, unit = self._bounds(channel)[unit], "VPP"
        levels.set_vpp(levels.to_vpp(value, unit, self.function[channel]))
        self.drive(channel)

    @query("[SOURce[1|2]]:VOLTage", Choice("MINimum", "MAXimum", "DEFault", optional=True))
    def amplitude(self, channel: int, bound: str | None) -> str:
        """Return the amplitude in the unit that is set."""
        levels = self.levels[channel]
        vpp = levels.vpp if bound is None else self._bounds(channel)[bound]
        return _FLOAT(levels.shown(vpp, self.function[channel]))

    def _bounds(self, channel: int) -> dict[str, float]:
        levels = self.levels[channel]
        most = 2.0 * (levels.peak - abs(levels.offset))
        return {"MIN": levels.smallest_vpp, "MAX": most, "DEF": 0.1}

    @command("[SOURce[1|2]]:VOLTage:UNIT", Choice("VPP", "VRMS", "DBM"))
    def set_unit(self, channel: int, unit: str) -> None:
        """Set the unit of amplitudes; dBm needs a load."""
        if unit == "DBM" and math.isinf(self.levels[channel].load_ohm):
            raise ScpiError(-221)
        self.levels[channel].unit = unit

    @query("[SOURce[1|2]]:VOLTage:UNIT")
    def unit(self, channel: int) -> str:
        """Return the unit of amplitudes."""
        return self.levels[channel].unit

    @command("[SOURce[1|2]]:VOLTage:OFFSet", Number("V"))
    def set_offset(self, channel: int, volts: float) -> None:
        """Set the offset."""
        self.levels[channel].set_offset(volts, steady=self.function[channel] == "DC")
        self.drive(channel)

    @query("[SOURce[1|2]]:VOLTage:OFFSet")
    def offset(self, channel: int) -> str:
        """Return the offset."""
        return _FLOAT(self.levels[channel].offset)

    @command("[SOURce[1|2]]:VOLTage:HIGH", Number("V"))
    def set_high(self, channel: int, volts: float) -> None:
        """Set the upper level and keep the lower."""
        levels = self.levels[channel]
        levels.set_edges(levels.offset - levels.vpp / 2, volts, "high")
        self.drive(channel)

    @query("[SOURce[1|2]]:VOLTage:HIGH")
    def high(self, channel: int) -> str:
        """Return the upper level."""
        return _FLOAT(self.levels[channel].offset + self.levels[channel].vpp / 2)

    @command("[SOURce[1|2]]:VOLTage:LOW", Number("V"))
    def set_low(self, channel: int, volts: float) -> None:
        """Set the lower level and keep the upper."""
        levels = self.levels[channel]
        levels.set_edges(volts, levels.offset + levels.vpp / 2, "low")
        self.drive(channel)

    @query("[SOURce[1|2]]:VOLTage:LOW")
    def low(self, channel: int) -> str:
        """Return the lower level."""
        return _FLOAT(self.levels[channel].offset - self.levels[channel].vpp / 2)

    @command("OUTPut[1|2]:LOAD", Clipped("OHM", 1.0, 10e3, 50.0, words={"INFinity": math.inf}))
    def set_load(self, channel: int, ohms: float) -> None:
        """Tell the instrument its load."""
        self.levels[channel].set_load(math.inf if ohms > 9e37 else ohms)
        self.drive(channel)

    @query("OUTPut[1|2]:LOAD")
    def load(self, channel: int) -> str:
        """Return the load it was told."""
        return _reply(self.levels[channel].load_ohm)
