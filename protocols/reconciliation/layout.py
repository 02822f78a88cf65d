"""How Cascade cuts a block: passes, each a shuffle and a forest of halved ranges.

The block is cut into frames of equal length. A frame of ``s`` bits has 2**frame_level
places: the first half of its bits fills the front of the first half of the places, the
rest the front of the second half, and the empty places count as bits that are known to be
zero. So the two halves of every frame hold equally many bits. Each pass after the first
shuffles the bits within every frame. In a pass, a node (level, index) is the range of
places from ``index << level`` to ``(index + 1) << level``; the nodes of the pass's top
level are its blocks, and no block crosses a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.bits import BitArray
from protocols.errors import ParameterError
from protocols.generator import permutation

__all__ = ["MAX_PASSES", "Layout", "Schedule", "node_parities", "schedule"]

MAX_PASSES = 32
_MAX_FRAME_LEVEL = 17
_PASSES = 14


@dataclass(frozen=True)
class Schedule:
    """What both parties must agree on before Cascade.

    Attributes
    ----------
    size : int
        Bits of the block.
    frame_level : int
        Frames have at most 2**frame_level bits; at least 7 where there are several, and no
        more than one frame of the whole block takes. So no schedule costs much more
        memory or time than the block is long.
    levels : tuple of int
        log2 of the block length of each pass, below `frame_level`.
    """

    size: int
    frame_level: int
    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 2**30:
            raise ParameterError("a block has 1 to 2**30 bits")
        whole = max(1, (self.size - 1).bit_length())
        if not min(7, whole) <= self.frame_level <= whole:
            raise ParameterError(
                "a frame has at least 2**7 places and no more than the block takes"
            )
        if not 1 <= len(self.levels) <= MAX_PASSES:
            raise ParameterError(f"Cascade takes 1 to {MAX_PASSES} passes")
        if any(not 0 <= level < self.frame_level for level in self.levels):
            raise ParameterError("a pass's blocks are at most half a frame")

    @property
    def frames(self) -> int:
        """Number of frames."""
        return -(-self.size >> self.frame_level)

    def frame(self, index: int) -> slice:
        """Return which bits of the block are frame `index`."""
        return slice(self.size * index // self.frames, self.size * (index + 1) // self.frames)

    @property
    def places(self) -> int:
        """Number of places of all frames, the empty ones included."""
        return self.frames << self.frame_level


def schedule(size: int, errors: int, sample: int) -> Schedule:
    """Choose passes for a block from an error count on disclosed bits.

    Block lengths follow the eighth variant of Martinez-Mateo et al. (Quantum Inf. Comput.
    15, 453, 2015): with a = log2(1/Q) − 1/2, 2**ceil(a), 2**ceil((a + 12)/2), 4096, then half
    a frame, 14 passes in all. Q is estimated as (errors + 1)/(sample + 2).

    Parameters
    ----------
    size : int
        Bits of the block.
    errors, sample : int
        Errors among disclosed bits, as in the test basis.

    Raises
    ------
    ParameterError
        A count is out of its range.
    """
    if not 0 <= errors <= sample or size < 1:
        raise ParameterError(f"{errors} errors of {sample} and a block of {size} bits")
    frame_level = min(_MAX_FRAME_LEVEL, max(1, (size - 1).bit_length()))
    top = frame_level - 1
    # ceil(log2(1/Q) - 1/2) in integers: the least k with 2**(2k + 1) >= 1/Q**2.
    inverse, rate = (sample + 2) ** 2, (errors + 1) ** 2
    first = 0
    while rate << (2 * first + 1) < inverse:
        first += 1
    # ceil((a + 12)/2): the least j with 2j - 12 >= a.
    second = 0
    while (rate << (4 * second + 1)) < inverse << 24:
        second += 1
    levels = [min(top, level) for level in (first, second, 12)]
    return Schedule(size, frame_level, tuple(sorted(levels)) + (top,) * (_PASSES - 3))


class Layout:
    """The shuffles of a schedule.

    Parameters
    ----------
    plan : Schedule
    seed : bytes
        Public; both parties use the same.

    Attributes
    ----------
    plan : Schedule
    filled : int32 array of `size`
        The place in the first pass of each bit of the block.
    order : int32 array, passes × places
        order[p, i] is the place in the first pass of what is at place i of pass p.
    """

    def __init__(self, plan: Schedule, seed: bytes) -> None:
        self.plan = plan
        self.filled = np.empty(plan.size, np.int32)
        self.order = np.tile(np.arange(plan.places, dtype=np.int32), (len(plan.levels), 1))
        for index in range(plan.frames):
            frame = plan.frame(index)
            size = frame.stop - frame.start
            places = np.arange(size, dtype=np.int32) + np.int32(index << plan.frame_level)
            places[(size + 1) // 2 :] += np.int32((1 << plan.frame_level >> 1) - (size + 1) // 2)
            self.filled[frame] = places
            for row in range(1, len(plan.levels)):
                shuffle = permutation(seed, f"cascade {row} {index}", size)
                self.order[row, places] = places[shuffle]

    def nodes(self, level: int) -> int:
        """Return how many nodes a level has."""
        return self.plan.places >> level

    def arrange(self, bits: BitArray) -> BitArray:
        """Return the block's bits at their places in every pass, passes × places."""
        if bits.shape != (self.plan.size,):
            raise ParameterError(f"the layout is for {self.plan.size} bits, not {bits.size}")
        first = np.zeros(self.plan.places, np.uint8)
        first[self.filled] = bits
        arranged: BitArray = first[self.order]
        return arranged


@njit(cache=True)
def range_parity(
    row: npt.NDArray[np.uint8], level: int | np.int64, index: int | np.int64
) -> np.uint8:
    """Return the parity of one node of a pass."""
    parity = np.uint8(0)
    for i in range(index << level, (index + 1) << level):
        parity ^= row[i]
    return parity


@njit(cache=True)
def _node_parities(
    rows: npt.NDArray[np.uint8],
    row: npt.NDArray[np.uint8],
    level: npt.NDArray[np.int64],
    index: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint8]:
    out = np.empty(level.size, np.uint8)
    for i in range(level.size):
        out[i] = range_parity(rows[row[i]], level[i], index[i])
    return out


def node_parities(
    rows: BitArray,
    row: npt.NDArray[np.uint8],
    level: npt.NDArray[np.uint8],
    index: npt.NDArray[np.int64],
) -> BitArray:
    """Return the parity of each node (level[i], index[i]) of pass row[i]."""
    parities: BitArray = _node_parities(rows, row, level.astype(np.int64), index)
    return parities
