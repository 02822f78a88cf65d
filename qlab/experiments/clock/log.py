"""What a site's readings leave behind: one row for each, in the run file and in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qlab.context import DataSink
from qlab.experiments.clock.judgement import on_grid

__all__ = ["LOG", "SiteLog"]

#: One row of a site's log; phases in seconds, states and flags as in `protocols.clock.states`.
LOG = np.dtype(
    [
        ("t_tai_ns", "<i8"),
        ("x", "<f8"),
        ("interval", "<f8"),
        ("interval_back", "<f8"),
        ("carrier", "<f8"),
        ("cycle", "<i8"),
        ("phase", "<f8"),
        ("phase_sigma", "<f8"),
        ("frequency", "<f8"),
        ("residual", "<f8"),
        ("bound_95", "<f8"),
        ("temperature_c", "<f8"),
        ("acts_ns", "<i8"),
        ("setting", "<i8"),
        ("placement", "<f8"),
        ("flags", "<u2"),
        ("alarms", "u1"),
        ("state", "u1"),
        ("reason", "u1"),
        ("quality", "u1"),
        ("confirmed", "u1"),
        ("healthy", "u1"),
    ]
)

_BATCH = 32


class SiteLog:
    """The log of one site; a day of readings takes 12 MB of memory.

    Parameters
    ----------
    data : DataSink
        Where rows go, to ``NAME/log``, and the phases, one a period, to ``NAME/x``.
    name : str
        Of the site.
    period_s : float
        From one reading to the next.
    """

    def __init__(self, data: DataSink, name: str, period_s: float) -> None:
        self._data, self._name, self._period_s = data, name, period_s
        self._batch: list[tuple[Any, ...]] = []
        self._written: list[NDArray[Any]] = []
        self._last_reading_ns: int | None = None

    def append(self, row: tuple[Any, ...]) -> None:
        """Take a row, the fields of `LOG`; it is written with the batch that it fills."""
        self._batch.append(row)
        if len(self._batch) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what has not been written."""
        if self._batch:
            rows = np.array(self._batch, LOG)
            self._batch.clear()
            self._written.append(rows)
            self._data.append(f"{self._name}/log", rows)
            self._data.append(f"{self._name}/x", self._on_grid(rows))

    def rows(self) -> NDArray[Any]:
        """Return all rows that were written, of type `LOG`."""
        return np.concatenate(self._written) if self._written else np.empty(0, LOG)

    def _on_grid(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return the readings of new rows, one a period from the last one that was written."""
        times, phases = rows["t_tai_ns"], rows["x"]
        last_ns = self._last_reading_ns
        if last_ns is None:
            placed = on_grid(times, phases, self._period_s)
        else:  # as if the last one were there again, which is left out
            times, phases = np.append(last_ns, times), np.append(0.0, phases)
            placed = on_grid(times, phases, self._period_s)[1:]
        there = np.flatnonzero(np.isfinite(phases))
        if there.size:
            self._last_reading_ns = int(times[there[-1]])
        return placed
