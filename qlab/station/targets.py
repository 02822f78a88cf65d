"""Paths such as ``laser.channel1.power_dbm``: instrument, channel, property."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drivers.core import Instrument, Property
from drivers.core.declared import Endpoint
from drivers.core.errors import MisuseError
from qlab.station.source import near_miss

__all__ = ["Target", "endpoint_class", "endpoint_of", "parse_target", "property_of"]

_CHANNEL = re.compile(r"(?P<group>[a-z_]+)(?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class Target:
    """A path taken apart.

    Attributes
    ----------
    instrument : str
        Name in the station.
    group, number : str, int
        Channel group and number; empty and 0 for the instrument itself.
    name : str
        Name of a property; empty where none is meant.
    """

    instrument: str
    group: str
    number: int
    name: str

    @property
    def endpoint(self) -> str:
        """The path without the property."""
        return f"{self.instrument}.{self.group}{self.number}" if self.group else self.instrument


def parse_target(text: str, *, with_property: bool) -> Target:
    """Take a path apart, whether or not what it names exists.

    Raises
    ------
    MisuseError
        If it is no path.
    """
    parts = text.split(".")
    name = parts.pop() if with_property and len(parts) > 1 else ""
    if (with_property and not name) or len(parts) > 2 or not all(parts):
        shape = "INSTRUMENT.PROPERTY or INSTRUMENT.CHANNEL.PROPERTY"
        raise MisuseError(
            f"{text!r} is no path",
            remedy=f"write {shape if with_property else 'INSTRUMENT or INSTRUMENT.CHANNEL'}",
        )
    if len(parts) == 1:
        return Target(parts[0], "", 0, name)
    match = _CHANNEL.fullmatch(parts[1])
    if match is None:
        raise MisuseError(f"{parts[1]!r} in {text!r} is no channel", remedy="such as channel1")
    return Target(parts[0], match["group"], int(match["number"]), name)


def endpoint_class(driver: type[Instrument], target: Target) -> type[Endpoint]:
    """Return the class of the driver or of its channel that `target` names.

    Raises
    ------
    MisuseError
        If the driver has no such channel.
    """
    if not target.group:
        return driver
    kind, numbers = driver.channels.get(target.group, (None, ()))
    if kind is None or target.number not in numbers:
        raise MisuseError(
            f"{target.instrument} has no {target.group}{target.number}",
            remedy=near_miss(f"{target.group}{target.number}", _channel_names(driver)),
        )
    return kind


def endpoint_of(instrument: Instrument, target: Target) -> Endpoint:
    """Return the instrument or its channel."""
    if not target.group:
        return instrument
    channel: Endpoint = instrument.channel(target.number, target.group)
    return channel


def property_of(kind: type[Endpoint], target: Target) -> Property[Any]:
    """Return the declared property that `target` names.

    Raises
    ------
    MisuseError
        If there is none of this name.
    """
    known = kind.properties()
    if target.name not in known:
        raise MisuseError(
            f"{target.endpoint} has no property {target.name!r}",
            remedy=near_miss(target.name, known),
        )
    return known[target.name]


def _channel_names(driver: type[Instrument]) -> Iterable[str]:
    return (f"{g}{n}" for g, (_, numbers) in driver.channels.items() for n in numbers)
