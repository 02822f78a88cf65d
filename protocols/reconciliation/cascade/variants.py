"""Variants of Cascade: the block lengths of their passes.

The names are those of the literature. Here every variant keeps and uses all parities that
it has learnt, opens all passes in one message, and searches the shortest odd blocks first;
so "original", "biconf", "yanetal" and "option3" disclose less than their authors' versions
did, and "option3" and "option4", which differed in that only, are the same.

References
----------
original: G. Brassard, L. Salvail, Eurocrypt '93. biconf: T. Sugimoto, K. Yamazaki, IEICE
Trans. Fundam. E83-A, 1987 (2000); its ten rounds of confirmation are ten half-frame passes
here. yanetal: H. Yan et al., ICNC 2008, vol. 5, p. 98. option3, option4, option7, option8:
J. Martinez-Mateo, C. Pacher, M. Peev, A. Ciurana, V. Martin, Quantum Inf. Comput. 15, 453
(2015), which lists them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from protocols.errors import ParameterError

__all__ = ["DEFAULT", "VARIANTS", "block_counts"]

_Lengths = Callable[[float, int], list[float]]


def _original(rate: float, places: int) -> list[float]:
    first = math.ceil(0.73 / rate)
    return [first * 2.0**p for p in range(4)]


def _biconf(rate: float, places: int) -> list[float]:
    first = math.ceil(0.92 / rate)
    return [first, 3 * first] + [places / 2] * 10


def _yanetal(rate: float, places: int) -> list[float]:
    first = math.ceil(0.8 / rate)
    return [first, 5 * first] + [places / 2] * 8


def _option4(rate: float, places: int) -> list[float]:
    first = math.ceil(1 / rate)
    return [first, 2 * first] + [places / 2] * 14


def _option7(rate: float, places: int) -> list[float]:
    first = 2.0 ** math.ceil(math.log2(1 / rate))
    return [first, 4 * first] + [places / 2] * 12


def _option8(rate: float, places: int) -> list[float]:
    a = math.log2(1 / rate) - 0.5
    return [2.0 ** math.ceil(a), 2.0 ** math.ceil((a + 12) / 2), 4096] + [places / 2] * 11


def _qlab(rate: float, places: int) -> list[float]:
    """About one error a block, then four of those left, then a hundred, then half frames.

    Longer blocks in the second pass disclose less and take more round trips.
    """
    first = 2.0 ** math.ceil(math.log2(1 / rate) - 0.5)
    odd = (1 - (1 - 2 * rate) ** first) / 2
    second = max(2 * first, 4 / (rate - odd / first))
    return [first, second, 25 * second] + [places / 2] * 13


DEFAULT = "qlab"

VARIANTS: dict[str, _Lengths] = {
    "original": _original,
    "biconf": _biconf,
    "yanetal": _yanetal,
    "option3": _option4,
    "option4": _option4,
    "option7": _option7,
    "option8": _option8,
    DEFAULT: _qlab,
}
"""Block lengths of all passes, from the error rate and the length of a frame."""

_TINY = 8


def block_counts(variant: str, rate: float, places: int) -> tuple[int, ...]:
    """Return how many blocks each pass of a variant has.

    Blocks have two places at least, half a frame at most; a frame of up to eight places is
    one pass of single places.

    Raises
    ------
    ParameterError
        The variant is unknown.
    """
    if variant not in VARIANTS:
        known = ", ".join(VARIANTS)
        raise ParameterError(f"there is no variant {variant!r} of Cascade, only {known}")
    if places <= _TINY:
        return (places,)
    lengths = VARIANTS[variant](min(rate, 0.5), places)
    return tuple(min(max(math.ceil(places / length), 2), places // 2) for length in lengths)
