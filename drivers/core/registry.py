"""Drivers and simulators by name, ours and third parties', through entry points."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from drivers.core.errors import UnknownDriverError
from drivers.core.instrument import API_VERSION, Instrument

__all__ = ["DRIVERS", "SIMULATORS", "driver_class", "names", "simulator_class"]

DRIVERS = "qlab.drivers"
SIMULATORS = "qlab.simulators"


def names(group: str = DRIVERS) -> list[str]:
    """Return the names that are registered in `group`, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def driver_class(name: str) -> type[Instrument]:
    """Return the driver registered as `name`.

    Raises
    ------
    UnknownDriverError
        If there is none, it cannot be imported, or it was written for another
        version of the driver interface.
    """
    found = _load(DRIVERS, name)
    if not (isinstance(found, type) and issubclass(found, Instrument)):
        raise UnknownDriverError(f"the entry point {name!r} is not a driver class")
    declared = API_VERSION if found.__module__.startswith("drivers.") else vars(found).get("api")
    if declared != API_VERSION:
        raise UnknownDriverError(
            f"the driver {name!r} is for version {declared} of the driver interface, "
            f"this is version {API_VERSION}",
            remedy="install a version of the driver that fits this qlab",
        )
    return found


def simulator_class(name: str) -> Any:
    """Return the simulated device registered as `name`.

    Raises
    ------
    UnknownDriverError
        If there is none or it cannot be imported.
    """
    return _load(SIMULATORS, name)


def _load(group: str, name: str) -> Any:
    point = _find(group, name)
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise UnknownDriverError(
            f"the driver {name!r} cannot be imported: {error}",
            remedy="reinstall the package that provides it",
        ) from None


def _find(group: str, name: str) -> EntryPoint:
    for point in entry_points(group=group, name=name):
        return point
    known = names(group)
    close = difflib.get_close_matches(name, known, n=1)
    what = "driver" if group == DRIVERS else "simulator"
    raise UnknownDriverError(
        f"there is no {what} {name!r}",
        remedy=f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}",
    )
