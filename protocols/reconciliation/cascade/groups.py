"""Frames in groups: taken out, put back, and worked on by several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from protocols.reconciliation.cascade.kernels import Words, arrange, slice_rows
from protocols.reconciliation.cascade.slicing import LANES

__all__ = [
    "Workers",
    "by_frame",
    "first_frames",
    "frame_rows",
    "gather",
    "put_rows",
    "scatter",
    "words_per_frame",
]


_WORTHWHILE = 1000


class Workers:
    """Share a range of groups among threads; what they compute does not depend on it."""

    def __init__(self, count: int) -> None:
        self._count = max(1, count)
        self._pool = ThreadPoolExecutor(self._count) if self._count > 1 else None

    def share(self, work: Callable[[int, int], None], size: int, load: int) -> None:
        """Call ``work(start, stop)`` for pieces of ``range(size)``, once each.

        A `load` of few items is not worth waking a thread.
        """
        if self._pool is None or size < 2 or load < _WORTHWHILE:
            work(0, size)
            return
        pieces = min(self._count, size)
        bounds = [size * i // pieces for i in range(pieces + 1)]
        list(self._pool.map(work, bounds[:-1], bounds[1:]))

    def each(self, work: Callable[[int], None], size: int) -> None:
        """Call ``work(i)`` for each of ``range(size)``."""
        if self._pool is None or size < 2:
            for i in range(size):
                work(i)
        else:
            list(self._pool.map(work, range(size)))


def words_per_frame(places: int) -> int:
    """Return the length of a row by frame: one bit for each place, and one more."""
    return (places >> 6) + 1


def first_frames(frames: int, lanes: int) -> npt.NDArray[np.int64]:
    """Return each group's first frame, and the number of frames last."""
    return np.array([*range(0, frames, lanes), frames], np.int64)


def by_frame(words: Words, lanes: int) -> Words:
    """Return a group's bits by frame."""
    identity = np.arange(words.size, dtype=np.uint16)
    rows = np.empty((lanes, words_per_frame(words.size)), np.uint64)
    arrange(words, identity, rows)
    return rows


def frame_rows(words: Words, lanes: int, chosen: npt.NDArray[np.int64]) -> Words:
    """Return the chosen frames of some groups by frame."""
    rows = np.empty((chosen.size, words_per_frame(words.shape[1])), np.uint64)
    for group in np.unique(chosen // lanes):
        here = chosen // lanes == group
        rows[here] = by_frame(words[group], lanes)[chosen[here] % lanes]
    return rows


def put_rows(words: Words, lanes: int, chosen: npt.NDArray[np.int64], new: Words) -> None:
    """Replace the chosen frames of some groups; the opposite of `frame_rows`."""
    for group in np.unique(chosen // lanes):
        here = chosen // lanes == group
        rows = by_frame(words[group], lanes)
        rows[chosen[here] % lanes] = new[here]
        slice_rows(rows, words[group])


def gather(words: Words, lanes: int, chosen: npt.NDArray[np.int64]) -> Words:
    """Return the chosen frames of some groups sliced, in new groups."""
    rows = frame_rows(words, lanes, chosen)
    first = first_frames(chosen.size, LANES)
    sliced = np.empty((first.size - 1, words.shape[1]), np.uint64)
    for group, out in enumerate(sliced):
        slice_rows(rows[first[group] : first[group + 1]], out)
    return sliced


def scatter(words: Words, lanes: int, chosen: npt.NDArray[np.int64], sliced: Words) -> None:
    """Put frames back where `gather` took them."""
    put_rows(words, lanes, chosen, frame_rows(sliced, LANES, np.arange(chosen.size)))
