"""Two processor instructions on 64-bit words that numba does not offer by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["ones", "trailing_zeros"]


@intrinsic
def _ones(context: Any, word: Any) -> Any:
    def build(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        i64 = ir.IntType(64)
        count = builder.module.declare_intrinsic("llvm.ctpop", [i64], ir.FunctionType(i64, [i64]))
        return builder.call(count, arguments)

    return types.uint64(types.uint64), build


@intrinsic
def _trailing_zeros(context: Any, word: Any) -> Any:
    def build(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


@njit(cache=True, nogil=True, forceinline=True)
def ones(word: np.uint64) -> np.uint64:
    """Count the ones of a word."""
    return _ones(word)  # type: ignore[call-arg]  # numba passes the context itself


@njit(cache=True, nogil=True, forceinline=True)
def trailing_zeros(word: np.uint64) -> np.int64:
    """Count the zeros below the lowest one of a word that is not zero."""
    return _trailing_zeros(word)  # type: ignore[call-arg]  # as above
