"""Additive Fourier transforms over GF(2**64), in place.

The polynomial's 2**m coefficients are in the basis of products of the s_k, its values are
those on v_(m+32) + V_m. A block of 2**(k+1) coefficients on u + V_(k+1) is halved by
s_k(x) = w on the one half and w + 1 on the other, w = s_k(u): (a, b) becomes a + w·b and that
plus b (Lin, Chung and Han, FOCS 2014, 316). The values come in an order of their own, the same
for all polynomials: points are only ever multiplied with each other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from protocols.privacy_amplification.cantor import OFFSET
from protocols.privacy_amplification.quads import (
    LANES,
    Words,
    add,
    evens,
    first_pairs,
    firsts,
    last_pairs,
    lasts,
    load,
    odds,
    quad,
    store,
    times,
)

__all__ = ["LAST", "fold", "fold_last", "multiply_values", "unfold", "unfold_last"]

LAST = 2
"""The levels below this one are within quads."""


@njit(cache=True, nogil=True)
def _trailing_zeros(counter: int) -> int:
    count = 0
    while not counter >> count & 1:
        count += 1
    return count


@njit(cache=True, nogil=True)
def _shifted(counter: int, first: int, basis: Words) -> np.uint64:
    """Return the sum of basis[first + i] over the bits i of a counter."""
    value = np.uint64(0)
    bit = 0
    while counter >> bit:
        if counter >> bit & 1:
            value ^= basis[first + bit]
        bit += 1
    return value


@njit(cache=True, nogil=True)
def unfold(
    first: int,
    last: int,
    values: Words,
    m: int,
    k: int,
    blocks: tuple[int, int],
    basis: Words,
    steps: Words,
) -> None:
    """Go down one level.

    Parameters
    ----------
    first, last : int
        The quads of either half to treat, from the first to before the last.
    values : uint64 array
        2**m elements.
    m, k : int
        Dimension and level; k is at least `LAST`.
    blocks : (int, int)
        The blocks of the level to treat.
    basis, steps : uint64 arrays
        Of `cantor`.
    """
    half = 1 << k
    w = basis[m + OFFSET - k] ^ _shifted(blocks[0], 1, basis)
    for block in range(blocks[0], blocks[1]):
        twiddle = quad(w, w, w, w)
        start = 2 * half * block
        for i in range(start + LANES * first, start + LANES * last, LANES):
            b = load(values, i + half)
            a = add(load(values, i), times(twiddle, b))
            store(values, i, a)
            store(values, i + half, add(a, b))
        w ^= steps[_trailing_zeros(block + 1)]


@njit(cache=True, nogil=True)
def fold(
    first: int,
    last: int,
    values: Words,
    m: int,
    k: int,
    blocks: tuple[int, int],
    basis: Words,
    steps: Words,
) -> None:
    """Undo `unfold`."""
    half = 1 << k
    w = basis[m + OFFSET - k] ^ _shifted(blocks[0], 1, basis)
    for block in range(blocks[0], blocks[1]):
        twiddle = quad(w, w, w, w)
        start = 2 * half * block
        for i in range(start + LANES * first, start + LANES * last, LANES):
            a = load(values, i)
            b = add(load(values, i + half), a)
            store(values, i, add(a, times(twiddle, b)))
            store(values, i + half, b)
        w ^= steps[_trailing_zeros(block + 1)]


@njit(cache=True, nogil=True)
def unfold_last(first: int, last: int, values: Words, m: int, basis: Words, steps: Words) -> None:
    """Take the levels 1 and 0 of the groups of eight elements from `first` to before `last`.

    The four values of each half group stay apart by two.
    """
    v1, v2 = basis[1], basis[2]
    one = basis[m + OFFSET - 1] ^ _shifted(first, 2, basis)
    nought = basis[m + OFFSET] ^ _shifted(first, 3, basis)
    for group in range(first, last):
        low, high = load(values, 8 * group), load(values, 8 * group + 4)
        a, b = firsts(low, high), lasts(low, high)
        a = add(a, times(quad(one, one, one ^ v1, one ^ v1), b))
        b = add(a, b)
        c, d = evens(a, b), odds(a, b)
        c = add(c, times(quad(nought, nought ^ v2, nought ^ v1, nought ^ v1 ^ v2), d))
        store(values, 8 * group, c)
        store(values, 8 * group + 4, add(c, d))
        bit = _trailing_zeros(group + 1)
        one ^= steps[bit + 1] ^ steps[0]
        nought ^= steps[bit + 2] ^ steps[1]


@njit(cache=True, nogil=True)
def fold_last(first: int, last: int, values: Words, m: int, basis: Words, steps: Words) -> None:
    """Undo `unfold_last`."""
    v1, v2 = basis[1], basis[2]
    one = basis[m + OFFSET - 1] ^ _shifted(first, 2, basis)
    nought = basis[m + OFFSET] ^ _shifted(first, 3, basis)
    for group in range(first, last):
        c = load(values, 8 * group)
        d = add(load(values, 8 * group + 4), c)
        c = add(c, times(quad(nought, nought ^ v2, nought ^ v1, nought ^ v1 ^ v2), d))
        a, b = first_pairs(c, d), last_pairs(c, d)
        b = add(a, b)
        a = add(a, times(quad(one, one, one ^ v1, one ^ v1), b))
        store(values, 8 * group, firsts(a, b))
        store(values, 8 * group + 4, lasts(a, b))
        bit = _trailing_zeros(group + 1)
        one ^= steps[bit + 1] ^ steps[0]
        nought ^= steps[bit + 2] ^ steps[1]


@njit(cache=True, nogil=True)
def multiply_values(first: int, last: int, values: Words, others: Words) -> None:
    """Multiply values by others, the quads from `first` to before `last`."""
    for i in range(LANES * first, LANES * last, LANES):
        store(values, i, times(load(values, i), load(others, i)))
