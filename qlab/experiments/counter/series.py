"""What has been read of one counter, with its gaps, on the way to the run file."""

from __future__ import annotations

import math
from typing import Any

from qlab.experiments.counter.logs import Reading
from qlab.experiments.counter.running import RunningDeviation

__all__ = ["MISSING", "UNKNOWN", "UNLOCKED", "Series"]

#: Flags of a reading: it is missing; the reference was not locked; nobody could say.
MISSING, UNLOCKED, UNKNOWN = 1, 2, 4
#: A gap is filled with missing readings up to this length; a longer one is cut short.
_LONGEST = 1_000_000


class Series:
    """The readings of one counter in a row, one for each interval; nan where one is missing.

    Parameters
    ----------
    deviation : RunningDeviation
        What is shown of them while they come.
    """

    def __init__(self, deviation: RunningDeviation) -> None:
        self.deviation = deviation
        self.count = 0
        self.missing = 0
        self.last = math.nan
        self._sum = 0.0
        self._pending: list[tuple[float, int, int]] = []

    def add(self, t_ns: int, readings: list[Reading], quality: int) -> None:
        """Take what was collected at run time `t_ns`, with what is known of the reference."""
        for value, steps in readings:
            if math.isnan(value) and steps == 0:  # how many are missing shows with the next
                continue
            for _ in range(min(steps - 1, _LONGEST)):
                self._take(t_ns, math.nan, MISSING | UNKNOWN)
            self._take(t_ns, value, quality | (MISSING if math.isnan(value) else 0))

    @property
    def waiting(self) -> int:
        """How many readings `taken` would return."""
        return len(self._pending)

    def taken(self) -> tuple[list[float], list[int], list[int]]:
        """Return values, run times and flags since the last call."""
        pending, self._pending = self._pending, []
        values, times, flags = zip(*pending, strict=True) if pending else ((), (), ())
        return list(values), list(times), list(flags)

    def results(self) -> dict[str, Any]:
        """Return counts, the mean, and the deviations."""
        good = self.count - self.missing
        found = self.deviation.found()
        return {
            "readings": self.count,
            "missing": self.missing,
            "mean": self._sum / good if good else None,
            "oadev": {"tau": [tau for tau, _ in found], "dev": [dev for _, dev in found]},
        }

    def _take(self, t_ns: int, value: float, flags: int) -> None:
        self.count += 1
        if math.isnan(value):
            self.missing += 1
        else:
            self._sum += value
            self.last = value
        self.deviation.add(value)
        self._pending.append((value, t_ns, flags))
