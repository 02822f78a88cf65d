"""Coincidences of two lines of one tagger, counted as the tags come."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.timetags.correlation.bins import Bins
from protocols.timetags.correlation.g2 import normalise
from protocols.timetags.correlation.pairs import PairCounter
from protocols.timetags.correlation.singles import Singles

__all__ = ["Coincidences"]

_PS = 10**12


class Coincidences:
    """Lags of one line's tags behind those of another.

    Parameters
    ----------
    lines : two ints
        Start and stop.
    bins : Bins
        Of the lags, around zero.
    window : int
        Greatest lag of a coincidence in ticks, either way.
    """

    def __init__(self, lines: tuple[int, int], bins: Bins, window: int) -> None:
        self._lines = lines
        self._window = window
        self._pairs = PairCounter(bins)
        self._near = PairCounter(Bins(Fraction(2 * window + 1), 0, 0))
        self._singles = Singles(2)
        self._since: int | None = None

    def add(self, ticks: NDArray[np.int64], lines: NDArray[np.uint8]) -> None:
        """Count what the next tags of the tagger, in order, bring."""
        if not ticks.size:
            return
        starts, stops = (ticks[lines == line] for line in self._lines)
        end = int(ticks[-1])
        begin = int(ticks[0]) if self._since is None else self._since
        self._pairs.push(starts, stops, end)
        self._near.push(starts, stops, end)
        self._singles.push([starts, stops], begin, end)
        self._since = end

    @property
    def count(self) -> int:
        """Coincidences so far."""
        return int(self._near.counts[0])

    def note(self, tick_s: Fraction) -> str:
        """Return how many there are, for a person who waits."""
        seconds = float(self._singles.duration * tick_s)
        rate = self.count / seconds if seconds else 0.0
        return f"{self._lines[0]}&{self._lines[1]}: {rate:,.1f}/s"

    def found(self, tick_s: Fraction) -> dict[str, Any]:
        """Return the histogram and the coincidences, ready for JSON, after the last tag."""
        self._pairs.finish()
        self._near.finish()
        bins = self._pairs.bins
        correlation = normalise(bins, self._pairs.counts, self._singles)
        near = normalise(self._near.bins, self._near.counts, self._singles)
        seconds = float(self._singles.duration * tick_s)
        g2 = [None if np.isnan(value) else value for value in correlation.g2.tolist()]
        return {
            "lines": list(self._lines),
            "window_ps": float(self._window * tick_s * _PS),
            "count": self.count,
            "rate_hz": self.count / seconds if seconds else None,
            "accidentals": float(near.expected[0]),
            "lag_ps": (bins.middles * float(tick_s * _PS)).tolist(),
            "counts": correlation.counts.tolist(),
            "g2": g2,
        }
