"""The questions of Cascade in bytes, and the limits that both sides hold.

A question is one byte that names its kind, then the kind's body:

`START`
    Begin the next batch of frames; the passes' numbers of blocks, three bytes each. Answered
    by the blocks' parities, for each group of frames, packed.
`RETRY`
    One bit a frame of the batch, set for those to be treated once more; then as `START`.
`CUTS`
    For each group its section's length in four bytes and its section, which `search`
    describes. Answered by the parities up to the cuts, for each group, packed.
`GROUP_CHECKS`
    Nothing. Answered by a check of each group of the batch.
`FRAME_CHECKS`
    One bit a frame. Answered by a check of each frame marked.
`WHOLE`
    One bit a frame. Answered by all bits of the frames marked, each in words of 64 bits, the
    lowest bit first, the lowest byte first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.authentication.polynomial import KEY_BYTES, polynomial_tag
from protocols.bits import packed_size
from protocols.errors import MessageError
from protocols.generator import expand
from protocols.reconciliation.cascade.forest import MAX_PASSES
from protocols.reconciliation.cascade.kernels import Words

__all__ = [
    "BATCH",
    "CUTS",
    "FRAME_CHECKS",
    "FRAME_CHECK_BITS",
    "GROUP_CHECKS",
    "GROUP_CHECK_BITS",
    "MAX_ATTEMPTS",
    "RETRY",
    "START",
    "WHOLE",
    "Checker",
    "decode_counts",
    "encode_counts",
    "mark",
    "marked",
    "sections",
]

START, RETRY, CUTS, GROUP_CHECKS, FRAME_CHECKS, WHOLE = (bytes([kind]) for kind in range(6))

BATCH = 16
"""Groups of frames that are treated together: it bounds memory, and round trips per bit."""

MAX_ATTEMPTS = 8
"""Attempts at a batch that Alice allows."""

GROUP_CHECK_BITS = 64
FRAME_CHECK_BITS = 32


class Checker:
    """Makes the checks, each under a key of its own from the public seed.

    A check compares keys that are fixed when the seed is drawn, so its key need not be
    secret; what it misses, verification of the whole block will find.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._used = 0

    def __call__(self, rows: list[Words], length: int) -> bytes:
        """Return the checks of some words, one after the other."""
        key = expand(self._seed, "cascade checks", KEY_BYTES * self._used, KEY_BYTES)
        self._used += 1
        data = (row.astype("<u8").tobytes() for row in rows)
        return b"".join(polynomial_tag(part, 8 * len(part), key, length) for part in data)


def encode_counts(counts: tuple[int, ...]) -> bytes:
    """Return the body of `START`."""
    return b"".join(count.to_bytes(3, "big") for count in counts)


def decode_counts(data: bytes, places: int) -> tuple[int, ...]:
    """Return the passes' numbers of blocks; raises MessageError."""
    counts = tuple(int.from_bytes(data[i : i + 3], "big") for i in range(0, len(data), 3))
    if len(data) % 3 or not 1 <= len(counts) <= MAX_PASSES:
        raise MessageError("passes that no attempt of Cascade has")
    if any(not 1 <= count <= places for count in counts):
        raise MessageError("a pass has at least one block, and no more than places")
    return counts


def mark(chosen: npt.NDArray[np.int64], size: int) -> bytes:
    """Return one bit a frame, set for those chosen."""
    bits = np.zeros(size, np.uint8)
    bits[chosen] = 1
    return np.packbits(bits).tobytes()


def marked(data: bytes, size: int) -> npt.NDArray[np.int64]:
    """Return which of `size` frames are marked, at least one; raises MessageError."""
    if len(data) != packed_size(size):
        raise MessageError(f"a mark is due for each of {size} frames")
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    chosen = np.flatnonzero(bits)
    if not chosen.size or chosen[-1] >= size:
        raise MessageError("marks on no frame, or on more than there are")
    return chosen


def sections(data: bytes, groups: int) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Return the joined sections of `CUTS` and where each begins; raises MessageError."""
    parts = []
    at = 0
    for _ in range(groups):
        stop = at + 4 + int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at + 4 : stop])
        at = stop
    if at != len(data):
        raise MessageError("the sections of a question do not fill it")
    return b"".join(parts), np.cumsum([0, *map(len, parts)])
