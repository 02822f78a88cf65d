"""Drivers joined to simulated devices through the VISA library, for the tests of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyvisa
from hypothesis import strategies as st

from drivers.core import Choice, Flag, Instrument, Integer, Number, Property
from drivers.core.visa import visa_connector
from drivers.simulated.bench import connector_of
from drivers.simulated.device import Device
from drivers.simulated.visa_library import SimulatedVisaLibrary

LAN = "TCPIP0::192.168.1.20::inst0::INSTR"


class Calls:
    """A terminal that remembers what it was told, as tuples that begin with the method."""

    def __init__(self) -> None:
        self.made: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments: self.made.append((name, *arguments))

    @property
    def last(self) -> tuple[Any, ...]:
        return self.made[-1]


@contextmanager
def joined(driver: type[Instrument], device: Device, address: str = LAN) -> Iterator[Any]:
    """Open `driver` onto `device` through a VISA library of its own."""
    port = device.port(connector_of(address))
    manager = pyvisa.ResourceManager(SimulatedVisaLibrary({address: port}, device.time))
    instrument = driver("unit", address, visa_connector(manager))
    try:
        yield instrument.open()
    finally:
        instrument.close()
        manager.close()


def values_of(prop: Property[Any], *, low: float | None = None, high: float | None = None) -> Any:
    """Return a strategy of values that `prop` takes, within closer limits where given."""
    if isinstance(prop, Flag):
        return st.booleans()
    if isinstance(prop, Choice):
        return st.sampled_from(sorted(prop.choices))
    if isinstance(prop, Integer):
        return st.integers(int(low or prop.low), int(high or prop.high))
    assert isinstance(prop, Number)
    least = prop.low if low is None else low
    most = prop.high if high is None else high
    return st.floats(least, most, allow_nan=False, allow_infinity=False)


def settable(endpoint: Any) -> dict[str, Property[Any]]:
    """Return the properties of an endpoint that can be both set and read."""
    found = type(endpoint).properties()
    return {name: prop for name, prop in found.items() if prop.query and prop.command}
