"""From powers of x to products of the s_k, and back, for polynomials over GF(2).

The product of s_k over the bits k of i has degree i; with these for a basis an additive
Fourier transform needs no divisions (Lin, Chung and Han, FOCS 2014, 316). The conversion
follows s_(2**t)(x) = x**(2**2**t) + x: a polynomial is written in powers of y = s_(2**t) with
coefficients of degree below 2**2**t, and since s_(2**t+k)(x) = s_k(y), the powers of y and each
coefficient are converted in the same way (Gao and Mateer, IEEE Trans. Inf. Theory 56, 6265,
2010; Bernstein and Chou, SAC 2014, LNCS 8781, 69).

A step (c, h) treats every block of 2·2**h coefficients: with z = x**(2**c) it divides by
x**(2**h) + z, since (x**B + x)**(2**e) = x**(B·2**e) + x**(2**e). The lower half then holds the
remainder and the upper one the quotient. Coefficients are bits, 64 in a word, lowest first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from protocols.privacy_amplification.quads import (
    LANES,
    Words,
    add,
    left,
    load,
    quad,
    right,
    slide,
    store,
)

__all__ = ["divide", "divisions", "multiply_back"]


def divisions(bits: int, unit: int = 0) -> list[tuple[int, int]]:
    """Return the steps (c, h) that convert 2**bits coefficients of 2**unit bits each."""
    if bits <= 1:
        return []
    low = 1
    while 2 * low < bits:
        low *= 2
    high = bits - low
    radix = [(unit + e, unit + e + low) for e in range(high - 1, -1, -1)]
    return radix + divisions(high, unit + low) + divisions(low, unit)


@njit(cache=True, nogil=True)
def _add(words: Words, target: int, source: int, count: int) -> None:
    """Add `count` words from one place to another that it does not overlap."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        store(words, target + i, add(load(words, target + i), load(words, source + i)))
    for i in range(whole, count):
        words[target + i] ^= words[source + i]


@njit(cache=True, nogil=True)
def _add_shifted(words: Words, target: int, source: int, count: int, places: np.uint64) -> None:
    """Add `count` words, whole quads, times x**places, without what exceeds them."""
    back = np.uint64(64) - places
    previous = _zero()
    for i in range(0, count, LANES):
        here = load(words, source + i)
        moved = add(left(here, places), right(slide(previous, here), back))
        store(words, target + i, add(load(words, target + i), moved))
        previous = here


@njit(cache=True, nogil=True)
def _add_excess(words: Words, start: int, count: int, places: np.uint64) -> None:
    """Add to the first of `count` words what x**places moves out of the last."""
    excess = right(load(words, start + count - LANES), np.uint64(64) - places)
    store(words, start, add(load(words, start), slide(excess, _zero())))


@njit(cache=True, nogil=True, inline="always")
def _zero() -> Any:
    nought = np.uint64(0)
    return quad(nought, nought, nought, nought)


@njit(cache=True, nogil=True)
def divide(first: int, last: int, words: Words, c: int, h: int) -> None:
    """Take one step on the blocks from `first` to before `last`.

    A chunk of less than a word, c < 6, takes blocks of at least eight words, h >= 8.
    """
    half = 1 << (h - 6)
    for block in range(first, last):
        low = 2 * half * block
        high = low + half
        if c >= 6:
            chunk = 1 << (c - 6)
            _add(words, high, high + half - chunk, chunk)
            _add(words, low + chunk, high, half - chunk)
        else:
            places = np.uint64(1 << c)
            _add_excess(words, high, half, places)
            _add_shifted(words, low, high, half, places)


@njit(cache=True, nogil=True)
def multiply_back(first: int, last: int, words: Words, c: int, h: int) -> None:
    """Undo `divide`."""
    half = 1 << (h - 6)
    for block in range(first, last):
        low = 2 * half * block
        high = low + half
        if c >= 6:
            chunk = 1 << (c - 6)
            _add(words, low + chunk, high, half - chunk)
            _add(words, high, high + half - chunk, chunk)
        else:
            places = np.uint64(1 << c)
            _add_shifted(words, low, high, half, places)
            _add_excess(words, high, half, places)
