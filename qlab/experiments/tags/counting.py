"""How many tags there are on each line, in all and lately."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LineCounts"]

_LINES = 256


class LineCounts:
    """Counts of one tagger's lines.

    Parameters
    ----------
    lately_s : float
        Length of the time that `rates_hz` is a mean over.
    """

    def __init__(self, lately_s: float = 1.0) -> None:
        self._lately_ns = round(lately_s * 1e9)
        self.counts = np.zeros(_LINES, np.int64)
        self._past: deque[tuple[int, NDArray[np.int64]]] = deque()

    def add(self, now_ns: int, lines: NDArray[np.uint8]) -> None:
        """Count tags that have arrived by `now_ns`."""
        if not self._past:
            self._past.append((now_ns, self.counts.copy()))
        self.counts += np.bincount(lines, minlength=_LINES)
        if now_ns - self._past[-1][0] >= self._lately_ns // 10:
            self._past.append((now_ns, self.counts.copy()))
        while len(self._past) > 1 and self._past[1][0] <= now_ns - self._lately_ns:
            self._past.popleft()

    def rates_hz(self) -> dict[int, float]:
        """Return the rates of all lines that have had a tag, over the last time."""
        if len(self._past) < 2:
            return {}
        (first_ns, first), (last_ns, last) = self._past[0], self._past[-1]
        rates = (last - first) / ((last_ns - first_ns) * 1e-9)
        return {line: float(rates[line]) for line in self._lines()}

    def found(self, duration_s: float) -> dict[str, Any]:
        """Return counts and rates over the whole time, ready for JSON."""
        return {
            str(line): {
                "count": int(self.counts[line]),
                "rate_hz": float(self.counts[line] / duration_s) if duration_s > 0 else None,
            }
            for line in self._lines()
        }

    def _lines(self) -> list[int]:
        return [int(line) for line in np.flatnonzero(self.counts)]
