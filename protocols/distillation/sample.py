"""Estimate the error rate by disclosing a few bits of the key.

One bit of each stretch of equal length is disclosed, its place in the stretch chosen at
random by a public seed drawn after both keys exist, so that bursts and drifts are met in
proportion. The bits stay in the key and their number is charged to it, as any disclosed bit
is; the estimate only chooses how to reconcile and never enters a bound.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from protocols.bits import BitArray, bits_at
from protocols.errors import ParameterError
from protocols.generator import expand
from protocols.secret import SecretBits

__all__ = ["sample_bits", "sample_places", "sample_size"]


def sample_size(bits: int) -> int:
    """Return how many of `bits` to disclose: (bits/5)**(2/3), at least 64 while there are as many.

    A larger sample costs its bits, a smaller one efficiency: of n bits with error rate q,
    an estimate off by sqrt(q/k) misjudges the leak by about n·h'(q)·sqrt(q/k)/2, and the sum
    with k is least near this power of n, for q of some percent.
    """
    return min(bits, max(64, round(math.pow(bits / 5, 2 / 3))))


def sample_places(seed: bytes, bits: int, size: int) -> npt.NDArray[np.int64]:
    """Return `size` places, ascending, one in each of `size` equal stretches.

    Raises
    ------
    ParameterError
        There are not as many bits.
    """
    if not 0 < size <= bits:
        raise ParameterError(f"a sample of {size} bits cannot be taken from {bits}")
    edges = np.arange(size + 1, dtype=np.int64) * bits // size
    random = np.frombuffer(expand(seed, "sample", 0, 8 * size), "<u8")
    lengths = np.diff(edges).astype(np.uint64)
    # a stretch is shorter than 2**31, so the remainder is uniform to within 2**-33
    return edges[:-1] + (random % lengths).astype(np.int64)


def sample_bits(key: SecretBits, places: npt.NDArray[np.int64]) -> BitArray:
    """Return the key's bits at `places`."""
    return bits_at(key.reveal(), places)
