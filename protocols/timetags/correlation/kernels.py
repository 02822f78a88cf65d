"""The sweeps over sorted tags."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["count_all", "count_first", "count_folds", "split"]

Ticks = npt.NDArray[np.int64]

# A lag is compared by adding to its start. Where that leaves 64 bits nothing is counted. What
# is not sorted after all is counted wrong, but no place outside the histogram is written to.


@njit(cache=True, nogil=True, error_model="numpy")
def count_all(
    starts: Ticks,
    stops: Ticks,
    low: int,
    high: int,
    arithmetic: tuple[int, int, int],
    counts: Ticks,
) -> None:  # pragma: no cover - compiled
    """Count every stop with low <= lag < high after every start."""
    scale, shift, divisor = arithmetic
    n = stops.size
    j = np.searchsorted(stops, starts[0] + low) if starts.size else 0
    for i in range(starts.size):
        start = starts[i]
        earliest, end = start + low, start + high
        while j < n and stops[j] < earliest:
            j += 1
        k = j
        while k < n and stops[k] < end:
            place = np.uint64((stops[k] - start) * scale + shift) // np.uint64(divisor)
            if place < np.uint64(counts.size):
                counts[place] += 1
            k += 1


@njit(cache=True, nogil=True, error_model="numpy")
def count_first(
    starts: Ticks, stops: Ticks, high: int, arithmetic: tuple[int, int, int], counts: Ticks
) -> None:  # pragma: no cover - compiled
    """Count the first stop at or after every start, if its lag is below `high`."""
    scale, shift, divisor = arithmetic
    n = stops.size
    j = np.searchsorted(stops, starts[0]) if starts.size else 0
    for i in range(starts.size):
        start = starts[i]
        while j < n and stops[j] < start:
            j += 1
        if j < n and stops[j] < start + high:
            place = np.uint64((stops[j] - start) * scale + shift) // np.uint64(divisor)
            if place < np.uint64(counts.size):
                counts[place] += 1


@njit(cache=True, nogil=True)
def split(
    ticks: Ticks,
    channels: npt.NDArray[np.int32],
    start: int,
    stop: int,
    starts: Ticks,
    stops: Ticks,
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Copy the tags of two channels to arrays that are long enough; return how many."""
    n = m = 0
    for i in range(ticks.size):
        # Written always and kept if it is one: no branch to mispredict.
        starts[n] = ticks[i]
        stops[m] = ticks[i]
        n += channels[i] == start
        m += channels[i] == stop
    return n, m


@njit(cache=True, nogil=True)
def count_folds(
    ticks: Ticks,
    channels: npt.NDArray[np.int32],
    fold: npt.NDArray[np.int32],
    window: int,
    last: Ticks,
    fresh: npt.NDArray[np.bool_],
) -> int:  # pragma: no cover - compiled
    """Count sets of fresh tags of all channels of `fold` within `window`; go on from `last`."""
    count, i = 0, 0
    while i < ticks.size:
        now, touched = ticks[i], False
        while i < ticks.size and ticks[i] == now:  # simultaneous, in whatever order they come
            for place in range(fold.size):
                if channels[i] == fold[place]:
                    last[place], fresh[place], touched = now, True, True
            i += 1
        if touched:
            whole = True
            for place in range(fold.size):
                whole = whole and fresh[place] and now - last[place] <= window
            if whole:
                count += 1
                fresh[:] = False
    return count
