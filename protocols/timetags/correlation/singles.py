"""How often streams click, in equal blocks of time: what pairs by chance are worked out from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Singles"]

_MOST_BLOCKS = 8192
_WANTED = 16.0


class Singles:
    """Counts of several streams that are observed together, in at most 8192 blocks of time.

    Blocks are a power of two ticks long and begin at the first tick observed. As time goes on
    neighbours are joined, so memory stays what it is and the counts do not depend on the pieces.

    Attributes
    ----------
    counts : int64 array, shape (streams, blocks)
    block : int
        Length of a block in ticks.
    start, end : int
        First and last tick observed.
    """

    def __init__(self, streams: int) -> None:
        self.counts = np.zeros((streams, _MOST_BLOCKS), np.int64)
        self.block = 1
        self.start: int | None = None
        self.end = 0

    @property
    def duration(self) -> int:
        """Ticks observed."""
        return 0 if self.start is None else self.end - self.start + 1

    @property
    def totals(self) -> npt.NDArray[np.int64]:
        """Tags of each stream."""
        totals: npt.NDArray[np.int64] = self.counts.sum(axis=1)
        return totals

    def push(self, streams: Sequence[npt.NDArray[np.int64]], start: int, end: int) -> None:
        """Take the next piece of every stream.

        Parameters
        ----------
        streams : sequence of int64 arrays
            Ticks in order, all from `start` to `end`.
        start, end : int
            First and last tick that the piece stands for; `start` counts in the first piece.
        """
        if self.start is None:
            self.start = start
            self.block = 1 << ((end - start) // _MOST_BLOCKS).bit_length()
        self.end = end
        while end - self.start >= self.block * _MOST_BLOCKS:
            halves = self.counts.reshape(len(self.counts), -1, 2).sum(axis=2)
            self.counts[:, : _MOST_BLOCKS // 2] = halves
            self.counts[:, _MOST_BLOCKS // 2 :] = 0
            self.block *= 2
        first, last = (start - self.start) // self.block, (end - self.start) // self.block
        edges = self.start + self.block * np.arange(first + 1, last + 1)
        for counts, ticks in zip(self.counts, streams, strict=True):
            below = np.searchsorted(ticks, edges)
            counts[first : last + 1] += np.diff(below, prepend=0, append=ticks.size)

    def rates(self, least: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return counts and lengths in ticks of blocks long enough to know rates from.

        They are as short as they can be with 16 others of its stream around a tag in the mean.

        Parameters
        ----------
        least : int
            No block but the last is shorter than so many ticks.

        Returns
        -------
        counts : int64 array, shape (streams, blocks)
        lengths : float64 array
            All equal but the last one, which is what is left.
        """
        counts, join = self.counts, 1
        while join < _MOST_BLOCKS and not (
            self.block * join >= least and np.all(_others(counts) >= _WANTED)
        ):
            join *= 2
            counts = counts.reshape(len(counts), -1, 2).sum(axis=2)
        blocks = -(-self.duration // (self.block * join))
        lengths = np.full(blocks, float(self.block * join))
        if blocks:
            lengths[-1] = self.duration - (blocks - 1) * self.block * join
        return counts[:, :blocks], lengths

    def chance_rate(self, *chosen: int, reach: int = 0) -> float:
        """Return what the product of the streams' rates is worth if they click independently.

        The integral over time of the product of the rates per tick: that of m streams times
        the number of ways to place m − 1 lags is how many sets with such lags there are by
        chance. Each stream's rate is taken from a block beside the other's, where their
        correlated clicks are not: the delayed coincidences of the field, with delays so long
        that their statistics do not count, and so short that gaps and drifts do not either.

        Parameters
        ----------
        *chosen : int
            Streams by number; one may be named twice.
        reach : int
            Ticks over which clicks may be correlated: blocks are ten times as long.

        Returns
        -------
        float
            In 1 / tick^(m − 1).
        """
        counts, lengths = self.rates(10 * reach)
        first, *others = chosen
        blocks = lengths.size
        if blocks < 2 * len(chosen):
            totals = self.totals.astype(float)
            return float(np.prod(totals[list(chosen)]) / max(self.duration, 1) ** len(others))
        product = np.array(counts[first], float)
        padded = np.pad(lengths, len(others))
        place = np.arange(blocks) + len(others)
        for distance, other in enumerate(others, start=1):
            tags = np.pad(counts[other].astype(float), len(others))
            tags = tags[place - distance] + tags[place + distance]
            product *= tags / (padded[place - distance] + padded[place + distance])
        if product.any():
            return float(product.sum())
        # Only bursts shorter than a block: what little can be said.
        return float(np.sum(np.prod(counts[list(chosen)] / lengths, axis=0) * lengths))


def _others(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return for each stream how many others are in the block of a tag, in the mean."""
    tags = counts.sum(axis=1)
    others: npt.NDArray[np.float64] = np.sum(counts * (counts - 1), axis=1) / np.maximum(tags, 1)
    return others
