"""Counting pairs along every line of offset and drift at once.

A's tags are cut into segments, in each of which the lags t_B − t_A are counted in bins. If
B's clock runs off, the bin of the true pairs moves from segment to segment. The sums along
all lines through the segments share partial sums, as in Taylor's tree (Astron. Astrophys.
Suppl. Ser. 15, 367 (1974)), which serves to find pulsars of unknown dispersion: n segments
cost n log2 n additions a bin for n slopes.

Lags are counted pair by pair, a block of them after the other, so that all a block needs
stays in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["MOST_SEGMENTS", "Grid", "Peaks", "search"]

Ticks = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

MOST_SEGMENTS = 2048
#: Sums along a line fit 16 bits: no bin of a segment counts for more than its share.
_MOST = np.iinfo(np.int16).max
_NEVER = np.int64(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Grid:
    """The lines that are searched, in ticks common to both stations.

    Attributes
    ----------
    begin : int
        Where A's stretch begins.
    segment : float
        Length of a segment.
    segments : int
        A power of two.
    shift : int
        A bin is 2**shift ticks wide.
    first_lag : int
        Where the first bin begins, at the middle of the first segment.
    bins : int
        Bins of lag there.
    slowest : float
        The least frequency difference, t_B − t_A per t_A.
    """

    begin: int
    segment: float
    segments: int
    shift: int
    first_lag: int
    bins: int
    slowest: float

    @property
    def width(self) -> int:
        """Of a bin."""
        return 1 << self.shift

    @property
    def step(self) -> float:
        """Between two slopes; the lines spread by one bin more over all segments."""
        return self.width / (self.segment * max(self.segments - 1, 1))

    @property
    def block(self) -> int:
        """Bins of lag that are worked on at a time."""
        return int(min(max(2048, 2 * self.segments), self.bins))

    @property
    def middle(self) -> float:
        """Of the stretch, from its beginning."""
        return self.segment * self.segments / 2

    def line(self, place: int, slope: int) -> tuple[float, float]:
        """Return the lag at the middle of the stretch and the frequency difference."""
        rate = self.slowest + slope * self.step
        at_first = self.first_lag + (place + 0.5) * self.width
        return at_first + rate * (self.middle - self.segment / 2), rate


@dataclass(frozen=True, eq=False)
class Peaks:
    """The highest sum in each block of lags.

    Attributes
    ----------
    counts, places, slopes : int64 arrays
        The sum, its bin and the number of its slope.
    means, variances : float64 arrays
        Of all sums of the block.
    """

    counts: Ticks
    places: Ticks
    slopes: Ticks
    means: Floats
    variances: Floats


def search(a: Ticks, b: Ticks, grid: Grid, first_block: int, last_block: int) -> Peaks:
    """Return the highest sum in some blocks of the grid's lags.

    Parameters
    ----------
    a, b : int64 array
        Sorted, in common ticks.
    grid : Grid
    first_block, last_block : int
        Blocks, the last one excluded.
    """
    ends = grid.begin + np.arange(grid.segments + 1) * grid.segment
    bounds = np.searchsorted(a, np.ceil(ends).astype(np.int64))
    inside = a[bounds[0] : bounds[-1]]
    segment = np.repeat(np.arange(grid.segments), np.diff(bounds))
    # Within a segment lags drift as on the middle slope, so that no line smears by more than
    # half a bin to either side.
    since = (inside - grid.begin).astype(np.float64)
    middles = (segment + 0.5) * grid.segment
    central = grid.slowest + 0.5 * grid.step * (grid.segments - 1)
    drift = grid.slowest * (middles - 0.5 * grid.segment) + central * (since - middles)
    moved = inside + np.rint(drift).astype(np.int64) + grid.first_lag
    bounds = bounds - bounds[0]
    blocks = last_block - first_block
    found = np.zeros((3, blocks), np.int64)
    moments = np.zeros((2, blocks))
    cursors = np.searchsorted(b, moved + first_block * grid.block * grid.width)
    wide = grid.block + grid.segments
    _search(
        moved, np.append(b, _NEVER), bounds, cursors, np.uint64(grid.shift), grid.block,
        first_block, np.zeros((2, grid.segments, wide), np.int16), found, moments,
    )  # fmt: skip
    return Peaks(found[0], found[1], found[2], moments[0], moments[1])


@njit(cache=True, nogil=True)
def _merge(low: Counts, out: Counts, base: int, rows: int) -> None:  # pragma: no cover - compiled
    """Join two neighbouring groups of rows to one: from `low` to `out`."""
    half = rows // 2
    valid = low.shape[1] - rows + 1
    for j in range(rows):
        early = low[base + j // 2]
        late = low[base + half + j // 2]
        late = late[(j + 1) // 2 :]
        to = out[base + j]
        for x in range(valid):
            to[x] = early[x] + late[x]


@njit(cache=True, nogil=True)
def _search(
    a: Ticks,
    b: Ticks,
    bounds: Ticks,
    cursors: Ticks,
    shift: np.uint64,
    block: int,
    first_block: int,
    rows: npt.NDArray[np.int16],
    found: Ticks,
    moments: Floats,
) -> None:  # pragma: no cover - compiled
    n = rows.shape[1]
    wide = rows.shape[2]
    cap = np.int16(max(1, _MOST // n))
    for which in range(found.shape[1]):
        begin = ((first_block + which) * block) << np.int64(shift)
        for k in range(n):
            row = rows[0, k]
            row[:] = 0
            for i in range(bounds[k], bounds[k + 1]):
                start = a[i] + begin
                following = start + (np.int64(block) << np.int64(shift))
                end = start + (np.int64(wide) << np.int64(shift))
                j = cursors[i]
                tag = b[j]
                while tag < following:
                    row[np.uint64(tag - start) >> shift] += 1
                    j += 1
                    tag = b[j]
                cursors[i] = j
                while tag < end:
                    row[np.uint64(tag - start) >> shift] += 1
                    j += 1
                    tag = b[j]
            for x in range(wide):
                row[x] = min(row[x], cap)
            size, level = 2, 0
            while (k + 1) % size == 0 and size <= n:
                _merge(rows[level], rows[1 - level], k + 1 - size, size)
                level = 1 - level
                size *= 2
        level = 0
        size = n
        while size > 1:
            level = 1 - level
            size //= 2
        best, best_row = np.int16(-1), 0
        total, squares = np.int64(0), np.int64(0)
        for j in range(n):
            row = rows[level, j, :block]
            highest = np.int16(0)
            for x in range(block):
                highest = max(highest, row[x])
            if highest > best:
                best, best_row = highest, j
            if j % 8 == 0:
                for x in range(block):
                    value = np.int64(row[x])
                    total += value
                    squares += value * value
        row = rows[level, best_row, :block]
        place = 0
        while row[place] != best:
            place += 1
        cells = block * ((n + 7) // 8)
        mean = total / cells
        found[0, which] = best
        found[1, which] = (first_block + which) * block + place
        found[2, which] = best_row
        moments[0, which] = mean
        moments[1, which] = squares / cells - mean * mean
