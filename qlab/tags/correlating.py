"""Correlating channels of files of time tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from protocols.timetags.correlation.bins import Bins
from protocols.timetags.correlation.g2 import Correlation, normalise
from protocols.timetags.correlation.intervals import IntervalCounter
from protocols.timetags.correlation.pairs import PairCounter
from protocols.timetags.correlation.peak import Contrast, Peak, contrast, fit_peak
from protocols.timetags.correlation.search import Feature, strongest
from protocols.timetags.correlation.singles import Singles
from qlab.errors import QlabError, UsageError
from qlab.tags.streams import Pair

__all__ = ["MOST_BINS", "SIGNIFICANT", "Correlated", "Task", "bins_for", "correlate", "text_ps"]

SIGNIFICANT = 1e-6
"""False-alarm probability up to which a histogram is said to hold something."""

MOST_BINS = 1 << 20
"""Bins beyond which nobody could read the result."""

_SIMULTANEOUS = 1000


@dataclass(frozen=True)
class Task:
    """What to correlate.

    Attributes
    ----------
    start, stop : int
        Channels.
    same : bool
        They are one channel of one file.
    bin_s, range_s : Fraction
        Width of a bin, and the longest lag that is the middle of one, in seconds.
    first_only : bool
        Count the first stop after each start, not all pairs.
    window_s : Fraction, optional
        Width of the window for the coincidence-to-accidental ratio; four standard deviations
        of the peak if None.
    """

    start: int
    stop: int
    same: bool
    bin_s: Fraction
    range_s: Fraction
    first_only: bool = False
    window_s: Fraction | None = None


@dataclass(frozen=True, eq=False)
class Correlated:
    """A histogram, and what it shows.

    Attributes
    ----------
    correlation : Correlation
    searched : Correlation
        The part that was searched for a peak or dip: all, but of a channel paired with itself
        positive lags only, since negative ones repeat them.
    totals : tuple of int
        Starts and stops while both were observed.
    duration : int
        That time, in ticks.
    feature : Feature or None
        The most significant window; None of an empty histogram.
    peak, contrast
        Only where the feature is a peak and significant.
    """

    correlation: Correlation
    searched: Correlation
    totals: tuple[int, int]
    duration: int
    feature: Feature | None
    peak: Peak | None
    contrast: Contrast | None

    @property
    def significant(self) -> bool:
        """Whether the histogram is not flat."""
        return self.feature is not None and self.feature.false_alarm_probability <= SIGNIFICANT


def text_ps(seconds: Fraction) -> str:
    """Write a time in picoseconds, with six digits where it is not whole."""
    ps = seconds * 10**12
    return f"{ps.numerator:,}" if ps.denominator == 1 else f"{float(ps):,.6g}"


def bins_for(
    bin_s: Fraction, range_s: Fraction, tick_s: Fraction, *, one_sided: bool = False
) -> Bins:
    """Return bins in ticks for a width and a range in seconds.

    Raises
    ------
    UsageError
        A bin would be narrower than a tick, or there would be too many or too few.
    """
    width, reach = bin_s / tick_s, range_s / tick_s
    if width < 1:
        raise UsageError(
            f"a bin of {text_ps(bin_s)} ps is narrower than the tick of {text_ps(tick_s)} ps",
            remedy=f"use --bin {float(tick_s * 10**12):.10g} or more",
        )
    if reach < width:
        raise UsageError(
            f"a range of {text_ps(range_s)} ps is shorter than a bin", remedy="use a longer --range"
        )
    if 2 * (reach // width) + 1 > MOST_BINS:
        raise UsageError(
            f"there would be more than {MOST_BINS:,} bins",
            remedy="use a wider --bin or a shorter --range",
        )
    return Bins.from_zero(width, reach) if one_sided else Bins.around_zero(width, reach)


def correlate(
    pairs: Iterator[Pair], task: Task, tick_s: Fraction, *, workers: int = 1
) -> Correlated:
    """Correlate two streams, or one with itself.

    Parameters
    ----------
    pairs : iterator of Pair
        The streams, stretch after stretch.
    task : Task
    tick_s : Fraction
        Of both.
    workers : int
        Threads; the result does not depend on them.

    Raises
    ------
    UsageError
        As `bins_for`.
    QlabError
        The streams have no time in common, one is empty, they are the same, or no two tags are
        as near as the range.
    """
    bins = bins_for(task.bin_s, task.range_s, tick_s, one_sided=task.first_only)
    counts, singles, identical = _count(pairs, bins, task, workers)
    if singles.start is None:
        raise QlabError("the two files have no time in common", remedy="give the clocks' --model")
    starts, stops = singles.totals.tolist()
    if not (starts and stops):
        role, channel = ("stop", task.stop) if starts else ("start", task.start)
        raise QlabError(f"the {role} channel {channel} has no tags while both were observed")
    if identical and not task.same:
        raise QlabError(
            f"start and stop are the same {starts:,} tags, tick for tick",
            remedy="name two channels or files that were recorded apart",
        )
    if not counts.any():
        raise QlabError(
            f"no tag of the stop lies within {text_ps(task.range_s)} ps of one of the start",
            remedy="try a longer --range, or find the offset with 'qlab tags sync'",
        )
    correlation = normalise(bins, counts, singles, first_only=task.first_only)
    searched = correlation.above(0) if task.same else correlation
    feature = strongest(searched)
    found = Correlated(
        correlation, searched, (starts, stops), singles.duration, feature, None, None
    )
    if feature is None or not (found.significant and feature.peak):
        return found
    peak = fit_peak(searched, feature)
    window = None if task.window_s is None else float(task.window_s / tick_s)
    return replace(found, peak=peak, contrast=contrast(searched, peak, window))


def _count(
    pairs: Iterator[Pair], bins: Bins, task: Task, workers: int
) -> tuple[npt.NDArray[np.int64], Singles, bool]:
    """Return the histogram, the singles, and whether start and stop are the same all along."""
    intervals = IntervalCounter(bins)
    lags = PairCounter(
        bins,
        same=task.same,
        first_only=task.first_only and not task.same,
        workers=workers,
    )
    singles, twins = Singles(2), _Twins()
    for pair in pairs:
        if task.same and task.first_only:
            intervals.push(pair.starts)
        else:
            lags.push(pair.starts, pair.stops, pair.end)
        singles.push([pair.starts, pair.stops], pair.begin, pair.end)
        twins.push(pair)
    lags.finish()
    return lags.counts + intervals.counts, singles, twins.same


class _Twins:
    """Finds out whether two streams are the same, tick for tick."""

    def __init__(self) -> None:
        self._possible = True
        # What one has more: simultaneous tags may come in different stretches.
        self._a = self._b = np.empty(0, np.int64)

    def push(self, pair: Pair) -> None:
        """Take the next stretch."""
        more = self._a.size + pair.starts.size - self._b.size - pair.stops.size
        self._possible = self._possible and abs(more) < _SIMULTANEOUS
        if not self._possible:
            return
        a, b = np.append(self._a, pair.starts), np.append(self._b, pair.stops)
        n = min(a.size, b.size)
        self._a, self._b = a[n:], b[n:]
        self._possible = np.array_equal(a[:n], b[:n])

    @property
    def same(self) -> bool:
        """Whether all of them were."""
        return self._possible and not (self._a.size or self._b.size)
