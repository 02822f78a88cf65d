"""Two taggers' common time, found and followed while their tags come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.timetags.synchronisation.acquisition import Acquired, Bounds, acquire
from protocols.timetags.synchronisation.common_time import CommonTime, settle
from protocols.timetags.synchronisation.tracking import Tracker, refined
from qlab.experiments.tags.options import TagsOptions
from qlab.tags.streams import rescaled
from qlab.tags.syncing import GRAIN_S

__all__ = ["LiveSync"]

_GRAIN_PS = float(GRAIN_S * 10**12)
#: Tags of each that are held while the common time is not known.
_HELD = 2_000_000
#: A search that would keep the taggers waiting for longer than this is not begun.
_EFFORT_S = 3.0
#: So many of the latest readings tell the present state, and after so long without one the
#: clocks are lost.
_RECENT = 100
_LOST_S = 3.0
#: By so much, in grains, one tagger's tags come at most behind the other's.
_SILENT = round(10 / GRAIN_S)


@dataclass
class _Stream:
    """One tagger's tags in grains, as far as they are needed."""

    tick_s: Fraction
    lines: frozenset[int]
    waiting: list[NDArray[np.int64]] = field(default_factory=list)
    first: int | None = None
    last: int = 0

    count: int = 0

    def add(self, ticks: NDArray[np.int64], lines: NDArray[np.uint8]) -> None:
        if self.lines:
            ticks = ticks[np.isin(lines, list(self.lines))]
        if not ticks.size:
            return
        grains = rescaled(ticks, self.tick_s / GRAIN_S)
        if self.first is None:
            self.first = int(grains[0])
        self.waiting.append(grains)
        self.count += grains.size
        self.last = int(grains[-1])
        if self.count > 2 * _HELD:  # whoever wants them waits for the other tagger in vain
            self.held()

    def taken(self) -> NDArray[np.int64]:
        grains = np.concatenate([np.empty(0, np.int64), *self.waiting])
        self.waiting.clear()
        self.count = 0
        return grains

    def held(self) -> NDArray[np.int64]:
        """Return the latest tags without letting go of them."""
        grains = self.taken()[-_HELD:]
        self.waiting.append(grains)
        self.count = grains.size
        return grains


class LiveSync:
    """The common time of two taggers whose clocks know nothing of each other.

    Parameters
    ----------
    options : TagsOptions
    ticks_s : two Fractions
        Their ticks in seconds.
    """

    def __init__(self, options: TagsOptions, ticks_s: Sequence[Fraction]) -> None:
        lines = (frozenset(options.lines_a), frozenset(options.lines_b))
        self._streams = [_Stream(tick_s, of) for tick_s, of in zip(ticks_s, lines, strict=True)]
        resolution = float(max(ticks_s) / GRAIN_S)
        reach = round(Fraction(options.max_offset_s) / GRAIN_S)
        self._bounds = Bounds((0,), reach, options.max_ppm * 1e-6, resolution, _EFFORT_S)
        self._least = math.sqrt(float(sum(tick * tick for tick in ticks_s) / (12 * GRAIN_S**2)))
        self._every = round(Fraction(options.sync_every_s) / GRAIN_S)
        self._next = self._every
        self._acquired: Acquired | None = None
        self._tracker: Tracker | None = None
        self._ambiguous = False

    def add(self, place: int, ticks: NDArray[np.int64], lines: NDArray[np.uint8]) -> None:
        """Take in the next tags of the first (0) or the second tagger (1)."""
        self._streams[place].add(ticks, lines)

    def work(self) -> None:
        """Search, or follow, as far as the tags go."""
        a, b = self._streams
        if self._tracker is None:
            if min(a.last, b.last) >= self._next:
                self._next = min(a.last, b.last) + self._every
                self._search()
            return
        ends = (a.last, b.last - self._tracker.complete)
        # What the slower one has not told by now it will not tell: it is silent.
        until = max(min(ends), max(ends) - _SILENT)
        self._tracker.push(a.taken(), b.taken(), until)

    def note(self) -> str:
        """Return the state in a few words."""
        found = self._recent()
        if self._tracker is None or found is None:
            return "sync: ambiguous" if self._ambiguous else "sync: searching"
        latest = self._tracker.readings[-1].seconds + self._begin_s()
        ago = float(min(stream.last for stream in self._streams) * GRAIN_S) - latest
        if ago > _LOST_S:
            return f"sync: lost for {ago:.0f} s"
        offset_ms = (float(found.offset) + float(found.lags[-1])) * _GRAIN_PS * 1e-9
        span = max(float(found.seconds[-1] - found.seconds[0]), 1e-9)
        return (
            f"sync {offset_ms:+.9f} ms {found.rate:+.4e}, {found.pairs / span:,.0f} pairs/s, "
            f"jitter {found.residual * _GRAIN_PS:,.0f} ps"
        )

    def found(self) -> dict[str, Any] | None:
        """Return everything that is known after the last tag, ready for JSON."""
        if self._tracker is None:
            if min(stream.last for stream in self._streams) > 0:
                self._search()
            self.work()
        if self._tracker is None:
            return None
        self.work()
        self._tracker.finish()
        if not self._tracker.readings or self._acquired is None:
            return None
        first = self._streams[0].first or 0
        known = settle(self._tracker.line, self._tracker.readings, first, float(GRAIN_S))
        log_alarm = self._acquired.sight.log_probability
        return {
            "offset_ps": round(float(known.offset) * _GRAIN_PS, 2),
            "offset_std_ps": known.offset_std * _GRAIN_PS,
            "frequency_ratio_minus_1": known.rate,
            "frequency_std": known.rate_std,
            "drift_per_s": known.drift_per_s,
            "false_alarm_probability": math.exp(log_alarm),
            "false_alarm_log10": log_alarm / math.log(10),
            "pairs": known.pairs,
            "coincidence_window_ps": known.window * _GRAIN_PS,
            "residual_rms_ps": known.residual * _GRAIN_PS,
            "track": {
                "time_s": known.seconds.tolist(),
                "offset_ps": (known.lags * _GRAIN_PS + float(known.offset) * _GRAIN_PS).tolist(),
                "offset_std_ps": (known.stds * _GRAIN_PS).tolist(),
            },
        }

    # ---- within --------------------------------------------------------------------

    def _search(self) -> None:
        a, b = (stream.held() for stream in self._streams)
        found = acquire(a, b, float(GRAIN_S), self._bounds)
        self._ambiguous = found is not None and bool(found.rivals)
        if found is None or self._ambiguous:
            return
        line, bell = refined(a, b, found.sight, self._least)
        length = found.sight.end - found.sight.begin
        self._acquired, self._tracker = found, Tracker(line, bell, length, float(GRAIN_S))
        self._tracker.back(a, b)
        later = self._streams[0].taken()
        self._streams[0].waiting.append(later[np.searchsorted(later, line.middle) :])

    def _begin_s(self) -> float:
        assert self._tracker is not None
        return float(self._tracker.line.middle * GRAIN_S)

    def _recent(self) -> CommonTime | None:
        if self._tracker is None or not self._tracker.readings:
            return None
        readings = self._tracker.readings[-_RECENT:]
        line = self._tracker.line
        first = line.middle + round(Fraction(readings[0].seconds) / GRAIN_S)
        return settle(line, readings, first, float(GRAIN_S))
