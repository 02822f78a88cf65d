"""Limits, ramps and interlocks of a station, above every driver.

The guard keeps no memory of its own: it asks the instruments what they are set
to, so a value that was set at the front panel or by another program counts. A
property that cannot be read counts as the worst it could be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from drivers.core.errors import LimitError
from qlab.station.check import CheckedInterlock, PathAttenuation
from qlab.station.entries import Limit
from qlab.station.file import StationFile

__all__ = ["StationGuard"]


class StationGuard:
    """Forbids what the station file forbids; a `drivers.core.instrument.Guard`.

    Parameters
    ----------
    file : StationFile
        The station.
    interlocks : sequence of CheckedInterlock
        Its interlocks, as `check_station` has worked them out.
    read : callable
        Returns the present value of "instrument.path.property", or None if it
        cannot be read at all; raises `DriverError` if the instrument fails.
    """

    def __init__(
        self,
        file: StationFile,
        interlocks: Sequence[CheckedInterlock],
        read: Callable[[str], object],
    ) -> None:
        self._file = file
        self._interlocks = tuple(interlocks)
        self._read = read
        self._lifted = False

    def __call__(self, path: str, name: str, value: object) -> None:
        """Raise `LimitError` if `value` may not be sent."""
        if self._lifted:
            return
        target = f"{path}.{name}"
        limit = self._file.limits.get(target)
        if limit is not None and isinstance(value, (int, float)):
            self._check_limit(target, limit, value)
        for interlock in self._interlocks:
            if target == interlock.entry.when:
                if value == interlock.entry.equals:
                    self._check_path(interlock, target)
                continue
            for attenuation in interlock.path:
                if target == attenuation.target:
                    self._check_attenuation(interlock, attenuation, value)
                else:
                    self._check_coupled(interlock, attenuation, target, value)

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Let everything pass: nothing may stand in the way to the safe state."""
        self._lifted = True
        try:
            yield
        finally:
            self._lifted = False

    def _check_limit(self, target: str, limit: Limit, value: float) -> None:
        said = ""
        if limit.min is not None and value < limit.min:
            said = f"is below the station's limit of {limit.min:g}"
        elif limit.max is not None and value > limit.max:
            said = f"is above the station's limit of {limit.max:g}"
        elif limit.ramp is not None:
            present = self._read(target)
            near = isinstance(present, (int, float)) and abs(value - present) <= limit.ramp
            if not near:  # nor is it if what is read is NaN
                said = f"is more than the station's ramp of {limit.ramp:g} away from {present}"
        if said:
            raise self._error(target, f"{value:g} {said}", ("limits", target))

    def _check_attenuation(
        self, interlock: CheckedInterlock, attenuation: PathAttenuation, value: object
    ) -> None:
        new = _sound(attenuation, value)
        present = _sound(attenuation, self._read(attenuation.target))
        if new is not None and present is not None and new >= present:
            return  # more attenuation never does harm
        if self._acts(interlock):
            self._check_path(interlock, attenuation.target, {attenuation.target: value})

    def _check_coupled(
        self,
        interlock: CheckedInterlock,
        attenuation: PathAttenuation,
        target: str,
        value: object,
    ) -> None:
        """Refuse what would change an attenuation by the back door."""
        needed = attenuation.true_while.get(target, value)
        if (target in attenuation.moved_by or value != needed) and self._acts(interlock):
            entry = interlock.entry
            raise self._error(
                target,
                f"interlock {entry.name!r}: {value!r} would change what {attenuation.target} "
                f"means while {entry.when} is {entry.equals!r}",
                ("interlocks", interlock.number),
            )

    def _acts(self, interlock: CheckedInterlock) -> bool:
        state = self._read(interlock.entry.when)
        return state is None or state == interlock.entry.equals

    def _check_path(
        self, interlock: CheckedInterlock, target: str, new: Mapping[str, object] | None = None
    ) -> None:
        entry = interlock.entry
        total, doubts = entry.fixed_db, ""
        for attenuation in interlock.path:
            decibels, doubt = self._counted(attenuation, new or {})
            total += decibels
            doubts += doubt
        if not total >= entry.at_least_db - 1e-9:
            raise self._error(
                target,
                f"interlock {entry.name!r}: {total:g} dB in the path, "
                f"{entry.at_least_db:g} dB are needed while {entry.when} is "
                f"{entry.equals!r}{doubts}",
                ("interlocks", interlock.number),
            )

    def _counted(
        self, attenuation: PathAttenuation, new: Mapping[str, object]
    ) -> tuple[float, str]:
        """Return what surely is attenuated, and why it is nothing if it is."""
        target = attenuation.target
        value = new[target] if target in new else self._read(target)
        decibels = _sound(attenuation, value)
        if decibels is None:
            return 0.0, f"; {target} reads {value!r}"
        for other, needed in attenuation.true_while.items():
            found = self._read(other)
            if found != needed:
                return 0.0, f"; {target} does not count, since {other} is {found!r}"
        return decibels, ""

    def _error(self, target: str, message: str, key: tuple[str | int, ...]) -> LimitError:
        source = self._file.source
        return LimitError(
            message,
            instrument=target,
            remedy=f"set by {source.name}, line {source.line(key)}",
        )


def _sound(attenuation: PathAttenuation, value: object) -> float | None:
    """Return an attenuation, or None for what is no number of its range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    slack = 1e-6 * max(1.0, abs(value))  # 32-bit floats on the way
    sound = attenuation.low - slack <= value <= attenuation.high + slack
    return float(value) if sound and math.isfinite(value) else None
