"""Vector operations against numpy, for all pairs of bytes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numba import njit

from protocols.reconciliation.ldpc import lanes

Bytes = npt.NDArray[np.int8]

A, B = (
    side.ravel().astype(np.int8) for side in np.meshgrid(np.arange(-128, 128), range(-128, 128))
)
WIDE_A, WIDE_B = A.astype(int), B.astype(int)
UNSIGNED_A, UNSIGNED_B = WIDE_A & 255, WIDE_B & 255


def over_all_pairs(operation: Any) -> Bytes:
    @njit
    def each(a: Bytes, b: Bytes, out: Bytes) -> None:
        for at in range(0, a.size, lanes.WIDTH):
            lanes.store(out, at, operation(lanes.load(a, at), lanes.load(b, at)))

    out = np.empty_like(A)
    each(A, B, out)
    return out


@njit
def _absolute(a: Any, b: Any) -> Any:
    return lanes.absolute(a)


@njit
def _with_sign(a: Any, b: Any) -> Any:
    return lanes.with_sign(lanes.lower(a, lanes.splat(127)), b)


@njit
def _shifted(a: Any, b: Any) -> Any:
    return lanes.shifted(a, lanes.splat(3))


@njit
def _pick(a: Any, b: Any) -> Any:
    return lanes.pick_equal(lanes.lower(a, lanes.splat(3)), lanes.lower(b, lanes.splat(3)), a, b)


OPERATIONS: list[tuple[Any, Callable[[], npt.NDArray[np.int64]]]] = [
    (lanes.add, lambda: np.clip(WIDE_A + WIDE_B, -128, 127)),
    (lanes.sub, lambda: np.clip(WIDE_A - WIDE_B, -128, 127)),
    (lanes.add_positive, lambda: np.minimum(UNSIGNED_A + UNSIGNED_B, 255)),
    (lanes.sub_positive, lambda: np.maximum(UNSIGNED_A - UNSIGNED_B, 0)),
    (lanes.lower, lambda: np.minimum(UNSIGNED_A, UNSIGNED_B)),
    (lanes.greater, lambda: np.maximum(UNSIGNED_A, UNSIGNED_B)),
    (lanes.toggle, lambda: WIDE_A ^ WIDE_B),
    (_absolute, lambda: np.abs(WIDE_A)),
    (_with_sign, lambda: np.where(WIDE_B < 0, -1, 1) * np.minimum(UNSIGNED_A, 127)),
    (_shifted, lambda: UNSIGNED_A >> 3),
    (
        _pick,
        lambda: np.where(
            np.minimum(UNSIGNED_A, 3) == np.minimum(UNSIGNED_B, 3), UNSIGNED_A, UNSIGNED_B
        ),
    ),
]


@pytest.mark.parametrize(("operation", "expected"), OPERATIONS)
def test_operation(operation: Any, expected: Callable[[], npt.NDArray[np.int64]]) -> None:
    assert (over_all_pairs(operation) == expected().astype(np.uint8).view(np.int8)).all()


ENTRIES = tuple((97 * place + 13) % 256 for place in range(32))


@pytest.mark.parametrize("shuffler", [lanes.SHUFFLER, None])
def test_each_place_of_a_table_is_found_with_the_instruction_and_without(
    shuffler: tuple[str, int] | None,
) -> None:
    look_up = lanes.table(ENTRIES, shuffler)

    @njit
    def place(a: Any, b: Any) -> Any:
        return look_up(lanes.lower(a, lanes.splat(31)))

    expected = np.array(ENTRIES)[np.minimum(UNSIGNED_A, 31)]
    assert (over_all_pairs(place) == expected.astype(np.uint8).view(np.int8)).all()


@pytest.mark.parametrize(
    ("architecture", "features", "name"),
    [
        ("x86_64", "+ssse3,+avx2", "llvm.x86.avx2.pshuf.b"),
        ("x86_64", "+ssse3,-avx2", "llvm.x86.ssse3.pshuf.b.128"),
        ("x86_64", "+sse2", None),
        ("arm64", "+neon", "llvm.aarch64.neon.tbl2.v16i8"),
        ("riscv64", "+avx2", None),
    ],
)
def test_the_instruction_is_used_only_where_it_is(
    architecture: str, features: str, name: str | None
) -> None:
    found = lanes._shuffler(architecture, set(features.split(",")))
    assert (found and found[0]) == name


def test_bits_spread_and_are_gathered_lowest_first() -> None:
    @njit
    def there(word: np.uint64, out: Bytes) -> None:
        lanes.store(out, 0, lanes.spread(word))

    @njit
    def back(out: Bytes) -> Any:
        return lanes.signs(lanes.load(out, 0))

    word = 0xF0E1_D2C3_B4A5_9687
    out = np.empty(lanes.WIDTH, np.int8)
    there(np.uint64(word), out)
    assert (out == [-(word >> bit & 1) for bit in range(64)]).all()
    assert int(back(out)) == word


@pytest.mark.parametrize("word", [0, 1, 1 << 63, 0xF0E1_D2C3_B4A5_9687, (1 << 64) - 1])
def test_set_bits_are_counted(word: int) -> None:
    @njit
    def count(word: np.uint64) -> Any:
        return lanes.ones(word)

    assert count(np.uint64(word)) == word.bit_count()


def test_a_vector_is_read_and_written_anywhere() -> None:
    @njit
    def copy(source: Bytes, start: int, target: Bytes, stop: int) -> None:
        lanes.store(target, stop, lanes.load(source, start))

    source = np.arange(100).astype(np.int8)
    target = np.zeros(100, np.int8)
    copy(source, 3, target, 35)
    assert (target[:35] == 0).all()
    assert (target[35:99] == source[3:67]).all()
    assert target[99] == 0
