"""What a station file is made of, one dataclass for each kind of entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from drivers.core import LineSettings
from qlab.station.tables import setting

__all__ = [
    "InstrumentEntry",
    "Interlock",
    "Limit",
    "SafeEntry",
    "SimulatedDevice",
    "Simulation",
]


@dataclass(frozen=True, kw_only=True)
class InstrumentEntry:
    """One instrument: ``[instruments.NAME]``.

    Attributes
    ----------
    driver, address : str
        Name of the driver (`qlab instrument list --drivers`), and where it answers.
    timeout_s, retries, baud_rate : float or int or None
        Where they differ from the driver's own line settings.
    """

    driver: str = setting(doc="Name of the driver")
    address: str = setting(doc="VISA resource, serial port or socket://HOST:PORT")
    timeout_s: float | None = setting(
        None, doc="Time for one reply", unit="s", low=0.001, high=3600
    )
    retries: int | None = setting(
        None, doc="How often a query without answer is repeated", low=0, high=10
    )
    baud_rate: int | None = setting(
        None, doc="Speed of a serial line", unit="bit/s", low=50, high=12_000_000
    )

    def line(self, usual: LineSettings) -> LineSettings:
        """Return the driver's line settings with what the entry says otherwise."""
        return replace(
            usual,
            timeout_s=usual.timeout_s if self.timeout_s is None else self.timeout_s,
            retries=usual.retries if self.retries is None else self.retries,
            baud_rate=usual.baud_rate if self.baud_rate is None else self.baud_rate,
        )


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What a property may be set to: ``[limits]``, "instrument.path.property".

    Attributes
    ----------
    min, max : float or None
        Lowest and highest value, in the property's unit.
    ramp : float or None
        Largest change by one set.
    """

    min: float | None = setting(None, doc="Lowest value")
    max: float | None = setting(None, doc="Highest value")
    ramp: float | None = setting(None, doc="Largest change by one set", low=0.0)

    def __post_init__(self) -> None:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.min is self.max is self.ramp is None:
            raise ValueError("a limit has min, max or ramp")


@dataclass(frozen=True, kw_only=True)
class Interlock:
    """Attenuation that must be in the path while something is on: ``[[interlocks]]``.

    Attributes
    ----------
    name : str
        Name, for messages.
    when : str
        A property, such as ``laser.channel1.output``.
    equals : bool, float or str
        The value of `when` at which the interlock acts.
    path : tuple of str
        Attenuations in the path, in dB.
    fixed_db, at_least_db : float
        Attenuation that is always there, and the total that must be.
    """

    name: str = setting(doc="Name of the interlock")
    when: str = setting(doc="Property that makes the interlock act")
    equals: bool | float | str = setting(doc="Value of that property at which it acts")
    path: tuple[str, ...] = setting(doc="Properties that attenuate, in dB")
    fixed_db: float = setting(
        0.0, doc="Attenuation that is always there", unit="dB", low=0.0, high=200.0
    )
    at_least_db: float = setting(
        doc="Total attenuation that is required", unit="dB", low=0.0, high=300.0
    )


@dataclass(frozen=True, slots=True)
class SafeEntry:
    """One step to the safe state: a property and its value, or "min" or "max"."""

    target: str
    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """How one instrument is simulated: ``[simulation.devices.NAME]``.

    Attributes
    ----------
    simulator : str
        Registered name of the simulated device; that of the driver by default.
    settings : mapping
        What the device is told about itself.
    terminals : mapping of str to str
        Which part of the plant each of its connectors leads to.
    inputs : mapping of str to str
        Which event of the plant drives each of its inputs.
    """

    simulator: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    terminals: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Simulation:
    """The plant and the devices of a simulated station: ``[simulation]``."""

    plant: str
    parameters: Mapping[str, Any]
    devices: Mapping[str, SimulatedDevice]
