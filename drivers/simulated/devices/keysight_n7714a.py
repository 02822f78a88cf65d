"""Simulated Keysight N7711A and N7714A tunable laser sources, with one and four lasers.

After the Keysight N77xx Series Programming Guide, N7744-90C01, edition 7, pp.
82 to 98. A laser that was switched on or tuned is dark until it has settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.simulated.devices.n77xx import (
    LIGHT_SPEED,
    POWER_UNIT,
    N77xxDevice,
    TooFar,
    dbm_of_watt,
    no_such_port,
    single,
    watt_of_dbm,
)
from drivers.simulated.scpi import Boolean, Choice, Number, ScpiError, command, query
from drivers.simulated.terminals import LightSource
from drivers.simulated.time import BenchTime

__all__ = ["KeysightN7711ADevice", "KeysightN7714ADevice"]

_BOUND = Choice("MINimum", "MAXimum", "DEFault", optional=True)
_FREQUENCY_STEP_HZ = 100e6


@dataclass(slots=True)
class _Laser:
    """One laser's settings."""

    on: bool = False
    power_dbm: float = 0.0
    unit: str = "DBM"
    auto: bool = True
    frequency_hz: float = 193.4e12
    reference_hz: float = 193.1e12
    grid_hz: float = 50e9
    grid_channel: int = 0
    offset_hz: float = 0.0
    modulated: bool = False
    modulation_hz: float = 0.0

    @property
    def optical_hz(self) -> float:
        """The frequency that comes out."""
        if self.auto:
            return self.frequency_hz
        return self.reference_hz + self.grid_channel * self.grid_hz + self.offset_hz


def _lowest(device: KeysightN7714ADevice, _laser: int) -> float:
    return float(device.settings["lowest_hz"])


def _highest(device: KeysightN7714ADevice, _laser: int) -> float:
    return float(device.settings["highest_hz"])


class _Power(TooFar):
    """A power in the unit that is set, or in one that is written behind; in dBm."""

    def __init__(self) -> None:
        super().__init__(
            "W",
            others={
                "DBM": lambda value: value,
                "MDBM": lambda value: value * 1e-3,
                "WATT": dbm_of_watt,
                "W": dbm_of_watt,
                "MW": lambda value: dbm_of_watt(value * 1e-3),
                "UW": lambda value: dbm_of_watt(value * 1e-6),
                "NW": lambda value: dbm_of_watt(value * 1e-9),
                "PW": lambda value: dbm_of_watt(value * 1e-12),
            },
        )

    def read(self, token: Any, device: Any, suffixes: tuple[int, ...]) -> float:
        """Return the power in dBm."""
        laser = device.laser(suffixes[0])
        low, high = device.settings["lowest_dbm"], device.settings["highest_dbm"]
        text = bytes(token).upper()
        if text[:3] in (b"MIN", b"MAX", b"DEF"):
            return float(high if text[:3] == b"MAX" else low)
        bare = not text[-1:].isalpha()
        value = self._decimal(token)
        dbm = dbm_of_watt(value) if bare and laser.unit == "W" else value
        if dbm < low - 1e-6:
            raise ScpiError(-222, "Data out of range (StatParmTooSmall)")
        if dbm > high + 1e-6:
            raise ScpiError(-222, "Data out of range (StatParmTooLarge)")
        return dbm


class KeysightN7714ADevice(N77xxDevice):
    """The source with four lasers.

    Settings: ``settling_s``, how long a laser is dark after it was switched on
    or tuned; the limits ``lowest_dbm``, ``highest_dbm``, ``lowest_hz`` and
    ``highest_hz``, by default those of a C band laser.
    """

    ports_used: ClassVar[tuple[int, ...]] = (1, 2, 3, 4)
    model: ClassVar[str] = "N7714A"
    terminal_names: ClassVar[tuple[str, ...]] = ("output1", "output2", "output3", "output4")
    default_settings = {
        "settling_s": 5.0,
        "lowest_dbm": 7.0,
        "highest_dbm": 15.5,
        "lowest_hz": 191.5e12,
        "highest_hz": 196.25e12,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._set_up()

    def _set_up(self) -> None:
        power = self.settings["lowest_dbm"]
        self.lasers = {number: _Laser(power_dbm=power) for number in self.ports_used}

    def reset(self) -> None:
        """Go to the defaults, all lasers off."""
        super().reset()
        self._set_up()
        for number in self.ports_used:
            self._emit(number, settle=False)

    def port_of(self, number: int) -> int:
        """Return the laser of that number."""
        if number not in self.ports_used:
            raise no_such_port()
        return number

    def laser(self, number: int) -> _Laser:
        """Return the settings of the laser of that number."""
        return self.lasers[self.port_of(number)]

    def _emit(self, number: int, *, settle: bool) -> None:
        """Tell the fibre what comes, after darkness if the laser has to settle."""
        laser = self.laser(number)
        source: LightSource | None = self.terminals.get(f"output{number}")
        ready_ns = self.t_ns
        if laser.on and (settle or self.at_work(number)):
            ready_ns += round(self.settings["settling_s"] * 1e9)
        self.begin(number, ready_ns if laser.on else self.t_ns)
        if source is None:
            return
        wavelength = LIGHT_SPEED / laser.optical_hz
        if not laser.on or ready_ns > self.t_ns:
            source.emit(self.t_ns, 0.0, wavelength)
        if laser.on:
            source.emit(ready_ns, watt_of_dbm(laser.power_dbm), wavelength)

    # ---- output and power ----------------------------------------------------------

    @command("OUTPut[1-4][:STATe]", Boolean())
    @command("[SOURce[1-4]]:POWer:STATe", Boolean())
    def set_output(self, number: int, on: bool) -> None:
        """Switch a laser."""
        laser = self.laser(number)
        if on != laser.on:
            laser.on = on
            self._emit(number, settle=on)

    @query("OUTPut[1-4][:STATe]")
    @query("[SOURce[1-4]]:POWer:STATe")
    def output(self, number: int) -> bool:
        """Return whether a laser is on."""
        return self.laser(number).on

    @command("[SOURce[1-4]]:POWer[:LEVel][:IMMediate][:AMPLitude]", _Power())
    def set_power(self, number: int, dbm: float) -> None:
        """Set the power."""
        self.laser(number).power_dbm = dbm
        self._emit(number, settle=False)

    @query("[SOURce[1-4]]:POWer[:LEVel][:IMMediate][:AMPLitude]", _BOUND)
    def power(self, number: int, bound: str | None) -> str:
        """Return the power, or a limit, in the unit that is set."""
        laser = self.laser(number)
        dbm = laser.power_dbm
        if bound is not None:
            dbm = self.settings["highest_dbm" if bound == "MAX" else "lowest_dbm"]
        return single(dbm if laser.unit == "DBM" else watt_of_dbm(dbm))

    @command("OUTPut[1-4]:POWer:UNit", POWER_UNIT)
    @command("[SOURce[1-4]]:POWer:UNIT", POWER_UNIT)
    def set_unit(self, number: int, unit: str) -> None:
        """Set the unit of powers."""
        self.laser(number).unit = unit

    @query("OUTPut[1-4]:POWer:UNit")
    @query("[SOURce[1-4]]:POWer:UNIT")
    def unit(self, number: int) -> str:
        """Return the unit of powers."""
        return "+0" if self.laser(number).unit == "DBM" else "+1"

    # ---- wavelength and frequency --------------------------------------------------

    @command("[SOURce[1-4]]:WAVelength:FIXED", Number("M"))
    @command("[SOURce[1-4]]:WAVelength[:CW]", Number("M"))
    def set_wavelength(self, number: int, metres: float) -> None:
        """Tune to a wavelength, in auto mode."""
        if metres <= 0.0:
            raise ScpiError(-222, "Data out of range (StatParmTooSmall)")
        self._tune(number, LIGHT_SPEED / metres, by_wavelength=True)

    @query("[SOURce[1-4]]:WAVelength:FIXED", _BOUND)
    @query("[SOURce[1-4]]:WAVelength[:CW]", _BOUND)
    def wavelength(self, number: int, bound: str | None) -> str:
        """Return the wavelength or a limit."""
        hertz = self.laser(number).optical_hz
        if bound is not None:
            hertz = self.settings["lowest_hz" if bound == "MAX" else "highest_hz"]
        return single(LIGHT_SPEED / hertz)

    @command("[SOURce[1-4]]:FREQuency", TooFar("HZ", _lowest, _highest))
    def set_frequency(self, number: int, hertz: float) -> None:
        """Tune to a frequency, in auto mode."""
        self._tune(number, hertz, by_wavelength=False)

    @query("[SOURce[1-4]]:FREQuency", _BOUND)
    def frequency(self, number: int, bound: str | None) -> str:
        """Return the frequency or a limit."""
        hertz = self.laser(number).optical_hz
        if bound is not None:
            hertz = self.settings["highest_hz" if bound == "MAX" else "lowest_hz"]
        return single(hertz)

    def _tune(self, number: int, hertz: float, *, by_wavelength: bool) -> None:
        laser = self.laser(number)
        if not laser.auto:
            raise ScpiError(-221, "Not allowed while frequency auto mode is off")
        low, high = self.settings["lowest_hz"], self.settings["highest_hz"]
        slack = 1e-7 * hertz
        if hertz < low - slack:
            kind = "Large" if by_wavelength else "Small"
            raise ScpiError(-222, f"Data out of range (StatParmToo{kind})")
        if hertz > high + slack:
            kind = "Small" if by_wavelength else "Large"
            raise ScpiError(-222, f"Data out of range (StatParmToo{kind})")
        stepped = round(hertz / _FREQUENCY_STEP_HZ) * _FREQUENCY_STEP_HZ
        moved = stepped != laser.frequency_hz
        laser.frequency_hz = stepped
        self._emit(number, settle=moved)

    @command("[SOURce[1-4]]:WAVelength:AUTO", Boolean())
    @command("[SOURce[1-4]]:FREQuency:AUTO", Boolean())
    def set_auto(self, number: int, auto: bool) -> None:
        """Choose auto mode or grid mode."""
        laser = self.laser(number)
        if auto != laser.auto:
            before = laser.optical_hz
            laser.auto = auto
            self._emit(number, settle=laser.optical_hz != before)

    @query("[SOURce[1-4]]:WAVelength:AUTO")
    @query("[SOURce[1-4]]:FREQuency:AUTO")
    def auto(self, number: int) -> bool:
        """Return whether auto mode is on."""
        return self.laser(number).auto

    # ---- the grid ------------------------------------------------------------------

    @command("[SOURce[1-4]]:FREQuency:REFerence", TooFar("HZ", _lowest, _highest))
    def set_reference(self, number: int, hertz: float) -> None:
        """Set the frequency of grid channel 0."""
        self._in_grid(number, dark=True).reference_hz = hertz

    @query("[SOURce[1-4]]:FREQuency:REFerence")
    def reference(self, number: int) -> str:
        """Return the frequency of grid channel 0."""
        return single(self.laser(number).reference_hz)

    @command("[SOURce[1-4]]:FREQuency:GRID", TooFar("HZ", 1e8, 1e12))
    def set_grid(self, number: int, hertz: float) -> None:
        """Set the grid spacing."""
        self._in_grid(number, dark=True).grid_hz = hertz

    @query("[SOURce[1-4]]:FREQuency:GRID")
    def grid(self, number: int) -> str:
        """Return the grid spacing."""
        return single(self.laser(number).grid_hz)

    @command("[SOURce[1-4]]:FREQuency:CHANnel", Number(integer=True))
    def set_channel(self, number: int, channel: int) -> None:
        """Tune to a grid channel."""
        laser = self._in_grid(number)
        hertz = laser.reference_hz + channel * laser.grid_hz
        if not self.settings["lowest_hz"] <= hertz <= self.settings["highest_hz"]:
            raise ScpiError(-222, "Data out of range (StatParmTooLarge)")
        moved = channel != laser.grid_channel
        laser.grid_channel = channel
        self._emit(number, settle=moved)

    @query("[SOURce[1-4]]:FREQuency:CHANnel")
    def channel(self, number: int) -> str:
        """Return the grid channel."""
        return f"{self.laser(number).grid_channel:+d}"

    @command("[SOURce[1-4]]:FREQuency:OFFSet", TooFar("HZ", -6e9, 6e9))
    def set_offset(self, number: int, hertz: float) -> None:
        """Set the offset from the grid, which tunes without going dark."""
        self._in_grid(number).offset_hz = hertz
        self._emit(number, settle=False)

    @query("[SOURce[1-4]]:FREQuency:OFFSet")
    def offset(self, number: int) -> str:
        """Return the offset from the grid."""
        return single(self.laser(number).offset_hz)

    def _in_grid(self, number: int, *, dark: bool = False) -> _Laser:
        laser = self.laser(number)
        if laser.auto:
            raise ScpiError(-221, "Not allowed while frequency auto mode is on")
        if dark and laser.on:
            raise ScpiError(-221, "Not allowed while laser is on")
        return laser

    # ---- modulation ----------------------------------------------------------------

    @command("[SOURce[1-4]]:MODUlation:INTernal[:STATe]", Boolean())
    def set_modulated(self, number: int, on: bool) -> None:
        """Modulate the frequency, which the plant does not see."""
        self.laser(number).modulated = on

    @query("[SOURce[1-4]]:MODUlation:INTernal[:STATe]")
    def modulated(self, number: int) -> bool:
        """Return whether the frequency is modulated."""
        return self.laser(number).modulated

    @command("[SOURce[1-4]]:MODUlation:INTernal:SBSControl[:LEVel]", TooFar("HZ", 0.0, 1e9))
    def set_modulation(self, number: int, hertz: float) -> None:
        """Set the excursion."""
        self.laser(number).modulation_hz = hertz

    @query("[SOURce[1-4]]:MODUlation:INTernal:SBSControl[:LEVel]")
    def modulation(self, number: int) -> str:
        """Return the excursion."""
        return single(self.laser(number).modulation_hz)


class KeysightN7711ADevice(KeysightN7714ADevice):
    """The source with one laser."""

    ports_used = (1,)
    model = "N7711A"
    terminal_names = ("output1",)
