"""Histograms of lags between two streams of tags, fed in pieces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.timetags.correlation.bins import Bins
from protocols.timetags.correlation.kernels import count_all, count_first

__all__ = ["PairCounter"]

Ticks = npt.NDArray[np.int64]
_EARLIEST = np.iinfo(np.int64).min
_LEAST_SHARE = 1 << 15  # starts or pairs for which a thread is worth while
_BATCH = 1 << 26  # pairs counted before Ctrl-C is heeded again


class PairCounter:
    """Counts of lag = t_stop − t_start, of all pairs or of the first stop after each start.

    The counts do not depend on how the streams are cut, nor on `workers`. What stays in memory
    is the histogram and the tags within its reach of the end of the last piece.

    Parameters
    ----------
    bins : Bins
    same : bool
        Both streams are one: pairs of a tag with itself are left out. All pairs only.
    first_only : bool
        Of the stops at or after a start, count the first one only; several starts may share it.
        Stops before the start do not count, so bins of negative lags stay empty.
    workers : int
        Threads.

    Attributes
    ----------
    counts : int64 array
        Pairs in each bin. Complete after `finish`.

    Raises
    ------
    ParameterError
        `same` together with `first_only`: that is `intervals.IntervalCounter`.
    """

    def __init__(
        self, bins: Bins, *, same: bool = False, first_only: bool = False, workers: int = 1
    ) -> None:
        if same and first_only:
            raise ParameterError("intervals within one stream have a counter of their own")
        self.bins = bins
        self.counts = np.zeros(len(bins), np.int64)
        self._same = same
        self._first_only = first_only
        self._workers = workers
        self._low, self._high = int(bins.edges[0]), int(bins.edges[-1])
        self._starts: Ticks = np.empty(0, np.int64)
        self._stops: Ticks = np.empty(0, np.int64)

    def push(self, starts: Ticks, stops: Ticks, until: int) -> None:
        """Take the next piece of both streams.

        Parameters
        ----------
        starts, stops : int64 array
            Ticks in order, none before those of earlier pieces. Of one stream the same twice.
        until : int
            No later piece has a tick before this one.
        """
        self._starts = np.concatenate([self._starts, starts]) if self._starts.size else starts
        self._stops = np.concatenate([self._stops, stops]) if self._stops.size else stops
        complete = max(until - max(self._high, 0), _EARLIEST)
        ready = int(np.searchsorted(self._starts, complete, side="right"))
        self._count(ready)
        # Later starts are at `until` or among those kept.
        following = min([until, *self._starts[ready : ready + 1].tolist()])
        needed = max(following + min(self._low, 0), _EARLIEST)
        done = int(np.searchsorted(self._stops, needed))
        self._starts, self._stops = self._starts[ready:].copy(), self._stops[done:].copy()

    def finish(self) -> None:
        """Count what waited for later stops."""
        self._count(self._starts.size)
        self._starts = self._stops = np.empty(0, np.int64)

    def _count(self, ready: int) -> None:
        """Count the pairs of the first `ready` starts, in batches that do not take long."""
        starts = self._starts[:ready]
        per_start = self._pairs_per_start()
        step = max(1, int(_BATCH / per_start))
        for first in range(0, ready, step):
            batch = starts[first : first + step]
            shares = min(self._workers, batch.size, int(batch.size * per_start) // _LEAST_SHARE)
            self._count_batch(batch, max(1, shares))
        if self._same and self.bins.first <= 0 <= self.bins.last:
            self.counts[-self.bins.first] -= ready

    def _pairs_per_start(self) -> float:
        """Return about how many stops lie within the reach of a start, at least one."""
        if self._first_only or self._stops.size < 2:
            return 1.0
        span = float(self._stops[-1]) - float(self._stops[0])
        return max(1.0, self._stops.size * min(1.0, (self._high - self._low) / max(span, 1.0)))

    def _count_batch(self, starts: Ticks, shares: int) -> None:
        if shares == 1:
            self._sweep(starts, self.counts)
            return
        counts = [np.zeros_like(self.counts) for _ in range(shares)]
        with ThreadPoolExecutor(shares) as pool:
            for _ in pool.map(self._sweep, np.array_split(starts, shares), counts):
                pass
        self.counts += np.sum(counts, axis=0)

    def _sweep(self, starts: Ticks, counts: Ticks) -> None:
        if self._first_only:
            count_first(starts, self._stops, self._high, self.bins.arithmetic, counts)
        else:
            count_all(starts, self._stops, self._low, self._high, self.bins.arithmetic, counts)
