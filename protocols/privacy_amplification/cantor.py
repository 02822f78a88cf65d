"""Cantor's basis of GF(2**64), and the points at which polynomials are evaluated.

The basis v_0 = 1, v_1, ... has v_(i+1)**2 + v_(i+1) = v_i (Cantor, J. Comb. Theory A 50, 285,
1989). With V_k the span of its first k elements, s_k(x) = product over u in V_k of (x − u)
has coefficients in GF(2), s_(k+1) = s_k**2 + s_k, and s_k(v_(k+i)) = v_i.

A polynomial over GF(2) of 2**(m+6) coefficients is known by its values on v_(m+32) + V_m: the
64 conjugates of that set are disjoint, so that it stands for 2**(m+6) points (Chen, Cheng,
Kuo, Li and Yang, arXiv 1803.11301).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from protocols.authentication.polynomial import multiply
from protocols.privacy_amplification.quads import Words

__all__ = ["LARGEST", "OFFSET", "Nibbles", "basis", "evaluation", "interpolation", "steps"]

OFFSET = 32
"""Index of the point set's offset above its dimension."""

LARGEST = 63 - OFFSET
"""The largest dimension m of a point set in this field."""

Nibbles = npt.NDArray[np.int64]

_DEGREE, _POLYNOMIAL = 64, 0b11011


def _product(a: int, b: int) -> int:
    return multiply(a, b, _DEGREE, _POLYNOMIAL)


@cache
def _elements() -> tuple[int, ...]:
    chain = [1 << 61]  # of trace 1, so that the chain ends at 1
    while len(chain) < _DEGREE:
        chain.append(_product(chain[-1], chain[-1]) ^ chain[-1])
    return tuple(reversed(chain))


@cache
def basis() -> Words:
    """Return v_0 to v_63."""
    return np.array(_elements(), np.uint64)


@cache
def steps() -> Words:
    """Return v_1 + ... + v_(i+1) for i from 0: what changes when a counter's bit i is set.

    With the bits of a counter b as coefficients of v_1, v_2 and so on, this is the
    difference between the elements of b and b − 1 if b has i trailing zeros.
    """
    return np.bitwise_xor.accumulate(basis()[1:])


@cache
def _columns() -> tuple[int, ...]:
    """Return the products of s_(m+i)(v_(m+32)) = v_(32−i) over the bits i of 0 to 63."""
    products = []
    for j in range(64):
        value = 1
        for bit in range(6):
            if j >> bit & 1:
                value = _product(value, _elements()[OFFSET - bit])
        products.append(value)
    return tuple(products)


def _nibbles(rows: list[int]) -> Nibbles:
    return np.array([[row >> shift & 15 for shift in range(0, 64, 4)] for row in rows], np.int64)


def _rows() -> list[int]:
    return [sum((column >> i & 1) << j for j, column in enumerate(_columns())) for i in range(64)]


@cache
def evaluation() -> Nibbles:
    """Return a 64 by 64 matrix over GF(2) as 64 rows of 16 nibbles, the lowest bits first.

    It takes the 64 coefficients, in the basis of products of s_m to s_(m+5), of a polynomial
    whose other coefficients are alike, to the 64 bits of its remainder on v_(m+32) + V_m.
    """
    return _nibbles(_rows())


@cache
def interpolation() -> Nibbles:
    """Return the inverse of `evaluation`."""
    rows = [(row, 1 << i) for i, row in enumerate(_rows())]
    for bit in range(64):
        pivot = next(i for i in range(bit, 64) if rows[i][0] >> bit & 1)
        rows[bit], rows[pivot] = rows[pivot], rows[bit]
        left, right = rows[bit]
        rows = [
            (row ^ left, inverse ^ right) if i != bit and row >> bit & 1 else (row, inverse)
            for i, (row, inverse) in enumerate(rows)
        ]
    return _nibbles([inverse for _, inverse in rows])
