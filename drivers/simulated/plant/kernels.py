"""What the plant's compiled loops share: how they are compiled, and their random numbers.

The loops draw from SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, figure 5): a
counter and a mixing function on 64-bit integers, the same on every platform.
Each piece of the simulation has a stream of its own, whose key is mixed from the
seed and from what the piece is, so that neither the number of threads nor the
order of questions changes a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "GOLDEN",
    "grown",
    "inlined",
    "kernel",
    "mixed",
    "normal_pair",
    "sine_squared",
    "stream_key",
    "uniform",
]

_F = TypeVar("_F", bound=Callable[..., object])


def kernel(function: _F) -> _F:
    """Compile a loop once per machine, to run without the interpreter's lock."""
    return cast(_F, njit(cache=True, nogil=True)(function))


def inlined(function: _F) -> _F:
    """Compile a small function into each loop that calls it.

    As a call it would pass dozens of figures on the stack for every pulse.
    """
    return cast(_F, njit(inline="always")(function))


GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)
_STEP = 2.0**-52
_S3, _S5, _S7, _S9, _S11, _S13, _S15, _S17 = (
    (-1.0) ** n / math.factorial(2 * n + 1) for n in range(1, 9)
)


@kernel
def mixed(z: np.uint64) -> np.uint64:
    """Return the output of SplitMix64 for the counter `z`."""
    z = (z ^ (z >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


@kernel
def uniform(counter: np.uint64) -> float:
    """Return a number strictly between 0 and 1 for a counter."""
    return float((np.float64(mixed(counter) >> _12) + 0.5) * _STEP)


@inlined
def sine_squared(y: float) -> float:
    """Return sin^2(pi y), to 1e-13, without the branches of the library's sine.

    The fringe of an interferometer is 1 - 2 sin^2(phase/2). Taylor's series of
    the sine up to the 17th power is off by less than 5e-14 within pi/2 of 0.
    """
    z = math.pi * (y - math.floor(y + 0.5))
    q = z * z
    high = _S13 + q * (_S15 + q * _S17)
    low = _S3 + q * (_S5 + q * (_S7 + q * (_S9 + q * (_S11 + q * high))))
    s = 1.0 + q * low
    return q * s * s


@kernel
def normal_pair(first: np.uint64, second: np.uint64) -> tuple[float, float]:
    """Return two independent standard normal numbers (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(uniform(first)))
    turn = uniform(second)
    return (
        radius * (1.0 - 2.0 * sine_squared(turn)),
        radius * (1.0 - 2.0 * sine_squared(turn - 0.25)),
    )


@kernel
def grown(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a longer array that begins with `times`."""
    longer = np.empty(2 * times.size, dtype=np.int64)
    for i in range(times.size):  # a slice assignment takes seconds to compile
        longer[i] = times[i]
    return longer


_MASK = (1 << 64) - 1


def _mixed(z: int) -> int:
    z = ((z ^ (z >> 30)) * int(_FIRST)) & _MASK
    z = ((z ^ (z >> 27)) * int(_SECOND)) & _MASK
    return z ^ (z >> 31)


def stream_key(*names: int) -> np.uint64:
    """Mix integers, the seed first, into the key of a stream."""
    key = 0
    for name in names:
        key = _mixed((key + (name & _MASK) + int(GOLDEN)) & _MASK)
    return np.uint64(key)
