"""Four elements of GF(2**64) at once inside numba kernels, on every processor.

An element is a 64-bit word whose bit i is the coefficient of x**i; the field polynomial is
x**64 + x**4 + x**3 + x + 1. A quad lives in registers only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from protocols.clmul import INSTRUCTION, build_product
from protocols.processor import FEATURES

__all__ = [
    "LANES",
    "Words",
    "add",
    "both",
    "evens",
    "first_pairs",
    "firsts",
    "last_pairs",
    "lasts",
    "left",
    "load",
    "odds",
    "quad",
    "right",
    "slide",
    "store",
    "times",
]

LANES = 4
"""Elements of a quad."""

Words = npt.NDArray[np.uint64]

_WIDE = INSTRUCTION == "llvm.x86.pclmulqdq" and {"+vpclmulqdq", "+avx"} <= FEATURES

_proxy: Any = cgutils.create_struct_proxy
_intrinsic: Any = intrinsic  # typed as what numba calls, not as what kernels call
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_QUAD = ir.VectorType(_I64, LANES)


class _QuadType(types.Type):
    pass


@register_model(_QuadType)
class _QuadModel(models.PrimitiveModel):
    def __init__(self, manager: Any, front: Any) -> None:
        super().__init__(manager, front, _QUAD)  # type: ignore[no-untyped-call]  # numba's


_Quad: Any = _QuadType("quad")


def _operation(build: Callable[[Any, Any, Any], Any]) -> Any:
    """Make a numba function of two quads from what emits it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return build(builder, *arguments)

    def operation(context: Any, a: Any, b: Any) -> Any:
        return _Quad(_Quad, _Quad), generate

    return _intrinsic(operation)


def _shift(build: Callable[[Any, Any, Any], Any]) -> Any:
    """Make a numba function of a quad and a number of places from what emits it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        quad, places = arguments
        return build(builder, quad, _collect(builder, [places] * LANES))

    def operation(context: Any, a: Any, places: Any) -> Any:
        return _Quad(_Quad, types.uint64), generate

    return _intrinsic(operation)


def _place(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    data = _proxy(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [at]), _QUAD.as_pointer())


def _load(context: Any, words: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, words, *arguments), align=8)

    return _Quad(words, types.intp), generate


def _store(context: Any, words: Any, at: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, words, *arguments[:2]), align=8)
        return context.get_dummy_value()

    return types.void(words, types.intp, _Quad), generate


def _quad(context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _collect(builder, arguments)

    return _Quad(*[types.uint64] * LANES), generate


def _collect(builder: Any, words: Any) -> Any:
    vector = ir.Constant(_QUAD, ir.Undefined)
    for lane, word in enumerate(words):
        vector = builder.insert_element(vector, word, ir.Constant(_I32, lane))
    return vector


def _shuffle(*lanes: int) -> Callable[[Any, Any, Any], Any]:
    chosen = ir.Constant(ir.VectorType(_I32, LANES), list(lanes))
    return lambda builder, a, b: builder.shuffle_vector(a, b, chosen)


def _times(builder: Any, a: Any, b: Any) -> Any:
    build = _wide_products if _WIDE else _products
    return _reduce(builder, *build(builder, a, b))


def _wide_products(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Return the high and the low halves of products, two to an instruction."""
    byte = ir.IntType(8)
    pclmul = builder.module.declare_intrinsic(
        "llvm.x86.pclmulqdq.256", (), ir.FunctionType(_QUAD, [_QUAD, _QUAD, byte])
    )
    even, odd = (builder.call(pclmul, [a, b, ir.Constant(byte, lanes)]) for lanes in (0x00, 0x11))
    return _shuffle(1, 5, 3, 7)(builder, even, odd), _shuffle(0, 4, 2, 6)(builder, even, odd)


def _products(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Return the high and the low halves of products, one by one."""
    highs, lows = [], []
    for lane in range(LANES):
        index = ir.Constant(_I32, lane)
        words = (builder.extract_element(vector, index) for vector in (a, b))
        product = build_product(builder, *words)
        high = builder.lshr(product, ir.Constant(product.type, 64))
        highs.append(builder.trunc(high, _I64))
        lows.append(builder.trunc(product, _I64))
    return _collect(builder, highs), _collect(builder, lows)


def _reduce(builder: Any, high: Any, low: Any) -> Any:
    """Replace x**64 by x**4 + x**3 + x + 1, twice since the first leaves up to x**67."""

    def by(shift: Any, amount: int) -> Any:
        return shift(high, ir.Constant(_QUAD, [amount] * LANES))

    total = high
    for amount in (60, 61, 63):
        total = builder.xor(total, by(builder.lshr, amount))
    high = total
    total = builder.xor(low, high)
    for amount in (1, 3, 4):
        total = builder.xor(total, by(builder.shl, amount))
    return total


load: Callable[[Words, int], Any] = _intrinsic(_load)
"""Return the four elements of an array from an index on; nothing checks the index."""

store: Callable[[Words, int, Any], None] = _intrinsic(_store)
"""Write four elements into an array from an index on; nothing checks the index."""

quad: Callable[[np.uint64, np.uint64, np.uint64, np.uint64], Any] = _intrinsic(_quad)
"""Join four elements."""

add: Callable[[Any, Any], Any] = _operation(lambda builder, a, b: builder.xor(a, b))
"""Add lane by lane."""

both: Callable[[Any, Any], Any] = _operation(lambda builder, a, b: builder.and_(a, b))
"""Return the bits that both quads have."""

left: Callable[[Any, np.uint64], Any] = _shift(lambda builder, a, b: builder.shl(a, b))
"""Shift every word by 0 to 63 places towards its highest bit."""

right: Callable[[Any, np.uint64], Any] = _shift(lambda builder, a, b: builder.lshr(a, b))
"""Shift every word by 0 to 63 places towards its lowest bit."""

times: Callable[[Any, Any], Any] = _operation(_times)
"""Multiply lane by lane."""

firsts: Callable[[Any, Any], Any] = _operation(_shuffle(0, 1, 4, 5))
"""Return the first two elements of each of two quads."""

lasts: Callable[[Any, Any], Any] = _operation(_shuffle(2, 3, 6, 7))
"""Return the last two elements of each of two quads."""

evens: Callable[[Any, Any], Any] = _operation(_shuffle(0, 2, 4, 6))
"""Return the first and third element of each of two quads."""

odds: Callable[[Any, Any], Any] = _operation(_shuffle(1, 3, 5, 7))
"""Return the second and fourth element of each of two quads."""

first_pairs: Callable[[Any, Any], Any] = _operation(_shuffle(0, 4, 1, 5))
"""Return the first two elements of each of two quads in turn; with `last_pairs` the opposite
of `evens` and `odds`."""

last_pairs: Callable[[Any, Any], Any] = _operation(_shuffle(2, 6, 3, 7))
"""Return the last two elements of each of two quads in turn."""

slide: Callable[[Any, Any], Any] = _operation(_shuffle(3, 4, 5, 6))
"""Return the last element of a quad and the first three of the next."""
