"""What Bob knows of the frames of an attempt, and the comparison that it begins with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.reconciliation.cascade.kernels import Forest, Int, Octets, Words

__all__ = [
    "BUILT",
    "CORRECTED",
    "COUNT",
    "HALVES",
    "LONG",
    "ODD",
    "PASS",
    "Frames",
    "compare",
]

_ONE = np.uint64(1)
_ZERO = np.uint64(0)

LONG = 16
"""Ranges up to this length are cut by the chances of their bits, longer ones in half."""

COUNT, PASS, CORRECTED, HALVES, BUILT, ODD = range(6)
"""Columns of `Frames.tally`."""


class Frames(NamedTuple):
    """What Bob knows of each frame of an attempt.

    Attributes
    ----------
    first : int64 array, groups + 1
        Each group's first frame.
    rows : uint64 array, passes × frames × words × 3
        In each pass's order, by frame: his bits, which cuts are known, and where the parity
        up to the cut differs from Alice's.
    odd, cut : uint64 array, frames × words
        Blocks that differ, and blocks with known cuts, in the order of the forest's `starts`;
        of passes of more than two blocks.
    tally : int64 array, frames × (5 + passes of more than two blocks)
        Ranges under search; their pass; bits corrected; which passes of two blocks differ in
        their second block, a bit each; which of them have their row filled in, a bit each;
        blocks that differ of each other pass.
    weight : uint8 array, frames × places
        How likely each bit is wrong, in the first pass's order; 0 for one that is known.
    active : int32 array, frames × blocks × 3
        Ranges under search and the cut asked for in each.
    chances : uint8 array, frames × blocks × `LONG`
        How likely each bit is wrong in those that are no longer than `LONG`.
    """

    first: npt.NDArray[np.int64]
    rows: Words
    odd: Words
    cut: Words
    tally: npt.NDArray[np.int64]
    weight: Octets
    active: npt.NDArray[np.int32]
    chances: Octets


@njit(cache=True, nogil=True)
def compare(
    frames: Frames,
    forest: Forest,
    group: Int,
    ours: Words,
    whole: Int,
    total: Octets,
    data: Octets,
) -> None:
    """Compare Alice's parities of all blocks of a group's frames with Bob's.

    `ours` are Bob's as of `sums`, `data` Alice's as written by `blocks`; `total` is whether
    each frame's parity differs, filled in where `whole` is not 0.
    """
    _, _, odd, _, tally, weight, _, _ = frames
    first, starts, origin = forest.first, forest.starts, forest.origin
    at = 0
    begin = frames.first[group]
    for frame in range(begin, frames.first[group + 1]):
        lane = np.uint64(frame - begin)
        for p in range(first.size - 1):
            differing = _ZERO
            last = first[p + 1] - 2
            for block in range(first[p], last + 1):
                if block == last and p >= whole:
                    differs = differing ^ np.uint64(total[frame])
                else:
                    told = np.uint64((np.int64(data[at >> 3]) >> (7 - (at & 7))) & 1)
                    differs = told ^ ((ours[block] >> lane) & _ONE)
                    at += 1
                differing ^= differs
                a = starts[block]
                if differs == 0:
                    if starts[block + 1] - a == 1:
                        weight[frame, origin[p, a]] = 0
                elif p < tally.shape[1] - ODD:
                    odd[frame, block >> 6] |= _ONE << np.uint64(block & 63)
                    tally[frame, ODD + p] += 1
                elif block == last:
                    tally[frame, HALVES] |= 1 << p
            if p < whole:
                total[frame] = np.uint8(differing)
