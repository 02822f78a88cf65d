"""Limits, ramps and interlocks of a station, above every driver.

The guard keeps no memory of its own: it asks the instruments what they are set
to, so a value that was set at the front panel or by another program counts. A
property that cannot be read counts as the worst it could be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drivers.core.errors import LimitError
from qlab.station.entries import Interlock, Limit
from qlab.station.file import StationFile

__all__ = ["StationGuard"]


class StationGuard:
    """Forbids what the station file forbids; a `drivers.core.instrument.Guard`.

    Parameters
    ----------
    file : StationFile
        The station.
    read : callable
        Returns the present value of "instrument.path.property", or None if it
        cannot be read at all; raises `DriverError` if the instrument fails.
    """

    def __init__(self, file: StationFile, read: Callable[[str], object]) -> None:
        self._file = file
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
        for number, interlock in enumerate(self._file.interlocks):
            if target == interlock.when:
                if value == interlock.equals:
                    self._check_path(number, interlock, {})
            elif target in interlock.path and isinstance(value, (int, float)):
                self._check_attenuator(number, interlock, target, value)

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
            if isinstance(present, (int, float)) and abs(value - present) > limit.ramp:
                said = f"is more than the station's ramp of {limit.ramp:g} away from {present:g}"
        if said:
            raise self._error(target, f"{value:g} {said}", ("limits", target))

    def _check_attenuator(
        self, number: int, interlock: Interlock, target: str, value: float
    ) -> None:
        present = self._read(target)
        if isinstance(present, (int, float)) and value >= present:
            return  # more attenuation never does harm
        state = self._read(interlock.when)
        if state is None or state == interlock.equals:
            self._check_path(number, interlock, {target: value})

    def _check_path(self, number: int, interlock: Interlock, new: dict[str, float]) -> None:
        total = interlock.fixed_db
        for target in interlock.path:
            value = new[target] if target in new else self._read(target)
            total += value if isinstance(value, (int, float)) else 0.0
        if total < interlock.at_least_db - 1e-9:
            raise self._error(
                next(iter(new), interlock.when),
                f"interlock {interlock.name!r}: {total:g} dB in the path, "
                f"{interlock.at_least_db:g} dB are needed while {interlock.when} is "
                f"{interlock.equals!r}",
                ("interlocks", number),
            )

    def _error(self, target: str, message: str, key: tuple[str | int, ...]) -> LimitError:
        source = self._file.source
        return LimitError(
            message,
            instrument=target,
            remedy=f"set by {source.name}, line {source.line(key)}",
        )
