"""A simulated Thorlabs PM100D power meter with a photodiode sensor.

After the operation manual, 17654-D02, section 6.4. A reading averages so many
samples at 3000 a second; above a fixed range it is 9.9E+37. With no `head` there
is no sensor: its flags are 0 and measuring is an error.
"""

from __future__ import annotations

import math

from drivers.simulated.scpi import (
    Boolean,
    Choice,
    Later,
    Number,
    ScpiDevice,
    ScpiError,
    Setting,
    command,
    exponent,
    query,
)
from drivers.simulated.terminals import PowerProbe

__all__ = ["ThorlabsPM100DDevice"]

_SAMPLES_PER_S = 3000.0
_DECADES = 6
_OVER_RANGE = 9.9e37
_FLOAT = exponent(8, 2)
_POWER = 1
_WAVELENGTH_SETTABLE = 32


def _shortest(device: ThorlabsPM100DDevice) -> float:
    return float(device.settings["shortest_nm"])


def _longest(device: ThorlabsPM100DDevice) -> float:
    return float(device.settings["longest_nm"])


def _widest(device: ThorlabsPM100DDevice) -> float:
    return float(device.settings["full_scale_w"])


class ThorlabsPM100DDevice(ScpiDevice):
    """The meter.

    Settings: ``sensor``, ``sensor_serial``, ``shortest_nm``, ``longest_nm`` and
    ``full_scale_w`` describe its head, by default a fibre-coupled InGaAs diode.
    """

    maker = "Thorlabs"
    model = "PM100D"
    connectors = ("usb", "socket")
    terminal_names = ("head",)
    default_settings = {
        "serial_number": "P0027168",
        "firmware": "2.7.0",
        "sensor": "S154C",
        "sensor_serial": "140305001",
        "shortest_nm": 800.0,
        "longest_nm": 1700.0,
        "full_scale_w": 3e-3,
    }

    wavelength = Setting(
        "[SENSe]:CORRection:WAVelength",
        Number("NM", _shortest, _longest, 1550.0, reply=_FLOAT),
        check="_need_sensor",
    )
    loss = Setting(
        "[SENSe]:CORRection[:LOSS][:INPut][:MAGNitude]",
        Number("DB", -60.0, 60.0, 0.0, reply=_FLOAT),
    )
    beam = Setting("[SENSe]:CORRection:BEAMdiameter", Number("MM", 0.0, 100.0, 9.5, reply=_FLOAT))
    averaging = Setting("[SENSe]:AVERage[:COUNt]", Number("", 1, 10_000, 1, integer=True))
    unit = Setting("[SENSe]:POWer[:DC]:UNIT", Choice("W", "DBM"))
    auto = Setting("[SENSe]:POWer[:DC]:RANGe:AUTO", Boolean(), default=True)
    line_hz = Setting("SYSTem:LFRequency", Number("HZ", 50, 60, 50, integer=True))

    fixed_range_w: float | None = None
    zero_until_ns = 0

    @property
    def head(self) -> PowerProbe | None:
        """The sensor, if one is plugged in."""
        return self.terminals.get("head")

    @query("SYSTem:SENSor:IDN")
    def sensor(self) -> str:
        """Return what is plugged in."""
        if self.head is None:
            return "no sensor,no sensor,no sensor,0,0,0"
        flags = _POWER | _WAVELENGTH_SETTABLE
        settings = self.settings
        return f"{settings['sensor']},{settings['sensor_serial']},05-Mar-2014,1,18,{flags}"

    def reset(self) -> None:
        """Go to the defaults."""
        self.fixed_range_w = None
        super().reset()

    def _need_sensor(self, value: float) -> None:
        if self.head is None:
            raise ScpiError(-241)

    # ---- ranges --------------------------------------------------------------------

    def _range_for(self, watt: float) -> float:
        """Return the lowest range that takes a power."""
        widest = _widest(self)
        for decade in range(_DECADES - 1, -1, -1):
            if watt <= widest / 10.0**decade * (1 + 1e-9):
                return widest / 10.0**decade
        return widest

    @command("[SENSe]:POWer[:DC]:RANGe[:UPPer]", Number("W", 0.0, _widest))
    def set_range(self, watt: float) -> None:
        """Choose a range for a power."""
        self.fixed_range_w = self._range_for(watt)
        self.auto = False

    @query("[SENSe]:POWer[:DC]:RANGe[:UPPer]", Choice("MINimum", "MAXimum", optional=True))
    def power_range(self, bound: str | None) -> str:
        """Return the highest power of the range, or a limit."""
        if bound is not None:
            return _FLOAT(_widest(self) / (10.0 ** (_DECADES - 1) if bound == "MIN" else 1.0))
        if self.auto and self.head is not None:
            return _FLOAT(self._range_for(self._shown_w(self.head.power_w(self.t_ns, 1e-3))))
        return _FLOAT(self.fixed_range_w or _widest(self))

    # ---- measuring -----------------------------------------------------------------

    def _shown_w(self, watt: float) -> float:
        return float(watt * 10.0 ** (self.loss / 10.0))

    @query("MEASure[:SCALar][:POWer]")
    @query("READ")
    @query("FETCh")
    def measure(self) -> Later:
        """Return the power after the averaging time."""
        head = self.head
        if head is None:
            raise ScpiError(-241)
        start_ns, average_s = self.t_ns, self.averaging / _SAMPLES_PER_S

        def reading() -> str:
            true_w = head.power_w(start_ns, average_s)
            top_w = _widest(self) if self.auto else self.fixed_range_w or _widest(self)
            if true_w > 1.1 * top_w:
                return _FLOAT(_OVER_RANGE)
            shown = self._shown_w(true_w)
            if self.unit == "W":
                return _FLOAT(shown)
            return _FLOAT(10.0 * math.log10(shown / 1e-3) if shown > 0.0 else -_OVER_RANGE)

        return Later(start_ns + round(average_s * 1e9), reading)

    @command("CONFigure[:SCALar][:POWer]")
    def configure(self) -> None:
        """Choose the power, which is all that this sensor measures."""

    @command("INITiate[:IMMediate]")
    def initiate(self) -> None:
        """Begin a measurement, which a later FETCh? finds at once."""

    @command("[SENSe]:CORRection:COLLect:ZERO[:INITiate]")
    def zero(self) -> None:
        """Measure the dark offset, of which this sensor has none."""
        self._need_sensor(0.0)
        self.zero_until_ns = self.t_ns + 2_000_000_000

    @query("[SENSe]:CORRection:COLLect:ZERO:STATe")
    def zeroing(self) -> bool:
        """Return whether the dark offset is being measured."""
        return self.t_ns < self.zero_until_ns
