"""The passes of Cascade: shuffles of a frame and forests of halved blocks.

Every pass cuts the places of a frame into blocks of nearly equal length and every block
into halves, down to single places; all but the very first shuffle the places first. A
frame has at most 65 536 places, and all frames share their passes: which bits of the key
come together in a frame, and where, the permutation of the block has drawn already.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from protocols.generator import permutation
from protocols.reconciliation.cascade.kernels import Forest, Octets, Words, sums

__all__ = ["MAX_PASSES", "MAX_PLACES", "block_sums", "dense_passes", "plant"]

MAX_PASSES = 32
MAX_PLACES = 1 << 16
_LONGEST = 1024


def plant(places: int, counts: tuple[int, ...], seed: bytes, attempt: int, rate: float) -> Forest:
    """Return the passes of an attempt.

    Parameters
    ----------
    places : int
        Length of a frame.
    counts : tuple of int
        Number of blocks of each pass, 1 to `places`.
    seed : bytes
    attempt : int
        Attempts differ in their shuffles; the first pass of attempt 0 has none.
    """
    passes = len(counts)
    order = np.empty((passes, places), np.uint16)
    inverse = np.empty((places, passes), np.uint16)
    identity = np.arange(places, dtype=np.uint16)
    scale = np.array([(count << 32) // places for count in counts], np.int64)
    starts = []
    for p, count in enumerate(counts):
        if p or attempt:
            order[p] = permutation(seed, f"cascade {attempt} {p}", places)
        else:
            order[p] = identity
        inverse[order[p], p] = identity
        starts.append([-((-j << 32) // int(scale[p])) for j in range(count)] + [places])
    first = list(accumulate(map(len, starts), initial=0))
    joined = np.array([start for part in starts for start in part], np.int32)
    half = np.zeros(places, np.uint32)
    dense = dense_passes(counts)
    for p in range(dense, passes):
        half |= (inverse[:, p] >= starts[p][1]).astype(np.uint32) << np.uint32(p)
    return Forest(
        scale=scale,
        first=np.array(first, np.int64),
        starts=joined,
        order=order,
        inverse=np.ascontiguousarray(inverse[:, :dense]),
        late=np.ascontiguousarray(inverse[:, dense:].T),
        origin=inverse[order, 0],
        half=half,
        weight=_weights(-(-places // counts[0]), rate),
    )


def dense_passes(counts: tuple[int, ...]) -> int:
    """Return how many passes there are before the last ones of two blocks, at least one."""
    dense = len(counts)
    while dense > 1 and counts[dense - 1] == 2:
        dense -= 1
    return dense


def block_sums(words: Words, forest: Forest) -> Words:
    """Return the parities of all blocks of a group, sliced, in the order of `starts`."""
    found = np.empty(forest.first[-1], np.uint64)
    for p in range(forest.scale.size):
        here = slice(forest.first[p], forest.first[p + 1])
        sums(words, forest.order[p], forest.starts[here], found[here])
    return found


def _weights(longest: int, rate: float) -> Octets:
    """Return how likely a bit is wrong by the length of its even range, 1 to 255 from two on.

    With errors of chance q it is (1 − (1 − 2q)**(s − 1)) / (1 + (1 − 2q)**s) times q.
    """
    length = np.arange(min(longest, _LONGEST) + 1.0)
    bias = 1 - 2 * min(rate, 0.25)
    chance = (1 - bias ** (length - 1)) / (1 + bias**length)
    weights = 1 + np.floor(254 * chance / max(1e-300, float(chance.max())))
    weights[:2] = 0
    found: Octets = np.clip(weights, 0, 255).astype(np.uint8)
    return found
