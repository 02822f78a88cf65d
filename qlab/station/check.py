"""A station file held against the drivers that it names; no hardware is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drivers.core import Instrument, Integer, Number, Property
from drivers.core.errors import DriverError, MisuseError, UnknownDriverError
from drivers.core.registry import driver_class
from qlab.errors import StationError
from qlab.station.entries import Limit, SafeEntry
from qlab.station.file import StationFile
from qlab.station.lines import Path
from qlab.station.targets import Target, endpoint_class, parse_target, property_of

__all__ = ["CheckedStation", "SafeTarget", "check_station"]


@dataclass(frozen=True, slots=True)
class SafeTarget:
    """One step to the safe state, with its value worked out."""

    target: Target
    value: Any


@dataclass(frozen=True, slots=True)
class CheckedStation:
    """What the check has found.

    Attributes
    ----------
    drivers : dict of str to type
        Driver class of each instrument.
    safe : tuple of SafeTarget
        Steps to the safe state.
    """

    drivers: dict[str, type[Instrument]]
    safe: tuple[SafeTarget, ...]


def check_station(file: StationFile) -> CheckedStation:
    """Check drivers, roles, limits, interlocks and safe steps.

    Raises
    ------
    StationError
        For the first thing that is wrong, with its line.
    """
    drivers = {}
    for name, entry in file.instruments.items():
        try:
            drivers[name] = driver_class(entry.driver)
        except UnknownDriverError as error:
            raise _at(file, ("instruments", name, "driver"), error) from None
    for path, text in _role_targets(file):
        try:
            target = parse_target(text, with_property=False)
            endpoint_class(drivers[target.instrument], target)
        except MisuseError as error:
            raise _at(file, path, error) from None
    for text, limit in file.limits.items():
        _check_limit(file, ("limits", text), text, limit, drivers)
    _check_interlocks(file, drivers)
    safe = tuple(
        _safe_target(file, ("safe", "steps", number), entry, drivers)
        for number, entry in enumerate(file.safe)
    )
    return CheckedStation(drivers, safe)


_Drivers = dict[str, type[Instrument]]


def _role_targets(file: StationFile) -> Iterator[tuple[Path, str]]:
    for role, targets in file.roles.items():
        if isinstance(targets, str):
            yield ("roles", role), targets
        else:
            for number, target in enumerate(targets):
                yield ("roles", role, number), target


def _check_limit(file: StationFile, path: Path, text: str, limit: Limit, drivers: _Drivers) -> None:
    found = _settable(file, path, text, drivers)
    if not isinstance(found, (Number, Integer)):
        raise file.source.error(path, f"{found.name} is no number, so it has no limits")
    if limit.ramp is not None and found.query is None:
        raise file.source.error(path, f"{found.name} cannot be read, so it has no ramp")
    if (limit.min is not None and limit.min > found.high) or (
        limit.max is not None and limit.max < found.low
    ):
        raise file.source.error(
            path, f"no value is left between the limits; the manual allows {found.expects()}"
        )


def _check_interlocks(file: StationFile, drivers: _Drivers) -> None:
    for number, interlock in enumerate(file.interlocks):
        path: Path = ("interlocks", number)
        found = _property(file, (*path, "when"), interlock.when, drivers)
        try:
            found.check(interlock.equals)
        except (ValueError, TypeError) as error:
            raise _at(file, (*path, "equals"), error) from None
        for position, text in enumerate(interlock.path):
            attenuation = _property(file, (*path, "path", position), text, drivers)
            if not isinstance(attenuation, Number):
                raise file.source.error(
                    (*path, "path", position), f"{attenuation.name} is no number in dB"
                )


def _safe_target(file: StationFile, path: Path, entry: SafeEntry, drivers: _Drivers) -> SafeTarget:
    found = _settable(file, path, entry.target, drivers)
    value: Any = entry.value
    if isinstance(found, (Number, Integer)) and value in ("min", "max"):
        limit = file.limits.get(entry.target, _NO_LIMIT)
        if value == "max":
            value = found.high if limit.max is None else min(found.high, limit.max)
        else:
            value = found.low if limit.min is None else max(found.low, limit.min)
        if abs(value) == float("inf"):
            raise file.source.error(path, f"{found.name} has no {entry.value}, write a number")
    try:
        value = found.check(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise _at(file, path, error) from None
    return SafeTarget(parse_target(entry.target, with_property=True), value)


_NO_LIMIT = Limit(min=float("-inf"), max=float("inf"))


def _settable(file: StationFile, path: Path, text: str, drivers: _Drivers) -> Property[Any]:
    found = _property(file, path, text, drivers)
    if found.command is None:
        raise file.source.error(path, f"{found.name} can only be read")
    return found


def _property(file: StationFile, path: Path, text: str, drivers: _Drivers) -> Property[Any]:
    try:
        target = parse_target(text, with_property=True)
        return property_of(endpoint_class(drivers[target.instrument], target), target)
    except MisuseError as error:
        raise _at(file, path, error) from None


def _at(file: StationFile, path: Path, error: Exception) -> StationError:
    if isinstance(error, DriverError):
        return file.source.error(path, error.message, remedy=error.remedy)
    return file.source.error(path, str(error))
