"""Coincidences of channels of a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from scipy.special import pdtr, pdtrc

from protocols.timetags.correlation.coincidences import Delays, FoldCounter, accidentals
from protocols.timetags.correlation.singles import Singles
from protocols.timetags.tags import Tags
from qlab.errors import QlabError

__all__ = ["Fold", "Folds", "count_folds"]


@dataclass(frozen=True)
class Fold:
    """Coincidences of a set of channels.

    Attributes
    ----------
    channels : tuple of int
    singles : tuple of int
        Tags of each.
    coincidences : int
    accidentals : float
        Expected if all channels clicked independently.
    accidentals_std : float
        Standard uncertainty by that of the singles' rates.
    chance_probability : float
        That independent channels would give a count as far from the expected one.
    """

    channels: tuple[int, ...]
    singles: tuple[int, ...]
    coincidences: int
    accidentals: float
    accidentals_std: float
    chance_probability: float


@dataclass(frozen=True)
class Folds:
    """Coincidences of several sets of channels.

    Attributes
    ----------
    window : int
        Ticks.
    delays : dict of int to int
        Taken off, in ticks.
    duration : int
        Ticks observed.
    folds : tuple of Fold
    """

    window: int
    delays: dict[int, int]
    duration: int
    folds: tuple[Fold, ...]


def count_folds(
    chunks: Iterator[Tags],
    tick_s: Fraction,
    folds: Sequence[tuple[int, ...]],
    delays_s: Mapping[int, Fraction],
    window_s: Fraction,
) -> Folds:
    """Count the coincidences of sets of channels.

    Parameters
    ----------
    chunks : iterator of Tags
        Sorted.
    tick_s : Fraction
    folds : sequence of tuple of int
    delays_s : mapping of int to Fraction
        How late the tags of a channel are; taken off to the nearest tick.
    window_s : Fraction
        Longest time from the first to the last tag of a coincidence; whole ticks of it count.

    Raises
    ------
    ParameterError
        As `FoldCounter`.
    QlabError
        A channel has no tags.
    """
    window = int(window_s // tick_s)
    delays = {channel: round(delay / tick_s) for channel, delay in delays_s.items()}
    counters = [FoldCounter(fold, window) for fold in folds]
    channels = sorted({channel for fold in folds for channel in fold})
    delayed, singles = Delays(delays), Singles(len(channels))
    begin: int | None = None
    for tags in chunks:
        if not len(tags):
            continue
        end = int(tags.ticks[-1])
        begin = int(tags.ticks[0]) if begin is None else begin
        streams = [tags.ticks[tags.channels == channel] for channel in channels]
        singles.push(streams, begin, end)
        begin = end
        moved = delayed.push(tags, end)
        for counter in counters:
            counter.push(moved)
    moved = delayed.finish()
    for counter in counters:
        counter.push(moved)
    totals = dict(zip(channels, singles.totals.tolist(), strict=True))
    for channel, total in totals.items():
        if not total:
            raise QlabError(f"channel {channel} has no tags")
    places = {channel: place for place, channel in enumerate(channels)}
    found = tuple(
        _fold(
            counter, [totals[c] for c in counter.fold], [places[c] for c in counter.fold], singles
        )
        for counter in counters
    )
    return Folds(window, delays, singles.duration, found)


def _fold(counter: FoldCounter, totals: list[int], places: list[int], singles: Singles) -> Fold:
    expected = accidentals(singles, places, counter.window)
    std = expected * math.sqrt(sum(1 / total for total in totals))
    above = float(pdtrc(counter.count - 1, expected)) if counter.count else 1.0
    chance = min(1.0, 2 * min(above, float(pdtr(counter.count, expected))))
    return Fold(counter.fold, tuple(totals), counter.count, expected, std, chance)
