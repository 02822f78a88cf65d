"""Cascade: Bob corrects his bits by asking Alice for parities.

Bob asks for the parities of a pass's blocks in one message, then halves all blocks of
odd error count together, one message a halving. A corrected bit makes blocks of other
passes odd. Two odd blocks of different passes may share their error, and searching both
then wastes a question: passes whose blocks are short beside a frame, where that is rare,
are searched together, and those of longer blocks only when no shorter one is odd, one
pass at a time. Parities once told are remembered: a search starts from what is known, the
second half's parity follows from the first, and a range of bits that are all known exactly
is not asked for.

Each parity asked is counted as one bit of Alice's key disclosed. That is never less than
the number of independent parities, and about one in a thousand more in long blocks, where
parities of different passes happen to combine. The questions show where the errors
are: the error pattern must be taken as known to the eavesdropper (Tupkary and
Lütkenhaus, arXiv 2307.00576).

References
----------
G. Brassard, L. Salvail, Eurocrypt '93; J. Martinez-Mateo et al., Quantum Inf. Comput. 15,
453 (2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.bits import BitArray
from protocols.errors import MessageError, ParameterError
from protocols.reconciliation.layout import Layout, node_parities, range_parity

__all__ = ["ERROR_PATTERN_NOTE", "Answerer", "Corrector", "Question"]

ERROR_PATTERN_NOTE = (
    "two-way Cascade: the error pattern is taken as known to the eavesdropper (arXiv 2307.00576)"
)
"""What a result says about two-way reconciliation."""

_UNKNOWN = 2
_SHORT = 4  # a block is short when a frame has 2**4 of them or more


@dataclass(frozen=True)
class Question:
    """Ask for parities: number ``i`` is that of node (level[i], index[i]) of pass row[i].

    Ordered by row, then level, then index, strictly ascending.
    """

    row: npt.NDArray[np.uint8]
    level: npt.NDArray[np.uint8]
    index: npt.NDArray[np.int64]


class Answerer:
    """Alice's side: answers and counts.

    Attributes
    ----------
    disclosed : int
        Parities told so far.
    """

    def __init__(self, bits: BitArray, layout: Layout) -> None:
        self._layout = layout
        self._rows = layout.arrange(bits)
        self.disclosed = 0

    def answer(self, question: Question) -> BitArray:
        """Return the parities asked for.

        Raises
        ------
        MessageError
            The question does not fit the layout, or asks for more than Cascade ever needs.
        """
        plan, row, index = self._layout.plan, question.row, question.index
        level = question.level.astype(np.int64)
        if not row.size == level.size == index.size > 0 or row.max() >= len(plan.levels):
            raise MessageError("a question asks for no parity of this schedule")
        too_high = level > np.array(plan.levels)[row]
        if too_high.any() or (index < 0).any() or (index >= plan.places >> level).any():
            raise MessageError("a question asks for a range outside the block")
        self.disclosed += level.size
        if self.disclosed > 2 * plan.size + 64 * len(plan.levels) * plan.frames:
            raise MessageError("more parities asked for than Cascade ever needs")
        return node_parities(self._rows, row, question.level, index)


@njit(cache=True)
def _all_exact(
    order: npt.NDArray[np.int32],
    exact: npt.NDArray[np.bool_],
    level: int | np.int64,
    index: int | np.int64,
) -> bool:
    count = 0
    for i in range(index << level, (index + 1) << level):
        count += exact[order[i]]
    return count == 1 << level


@njit(cache=True)
def _flip(
    bit: np.int32,
    started: int,
    rows: npt.NDArray[np.uint8],
    place: npt.NDArray[np.int32],
    levels: npt.NDArray[np.int64],
    odd: npt.NDArray[np.uint8],
) -> None:
    for p in range(rows.shape[0]):
        at = place[p, bit]
        rows[p, at] ^= 1
        if p < started:
            odd[p, at >> levels[p]] ^= 1


@njit(cache=True)
def _search(
    p: int,
    started: int,
    rows: npt.NDArray[np.uint8],
    order: npt.NDArray[np.int32],
    place: npt.NDArray[np.int32],
    levels: npt.NDArray[np.int64],
    odd: npt.NDArray[np.uint8],
    known: npt.NDArray[np.uint8],
    offset: npt.NDArray[np.int64],
    exact: npt.NDArray[np.bool_],
    flipped: npt.NDArray[np.bool_],
    asked: npt.NDArray[np.int64],
    count: int,
) -> int:
    """Follow every odd block of pass `p` down to the first unknown parity or the error.

    Appends the nodes to ask for (row << 40 | level << 32 | index) to the `count` in `asked`;
    returns their new number, or −1 when a bit would be corrected twice.
    """
    row = rows[p]
    for top in range(row.size >> levels[p]):
        if not odd[p, top]:
            continue
        level = levels[p]
        index = top
        while level > 0:
            level -= 1
            left, right = 2 * index, 2 * index + 1
            told = known[p, offset[level] + left]
            ours = range_parity(row, level, left)
            if told == 2:
                if _all_exact(order[p], exact, level, left):
                    told = ours
                elif _all_exact(order[p], exact, level, right):
                    whole = known[p, offset[level + 1] + index]
                    told = whole ^ range_parity(row, level, right)
                else:
                    asked[count] = (p << 40) | (level << 32) | left
                    count += 1
                    break
                known[p, offset[level] + left] = told
            known[p, offset[level] + right] = told ^ known[p, offset[level + 1] + index]
            if level == 0:
                exact[order[p, left]] = True
                exact[order[p, right]] = True
            index = left if told != ours else right
        else:
            bit = order[p, index]
            if flipped[bit]:
                return -1
            exact[bit] = flipped[bit] = True
            _flip(bit, started, rows, place, levels, odd)
    return count


class Corrector:
    """Bob's side: asks, and corrects his bits.

    Attributes
    ----------
    asked : int
        Parities asked for so far.
    corrected : int
        Bits flipped so far.
    """

    def __init__(self, bits: BitArray, layout: Layout) -> None:
        plan = layout.plan
        passes = len(plan.levels)
        self._layout = layout
        self._rows = layout.arrange(bits)
        self._place = np.empty_like(layout.order)
        places = np.arange(plan.places, dtype=np.int32)
        for row in range(passes):
            self._place[row, layout.order[row]] = places
        self._levels = np.array(plan.levels, np.int64)
        sizes = [layout.nodes(level) for level in range(max(plan.levels) + 1)]
        self._offset = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        self._known = np.full((passes, int(self._offset[-1])), _UNKNOWN, np.uint8)
        self._odd = np.zeros((passes, layout.nodes(min(plan.levels))), np.uint8)
        self._exact = np.ones(plan.places, np.bool_)
        self._exact[layout.filled] = False
        self._flipped = np.zeros(plan.places, np.bool_)
        self._buffer = np.empty(sum(sizes[level] for level in plan.levels), np.int64)
        self._started = 0
        self._opening = False
        self._pending: Question | None = None
        self.asked = 0

    @property
    def bits(self) -> BitArray:
        """The bits as corrected so far."""
        corrected: BitArray = self._rows[0][self._layout.filled]
        return corrected

    @property
    def corrected(self) -> int:
        """Number of bits that differ from those at the start."""
        return int(np.count_nonzero(self._flipped))

    def question(self) -> Question | None:
        """Return what to ask next, or None when Cascade is done.

        Raises
        ------
        ParameterError
            The last question has not been answered.
        MessageError
            The answers so far contradict each other.
        """
        if self._pending is not None:
            raise ParameterError("the last question awaits its answer")
        while True:
            rows = self._rows_to_search()
            if not rows:
                if self._started == len(self._levels):
                    return None
                found = self._open(self._started)
                self._started += 1
            else:
                found = self._halve(rows)
            if found is not None:
                self._pending = found
                self.asked += found.level.size
                return found

    def answer(self, parities: BitArray) -> None:
        """Take Alice's answer to the last question.

        Raises
        ------
        MessageError
            There is no such question, or it asked for another number of parities.
        """
        pending = self._pending
        if pending is None or parities.shape != pending.level.shape:
            raise MessageError("an answer that belongs to no question")
        self._pending = None
        offset = self._offset[pending.level.astype(np.int64)]
        self._known[pending.row, offset + pending.index] = parities
        if self._opening:
            self._opening = False
            self._compare(self._started - 1, pending.index)

    def _rows_to_search(self) -> list[int]:
        rows = [int(row) for row in np.flatnonzero(self._odd[: self._started].any(axis=1))]
        plan = self._layout.plan
        short = [row for row in rows if plan.levels[row] + _SHORT <= plan.frame_level]
        return short or rows[:1]

    def _open(self, row: int) -> Question | None:
        """Ask for a pass's blocks, save those that what is known implies."""
        unknown = ~self._exact_blocks(row)
        if row:  # a frame's parity is known from the first pass, so one block follows
            last = unknown.shape[1] - 1 - np.argmax(unknown[:, ::-1], axis=1)
            unknown[np.arange(len(unknown)), last] = False
        index = np.flatnonzero(unknown)
        if not index.size:
            self._compare(row, index)
            return None
        self._opening = True
        return _same_level(row, int(self._levels[row]), index)

    def _exact_blocks(self, row: int) -> npt.NDArray[np.bool_]:
        """Return which blocks of a pass are known bit by bit, frames × blocks."""
        shape = self._layout.plan.frames, -1, 1 << int(self._levels[row])
        whole: npt.NDArray[np.bool_] = self._exact[self._layout.order[row]].reshape(shape).all(2)
        return whole

    def _told(self, row: int) -> BitArray:
        """Return what Alice told of a pass's blocks, frames × blocks."""
        level = int(self._levels[row])
        start = int(self._offset[level])
        told = self._known[row, start : start + self._layout.nodes(level)]
        return told.reshape(self._layout.plan.frames, -1)

    def _compare(self, row: int, asked: npt.NDArray[np.int64]) -> None:
        """Fill in the blocks not asked for, and mark those that differ."""
        told = self._told(row)
        nodes = _same_level(row, int(self._levels[row]), np.arange(told.size, dtype=np.int64))
        ours = node_parities(self._rows, nodes.row, nodes.level, nodes.index).reshape(told.shape)
        implied = np.ones(told.shape, np.bool_)
        implied.flat[asked] = False
        told[implied] = ours[implied]
        if row:
            followed = implied & ~self._exact_blocks(row)  # at most one in a frame
            wrong = np.bitwise_xor.reduce(self._told(0), 1) ^ np.bitwise_xor.reduce(told, 1)
            told[followed] ^= wrong[followed.any(axis=1)]
        self._odd[row, : told.size] = (told ^ ours).ravel()

    def _halve(self, rows: list[int]) -> Question | None:
        count = 0
        for row in rows:
            count = _search(
                row,
                self._started,
                self._rows,
                self._layout.order,
                self._place,
                self._levels,
                self._odd,
                self._known,
                self._offset,
                self._exact,
                self._flipped,
                self._buffer,
                count,
            )
            if count < 0:
                raise MessageError("the parities told contradict each other")
        if not count:
            return None
        nodes = np.sort(self._buffer[:count])
        level = (nodes >> 32 & 0xFF).astype(np.uint8)
        return Question((nodes >> 40).astype(np.uint8), level, nodes & 0xFFFFFFFF)


def _same_level(row: int, level: int, index: npt.NDArray[np.int64]) -> Question:
    return Question(np.full(index.size, row, np.uint8), np.full(index.size, level, np.uint8), index)
