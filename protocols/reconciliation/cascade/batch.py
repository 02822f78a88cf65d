"""Bob's exchange about one batch of frames, from its first attempt to its last check."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from protocols.errors import MessageError
from protocols.reconciliation.cascade import questions as q
from protocols.reconciliation.cascade.attempt import Attempt
from protocols.reconciliation.cascade.groups import (
    Workers,
    frame_rows,
    gather,
    put_rows,
    scatter,
    words_per_frame,
)
from protocols.reconciliation.cascade.independence import Rank
from protocols.reconciliation.cascade.kernels import Forest, Words
from protocols.reconciliation.cascade.slicing import LANES
from protocols.reconciliation.cascade.variants import block_counts
from protocols.reconciliation.interface import Leak

__all__ = ["Batch"]

Chosen = npt.NDArray[np.int64]

_CONFIRMING: tuple[int, ...] = (2,) * 16
"""Passes of a retry that looks for the last few errors."""

_RETRIES = 3


class Batch:
    """What Bob knows of a batch.

    Parameters
    ----------
    words : uint64 array, groups × places
        Bob's bits, sliced; corrected in place.
    lanes : int
        Frames of a group.
    padding : list of (group, frame of the group, place)
        Bits that are zero and no key's.
    variant : str
    rate : float
        Expected share of errors.
    plant : callable
        Returns the passes of some numbers of blocks and an attempt.
    checker : Checker
    workers : Workers
    rank : Rank, optional
        Counts the parities of a short key.

    Attributes
    ----------
    leak : Leak
        What has been disclosed of this batch.
    failed : int
        Frames whose first check failed.
    """

    def __init__(
        self,
        words: Words,
        lanes: int,
        padding: list[tuple[int, int, int]],
        variant: str,
        rate: float,
        plant: Callable[[tuple[int, ...], int, float], Forest],
        checker: q.Checker,
        workers: Workers,
        rank: Rank | None,
    ) -> None:
        self._words = words
        self._lanes = lanes
        self._places = words.shape[1]
        self._frames = len(words) * lanes
        self._variant = variant
        self._rate = rate
        self._plant = plant
        self._checker = checker
        self._workers = workers
        self._attempt = 0
        self._padding = [(group * lanes + lane, place) for group, lane, place in padding]
        self._corrected = 0
        self._total = np.zeros(self._frames, np.uint8)
        self._rank = rank
        self._asked = 0
        self.leak = Leak()
        self.failed = 0

    @property
    def rate(self) -> float:
        """Share of bits corrected, at least one."""
        share: float = max(1, self._corrected) / (self._frames * self._places)
        return share

    def run(self) -> Generator[bytes, bytes, None]:
        """Ask until all frames agree or are disclosed; yields questions, takes answers."""
        chosen = np.arange(self._frames)
        yield from self._try(chosen, self._counts())
        chosen = yield from self._check_groups()
        self.failed = chosen.size
        for _ in range(_RETRIES):
            if not chosen.size:
                return
            counts = _CONFIRMING
            if self.rate > 2 * self._rate or self._places <= 8:
                self._rate = min(2 * self.rate, 0.25)
                counts = self._counts()
            yield from self._try(chosen, counts)
            chosen = yield from self._check_frames(chosen)
        if chosen.size:
            yield from self._disclose(chosen)

    def _counts(self) -> tuple[int, ...]:
        return block_counts(self._variant, self._rate, self._places)

    def _try(self, chosen: Chosen, counts: tuple[int, ...]) -> Generator[bytes, bytes, None]:
        """Attempt the chosen frames."""
        forest = self._plant(counts, self._attempt, self._rate)
        total = self._total[chosen]
        if self._attempt == 0:
            head, words, lanes = q.START, self._words, self._lanes
        else:
            head, lanes = q.RETRY + q.mark(chosen, self._frames), LANES
            words = gather(self._words, self._lanes, chosen)
        whole = int(self._attempt == 0)
        known = [(int(np.searchsorted(chosen, f)), i) for f, i in self._padding if f in chosen]
        work = Attempt(words, lanes, known, forest, whole, total, self._workers)
        first = self._attempt == 0
        self._attempt += 1
        work.open((yield head + q.encode_counts(counts)))
        if self._rank is not None:
            self._rank.add_blocks(forest, whole)
        self._count_parities(work.opened)
        question = work.advance(b"")
        while question is not None:
            answer = yield q.CUTS + question
            if self._rank is not None:
                self._rank.add_cuts(forest, question[4:])
            self._count_parities(work.asked)
            question = work.advance(answer)
        work.finish()
        self._total[chosen] = total
        self._corrected += work.corrected
        if not first:
            scatter(self._words, self._lanes, chosen, words)

    def _check_groups(self) -> Generator[bytes, bytes, Chosen]:
        """Return the frames that failed."""
        theirs = yield q.GROUP_CHECKS
        groups = self._differ(list(self._words), theirs, q.GROUP_CHECK_BITS)
        members = groups[:, None] * self._lanes + np.arange(self._lanes)
        chosen = members.reshape(-1)
        if self._lanes == 1 or not chosen.size:
            return chosen
        return (yield from self._check_frames(chosen))

    def _check_frames(self, chosen: Chosen) -> Generator[bytes, bytes, Chosen]:
        """Return which of the chosen frames failed."""
        theirs = yield q.FRAME_CHECKS + q.mark(chosen, self._frames)
        rows = frame_rows(self._words, self._lanes, chosen)
        return chosen[self._differ(list(rows), theirs, q.FRAME_CHECK_BITS)]

    def _differ(self, rows: list[Words], theirs: bytes, length: int) -> Chosen:
        """Return which rows' checks are not Alice's."""
        ours = self._checker(rows, length)
        if len(theirs) != len(ours):
            raise MessageError("another number of checks than asked for")
        self._count(checks=8 * len(ours), flags=len(rows))
        pairs = np.frombuffer(ours + theirs, np.uint8).reshape(2, len(rows), length // 8)
        return np.flatnonzero((pairs[0] != pairs[1]).any(axis=1))

    def _disclose(self, chosen: Chosen) -> Generator[bytes, bytes, None]:
        data = yield q.WHOLE + q.mark(chosen, self._frames)
        row = words_per_frame(self._places)
        if len(data) != 8 * row * chosen.size:
            raise MessageError("other frames disclosed than asked for")
        rows = np.frombuffer(data, "<u8").astype(np.uint64).reshape(chosen.size, row)
        if (rows[:, -1] >> np.uint64(self._places & 63)).any():
            raise MessageError("a frame disclosed is too long")
        self._count(frames=chosen.size * self._places)
        put_rows(self._words, self._lanes, chosen, rows)

    def _count_parities(self, asked: int) -> None:
        self._asked += asked
        told = self._asked if self._rank is None else self._rank.value
        self.leak = replace(self.leak, parities=told)

    def _count(self, flags: int = 0, checks: int = 0, frames: int = 0) -> None:
        leak = self.leak
        self.leak = replace(
            leak,
            flags=leak.flags + flags,
            checks=leak.checks + checks,
            frames=leak.frames + frames,
        )
