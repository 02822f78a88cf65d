"""What to search first: the cheapest search that would find a given share of pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from protocols.timetags.synchronisation.chance import log_tail
from protocols.timetags.synchronisation.drift_lines import MOST_SEGMENTS

__all__ = ["CANDIDATES", "Plan", "plans"]

CANDIDATES = 64
"""Highest sums that are looked at closely."""

#: Seconds for a pair of tags counted, for each tag of A in each block of lags, and for an
#: addition in the tree, measured on one core. They only weigh these against each other.
_PAIR_S, _TAG_S, _SUM_S = 1.6e-9, 8e-9, 1.0e-10
#: Clearing, limiting and looking through the rows is worth so many levels of the tree.
_LEVELS = 4
#: Of the true pairs, those that fall into the best line's bins on average.
_KEPT = 0.7
#: Shares of the weaker station's tags that are pairs, one after the other.
_SHARES = tuple(0.5 * 2.0**-k for k in range(11))
#: Frequency differences of ordinary crystals are tried before larger ones.
_CRYSTALS = 25e-6
_NARROWEST_S, _WIDEST_S = 2e-9, 8e-6
_FEWEST_TAGS = 12


@dataclass(frozen=True)
class Plan:
    """A search along drift lines.

    Attributes
    ----------
    shift : int
        A bin is 2**shift ticks wide.
    segments : int
    rate : float
        The largest frequency difference searched, to both sides.
    length : float
        Of the stretch of A, in ticks.
    cost : float
        Seconds on one core, about.
    """

    shift: int
    segments: int
    rate: float
    length: float
    cost: float


def plans(
    density_a: float, density_b: float, reach: float, rate: float, longest: float, tick_s: float
) -> list[Plan]:
    """Return searches, the cheapest first, each for weaker signals or larger drift.

    Parameters
    ----------
    density_a, density_b : float
        Tags per tick.
    reach : float
        Largest offset to both sides, in ticks.
    rate : float
        Largest frequency difference to both sides.
    longest : float
        Stretch that there is of A, in ticks.
    tick_s : float
        Seconds per tick.
    """
    shifts = range(
        max(0, math.ceil(math.log2(_NARROWEST_S / tick_s))),
        max(1, math.floor(math.log2(_WIDEST_S / tick_s)) + 1),
    )
    found = []
    for bound in sorted({min(rate, _CRYSTALS), rate}):
        options = [
            option
            for shift in shifts
            for option in _options(density_a, density_b, reach, bound, longest, shift)
        ]
        if not options:
            continue
        pairs = np.array([plan.length for plan in options]) * min(density_a, density_b) * _KEPT
        chance = np.array(
            [density_a * density_b * plan.length * 2.0**plan.shift for plan in options]
        )
        cells = np.array([2 * reach / 2.0**plan.shift * plan.segments for plan in options])
        for share in _SHARES:
            seen = share * pairs + chance
            enough = log_tail(seen - np.sqrt(seen), chance) < np.log(CANDIDATES / 2 / cells)
            able = [plan for plan, good in zip(options, enough, strict=True) if good]
            if able:
                found.append(min(able, key=lambda plan: plan.cost))
    return sorted(set(found), key=lambda plan: plan.cost)


def _options(
    density_a: float, density_b: float, reach: float, rate: float, longest: float, shift: int
) -> list[Plan]:
    width = 1 << shift
    options, segments = [], 4
    while segments <= MOST_SEGMENTS:
        length = segments * width / (2 * rate)
        if length > longest:
            break
        if length * min(density_a, density_b) >= _FEWEST_TAGS:
            counting = 2 * reach * density_a * density_b * length * _PAIR_S
            block = max(2048, 2 * segments)
            margin = 1 + segments / block
            visiting = 2 * reach / (width * block) * density_a * length * _TAG_S
            levels = math.log2(segments) + _LEVELS
            adding = 2 * reach / width * segments * levels * margin * _SUM_S
            cost = counting * margin + visiting + adding
            options.append(Plan(shift, segments, rate, length, cost))
        segments *= 2
    return options
