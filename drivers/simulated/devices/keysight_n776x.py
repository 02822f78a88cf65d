"""Simulated Keysight N776x variable optical attenuators.

After the Keysight N77xx Series Programming Guide, N7744-90C01, edition 7, pp.
99 to 108: the filter moves at its speed, the shutter closes at full speed and
opens at the filter's (p. 106). Each attenuator answers to the numbers of both
its ports (p. 21).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.simulated.devices.n77xx import (
    POWER_UNIT,
    N77xxDevice,
    TooFar,
    dbm_of_watt,
    no_such_port,
    single,
    watt_of_dbm,
)
from drivers.simulated.scpi import Boolean, Choice, Later, Number, ScpiError, command, query
from drivers.simulated.terminals import Attenuation
from drivers.simulated.time import BenchTime

__all__ = [
    "KeysightN776xDevice",
    "KeysightN7761ADevice",
    "KeysightN7762ADevice",
    "KeysightN7764ADevice",
]

_BOUND = Choice("MINimum", "MAXimum", "DEFault", optional=True)
_FULL_SPEED = 1000.0  # dB/s
_STEP_DB = 0.25
_SHORTEST_M, _LONGEST_M, _DEFAULT_M = 1.26e-6, 1.64e-6, 1.55e-6


@dataclass(slots=True)
class _Channel:
    """One attenuator: its settings, and the way its filter goes at the moment."""

    filter_db: float = 0.0
    offset_db: float = 0.0
    speed_db_s: float = _FULL_SPEED
    wavelength_m: float = _DEFAULT_M
    shutter_open: bool = False
    open_at_power_on: bool = False
    unit: str = "DBM"
    power_dbm: float = 0.0
    power_offset_db: float = 0.0
    control: bool = False
    averaging_s: float = 2e-3
    from_db: float = math.inf
    to_db: float = math.inf
    start_ns: int = 0
    end_ns: int = 0

    def loss_db(self, t_ns: int) -> float:
        """Return the loss on the way at `t_ns`, infinite for a closed shutter."""
        if t_ns >= self.end_ns or self.end_ns == self.start_ns:
            return self.to_db
        part = (t_ns - self.start_ns) / (self.end_ns - self.start_ns)
        return self.from_db + (self.to_db - self.from_db) * part


class _Attenuation(TooFar):
    """An attenuation; its limits are those of filter plus offset."""

    def __init__(self) -> None:
        super().__init__("DB", _lowest, _highest, _lowest)


def _lowest(device: KeysightN776xDevice, number: int) -> float:
    return device.channels[device.port_of(number)].offset_db


def _highest(device: KeysightN776xDevice, number: int) -> float:
    return _lowest(device, number) + float(device.settings["highest_db"])


class KeysightN776xDevice(N77xxDevice):
    """What the models have in common; `ports_used` are the inputs of their attenuators.

    Settings: ``highest_db``, the filter's range.
    """

    ports_used: ClassVar[tuple[int, ...]]
    model: ClassVar[str]
    terminal_names: ClassVar[tuple[str, ...]]
    default_settings = {"highest_db": 45.0}

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self.channels = {port: _Channel() for port in self.ports_used}

    def reset(self) -> None:
        """Go to the defaults: shutters closed, no attenuation."""
        super().reset()
        for port in self.ports_used:
            self.channels[port] = _Channel()
            self._move(port, _FULL_SPEED)

    def port_of(self, number: int) -> int:
        """Return the first port of the attenuator that a number belongs to."""
        port = number - 1 + number % 2
        if port not in self.ports_used:
            raise no_such_port()
        return port

    def _channel(self, number: int) -> _Channel:
        return self.channels[self.port_of(number)]

    def _move(self, port: int, speed_db_s: float) -> None:
        """Let the filter go from where it is to where it belongs."""
        channel = self.channels[port]
        now_db = min(channel.loss_db(self.t_ns), self.settings["highest_db"])
        wanted_db = channel.filter_db if channel.shutter_open else self.settings["highest_db"]
        channel.from_db = now_db
        channel.to_db = channel.filter_db if channel.shutter_open else math.inf
        channel.start_ns = self.t_ns
        channel.end_ns = self.t_ns + round(abs(wanted_db - now_db) / speed_db_s * 1e9)
        self.begin(port, channel.end_ns)
        terminal: Attenuation | None = self.terminals.get(f"channel{port}")
        if terminal is None:
            return
        steps = math.ceil(abs(wanted_db - now_db) / _STEP_DB)
        for step in range(steps):
            part = step / steps
            at_ns = channel.start_ns + round(part * (channel.end_ns - channel.start_ns))
            terminal.set(at_ns, now_db + (wanted_db - now_db) * part)
        terminal.set(channel.end_ns, channel.to_db)

    # ---- attenuation ---------------------------------------------------------------

    @command("INPut[1-8]:ATTenuation", _Attenuation())
    def set_attenuation(self, number: int, decibels: float) -> None:
        """Move the filter."""
        channel = self._channel(number)
        channel.filter_db = decibels - channel.offset_db
        self._move(self.port_of(number), channel.speed_db_s)

    @query("INPut[1-8]:ATTenuation", _BOUND)
    def attenuation(self, number: int, bound: str | None) -> str:
        """Return the attenuation that is set, or a limit."""
        channel = self._channel(number)
        if bound is None:
            return single(channel.filter_db + channel.offset_db)
        return single(_highest(self, number) if bound == "MAX" else _lowest(self, number))

    @command("INPut:ATTenuation:ALL", Number("DB"))
    def set_all(self, decibels: float) -> None:
        """Move all filters; one that cannot follow reports it."""
        for port, channel in self.channels.items():
            filter_db = decibels - channel.offset_db
            if not 0.0 <= filter_db <= self.settings["highest_db"]:
                raise ScpiError(-224)
            channel.filter_db = filter_db
            self._move(port, channel.speed_db_s)

    @command("INPut[1-8]:OFFSet", TooFar("DB", -200.0, 200.0, 0.0))
    def set_offset(self, number: int, decibels: float) -> None:
        """Set what is displayed with the filter at 0 dB."""
        self._channel(number).offset_db = decibels

    @query("INPut[1-8]:OFFSet", _BOUND)
    def offset(self, number: int, bound: str | None) -> str:
        """Return the offset or a limit."""
        limits = {"MIN": -200.0, "MAX": 200.0, "DEF": 0.0}
        return single(self._channel(number).offset_db if bound is None else limits[bound])

    @command("INPut[1-8]:OFFSet:DISPlay")
    def zero_display(self, number: int) -> None:
        """Let the present filter position display 0 dB."""
        channel = self._channel(number)
        channel.offset_db = -channel.filter_db

    @command("INPut[1-8]:ATTenuation:SPEed", TooFar("", 0.1, _FULL_SPEED, _FULL_SPEED))
    def set_speed(self, number: int, speed: float) -> None:
        """Set the speed of the filter for movements to come."""
        self._channel(number).speed_db_s = speed

    @query("INPut[1-8]:ATTenuation:SPEed", _BOUND)
    def speed(self, number: int, bound: str | None) -> str:
        """Return the speed or a limit."""
        speed = self._channel(number).speed_db_s
        return single({None: speed, "MIN": 0.1, "MAX": _FULL_SPEED, "DEF": _FULL_SPEED}[bound])

    @command("INPut[1-8]:WAVelength", TooFar("M", _SHORTEST_M, _LONGEST_M, _DEFAULT_M))
    def set_wavelength(self, number: int, metres: float) -> None:
        """Set the wavelength of the correction."""
        self._channel(number).wavelength_m = metres

    @command("INPut:WAVelength:ALL", TooFar("M", _SHORTEST_M, _LONGEST_M, _DEFAULT_M))
    def set_all_wavelengths(self, metres: float) -> None:
        """Set the wavelength of all corrections."""
        for channel in self.channels.values():
            channel.wavelength_m = metres

    @query("INPut[1-8]:WAVelength", _BOUND)
    def wavelength(self, number: int, bound: str | None) -> str:
        """Return the wavelength or a limit."""
        metres = self._channel(number).wavelength_m
        bounds = {None: metres, "MIN": _SHORTEST_M, "MAX": _LONGEST_M, "DEF": _DEFAULT_M}
        return single(bounds[bound])

    # ---- shutter -------------------------------------------------------------------

    @command("OUTPut[1-8][:STATe]", Boolean())
    def set_shutter(self, number: int, is_open: bool) -> None:
        """Open or close the shutter."""
        channel = self._channel(number)
        if channel.shutter_open != is_open:
            channel.shutter_open = is_open
            self._move(self.port_of(number), channel.speed_db_s if is_open else _FULL_SPEED)

    @query("OUTPut[1-8][:STATe]")
    def shutter(self, number: int) -> bool:
        """Return whether the shutter is open."""
        return self._channel(number).shutter_open

    @command("OUTPut[:STATe]:ALL", Boolean())
    def set_all_shutters(self, is_open: bool) -> None:
        """Open or close all shutters."""
        for port in self.ports_used:
            self.set_shutter(port, is_open)

    @command("OUTPut[1-8][:STATe]:APOWeron", Boolean())
    def set_power_on_shutter(self, number: int, is_open: bool) -> None:
        """Set what the shutter does at power on."""
        self._channel(number).open_at_power_on = is_open

    @query("OUTPut[1-8][:STATe]:APOWeron")
    def power_on_shutter(self, number: int) -> bool:
        """Return what the shutter does at power on."""
        return self._channel(number).open_at_power_on

    # ---- power ---------------------------------------------------------------------

    @command("OUTPut[1-8]:POWer:UNit", POWER_UNIT)
    def set_unit(self, number: int, unit: str) -> None:
        """Set the unit of powers."""
        self._channel(number).unit = unit

    @query("OUTPut[1-8]:POWer:UNit")
    def unit(self, number: int) -> str:
        """Return the unit of powers."""
        return "0" if self._channel(number).unit == "DBM" else "1"

    @command("OUTPut[1-8]:POWer", Number("DBM", -80.0, 30.0))
    def set_power(self, number: int, dbm: float) -> None:
        """Move the filter until the monitor reads a power."""
        channel, port = self._channel(number), self.port_of(number)
        channel.power_dbm = dbm
        filter_db = channel.filter_db + self._monitor_dbm(port) - dbm
        channel.filter_db = min(max(filter_db, 0.0), self.settings["highest_db"])
        self._move(port, channel.speed_db_s)

    @query("OUTPut[1-8]:POWer")
    def power(self, number: int) -> str:
        """Return the power that is set."""
        channel = self._channel(number)
        dbm = channel.power_dbm
        return single(dbm if channel.unit == "DBM" else watt_of_dbm(dbm))

    @command("OUTPut[1-8]:POWer:OFFSet", TooFar("DB", -200.0, 200.0, 0.0))
    def set_power_offset(self, number: int, decibels: float) -> None:
        """Set the loss behind the unit."""
        self._channel(number).power_offset_db = decibels

    @query("OUTPut[1-8]:POWer:OFFSet")
    def power_offset(self, number: int) -> str:
        """Return the loss behind the unit."""
        return single(self._channel(number).power_offset_db)

    @command("OUTPut[1-8]:POWer:CONTRol", Boolean())
    def set_control(self, number: int, on: bool) -> None:
        """Hold the output power; the plant's input does not change by itself."""
        self._channel(number).control = on

    @query("OUTPut[1-8]:POWer:CONTRol")
    def control(self, number: int) -> bool:
        """Return whether the output power is held."""
        return self._channel(number).control

    @command("OUTPut[1-8]:ATIMe", TooFar("S", 2e-3, 1.0, 2e-3))
    def set_averaging(self, number: int, seconds: float) -> None:
        """Set the averaging time of the monitor."""
        self._channel(number).averaging_s = seconds

    @query("OUTPut[1-8]:ATIMe")
    def averaging(self, number: int) -> str:
        """Return the averaging time of the monitor."""
        return single(self._channel(number).averaging_s)

    @query("FETCh[1-8][:SCALar]:POWer[:DC]")
    @query("READ[1-8][:SCALar]:POWer[:DC]")
    def monitor(self, number: int) -> Later:
        """Return what the monitor sees, after its averaging time."""
        channel, port = self._channel(number), self.port_of(number)
        ready_ns = self.t_ns + round(channel.averaging_s * 1e9)

        def reading() -> str:
            dbm = self._monitor_dbm(port, ready_ns)
            return single(dbm if channel.unit == "DBM" else watt_of_dbm(dbm))

        return Later(ready_ns, reading)

    def _monitor_dbm(self, port: int, t_ns: int | None = None) -> float:
        terminal: Attenuation | None = self.terminals.get(f"channel{port}")
        at_ns = self.t_ns if t_ns is None else t_ns
        watt = terminal.power_w(at_ns) if terminal is not None else 0.0
        return dbm_of_watt(watt) - self.channels[port].power_offset_db


class KeysightN7764ADevice(KeysightN776xDevice):
    """An N7764A with four attenuators."""

    ports_used = (1, 3, 5, 7)
    model = "N7764A"
    terminal_names = ("channel1", "channel3", "channel5", "channel7")


class KeysightN7762ADevice(KeysightN776xDevice):
    """An N7762A with two attenuators."""

    ports_used = (1, 3)
    model = "N7762A"
    terminal_names = ("channel1", "channel3")


class KeysightN7761ADevice(KeysightN776xDevice):
    """An N7761A with one attenuator."""

    ports_used = (1,)
    model = "N7761A"
    terminal_names = ("channel1",)
