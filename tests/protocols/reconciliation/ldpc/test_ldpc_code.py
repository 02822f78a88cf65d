"""Parity-check matrices against their definition, entry by entry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldpc_bench import code_of, packed, small_code, unpacked

from protocols.errors import ParameterError
from protocols.reconciliation.ldpc.code import Code


def test_a_check_joins_the_bits_of_its_definition() -> None:
    code = code_of("c", 5, 3, [{0: 1, 2: 4}, {1: 0}])
    matrix = code.dense()
    assert matrix.shape == (10, 15)
    for i in range(5):
        assert set(np.flatnonzero(matrix[i])) == {(i + 1) % 5, 10 + (i + 4) % 5}
        assert set(np.flatnonzero(matrix[5 + i])) == {5 + i}


@settings(max_examples=40, deadline=None)
@given(
    z=st.sampled_from([64, 128, 192, 320]),
    columns=st.integers(3, 6),
    rows=st.integers(3, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_syndromes_are_those_of_the_dense_matrix(
    z: int, columns: int, rows: int, seed: int
) -> None:
    code = small_code(z, columns, rows, 3, seed)
    bits = np.random.default_rng(seed).integers(0, 2, (3, code.bits), dtype=np.uint8)
    expected = (bits.astype(np.int64) @ code.dense().T.astype(np.int64) % 2).astype(np.uint8)
    assert (unpacked(code.syndromes(packed(bits))) == expected).all()
    later = code.some_syndromes(packed(bits), 2)
    assert (unpacked(later) == expected[:, 2 * z :]).all()


def test_frames_must_fit() -> None:
    code = small_code(64, 4, 3, 3)
    with pytest.raises(ParameterError):
        code.syndromes(np.zeros((1, 5), np.uint64))
    with pytest.raises(ParameterError):
        small_code(32, 4, 3, 3).syndromes(np.zeros((1, 2), np.uint64))


def tables(starts: list[int], column: list[int], shift: list[int]) -> Code:
    as_int32 = [np.array(values, np.int32) for values in (starts, column, shift)]
    return Code("bad", 8, 3, *as_int32)


@pytest.mark.parametrize(
    ("starts", "column", "shift"),
    [
        ([0], [], []),
        ([0, 2], [0, 0], [1, 1]),
        ([0, 2], [1, 0], [1, 1]),
        ([0, 2], [0, 3], [1, 1]),
        ([0, 2], [-1, 1], [1, 1]),
        ([0, 2], [0, 1], [1, 8]),
        ([0, 2], [0, 1], [-1, 1]),
        ([0, 2], [0, 1], [1]),
        ([0, 1], [0, 1], [1, 1]),
        ([1, 2], [0, 1], [1, 1]),
        ([0, 2, 2], [0, 1], [1, 1]),
        ([0, 2, 1], [0], [1]),
    ],
)
def test_tables_that_contradict_each_other_are_refused(
    starts: list[int], column: list[int], shift: list[int]
) -> None:
    with pytest.raises(ParameterError):
        tables(starts, column, shift)


def test_a_column_may_come_again_in_the_next_row() -> None:
    assert tables([0, 2, 4], [0, 1, 0, 2], [0, 0, 0, 0]).rows == 2


def test_other_types_and_sizes_are_refused() -> None:
    good = np.array([0, 1], np.int32), np.array([0], np.int32), np.array([0], np.int32)
    with pytest.raises(ParameterError):
        Code("bad", 8, 1, good[0].astype(np.int64), good[1], good[2])
    with pytest.raises(ParameterError):
        Code("bad", 0, 1, *good)
    with pytest.raises(ParameterError):
        Code("bad", 2**20, 2**11, *good)
