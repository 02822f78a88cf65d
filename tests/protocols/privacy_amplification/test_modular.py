from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.bits import packed_size
from protocols.errors import ParameterError
from protocols.privacy_amplification.modular import modular_hash, seed_bits
from protocols.secret import SecretBits


def packed(value: int, count: int) -> bytes:
    size = packed_size(count)
    return (value << (8 * size - count)).to_bytes(size, "big")


def hashed(x: int, n: int, a: int, b: int, r: int, workers: int = 1) -> int:
    width = n + r - 1
    seed = packed(a << width | b, 2 * width)
    out = modular_hash(SecretBits(packed(x, n), n), seed, r, workers)
    assert out.bit_count == r
    return int.from_bytes(out.reveal(), "big") >> (8 * packed_size(r) - r)


@pytest.mark.parametrize(("n", "r"), [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (4, 2), (3, 3)])
def test_two_keys_have_independent_values(n: int, r: int) -> None:
    """Over all seeds, each pair of values of each pair of keys is equally frequent."""
    width = n + r - 1
    table = [
        [hashed(x, n, a, b, r) for x in range(1 << n)]
        for a in range(1 << width)
        for b in range(1 << width)
    ]
    for first in range(1 << n):
        for second in range(first):
            pairs = Counter((row[first], row[second]) for row in table)
            assert set(pairs.values()) == {len(table) >> 2 * r}
            assert len(pairs) == 1 << 2 * r


@settings(deadline=None)
@given(st.integers(1, 3000), st.data())
def test_the_hash_is_its_formula(n: int, data: st.DataObject) -> None:
    r = data.draw(st.integers(1, n))
    width = n + r - 1
    x = data.draw(st.integers(0, 2**n - 1))
    a, b = (data.draw(st.integers(0, 2**width - 1)) for _ in range(2))
    assert seed_bits(n, r) == 2 * width
    workers = data.draw(st.integers(1, 3))
    assert hashed(x, n, a, b, r, workers) == (a * x + b) % 2**width >> (width - r)


@pytest.mark.parametrize(("n", "r"), [(0, 0), (5, 0), (5, 6)])
def test_impossible_lengths_are_refused(n: int, r: int) -> None:
    with pytest.raises(ParameterError):
        seed_bits(n, r)


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ParameterError, match="22 bits"):
        modular_hash(SecretBits(b"\xff", 8), bytes(2), 4)
