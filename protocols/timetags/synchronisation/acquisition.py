"""Finding two stations' offset and frequency difference from nothing but their tags."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from protocols.timetags.synchronisation.chance import FALSE_ALARM, log_tail
from protocols.timetags.synchronisation.drift_lines import Grid, Peaks, search
from protocols.timetags.synchronisation.planning import CANDIDATES, Plan, plans
from protocols.timetags.synchronisation.zoom import Line, Sight, near, zoom

__all__ = ["Acquired", "Bounds", "acquire"]

Ticks = npt.NDArray[np.int64]

#: Coincidence windows are no narrower than this.
_FINEST_S = 50e-12
#: How near the final line rivals are looked for, in its windows.
_AROUND = 4096
#: A peak whose excess is within so many standard deviations of the highest rivals it.
_APART = 5.0
_SHARES = 16
#: A line with so many pairs is known well enough.
_PLENTY = 1000


@dataclass(frozen=True)
class Bounds:
    """What is searched.

    Attributes
    ----------
    centres : tuple of int
        Offsets around which is searched, in ticks.
    reach : int
        To both sides of each, in ticks.
    rate : float
        Largest frequency difference, to both sides.
    resolution : float
        Of the tags, in ticks; coincidence windows are no narrower.
    effort_s : float
        Searches that would take longer than this on one core are not begun.
    """

    centres: tuple[int, ...]
    reach: int
    rate: float
    resolution: float = 1.0
    effort_s: float = 60.0


@dataclass(frozen=True)
class Acquired:
    """A line on which tags coincide more than by chance.

    Attributes
    ----------
    sight : Sight
    rivals : tuple of Sight
        Other lines on which nearly as many coincide: which is the true one is not known.
    """

    sight: Sight
    rivals: tuple[Sight, ...]


def acquire(
    a: Ticks,
    b: Ticks,
    tick_s: float,
    bounds: Bounds,
    *,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Acquired | None:
    """Return the line of offset and drift on which the tags of both stations coincide.

    The cheapest searches come first: for bright sources and ordinary crystals; each next one
    finds weaker signals or larger drift. What a search finds is examined in ever finer bins,
    and believed if chance would show as much, anywhere within the bounds, with a probability
    of at most `FALSE_ALARM`.

    Parameters
    ----------
    a, b : int64 array
        Sorted tags of both stations in common ticks.
    tick_s : float
        Seconds per tick.
    bounds : Bounds
    workers : int
        Threads; the result does not depend on them.
    progress : callable, optional
        Takes a line for the user.

    Returns
    -------
    Acquired or None
        None if nothing is found.
    """
    if a.size < 2 or b.size < 2:
        return None
    ladder: list[tuple[Plan, int]] = []
    for centre in bounds.centres:
        spans = [max(a[0], b[0] - centre - bounds.reach), min(a[-1], b[-1] - centre + bounds.reach)]
        longest = float(spans[1] - spans[0])
        if longest <= 0:
            continue
        of_a, of_b = (tags.size / float(max(tags[-1] - tags[0], 1)) for tags in (a, b))
        made = plans(of_a, of_b, bounds.reach, bounds.rate, longest, tick_s)
        ladder += [(plan, centre) for plan in made]
    ladder.sort(key=lambda entry: entry[0].cost)
    for plan, centre in ladder:
        if plan.cost > bounds.effort_s:
            break
        if progress is not None:
            progress(_said(plan, bounds, tick_s))
        found = _attempt(a, b, tick_s, plan, centre, bounds, workers)
        if found is not None:
            return found
    return None


def _said(plan: Plan, bounds: Bounds, tick_s: float) -> str:
    return (
        f"searching {plan.length * tick_s:.3g} s in bins of "
        f"{2.0**plan.shift * tick_s * 1e9:.3g} ns, up to {plan.rate * 1e6:.3g} ppm"
    )


def _attempt(
    a: Ticks, b: Ticks, tick_s: float, plan: Plan, centre: int, bounds: Bounds, workers: int
) -> Acquired | None:
    """Search once; return what stands out beyond doubt."""
    begin = _best_stretch(a, b, plan, centre, bounds.reach)
    width = 1 << plan.shift
    grid = Grid(
        begin=begin,
        segment=plan.length / plan.segments,
        segments=plan.segments,
        shift=plan.shift,
        # Lags are given where the first segment is; drift up to there widens the range.
        first_lag=centre - bounds.reach,
        bins=-(-2 * bounds.reach // width),
        slowest=-plan.rate,
    )
    peaks = _searched(a, b, grid, workers)
    spread = peaks.variances / np.maximum(peaks.means, 1e-9)
    chances = log_tail(peaks.counts, peaks.means, np.where(peaks.means > 0.5, spread, 1.0))
    # the most striking first; of equals the one with the smaller lag
    order = np.argsort(chances, kind="stable")[:CANDIDATES]
    space = (2.0 * bounds.reach * len(bounds.centres), 2.0 * bounds.rate)
    finest = max(_FINEST_S / tick_s, bounds.resolution)
    end = begin + int(plan.length)
    sights: list[Sight] = []
    for which in order.tolist():
        lag, rate = grid.line(int(peaks.places[which]), int(peaks.slopes[which]))
        line = Line(begin + round(grid.middle), round(lag), rate)
        sight = zoom(a, b, line, begin, end, float(width), finest, space)
        if sight.log_probability <= math.log(FALSE_ALARM):
            sights.append(sight)
    if not sights:
        return None
    sights = [_grown(a, b, sight, finest, space) for sight in sights]
    best = min(sights, key=lambda sight: sight.log_probability)
    rivals = [s for s in sights if _distance(s, best) > 2 * width and _rivals(s, best)]
    return Acquired(best, tuple(rivals + _near_rivals(a, b, best, width)))


def _grown(a: Ticks, b: Ticks, sight: Sight, finest: float, space: tuple[float, float]) -> Sight:
    """Return the line over a longer stretch, as long as it stands out more and more there."""
    while sight.count < _PLENTY:
        length = sight.end - sight.begin
        begin = max(sight.begin - length, int(a[0]))
        end = min(sight.end + length, int(a[-1]) + 1)
        if (begin, end) == (sight.begin, sight.end):
            break
        width = sight.width * 2.0 * (end - begin) / length
        longer = zoom(a, b, sight.line, begin, end, width, finest, space)
        if longer.log_probability >= sight.log_probability:
            break
        sight = longer
    return sight


def _searched(a: Ticks, b: Ticks, grid: Grid, workers: int) -> Peaks:
    blocks = -(-grid.bins // grid.block)
    if workers == 1 or blocks < _SHARES:
        return search(a, b, grid, 0, blocks)
    edges = np.linspace(0, blocks, min(_SHARES, blocks) + 1).astype(int).tolist()
    with ThreadPoolExecutor(workers) as pool:
        parts = list(
            pool.map(
                lambda share: search(a, b, grid, edges[share], edges[share + 1]),
                range(len(edges) - 1),
            )
        )
    return Peaks(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("counts", "places", "slopes", "means", "variances")
        )
    )


def _best_stretch(a: Ticks, b: Ticks, plan: Plan, centre: int, reach: int) -> int:
    """Return where both stations have most tags for a search of this length."""
    first = max(int(a[0]), int(b[0]) - centre - reach)
    last = min(int(a[-1]), int(b[-1]) - centre + reach) - int(plan.length)
    starts = np.linspace(first, max(first, last), 64).astype(np.int64)
    length = int(plan.length)
    held = np.searchsorted(a, starts + length) - np.searchsorted(a, starts)
    wide = [starts + centre - reach, starts + centre + reach + length]
    partner = np.searchsorted(b, wide[1]) - np.searchsorted(b, wide[0])
    worth = held.astype(np.float64) * partner
    # Of stretches about as good the one in the middle, where offsets overlap best.
    good = np.flatnonzero(worth >= 0.9 * worth.max())
    return int(starts[good[good.size // 2]])


def _distance(one: Sight, other: Sight) -> float:
    return abs(one.line.at(other.line.middle).lag - other.line.lag)


def _rivals(other: Sight, best: Sight) -> bool:
    excess = (best.count - best.chance) - (other.count - other.chance)
    return excess < _APART * math.sqrt(best.count + other.count)


def _near_rivals(a: Ticks, b: Ticks, best: Sight, width: float) -> list[Sight]:
    """Return lines parallel to the best one, near it, on which about as many pairs lie."""
    reach = min(_AROUND * best.width, max(4.0 * width, 64 * best.width))
    _, distances = near(a, b, best.line, best.begin, best.end, reach)
    half = best.width / 2
    counts = np.bincount(((distances + reach) / half).astype(np.int64))
    sums = counts[:-1] + counts[1:]
    middle = reach / half - 1
    found: list[tuple[int, Sight]] = []
    for place in np.argsort(-sums, kind="stable")[:64].tolist():
        if abs(place - middle) <= 6 or any(abs(place - other) <= 6 for other, _ in found):
            continue
        sight = replace(
            best,
            line=best.line.moved(-reach + (place + 1) * half, 0.0),
            count=int(sums[place]),
            chance=float(sums.mean()),
        )
        if _rivals(sight, best) and sight.count - sight.chance > _APART * math.sqrt(sight.chance):
            found.append((place, sight))
    return [sight for _, sight in found]
