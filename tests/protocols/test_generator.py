import hashlib
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import MessageError, ParameterError
from protocols.generator import BLOCK_BYTES, expand, permutation, xoshiro256starstar
from protocols.varints import decode_ascending, encode_ascending

# Outputs from the state 1, 2, 3, 4 of the authors' reference program, as published in the
# tests of the Rust crate rand_xoshiro.
REFERENCE = [
    11520,
    0,
    1509978240,
    1215971899390074240,
    1216172134540287360,
    607988272756665600,
    16172922978634559625,
    8476171486693032832,
    10595114339597558777,
    2904607092377533576,
]


def test_xoshiro_gives_the_published_outputs() -> None:
    assert xoshiro256starstar((1, 2, 3, 4), 10).tolist() == REFERENCE
    with pytest.raises(ParameterError):
        xoshiro256starstar((0, 0, 0, 0), 1)


def test_a_block_of_the_stream_is_as_documented() -> None:
    for block in (0, 3):
        text = b"qlab stream 1" + b"\0\3" + b"abc" + block.to_bytes(8, "big") + b"seed"
        expected = hashlib.shake_256(text).digest(BLOCK_BYTES)
        assert expand(b"seed", "abc", block * BLOCK_BYTES, BLOCK_BYTES) == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 30_000), max_size=5), st.integers(0, 50_000))
def test_pieces_join_to_the_stream(sizes: list[int], start: int) -> None:
    pieces, at = [], start
    for size in sizes:
        pieces.append(expand(b"s", "x", at, size))
        at += size
    assert b"".join(pieces) == expand(b"s", "x", 0, at)[start:]


def test_streams_differ_by_seed_and_label() -> None:
    streams = {expand(seed, label, 0, 16) for seed in (b"", b"a", b"b") for label in ("", "a", "b")}
    assert len(streams) == 9
    with pytest.raises(ParameterError):
        expand(b"", "", -1, 1)


@settings(deadline=None)  # the first call compiles
@given(st.binary(max_size=40), st.integers(0, 300))
def test_a_permutation_has_every_place_once(seed: bytes, count: int) -> None:
    order = permutation(seed, "p", count)
    assert sorted(order.tolist()) == list(range(count))


def test_a_permutation_follows_the_documented_steps() -> None:
    count = 50
    words = [int.from_bytes(expand(b"k", "p", 8 * i, 8), "little") for i in range(4)]
    numbers = iter(xoshiro256starstar((words[0], words[1], words[2], words[3]), 200).tolist())
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        while True:
            product = (next(numbers) >> 32) * (i + 1)
            if product % 2**32 >= 2**32 % (i + 1):
                break
        j = product >> 32
        order[i], order[j] = order[j], order[i]
    assert permutation(b"k", "p", count).tolist() == order


def test_permutations_are_equally_likely() -> None:
    trials = 12_000
    seen = Counter(tuple(permutation(i.to_bytes(4, "big"), "p", 4).tolist()) for i in range(trials))
    mean = trials / 24
    chi2 = sum((seen[order] - mean) ** 2 / mean for order in permutations(range(4)))
    assert chi2 < 58.6  # 23 degrees of freedom: exceeded by chance with probability 6e-5


@pytest.mark.parametrize("count", [-1, 2**31])
def test_a_permutation_needs_a_size(count: int) -> None:
    with pytest.raises(ParameterError):
        permutation(b"", "", count)


ascending = st.sets(st.integers(0, 2**48 - 1), max_size=60).map(sorted)


@settings(deadline=None)  # the first call compiles
@given(ascending)
def test_ascending_lists_return(numbers: list[int]) -> None:
    data = encode_ascending(np.array(numbers, np.int64))
    assert decode_ascending(data, len(numbers), 2**48).tolist() == numbers


def test_neighbours_take_one_byte() -> None:
    assert encode_ascending(np.arange(5)) == bytes(5)
    assert encode_ascending(np.array([300])) == b"\xac\x02"  # 300 in unsigned LEB128


@settings(deadline=None)  # the first call compiles
@given(st.binary(max_size=20), st.integers(0, 20), st.integers(0, 2**49))
def test_any_accepted_bytes_are_the_only_encoding(data: bytes, count: int, limit: int) -> None:
    try:
        numbers = decode_ascending(data, count, limit)
    except MessageError:
        return
    assert encode_ascending(numbers) == data
    assert numbers.size == count and (numbers < limit).all()


@pytest.mark.parametrize("numbers", [[1, 1], [2, 1], [-1], [2**48]])
def test_only_ascending_lists_are_encoded(numbers: list[int]) -> None:
    with pytest.raises(ParameterError):
        encode_ascending(np.array(numbers, np.int64))
