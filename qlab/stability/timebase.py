"""Time stamps beside readings: the sampling interval, and which readings are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from protocols.stability.statistic import Floats, Integers
from qlab.errors import UsageError

__all__ = ["Timebase", "looks_like_times"]

_DAY_S = 86400.0
_FEWEST = 3
_SHORTEST = 1e-4
_MJD = (15_000.0, 100_000.0)
_LONGEST_GAP = 10_000_000
_MOST_MISSING = 100_000_000
_LARGE = 64  # gaps above are given apart
_PART = 1 << 16
_WRONG_RATE = 0.01


def looks_like_times(column: Floats) -> bool:
    """Tell whether values mostly ascend by one step, at least 0.1 ms or in modified Julian days.

    A phase that runs away steadily ascends as well, but not by that much a reading.
    """
    if column.size < _FEWEST or not np.all(np.isfinite(column)):
        return False
    steps = np.diff(column)
    step = float(np.median(steps))
    if step < (1e-9 if _MJD[0] < column[0] < _MJD[1] else _SHORTEST):
        return False
    return bool(2 * np.count_nonzero(np.abs(steps - step) < 0.1 * step) >= steps.size)


def _roundest(value: float, doubt: float) -> float:
    """Return the number of fewest digits that is as near as stamps can tell."""
    rounded = (float(f"{value:.{digits}g}") for digits in range(1, 17))
    return next((one for one in rounded if abs(one - value) <= doubt), value)


@dataclass
class Timebase:
    """Turns time stamps into places on a grid.

    Attributes
    ----------
    place : str
        The file, for messages.
    unit_s : float
        What a stamp counts in.
    interval_s : float
        Between readings.
    """

    place: str
    unit_s: float
    interval_s: float
    _last: float | None = None
    _missing: int = 0

    @classmethod
    def of(cls, place: str, first: Floats, rate_hz: float | None) -> Timebase:
        """Find the interval from the first stamps.

        Stamps from 15 000 to 100 000 in steps below 1 are modified Julian days, all else are
        seconds.

        Raises
        ------
        UsageError
            The stamps do not ascend, or contradict the rate.
        """
        steps = np.diff(first)
        if first.size < 2 or not np.median(steps) > 0:
            raise UsageError(
                f"{place}: the time stamps do not ascend", remedy="sort the file, or name another "
                "column with --time-column; 0 for none"
            )  # fmt: skip
        step = float(np.median(steps))
        unit_s = _DAY_S if _MJD[0] < first[0] < _MJD[1] and step < 1.0 else 1.0
        whole = steps[np.abs(steps - step) < 0.25 * step]
        seen = float(whole.mean()) * unit_s
        doubt = max(2 * float(np.ptp(whole)) * unit_s / whole.size, 1e-4 * seen)
        interval_s = _roundest(seen, doubt) if rate_hz is None else 1.0 / rate_hz
        if abs(seen / interval_s - 1.0) > _WRONG_RATE:
            raise UsageError(
                f"{place}: the time stamps are {seen:.6g} s apart, not {interval_s:.6g} s",
                remedy=f"give --rate {1.0 / seen:.6g}, or --time-column 0 if they are no times",
            )
        return cls(place, unit_s, interval_s)

    def placed(self, values: Floats, times: Floats, line: int) -> Iterator[Floats]:
        """Give the next readings at their places, NaN between them, in parts that stay small.

        Parameters
        ----------
        values, times : numpy.ndarray
            Readings and their stamps.
        line : int
            The first one's line, for messages.

        Raises
        ------
        UsageError
            A stamp is not after the one before it, or more than 10 million places after it.
        """
        steps = self._steps(times, line)
        if steps.max(initial=1) <= 1:
            yield values
            return
        for cut in np.split(np.arange(values.size), np.flatnonzero(steps > _LARGE)):
            if cut.size == 0:
                continue
            ahead = int(steps[cut[0]]) - 1
            for start in range(0, ahead, _PART):
                yield np.full(min(ahead - start, _PART), np.nan)
            places = np.cumsum(steps[cut]) - steps[cut[0]]
            spread = np.full(int(places[-1]) + 1, np.nan)
            spread[places] = values[cut]
            yield spread

    def _steps(self, times: Floats, line: int) -> Integers:
        """Return by how many places each reading is after the one before it; 0 for the first."""
        before = times[0] if self._last is None else self._last
        gaps = np.diff(times, prepend=before) * (self.unit_s / self.interval_s)
        steps = np.rint(gaps)
        if self._last is None:
            steps[0] = gaps[0] = 1.0
        wrong = np.flatnonzero(~((gaps > 0) & (steps <= _LONGEST_GAP)))
        if wrong.size:
            k = int(wrong[0])
            earlier = times[k - 1] if k else before
            how = "is not after" if not gaps[k] > 0 else "is too long after"
            raise UsageError(
                f"{self.place}, line {line + k}: the time stamp {float(times[k])!r} {how} the "
                f"one before it, {float(earlier)!r}",
                remedy="sort the file, cut it there, or give --time-column 0 to ignore the stamps",
            )
        places = np.maximum(steps, 1.0).astype(np.int64)
        if self._last is None:
            places[0] = 0
        self._last = float(times[-1])
        self._missing += int(places.sum()) - places.size
        if self._missing > _MOST_MISSING:
            raise UsageError(
                f"{self.place}, line {line + times.size - 1}: {self._missing} readings are missing",
                remedy="is --rate right, and are the time stamps in seconds?",
            )
        return places
