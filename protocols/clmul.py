"""Products of polynomials over GF(2), 64 bits by 64, for numba kernels.

`clmul` is one instruction where the processor that numba compiles for has it (PCLMULQDQ on
x86-64, PMULL on AArch64) and integer arithmetic elsewhere; both give the same bits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from protocols.processor import ARCHITECTURE, FEATURES

__all__ = ["INSTRUCTION", "build_product", "clmul", "clmul_portable", "word_at"]

_I8, _I32, _I64, _I128 = (ir.IntType(bits) for bits in (8, 32, 64, 128))
_PAIR = ir.VectorType(_I64, 2)
_proxy: Any = cgutils.create_struct_proxy
_intrinsic: Any = intrinsic  # typed as what numba calls, not as what kernels call


Word = np.uint64


def _instruction(architecture: str, features: Collection[str]) -> str | None:
    """Name the LLVM intrinsic of the instruction, if there is one."""
    if architecture == "x86_64" and "+pclmul" in features:
        return "llvm.x86.pclmulqdq"
    if architecture in ("aarch64", "arm64") and "+aes" in features:
        return "llvm.aarch64.neon.pmull64"
    return None


INSTRUCTION = _instruction(ARCHITECTURE, FEATURES)
"""LLVM's name of the instruction behind `clmul`, None for the portable kernel."""


def _by_instruction(builder: Any, a: Any, b: Any) -> Any:
    module = builder.module
    if INSTRUCTION == "llvm.aarch64.neon.pmull64":
        octets = ir.VectorType(_I8, 16)
        pmull = module.declare_intrinsic(INSTRUCTION, (), ir.FunctionType(octets, [_I64, _I64]))
        return builder.bitcast(builder.call(pmull, [a, b]), _I128)
    pclmul = module.declare_intrinsic(INSTRUCTION, (), ir.FunctionType(_PAIR, [_PAIR, _PAIR, _I8]))
    first, zero = ir.Constant(_I32, 0), ir.Constant(_PAIR, [0, 0])
    x, y = (builder.insert_element(zero, word, first) for word in (a, b))
    return builder.bitcast(builder.call(pclmul, [x, y, ir.Constant(_I8, 0)]), _I128)


def _by_integers(builder: Any, a: Any, b: Any) -> Any:
    """Call a function of the module that multiplies; in line it would be long to compile."""
    name = "carry_less_product"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(_I128, [_I64, _I64]), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        body = ir.IRBuilder(function.append_basic_block())
        body.ret(_spread_product(body, *function.args))
    return builder.call(function, [a, b])


def _spread_product(builder: Any, a: Any, b: Any) -> Any:
    """Multiply integers whose set bits lie five apart.

    At most 13 products of bits fall on one place of such a product, so their sum stays
    below 2**5 and carries into no place that counts; its last bit is their parity.
    """
    masks = [ir.Constant(_I128, sum(1 << bit for bit in range(k, 128, 5))) for k in range(5)]
    x, y = ([builder.and_(builder.zext(word, _I128), mask) for mask in masks] for word in (a, b))
    total = ir.Constant(_I128, 0)
    for k, mask in enumerate(masks):
        places = ir.Constant(_I128, 0)
        for i in range(5):
            places = builder.xor(places, builder.mul(x[i], y[(k - i) % 5]))
        total = builder.xor(total, builder.and_(places, mask))
    return total


def build_product(builder: Any, a: Any, b: Any) -> Any:
    """Emit `clmul` of two LLVM words as one 128-bit value, for intrinsics of other modules."""
    return (_by_instruction if INSTRUCTION else _by_integers)(builder, a, b)


def _product(multiply: Callable[[Any, Any, Any], Any]) -> Any:
    """Make a numba function of two words that returns the halves of their product."""
    words = types.UniTuple(types.uint64, 2)  # type: ignore[no-untyped-call]  # numba's

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        product = multiply(builder, *arguments)
        high = builder.lshr(product, ir.Constant(_I128, 64))
        halves = builder.trunc(high, _I64), builder.trunc(product, _I64)
        return context.make_tuple(builder, signature.return_type, halves)

    def product(context: Any, a: Any, b: Any) -> Any:
        return words(types.uint64, types.uint64), generate

    return _intrinsic(product)


def _word_at(context: Any, octets: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = _proxy(octets)(context, builder, value=arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), _I64.as_pointer())
        word = builder.load(place, align=1)
        return builder.bswap(word) if sys.byteorder == "little" else word

    return types.uint64(octets, types.intp), generate


clmul_portable: Callable[[Word, Word], tuple[Word, Word]] = _product(_by_integers)
"""As `clmul`, by integer arithmetic that every processor has."""

clmul: Callable[[Word, Word], tuple[Word, Word]] = _product(build_product)
"""Return the high and the low half of the product of two polynomials over GF(2).

Bit i of a word is the coefficient of x**i. To be called from numba kernels.
"""

word_at: Callable[[npt.NDArray[np.uint8], int], Word] = _intrinsic(_word_at)
"""Return the word whose big-endian bytes are in an array from an index on; nothing checks it.

To be called from numba kernels.
"""
