"""A station file held against the drivers that it names; no hardware is needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.core import Choice, Coupling, Flag, Instrument, Integer, Number, Property
from drivers.core.errors import DriverError, MisuseError, UnknownDriverError
from drivers.core.registry import driver_class
from qlab.errors import StationError
from qlab.station.entries import Interlock, Limit, SafeEntry
from qlab.station.file import StationFile
from qlab.station.lines import Path
from qlab.station.targets import Target, endpoint_class, parse_target, property_of

__all__ = [
    "CheckedInterlock",
    "CheckedStation",
    "PathAttenuation",
    "SafeTarget",
    "check_station",
]


@dataclass(frozen=True, slots=True)
class SafeTarget:
    """One step to the safe state, with its value worked out."""

    target: Target
    value: Any


@dataclass(frozen=True, slots=True)
class PathAttenuation:
    """An attenuation in an interlock's path, and what else decides over it.

    Attributes
    ----------
    target : str
        The property, in dB.
    low, high : float
        Its range after the manual.
    moved_by : frozenset of str
        Other properties whose setting changes it.
    true_while : mapping of str to object
        Other properties, and the values at which it is what it says.
    """

    target: str
    low: float = 0.0
    high: float = math.inf
    moved_by: frozenset[str] = frozenset()
    true_while: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckedInterlock:
    """An interlock with its path worked out.

    Attributes
    ----------
    number : int
        Its place in the station file, from 0.
    entry : Interlock
        As it stands there.
    path : tuple of PathAttenuation
        What attenuates.
    """

    number: int
    entry: Interlock
    path: tuple[PathAttenuation, ...]


@dataclass(frozen=True, slots=True)
class CheckedStation:
    """What the check has found.

    Attributes
    ----------
    drivers : dict of str to type
        Driver class of each instrument.
    interlocks : tuple of CheckedInterlock
        Interlocks, in the order of the file.
    safe : tuple of SafeTarget
        Steps to the safe state.
    """

    drivers: dict[str, type[Instrument]]
    interlocks: tuple[CheckedInterlock, ...]
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
    interlocks = tuple(
        _checked_interlock(file, number, entry, drivers)
        for number, entry in enumerate(file.interlocks)
    )
    safe = tuple(
        _safe_target(file, ("safe", "steps", number), entry, drivers)
        for number, entry in enumerate(file.safe)
    )
    return CheckedStation(drivers, interlocks, safe)


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


def _checked_interlock(
    file: StationFile, number: int, entry: Interlock, drivers: _Drivers
) -> CheckedInterlock:
    path: Path = ("interlocks", number)
    when = _property(file, (*path, "when"), entry.when, drivers)
    if not isinstance(when, (Flag, Choice)):
        # A number that is read back need not equal the one that was set.
        raise file.source.error(
            (*path, "when"), f"{when.name} is neither on or off nor one of some words"
        )
    try:
        when.check(entry.equals)  # type: ignore[arg-type]  # it refuses what is none of its own
    except ValueError as error:
        raise _at(file, (*path, "equals"), error) from None
    attenuations = tuple(
        _attenuation(file, (*path, "path", position), text, drivers)
        for position, text in enumerate(entry.path)
    )
    return CheckedInterlock(number, entry, attenuations)


def _attenuation(file: StationFile, path: Path, text: str, drivers: _Drivers) -> PathAttenuation:
    found = _property(file, path, text, drivers)
    if not isinstance(found, Number):
        raise file.source.error(path, f"{found.name} is no number in dB")
    target = parse_target(text, with_property=True)
    kind = endpoint_class(drivers[target.instrument], target)
    coupling = kind.couplings.get(target.name, Coupling())
    return PathAttenuation(
        text,
        found.low,
        found.high,
        frozenset(f"{target.endpoint}.{name}" for name in coupling.moved_by),
        {f"{target.endpoint}.{name}": value for name, value in coupling.true_while.items()},
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
    for interlock in file.interlocks:
        if entry.target == interlock.when and value == interlock.equals:
            raise file.source.error(
                path,
                f"brings about what the interlock {interlock.name!r} guards against",
                remedy=f"set {entry.target} to another value on the way to the safe state",
            )
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
