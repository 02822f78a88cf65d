"""From bits to elements of GF(2**64) and back, the first half of an evaluation.

A polynomial over GF(2) of 2**(m+6) coefficients, in the basis of products of the s_k, is cut
into 64 rows of 2**m. Its remainder on v_(m+32) + V_m has 2**m coefficients in GF(2**64), in the
same basis: the 64 bits of one column times one matrix are the 64 bits of one coefficient
(Chen, Cheng, Kuo, Li and Yang, arXiv 1803.11301). The last divisions of `novel_basis` are
taken here, where they move whole words.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from protocols.privacy_amplification.cantor import Nibbles
from protocols.privacy_amplification.novel_basis import divide, multiply_back
from protocols.privacy_amplification.quads import (
    LANES,
    Words,
    add,
    both,
    left,
    load,
    quad,
    right,
    store,
)

__all__ = ["COLUMNS", "SCRATCH", "extend", "restrict"]

COLUMNS = 8
"""Words of a row that are treated together: a line of the cache."""

SCRATCH = (64 + 16 * 16) * COLUMNS
"""Words that `extend` and `restrict` need for themselves."""

_RADIX_STEPS = np.array([(3, 7), (2, 6), (1, 5), (0, 4), (5, 7), (4, 6), (6, 7), (4, 5)]) + 6
"""The divisions of 256 elements down to polynomials of 16, in steps of words."""


@njit(cache=True, nogil=True)
def _combine(
    rows: Words,
    first: int,
    stride: int,
    matrix: Nibbles,
    table: Words,
    out: Words,
    to: int,
    gap: int,
) -> None:
    """Multiply 64 rows of 8 words by a matrix over GF(2), four rows a time by table."""
    for group in range(16):
        for value in range(1, 16):
            bit = 0
            while not value >> bit & 1:
                bit += 1
            source = first + (4 * group + bit) * stride
            other = (16 * group + (value & (value - 1))) * COLUMNS
            target = (16 * group + value) * COLUMNS
            for i in range(0, COLUMNS, LANES):
                store(table, target + i, add(load(table, other + i), load(rows, source + i)))
    for row in range(64):
        low = high = quad(np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
        for group in range(16):
            at = (16 * group + matrix[row, group]) * COLUMNS
            low = add(low, load(table, at))
            high = add(high, load(table, at + LANES))
        store(out, to + row * gap, low)
        store(out, to + row * gap + LANES, high)


@njit(cache=True, nogil=True)
def _transpose(block: Words) -> None:
    """Exchange rows and bits of the 64 by 64 bits of each of eight columns."""
    reach = 32
    mask = np.uint64(0xFFFFFFFF)
    while reach:
        places = np.uint64(reach)
        chosen = quad(mask, mask, mask, mask)
        for start in range(0, 64, 2 * reach):
            for upper in range(start * COLUMNS, (start + reach) * COLUMNS, LANES):
                lower = upper + reach * COLUMNS
                a, b = load(block, upper), load(block, lower)
                moved = both(add(right(a, places), b), chosen)
                store(block, upper, add(a, left(moved, places)))
                store(block, lower, add(b, moved))
        reach >>= 1
        mask ^= mask << np.uint64(reach)


@njit(cache=True, nogil=True)
def _sixteen(words: Words, at: int) -> None:
    """Take the last divisions, of 16 elements."""
    words[at + 8] ^= words[at + 14]
    words[at + 9] ^= words[at + 15]
    for i in range(6):
        words[at + 2 + i] ^= words[at + 8 + i]
    for half in (0, 8):
        words[at + half + 4] ^= words[at + half + 7]
        for i in range(3):
            words[at + half + 1 + i] ^= words[at + half + 4 + i]
    for i in range(4):
        words[at + 8 + i] ^= words[at + 12 + i]
    for i in range(4):
        words[at + 4 + i] ^= words[at + 8 + i]
    for four in (0, 4, 8, 12):
        words[at + four + 2] ^= words[at + four + 3]
        words[at + four + 1] ^= words[at + four + 2]


@njit(cache=True, nogil=True)
def _sixteen_back(words: Words, at: int) -> None:
    for four in (0, 4, 8, 12):
        words[at + four + 1] ^= words[at + four + 2]
        words[at + four + 2] ^= words[at + four + 3]
    for i in range(4):
        words[at + 4 + i] ^= words[at + 8 + i]
    for i in range(4):
        words[at + 8 + i] ^= words[at + 12 + i]
    for half in (0, 8):
        for i in range(3):
            words[at + half + 1 + i] ^= words[at + half + 4 + i]
        words[at + half + 4] ^= words[at + half + 7]
    for i in range(6):
        words[at + 2 + i] ^= words[at + 8 + i]
    words[at + 8] ^= words[at + 14]
    words[at + 9] ^= words[at + 15]


@njit(cache=True, nogil=True)
def extend(
    rows: Words, first: int, stride: int, matrix: Nibbles, scratch: Words, out: Words, to: int
) -> None:
    """Turn 64 bits of eight words each into 512 elements.

    Parameters
    ----------
    rows : uint64 array
        Row j begins at word `first` + j·`stride`.
    first, stride : int
    matrix : int64 array, (64, 16)
        `cantor.evaluation`.
    scratch : uint64 array
        `SCRATCH` words, zero before the first use.
    out : uint64 array
        Gets the elements from `to` on.
    to : int
    """
    block, table = scratch[: 64 * COLUMNS], scratch[64 * COLUMNS :]
    _combine(rows, first, stride, matrix, table, block, 0, COLUMNS)
    _transpose(block)
    for column in range(COLUMNS):
        for i in range(64):
            out[to + 64 * column + i] = block[COLUMNS * i + column]
    for c, h in _RADIX_STEPS:
        divide(to >> (h - 5), (to + 64 * COLUMNS) >> (h - 5), out, c, h)
    for at in range(to, to + 64 * COLUMNS, 16):
        _sixteen(out, at)


@njit(cache=True, nogil=True)
def restrict(
    elements: Words,
    at: int,
    matrix: Nibbles,
    scratch: Words,
    rows: Words,
    first: int,
    stride: int,
) -> None:
    """Undo `extend`, by `cantor.interpolation`; the elements are used up."""
    for start in range(at, at + 64 * COLUMNS, 16):
        _sixteen_back(elements, start)
    for c, h in _RADIX_STEPS[::-1]:
        multiply_back(at >> (h - 5), (at + 64 * COLUMNS) >> (h - 5), elements, c, h)
    block, table = scratch[: 64 * COLUMNS], scratch[64 * COLUMNS :]
    for column in range(COLUMNS):
        for i in range(64):
            block[COLUMNS * i + column] = elements[at + 64 * column + i]
    _transpose(block)
    _combine(block, 0, COLUMNS, matrix, table, rows, first, stride)
