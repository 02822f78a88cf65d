"""Sixty-four signed bytes at once inside numba kernels, on every processor.

LLVM has vectors of any width and saturating arithmetic on them, and lowers both to what the
processor offers: two instructions of AVX2, four of SSE or NEON, or a loop. All operations are
on integers, so the results are the same everywhere. Only looking up in a table needs an
instruction by name (PSHUFB, TBL), and compares with each entry where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from protocols.processor import ARCHITECTURE, FEATURES

__all__ = [
    "SHUFFLER",
    "WIDTH",
    "absolute",
    "add",
    "add_positive",
    "greater",
    "load",
    "lower",
    "ones",
    "pick_equal",
    "shifted",
    "signs",
    "splat",
    "spread",
    "store",
    "sub",
    "sub_positive",
    "table",
    "toggle",
    "with_sign",
]

WIDTH = 64
"""Bytes of a vector."""

_proxy: Any = cgutils.create_struct_proxy
_declare: Any = cgutils.get_or_insert_function

_BYTE, _WORD = ir.IntType(8), ir.IntType(32)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)
_VECTOR = ir.VectorType(_BYTE, WIDTH)


class _LanesType(types.Type):
    pass


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, front: Any) -> None:
        super().__init__(manager, front, _VECTOR)  # type: ignore[no-untyped-call]  # numba's


_LANES: Any = _LanesType("lanes")


def _intrinsic(function: Any) -> Any:
    """Let mypy forget the type of a function, which is that of what numba calls."""
    return intrinsic(function)


def _place(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    data = _proxy(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer())


def _constant(value: int) -> Any:
    return ir.Constant(_VECTOR, [value] * WIDTH)


def _call(name: str, builder: Any, *args: Any) -> Any:
    kinds = [arg.type for arg in args]
    function = _declare(builder.module, ir.FunctionType(_VECTOR, kinds), f"llvm.{name}.v{WIDTH}i8")
    return builder.call(function, args)


def _splat(builder: Any, byte: Any) -> Any:
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), byte, _WORD(0))
    zeros = ir.Constant(ir.VectorType(_WORD, WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), zeros)


@_intrinsic
def load(typing: Any, array: Any, at: Any) -> Any:
    """Read the 64 bytes from a place of a contiguous int8 vector on; no bounds are checked."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_place(context, builder, signature.args[0], *args), align=1)

    return _LANES(array, types.intp), code


@_intrinsic
def store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    """Write 64 bytes from a place of a contiguous int8 vector on; no bounds are checked."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, _LANES), code


@_intrinsic
def splat(typing: Any, value: Any) -> Any:
    """Return a vector of 64 times the low byte of an integer."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, builder.trunc(args[0], _BYTE))

    return _LANES(types.intp), code


@_intrinsic
def spread(typing: Any, word: Any) -> Any:
    """Return −1 where the bit of a uint64 is set, bit 0 first, and 0 elsewhere."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sext(builder.bitcast(args[0], _MASK), _VECTOR)

    return _LANES(types.uint64), code


@_intrinsic
def signs(typing: Any, value: Any) -> Any:
    """Return a uint64 with the bits set, bit 0 first, where a vector is negative."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        negative = builder.icmp_signed("<", args[0], _constant(0))
        return builder.bitcast(negative, ir.IntType(WIDTH))

    return types.uint64(_LANES), code


@_intrinsic
def ones(typing: Any, word: Any) -> Any:
    """Return how many bits of a uint64 are set."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), code


def _lanewise(operation: Callable[..., Any]) -> Any:
    """Make a numba function of one, two or four vectors out of LLVM's operations."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return operation(builder, *args)

    def one(typing: Any, a: Any) -> Any:
        return _LANES(_LANES), code

    def two(typing: Any, a: Any, b: Any) -> Any:
        return _LANES(_LANES, _LANES), code

    def four(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        return _LANES(_LANES, _LANES, _LANES, _LANES), code

    typed = {2: one, 3: two, 5: four}[operation.__code__.co_argcount]
    typed.__doc__ = operation.__doc__
    return _intrinsic(typed)


@_lanewise
def add(builder: Any, a: Any, b: Any) -> Any:
    """Return a + b, kept within −128 to 127."""
    return _call("sadd.sat", builder, a, b)


@_lanewise
def sub(builder: Any, a: Any, b: Any) -> Any:
    """Return a − b, kept within −128 to 127."""
    return _call("ssub.sat", builder, a, b)


@_lanewise
def sub_positive(builder: Any, a: Any, b: Any) -> Any:
    """Return a − b of unsigned bytes, not below 0."""
    return _call("usub.sat", builder, a, b)


@_lanewise
def lower(builder: Any, a: Any, b: Any) -> Any:
    """Return the lower of unsigned bytes."""
    return _call("umin", builder, a, b)


@_lanewise
def greater(builder: Any, a: Any, b: Any) -> Any:
    """Return the greater of unsigned bytes."""
    return _call("umax", builder, a, b)


@_lanewise
def absolute(builder: Any, a: Any) -> Any:
    """Return the magnitudes as unsigned bytes, 0 to 128."""
    return _call("abs", builder, a, ir.Constant(ir.IntType(1), 0))


@_lanewise
def toggle(builder: Any, a: Any, b: Any) -> Any:
    """Return the exclusive or: the sign of a product in the sign bits."""
    return builder.xor(a, b)


@_lanewise
def shifted(builder: Any, a: Any, by: Any) -> Any:
    """Return unsigned bytes shifted right by 0 to 7 places."""
    return builder.lshr(a, by)


@_lanewise
def pick_equal(builder: Any, a: Any, b: Any, same: Any, other: Any) -> Any:
    """Return `same` where a equals b and `other` elsewhere."""
    return builder.select(builder.icmp_unsigned("==", a, b), same, other)


@_lanewise
def with_sign(builder: Any, magnitude: Any, sign: Any) -> Any:
    """Return magnitudes of 0 to 127, negated where `sign` is negative."""
    negative = builder.icmp_signed("<", sign, _constant(0))
    return builder.select(negative, builder.sub(_constant(0), magnitude), magnitude)


@_lanewise
def add_positive(builder: Any, a: Any, b: Any) -> Any:
    """Return a + b of unsigned bytes, at most 255."""
    return _call("uadd.sat", builder, a, b)


def _shuffler(architecture: str, features: Collection[str]) -> tuple[str, int] | None:
    """Name LLVM's intrinsic for looking up bytes, and how many bytes it takes at once."""
    if architecture == "x86_64" and "+avx2" in features:
        return "llvm.x86.avx2.pshuf.b", 32
    if architecture == "x86_64" and "+ssse3" in features:
        return "llvm.x86.ssse3.pshuf.b.128", 16
    if architecture in ("aarch64", "arm64") and "+neon" in features:
        return "llvm.aarch64.neon.tbl2.v16i8", 16
    return None


SHUFFLER = _shuffler(ARCHITECTURE, FEATURES)
"""What `table` looks up with, None for comparisons."""


def _shuffled(builder: Any, entries: tuple[int, ...], index: Any, name: str, size: int) -> Any:
    part = ir.VectorType(_BYTE, size)
    low, high = (
        ir.Constant(part, list(half) * (size // 16)) for half in (entries[:16], entries[16:])
    )
    arm = "aarch64" in name
    function = _declare(builder.module, ir.FunctionType(part, [part] * (3 if arm else 2)), name)
    found = []
    for start in range(0, WIDTH, size):
        places = ir.Constant(ir.VectorType(_WORD, size), list(range(start, start + size)))
        at = builder.shuffle_vector(index, index, places)
        if arm:
            found.append(builder.call(function, [low, high, at]))
            continue
        # PSHUFB gives 0 for a place of 128 or more, and else goes by its last four bits.
        below = builder.add(at, ir.Constant(part, [112] * size))
        above = builder.sub(at, ir.Constant(part, [16] * size))
        halves = [builder.call(function, pair) for pair in ([low, below], [high, above])]
        found.append(builder.or_(*halves))
    while len(found) > 1:
        count = 2 * found[0].type.count
        places = ir.Constant(ir.VectorType(_WORD, count), list(range(count)))
        found = [
            builder.shuffle_vector(first, second, places)
            for first, second in zip(found[::2], found[1::2], strict=True)
        ]
    return found[0]


def _compared(builder: Any, entries: tuple[int, ...], index: Any) -> Any:
    found = _constant(entries[0])
    for place, entry in enumerate(entries[1:], 1):
        here = builder.icmp_unsigned("==", index, _constant(place))
        found = builder.select(here, _constant(entry), found)
    return found


def table(entries: tuple[int, ...], shuffler: tuple[str, int] | None = SHUFFLER) -> Any:
    """Make a numba function that looks up each byte, 0 to 31, among 32 unsigned bytes."""

    @_lanewise
    def look_up(builder: Any, index: Any) -> Any:
        """Return the entries of a vector of places."""
        if shuffler is None:
            return _compared(builder, entries, index)
        return _shuffled(builder, entries, index, *shuffler)

    return look_up
