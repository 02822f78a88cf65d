"""The coaxial lines into the time tagger: detectors on 1 and 2, the marker on 3."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.kernels import kernel

__all__ = ["MARKER_LINE", "TaggerLines"]

MARKER_LINE = 3
_HISTORY_NS = 2_000_000_000
_NO_TIMES = np.empty(0, dtype=np.int64)
_NO_LINES = np.empty(0, dtype=np.uint8)

Edges = tuple[NDArray[np.int64], NDArray[np.uint8]]
Clicks = tuple[NDArray[np.int64], NDArray[np.int64]]


@kernel
def _merged(
    first: NDArray[np.int64], second: NDArray[np.int64], third: NDArray[np.int64], lines: int
) -> Edges:
    """Merge three ascending series into one, with their line numbers up to `lines`.

    Of equal times the lower line comes first.
    """
    a_end, b_end, c_end = first.size, second.size, third.size
    if lines < 3:
        c_end = 0
    if lines < 2:
        b_end = 0
    times = np.empty(a_end + b_end + c_end, dtype=np.int64)
    numbers = np.empty(times.size, dtype=np.uint8)
    a, b, c = 0, 0, 0
    never = np.int64(9223372036854775807)
    for i in range(times.size):
        x = first[a] if a < a_end else never
        y = second[b] if b < b_end else never
        z = third[c] if c < c_end else never
        if x <= y and x <= z:
            times[i], numbers[i] = x, 1
            a += 1
        elif y <= z:
            times[i], numbers[i] = y, 2
            b += 1
        else:
            times[i], numbers[i] = z, 3
            c += 1
    return times, numbers


class TaggerLines:
    """Edges in picoseconds of bench time (an `EventSource`).

    Parameters
    ----------
    start, stop : callable
        Begin and end the simulation of the detectors.
    advance : callable
        Clicks of both detectors up to a time in ns.
    """

    def __init__(
        self,
        start: Callable[[int], None],
        stop: Callable[[], None],
        advance: Callable[[int], Clicks],
    ) -> None:
        self._start = start
        self._stop = stop
        self._advance = advance
        self._channels = 0
        self._since_ns = 0
        self._until_ns = 0
        self._markers_ps: list[int] = []
        self._waiting: deque[Edges] = deque()
        self._history: deque[tuple[int, Clicks]] = deque()

    def listen(self, t_ns: int, channels: int) -> None:
        """From `t_ns` on keep the edges of lines 1 to `channels`; 0 stops."""
        if channels < 0:
            raise ValueError("the number of lines is not negative")
        if self._channels:
            self._follow(t_ns)
        if channels and not self._channels:
            self._start(t_ns)
            self._since_ns = self._until_ns = t_ns
            del self._markers_ps[: bisect_left(self._markers_ps, t_ns * 1000)]
            self._history.clear()
        if not channels and self._channels:
            self._stop()
            self._history.clear()
        self._channels = channels

    def edges(self, until_ns: int) -> Edges:
        """Return all edges before `until_ns` that were not returned yet, in order.

        The first array holds picoseconds of bench time, the second line numbers
        from 1.
        """
        if self._channels:
            self._follow(until_ns)
        ready: list[Edges] = []
        while self._waiting:
            times, lines = self._waiting.popleft()
            count = int(np.searchsorted(times, until_ns * 1000))
            ready.append((times[:count], lines[:count]))
            if count < times.size:
                self._waiting.appendleft((times[count:], lines[count:]))
                break
        if not ready:
            return _NO_TIMES, _NO_LINES
        if len(ready) == 1:
            return ready[0]
        return np.concatenate([r[0] for r in ready]), np.concatenate([r[1] for r in ready])

    def marker(self, time_ps: int) -> None:
        """Let an edge of the marker arrive at `time_ps`."""
        insort(self._markers_ps, time_ps)

    def clicks(self, detector: int, from_ns: int, to_ns: int) -> int | None:
        """Return a detector's clicks between two times; None when nobody listened then."""
        if not self._channels:
            return None
        self._follow(to_ns)
        if from_ns < max(self._since_ns, self._until_ns - _HISTORY_NS) or to_ns > self._until_ns:
            return None
        total = 0
        for _, clicks in self._history:
            ends = np.searchsorted(clicks[detector], (from_ns * 1000, to_ns * 1000))
            total += int(ends[1] - ends[0])
        return total

    def _follow(self, until_ns: int) -> None:
        """Take in everything that arrives before `until_ns`."""
        if until_ns <= self._until_ns:
            return
        first, second = self._advance(until_ns)
        count = bisect_left(self._markers_ps, until_ns * 1000)
        markers = np.array(self._markers_ps[:count], dtype=np.int64)
        del self._markers_ps[:count]
        times, lines = _merged(first, second, markers, self._channels)
        if times.size:
            self._waiting.append((times, lines))
        self._until_ns = until_ns
        self._history.append((until_ns, (first, second)))
        while self._history[0][0] < until_ns - _HISTORY_NS:
            self._history.popleft()
