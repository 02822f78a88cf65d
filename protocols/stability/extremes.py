"""Maximum time interval error of a phase that comes in pieces."""

from __future__ import annotations

import numpy as np

from protocols.stability.statistic import Floats, Integers
from protocols.stability.wander import widest_windows

__all__ = ["StreamedExtremes"]


class _Level:
    """Extremes over steps of one length, and the widest windows of them so far."""

    def __init__(self, widths: list[int]) -> None:
        self.widths: Integers = np.array(widths, np.int64)
        self.spans = np.full(self.widths.size, -np.inf)
        self.counts = np.zeros(self.widths.size, np.int64)
        self.high: Floats = np.zeros(0)
        self.low: Floats = np.zeros(0)
        self.fresh = 0
        self.odd_high: Floats = np.zeros(0)
        self.odd_low: Floats = np.zeros(0)

    def take(self, high: Floats, low: Floats) -> tuple[Floats, Floats]:
        """Take the extremes of more steps; return those of pairs."""
        self.high, self.low = np.append(self.high, high), np.append(self.low, low)
        self.fresh += high.size
        if self.fresh >= self.widths[-1]:
            self.work()
        high, low = np.append(self.odd_high, high), np.append(self.odd_low, low)
        whole = high.size - high.size % 2
        self.odd_high, self.odd_low = high[whole:], low[whole:]
        return (
            np.maximum(high[:whole:2], high[1:whole:2]),
            np.minimum(low[:whole:2], low[1:whole:2]),
        )

    def work(self) -> None:
        if self.fresh == 0:
            return
        spans, counts = widest_windows(self.high.copy(), self.low.copy(), self.widths, self.fresh)
        self.spans = np.maximum(self.spans, spans)
        self.counts += counts
        keep = int(self.widths[-1]) - 1
        start = max(0, self.high.size - keep)
        self.high, self.low = self.high[start:].copy(), self.low[start:].copy()
        self.fresh = 0


class StreamedExtremes:
    """Widest windows of a phase at octave factors, in bounded memory.

    Up to the factor `exact` every window is looked at. Above, windows begin at every
    ``m / exact``-th sample, and every sample in them counts.

    Parameters
    ----------
    exact : int
        A power of two.
    """

    def __init__(self, exact: int) -> None:
        self._exact = exact
        # A step goes from one sample to the next and has the extremes of both, so that a
        # window of m steps is one of m + 1 samples.
        self._levels = [_Level([1 << k for k in range(exact.bit_length())])]
        self._last: Floats = np.zeros(0)

    def take(self, phase: Floats) -> None:
        """Take more phase, NaN where it is missing."""
        joined = np.append(self._last, phase)
        self._last = joined[-1:]
        high = np.where(np.isnan(joined), -np.inf, joined)
        low = np.where(np.isnan(joined), np.inf, joined)
        high, low = np.maximum(high[:-1], high[1:]), np.minimum(low[:-1], low[1:])
        k = 0
        while high.size:
            if k == len(self._levels):
                self._levels.append(_Level([self._exact]))
            high, low = self._levels[k].take(high, low)
            k += 1

    def results(self) -> tuple[Integers, Floats, Integers]:
        """Return averaging factors, widest spans, and numbers of windows that hold a sample."""
        for level in self._levels:
            level.work()
        factors = np.concatenate([level.widths << k for k, level in enumerate(self._levels)])
        spans = np.concatenate([level.spans for level in self._levels])
        counts = np.concatenate([level.counts for level in self._levels])
        there = counts > 0
        return factors[there], spans[there], counts[there]
