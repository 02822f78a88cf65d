"""Processor instructions that numba does not offer by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["fetch", "ones", "trailing_zeros"]


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


@intrinsic
def _fetch(context: Any, array: Any, index: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        held = context.make_array(kind)(context, builder, arguments[0])
        indices: Any = [builder.extract_value(arguments[1], i) for i in range(kind.ndim)]
        offset = builder.mul(indices[0], builder.extract_value(held.strides, 0))
        for i in range(1, kind.ndim):
            step = builder.mul(indices[i], builder.extract_value(held.strides, i))
            offset = builder.add(offset, step)
        octets = builder.bitcast(held.data, ir.IntType(8).as_pointer())
        place = builder.gep(octets, [offset])
        i32, address = ir.IntType(32), ir.IntType(8).as_pointer()
        form = ir.FunctionType(ir.VoidType(), [address, i32, i32, i32])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [address], form)
        builder.call(prefetch, [place, i32(1), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(array, index), build


@njit(cache=True, nogil=True, forceinline=True)
def ones(word: np.uint64) -> np.uint64:
    """Count the ones of a word."""
    return _ones(word)  # type: ignore[call-arg]  # numba passes the context itself


@njit(cache=True, nogil=True, forceinline=True)
def trailing_zeros(word: np.uint64) -> np.int64:
    """Count the zeros below the lowest one of a word that is not zero."""
    return _trailing_zeros(word)  # type: ignore[call-arg]  # as above


@njit(cache=True, nogil=True, forceinline=True)
def fetch(array: npt.NDArray[np.uint64], indices: tuple[Any, ...]) -> None:
    """Ask the cache for an element that will be written; the indices must be in range."""
    _fetch(array, indices)  # type: ignore[call-arg]  # as above
