"""Thorlabs PM100D optical power meter (also PM100A, PM100USB, PM101, PM16, PM400).

Commands are those of the PM100D operation manual, 17654-D02, section 6.4, which
`page` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, overload

from drivers.core import (
    Choice,
    Flag,
    Instrument,
    InstrumentFaultError,
    Integer,
    LineSettings,
    Number,
    Property,
    UnexpectedReplyError,
)
from drivers.core.declared import Endpoint

__all__ = ["Sensor", "ThorlabsPM100D"]

_POWER_SENSOR = 1
_WAVELENGTH_SETTABLE = 32
_OVER_RANGE = 9e37


@dataclass(frozen=True, slots=True)
class Sensor:
    """What is plugged in; without a head the name is ``no sensor`` and the flags are 0."""

    name: str
    serial_number: str
    calibration: str
    flags: int

    @property
    def measures_power(self) -> bool:
        """Whether it is a power sensor."""
        return bool(self.flags & _POWER_SENSOR)

    @property
    def takes_wavelength(self) -> bool:
        """Whether its wavelength can be set."""
        return bool(self.flags & _WAVELENGTH_SETTABLE)


class _Power(Number):
    """A power that is asked for only if a sensor can measure it."""

    @overload
    def __get__(self, owner: None, kind: type) -> Property[float]: ...
    @overload
    def __get__(self, owner: Endpoint, kind: type) -> float: ...
    def __get__(self, owner: Endpoint | None, kind: type) -> Property[float] | float:
        if owner is None:
            return super().__get__(owner, kind)
        assert isinstance(owner, ThorlabsPM100D)  # nobody else declares it
        owner.require_power_sensor()
        watt = super().__get__(owner, kind)
        if watt > _OVER_RANGE:
            raise InstrumentFaultError(
                "there is more light than the range takes",
                reply=str(watt),
                instrument=owner.name,
                address=owner.address,
                remedy="set auto_range, a higher range_w, or attenuate",
            )
        return watt


class ThorlabsPM100D(Instrument):
    """Thorlabs PM100D power meter with a photodiode or thermal sensor."""

    line: ClassVar[LineSettings] = LineSettings(timeout_s=10.0)
    identity_pattern: ClassVar[str] = r"(?i:thorlabs),PM(100|101|16|400).*"

    # The unit is set along with the query: a panel in dBm must not mislead.
    power_w = _Power("SENS:POW:UNIT W;:MEAS:POW?", unit="W", page="6.4", doc="Power, averaged.")
    wavelength_m = Number(
        "SENS:CORR:WAV?",
        "SENS:CORR:WAV {value}",
        low=185e-9,
        high=25e-6,
        scale=1e-9,
        unit="m",
        page="6.4",
        doc="Wavelength of the light; the sensor limits it further.",
    )
    shortest_wavelength_m = Number(
        "SENS:CORR:WAV? MIN", scale=1e-9, unit="m", page="6.4", doc="Shortest wavelength."
    )
    longest_wavelength_m = Number(
        "SENS:CORR:WAV? MAX", scale=1e-9, unit="m", page="6.4", doc="Longest wavelength."
    )
    averaging = Integer(
        "SENS:AVER:COUN?",
        "SENS:AVER:COUN {value}",
        low=1,
        high=10_000,
        page="6.4",
        doc="Samples that one reading averages, about 3000 a second.",
    )
    range_w = Number(
        "SENS:POW:RANG?",
        "SENS:POW:RANG {value}",
        low=0,
        high=300,
        unit="W",
        page="6.4",
        doc="Highest power of the range; setting it ends the automatic choice.",
    )
    auto_range = Flag(
        "SENS:POW:RANG:AUTO?",
        "SENS:POW:RANG:AUTO {value}",
        page="6.4",
        doc="Whether the range follows the power.",
    )
    display_unit = Choice(
        "SENS:POW:UNIT?",
        "SENS:POW:UNIT {value}",
        choices={"W": "W", "dBm": "DBM"},
        page="6.4",
        doc="Unit on the panel; readings are in watts whatever it is.",
    )
    external_loss_db = Number(
        "SENS:CORR?",
        "SENS:CORR {value}",
        low=-60,
        high=60,
        unit="dB",
        page="6.4",
        doc="Loss in front of the sensor, by which readings are raised.",
    )

    def sensor(self) -> Sensor:
        """Return what is plugged in.

        Raises
        ------
        UnexpectedReplyError
            If the reply has not the manual's six fields (p. 49).
        """
        reply = self.ask("SYST:SENS:IDN?")
        fields = [field.strip().strip('"') for field in reply.split(",")]
        try:
            name, serial_number, calibration, _, _, flags = fields
            return Sensor(name, serial_number, calibration, int(flags))
        except ValueError:
            raise UnexpectedReplyError(
                f"'SYST:SENS:IDN?' was answered by {reply[:60]!r}",
                instrument=self.name,
                address=self.address,
            ) from None

    def require_power_sensor(self) -> None:
        """Make sure that power can be measured.

        Raises
        ------
        InstrumentFaultError
            If no sensor is plugged in, or one that measures something else.
        """
        sensor = self.sensor()
        if not sensor.measures_power:
            raise InstrumentFaultError(
                f"the sensor ({sensor.name}) measures no power",
                command="SYST:SENS:IDN?",
                reply=sensor.name,
                instrument=self.name,
                address=self.address,
                remedy="plug in a power sensor",
            )

    def start_zeroing(self) -> None:
        """Begin to measure the dark offset; the sensor must be dark."""
        self.tell("SENS:CORR:COLL:ZERO:INIT")
