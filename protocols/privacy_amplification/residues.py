"""Cyclic convolutions modulo two primes below 2**50, in double precision and yet exact.

A product of residues is h + l with h = x·w rounded and l = x·w − h exact by a fused
multiply-add; q, the rounded quotient by the prime p, is off by less than two, and h − q·p is an
integer below 2**52 in magnitude, so that a second fused multiply-add gives it exactly, and the
sum with l is exact, too (the error-free product is Dekker's, Numer. Math. 18, 224, 1971). Every
residue here stays below 2·p in magnitude, where a double holds all integers.

The transform halves modulo x**(2·h) − c**2 into x**h − c and x**h + c; the c of all blocks of all
levels stand in one table, in bit-reversed order. Values are only multiplied with each other and
keep the order of the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic

from protocols.processor import ARCHITECTURE, FEATURES

__all__ = [
    "EXACT",
    "LARGEST",
    "PRIMES",
    "Residues",
    "forward",
    "inverse",
    "multiply",
    "reduced",
    "roots",
    "times",
]

Residues = npt.NDArray[np.float64]

PRIMES = (1125899437080577, 1125899302862849)
"""The largest primes below 2**50 that are 1 modulo 2**`LARGEST`."""

LARGEST = 26
"""The largest transform, as a power of two."""

EXACT = ARCHITECTURE in ("aarch64", "arm64") or {"+fma", "+avx"} <= FEATURES
"""Whether the processor has the instruction; without it these kernels would crawl."""

_BLOCK, _PART = 1 << 14, 1 << 10
"""Values that stay in the second and in the first cache."""

_intrinsic: Any = intrinsic  # typed as what numba calls, not as what kernels call


def _fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


def _nearest(context: Any, a: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.call(
            builder.module.declare_intrinsic("llvm.rint", [arguments[0].type]), arguments
        )

    return types.float64(types.float64), generate


_fma: Callable[[float, float, float], float] = _intrinsic(_fused)
_round: Callable[[float], float] = _intrinsic(_nearest)


@njit(cache=True, nogil=True, inline="always")
def times(x: float, w: float, quotient: float, p: float) -> float:
    """Return x·w modulo p, with w/p given, between −p and p."""
    h = x * w
    return _fma(-_round(x * quotient), p, h) + _fma(x, w, -h)


@njit(cache=True, nogil=True, inline="always")
def reduced(x: float, p: float, reciprocal: float) -> float:
    """Return x modulo p, between −p/2 and p/2 but for one."""
    return _fma(-_round(x * reciprocal), p, x)


@cache
def _elements(p: int, inverted: bool) -> tuple[int, ...]:
    """Return elements of order 2**2, 2**3 and so on, each the square of the next."""
    generator = 2
    while pow(generator, (p - 1) // 2, p) == 1:
        generator += 1
    last = pow(generator, (p - 1) >> LARGEST, p)
    if inverted:
        last = pow(last, -1, p)
    return tuple(pow(last, 1 << (LARGEST - bit), p) for bit in range(2, LARGEST + 1))


@njit(cache=True, nogil=True)
def _scale(source: Residues, target: Residues, w: float, p: float) -> None:
    for i in range(source.size):
        target[i] = reduced(times(source[i], w, w / p, p), p, 1 / p)


def roots(p: int, m: int, inverted: bool = False) -> Residues:
    """Return the c of a transform of 2**m values, or their inverses."""
    table = np.ones(1 << (m - 1))
    for bit, element in zip(range(m - 1), _elements(p, inverted), strict=False):
        _scale(table[: 1 << bit], table[1 << bit : 2 << bit], float(element), float(p))
    return table


@njit(cache=True, nogil=True)
def _halve(low: Residues, high: Residues, c: float, p: float, reciprocal: float) -> None:
    quotient = c * reciprocal
    for i in range(low.size):
        b = times(high[i], c, quotient, p)
        a = reduced(low[i], p, reciprocal)
        low[i] = a + b
        high[i] = a - b


@njit(cache=True, nogil=True)
def _join(low: Residues, high: Residues, c: float, p: float, reciprocal: float) -> None:
    quotient = c * reciprocal
    for i in range(low.size):
        a, b = low[i] + high[i], low[i] - high[i]
        low[i] = reduced(a, p, reciprocal)
        high[i] = times(b, c, quotient, p)


@njit(cache=True, nogil=True)
def _last(x: Residues, first: int, last: int, table: Residues, p: float, inward: bool) -> None:
    """Take the two levels within groups of four, from group `first` to before `last`."""
    reciprocal = 1 / p
    for group in range(first, last):
        c, d, e = table[group], table[2 * group], table[2 * group + 1]
        four = x[4 * group : 4 * group + 4]
        x0, x1, x2, x3 = four[0], four[1], four[2], four[3]
        if inward:
            x2, x3 = (
                times(x2, c, c * reciprocal, p),
                times(x3, c, c * reciprocal, p),
            )
            x0, x1 = reduced(x0, p, reciprocal), reduced(x1, p, reciprocal)
            x0, x1, x2, x3 = x0 + x2, x1 + x3, x0 - x2, x1 - x3
            x1, x3 = times(x1, d, d * reciprocal, p), times(x3, e, e * reciprocal, p)
            x0, x2 = reduced(x0, p, reciprocal), reduced(x2, p, reciprocal)
            x0, x1, x2, x3 = x0 + x1, x0 - x1, x2 + x3, x2 - x3
        else:
            x0, x1, x2, x3 = x0 + x1, x0 - x1, x2 + x3, x2 - x3
            x1, x3 = times(x1, d, d * reciprocal, p), times(x3, e, e * reciprocal, p)
            x0, x2 = reduced(x0, p, reciprocal), reduced(x2, p, reciprocal)
            x0, x1, x2, x3 = x0 + x2, x1 + x3, x0 - x2, x1 - x3
            x2, x3 = times(x2, c, c * reciprocal, p), times(x3, c, c * reciprocal, p)
            x0, x1 = reduced(x0, p, reciprocal), reduced(x1, p, reciprocal)
        four[0], four[1], four[2], four[3] = x0, x1, x2, x3


@njit(cache=True, nogil=True)
def _quarter(
    x0: Residues, x1: Residues, x2: Residues, x3: Residues, c: float, d: float, e: float, p: float
) -> None:
    """Take two levels at once: c for the first, d and e for its halves."""
    reciprocal = 1 / p
    cp, dp, ep = c * reciprocal, d * reciprocal, e * reciprocal
    for i in range(x0.size):
        a2, a3 = times(x2[i], c, cp, p), times(x3[i], c, cp, p)
        a0, a1 = reduced(x0[i], p, reciprocal), reduced(x1[i], p, reciprocal)
        b1, b3 = times(a1 + a3, d, dp, p), times(a1 - a3, e, ep, p)
        b0, b2 = reduced(a0 + a2, p, reciprocal), reduced(a0 - a2, p, reciprocal)
        x0[i], x1[i], x2[i], x3[i] = b0 + b1, b0 - b1, b2 + b3, b2 - b3


@njit(cache=True, nogil=True)
def _join_quarters(
    x0: Residues, x1: Residues, x2: Residues, x3: Residues, c: float, d: float, e: float, p: float
) -> None:
    """Undo `_quarter`."""
    reciprocal = 1 / p
    cp, dp, ep = c * reciprocal, d * reciprocal, e * reciprocal
    for i in range(x0.size):
        b0, b1, b2, b3 = x0[i] + x1[i], x0[i] - x1[i], x2[i] + x3[i], x2[i] - x3[i]
        a1, a3 = times(b1, d, dp, p), times(b3, e, ep, p)
        a0, a2 = reduced(b0, p, reciprocal), reduced(b2, p, reciprocal)
        x0[i], x1[i] = reduced(a0 + a2, p, reciprocal), reduced(a1 + a3, p, reciprocal)
        x2[i], x3[i] = times(a0 - a2, c, cp, p), times(a1 - a3, c, cp, p)


@njit(cache=True, nogil=True)
def _down(x: Residues, at: int, size: int, end: int, table: Residues, p: float) -> None:
    """Take the levels of the block at `at` down to blocks of size `end`."""
    stop = at + size
    while size > end:
        half, quarter = size >> 1, size >> 2
        for start in range(at, stop, size):
            block = start // size
            x0, x1 = x[start : start + half], x[start + half : start + size]
            if half == end:
                _halve(x0, x1, table[block], p, 1 / p)
            else:
                c, d, e = table[block], table[2 * block], table[2 * block + 1]
                _quarter(x0[:quarter], x0[quarter:], x1[:quarter], x1[quarter:], c, d, e, p)
        size = half if half == end else quarter


@njit(cache=True, nogil=True)
def _up(x: Residues, at: int, size: int, end: int, table: Residues, p: float) -> None:
    """Undo `_down`."""
    stop = at + size
    while end < size:
        whole = min(size, 4 * end)
        half, quarter = whole >> 1, whole >> 2
        for start in range(at, stop, whole):
            block = start // whole
            x0, x1 = x[start : start + half], x[start + half : start + whole]
            if half == end:
                _join(x0, x1, table[block], p, 1 / p)
            else:
                c, d, e = table[block], table[2 * block], table[2 * block + 1]
                _join_quarters(x0[:quarter], x0[quarter:], x1[:quarter], x1[quarter:], c, d, e, p)
        end = whole


@njit(cache=True, nogil=True)
def forward(x: Residues, table: Residues, p: float) -> None:
    """Transform residues in place, up to 2·p in magnitude.

    Parameters
    ----------
    x : float64 array
        A power of two of them, at least 4.
    table : float64 array
        `roots` of the size.
    p : float
    """
    block, part = min(x.size, _BLOCK), min(x.size, _PART)
    _down(x, 0, x.size, block, table, p)
    for at in range(0, x.size, block):
        _down(x, at, block, part, table, p)
        for inner in range(at, at + block, part):
            _down(x, inner, part, 4, table, p)
            _last(x, inner >> 2, (inner + part) >> 2, table, p, True)


@njit(cache=True, nogil=True)
def inverse(x: Residues, table: Residues, p: float) -> None:
    """Undo `forward`, times the size, with the inverted `roots`."""
    block, part = min(x.size, _BLOCK), min(x.size, _PART)
    for at in range(0, x.size, block):
        for inner in range(at, at + block, part):
            _last(x, inner >> 2, (inner + part) >> 2, table, p, False)
            _up(x, inner, part, 4, table, p)
        _up(x, at, block, part, table, p)
    _up(x, 0, x.size, block, table, p)


@njit(cache=True, nogil=True)
def multiply(x: Residues, y: Residues, factor: float, p: float) -> None:
    """Multiply values by others and by a factor, in place."""
    reciprocal = 1 / p
    for i in range(x.size):
        b = reduced(times(y[i], factor, factor * reciprocal, p), p, reciprocal)
        x[i] = times(reduced(x[i], p, reciprocal), b, b * reciprocal, p)
