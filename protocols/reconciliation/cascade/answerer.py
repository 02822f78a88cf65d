"""Alice's side of Cascade."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protocols.errors import MessageError
from protocols.reconciliation.cascade import questions as q
from protocols.reconciliation.cascade.forest import block_sums, dense_passes, plant
from protocols.reconciliation.cascade.groups import (
    Workers,
    first_frames,
    frame_rows,
    gather,
    words_per_frame,
)
from protocols.reconciliation.cascade.independence import SHORT, Rank
from protocols.reconciliation.cascade.kernels import Forest, Octets, Words, answer, blocks, prefix
from protocols.reconciliation.cascade.slicing import LANES, Slicing
from protocols.reconciliation.interface import Leak
from protocols.secret import SecretBits

__all__ = ["CascadeAnswerer"]


class CascadeAnswerer:
    """Answers Bob's questions and counts what they disclose.

    She needs no estimate: Bob names the blocks.
    """

    def __init__(self, key: SecretBits, seed: bytes, workers: int = 1) -> None:
        self._seed = seed
        self._slicing = Slicing(key.bit_count, seed)
        self._words = self._slicing.split(key)
        self._workers = Workers(workers)
        self._checker = q.Checker(seed)
        self._leak = Leak()
        self._limit = 4 * key.bit_count + 4096 * self._slicing.groups * self._slicing.lanes
        self._rank = Rank() if key.bit_count <= SHORT else None
        self._asked = 0
        self._next = 0
        self._batch: Words = self._words[:0]
        self._attempt = 0
        self._planted: tuple[tuple[int, ...], int] | None = None
        self._kinds = {
            q.START: self._on_start,
            q.RETRY: self._on_retry,
            q.CUTS: self._on_cuts,
            q.GROUP_CHECKS: self._on_group_checks,
            q.FRAME_CHECKS: self._on_frame_checks,
            q.WHOLE: self._on_whole,
        }

    @property
    def leak(self) -> Leak:
        """What has been disclosed so far; the same on both sides after each answer."""
        return self._leak

    @property
    def two_way(self) -> bool:
        """Whether questions tell where the keys differ: they do."""
        return True

    def answer(self, question: bytes) -> bytes:
        """Return the answer to a question.

        Raises
        ------
        MessageError
            The question is not what is due, or asks for what does not exist.
        """
        kind = question[:1]
        if kind not in self._kinds or (self._batch.size == 0 and kind != q.START):
            raise MessageError("a question that Cascade does not ask here")
        answered = self._kinds[kind](question[1:])
        if self._leak.total > self._limit:
            raise MessageError("more asked for than Cascade ever needs")
        return answered

    @property
    def _frames(self) -> int:
        """Frames of the batch."""
        return len(self._batch) * self._slicing.lanes

    def _on_start(self, body: bytes) -> bytes:
        counts = q.decode_counts(body, self._slicing.places)
        if self._next >= self._slicing.groups:
            raise MessageError("there is no further batch")
        self._batch = self._words[self._next : self._next + q.BATCH]
        self._next += q.BATCH
        self._attempt = 0
        return self._open(self._batch, self._slicing.lanes, self._frames, counts)

    def _on_retry(self, body: bytes) -> bytes:
        size = -(-self._frames // 8)
        chosen = q.marked(body[:size], self._frames)
        counts = q.decode_counts(body[size:], self._slicing.places)
        self._attempt += 1
        if self._attempt >= q.MAX_ATTEMPTS:
            raise MessageError("more attempts than Cascade makes")
        words = gather(self._batch, self._slicing.lanes, chosen)
        return self._open(words, LANES, chosen.size, counts)

    def _open(self, words: Words, lanes: int, frames: int, counts: tuple[int, ...]) -> bytes:
        """Prepare an attempt and return its blocks' parities."""
        if self._planted != (counts, self._attempt):
            self._forest: Forest = plant(
                self._slicing.places, counts, self._seed, self._attempt, 0.1
            )
            self._planted = counts, self._attempt
        self._first = first_frames(frames, lanes)
        passes, groups = len(counts), self._first.size - 1
        self._sliced = words
        self._rows: Words = np.empty((passes, frames, words_per_frame(words.shape[1])), np.uint64)
        self._built = np.zeros((passes, groups), np.bool_)
        whole = int(self._attempt == 0)
        each = sum(counts) - passes + whole
        parts = [np.zeros(-(-int(n) * each // 8), np.uint8) for n in np.diff(self._first)]

        def prepare(group: int) -> None:
            forest = self._forest
            ours = block_sums(words[group], forest)
            for p in range(dense_passes(counts)):
                self._build(p, group)
            size = int(self._first[group + 1] - self._first[group])
            blocks(ours, forest.first, size, whole, parts[group])

        self._workers.each(prepare, groups)
        if self._rank is not None:
            self._rank.add_blocks(self._forest, whole)
        self._count_parities(frames * each)
        return b"".join(part.tobytes() for part in parts)

    def _build(self, p: int, group: int) -> None:
        """Prepare a pass of a group for questions within its blocks."""
        members = slice(self._first[group], self._first[group + 1])
        prefix(self._sliced[group], self._forest.order[p], self._rows[p, members])
        self._built[p, group] = True

    def _on_cuts(self, body: bytes) -> bytes:
        groups = self._first.size - 1
        joined, offset = q.sections(body, groups)
        data: Octets = np.frombuffer(joined, np.uint8)
        out = np.zeros(data.size, np.uint8)
        asked = np.empty(groups, np.int64)

        def work(start: int, stop: int) -> None:
            shared = self._rows, self._built, self._first, self._forest
            answer(*shared, start, stop, data, offset, out, asked)
            for group in range(start, stop):
                while asked[group] < -1:
                    self._build(-2 - int(asked[group]), group)
                    out[offset[group] : offset[group + 1]] = 0
                    answer(*shared, group, group + 1, data, offset, out, asked)

        self._workers.share(work, groups, data.size)
        if asked.min() < 0 or not asked.any():
            raise MessageError("a question asks for no parity, or for cuts that do not exist")
        if self._rank is not None:
            self._rank.add_cuts(self._forest, joined)
        self._count_parities(int(asked.sum()))
        sizes = (asked + 7) >> 3
        return b"".join(out[at : at + n].tobytes() for at, n in zip(offset, sizes, strict=False))

    def _count_parities(self, asked: int) -> None:
        self._asked += asked
        if self._asked > self._limit:
            raise MessageError("more parities asked for than Cascade ever needs")
        told = self._asked if self._rank is None else self._rank.value
        self._leak = replace(self._leak, parities=told)

    def _on_group_checks(self, body: bytes) -> bytes:
        if body:
            raise MessageError("a question for the groups' checks has no body")
        return self._checks(list(self._batch), q.GROUP_CHECK_BITS)

    def _on_frame_checks(self, body: bytes) -> bytes:
        return self._checks(list(self._chosen(body)), q.FRAME_CHECK_BITS)

    def _on_whole(self, body: bytes) -> bytes:
        rows = self._chosen(body)
        self._leak = replace(
            self._leak, frames=self._leak.frames + len(rows) * self._slicing.places
        )
        return rows.astype("<u8").tobytes()

    def _checks(self, rows: list[Words], length: int) -> bytes:
        checks = self._checker(rows, length)
        self._leak = replace(
            self._leak,
            checks=self._leak.checks + 8 * len(checks),
            flags=self._leak.flags + len(rows),
        )
        return checks

    def _chosen(self, body: bytes) -> Words:
        """Return the rows of the frames that are marked."""
        chosen = q.marked(body, self._frames)
        return frame_rows(self._batch, self._slicing.lanes, chosen)
