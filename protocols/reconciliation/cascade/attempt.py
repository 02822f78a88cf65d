"""Bob's side of one attempt at some frames: blocks compared, errors searched."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.errors import MessageError
from protocols.reconciliation.cascade.forest import block_sums, dense_passes
from protocols.reconciliation.cascade.frames import CORRECTED, COUNT, LONG, ODD, Frames, compare
from protocols.reconciliation.cascade.groups import Workers, first_frames, words_per_frame
from protocols.reconciliation.cascade.kernels import (
    Forest,
    Octets,
    Words,
    arrange,
    slice_rows,
)
from protocols.reconciliation.cascade.search import advance

__all__ = ["Attempt"]


class Attempt:
    """Finds errors in frames by parities of Alice's.

    Parameters
    ----------
    words : uint64 array, groups × places
        Bob's bits, sliced; corrected in place.
    lanes : int
        Frames of a group; the last may have fewer.
    known : list of (frame, place)
        Bits that are zero in both keys.
    forest : Forest
    whole : int
        Passes whose last block does not follow from the frames' parities: 1 in the first
        attempt, 0 later.
    total : uint8 array, frames
        Whether each frame's parity differs; filled in where `whole` is 1, else taken from.
    workers : Workers
    """

    def __init__(
        self,
        words: Words,
        lanes: int,
        known: list[tuple[int, int]],
        forest: Forest,
        whole: int,
        total: Octets,
        workers: Workers,
    ) -> None:
        frames, row = total.size, words_per_frame(words.shape[1])
        counts = tuple(int(n) - 1 for n in np.diff(forest.first))
        passes, blocks = forest.scale.size, int(np.diff(forest.first).max())
        self._forest = forest
        self._whole = whole
        self._total = total
        self._workers = workers
        self._groups = len(words)
        marks = frames, (int(forest.first[-1]) + 63) >> 6
        self._words = words
        self._frames = Frames(
            first=first_frames(frames, lanes),
            rows=np.zeros((passes, frames, row, 3), np.uint64),
            odd=np.zeros(marks, np.uint64),
            cut=np.zeros(marks, np.uint64),
            tally=np.zeros((frames, ODD + dense_passes(counts)), np.int64),
            weight=np.full((frames, words.shape[1]), 255, np.uint8),
            active=np.empty((frames, blocks, 3), np.int32),
            chances=np.empty((frames, blocks, LONG), np.uint8),
        )
        for frame, place in known:
            self._frames.weight[frame, forest.inverse[place, 0]] = 0
        self._counts = self._frames.tally[:, COUNT]
        widest = int(np.diff(self._frames.first).max())
        self._out = np.empty((self._groups, widest * (5 + 3 * blocks)), np.uint8)
        self._each = int(forest.first[-1]) - 2 * passes + whole

    @property
    def opened(self) -> int:
        """Parities that opening discloses."""
        return len(self._frames.weight) * self._each

    @property
    def corrected(self) -> int:
        """Number of bits corrected."""
        return int(self._frames.tally[:, CORRECTED].sum())

    @property
    def asked(self) -> int:
        """Parities that the last question asks for."""
        return int(self._counts.sum())

    def open(self, data: bytes) -> None:
        """Take Alice's parities of all blocks.

        Raises
        ------
        MessageError
            They are not as many as there are blocks.
        """
        first = self._frames.first
        offset = np.cumsum([0, *((np.diff(first) * self._each + 7) >> 3)])
        octets = _octets(data, int(offset[-1]))

        def work(group: int) -> None:
            members = slice(first[group], first[group + 1])
            words, forest = self._words[group], self._forest
            for p in range(self._frames.tally.shape[1] - ODD):
                arrange(words, forest.order[p], self._frames.rows[p, members, :, 0])
            ours = block_sums(words, forest)
            part = octets[offset[group] : offset[group + 1]]
            compare(self._frames, forest, group, ours, self._whole, self._total, part)

        self._workers.each(work, self._groups)

    def advance(self, data: bytes) -> bytes | None:
        """Take the answers to the last question and return the next, None at the end.

        Raises
        ------
        MessageError
            The answers are not as many as there were questions, or contradict each other.
        """
        frames = self._frames
        counts = np.add.reduceat(self._counts, frames.first[:-1])
        offset: npt.NDArray[np.int64] = np.cumsum([0, *((counts + 7) >> 3)])
        octets = _octets(data, int(offset[-1]))
        size = np.zeros(self._groups, np.int64)

        def work(start: int, stop: int) -> None:
            advance(frames, self._forest, start, stop, octets, offset, self._out, size)

        self._workers.share(work, self._groups, self.asked or 1000 * self._groups)
        if size.min() < 0:
            raise MessageError("the parities told contradict each other")
        if not size.any():
            return None
        parts = (
            int(n).to_bytes(4, "big") + out[:n].tobytes()
            for n, out in zip(size, self._out, strict=True)
        )
        return b"".join(parts)

    def finish(self) -> None:
        """Put the corrected bits back, and say whose parity differs still."""
        first = self._frames.first
        self._total ^= (self._frames.tally[:, CORRECTED] & 1).astype(np.uint8)

        def work(group: int) -> None:
            words = self._words[group]
            slice_rows(self._frames.rows[0, first[group] : first[group + 1], :, 0], words)
            words[:] = words[self._forest.inverse[:, 0]]

        self._workers.each(work, self._groups)


def _octets(data: bytes, size: int) -> Octets:
    if len(data) != size:
        raise MessageError(f"{len(data)} bytes of parities came where {size} are due")
    return np.frombuffer(data, np.uint8)
