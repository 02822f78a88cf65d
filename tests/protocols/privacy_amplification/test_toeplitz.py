import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.bits import BitArray, pack, unpack
from protocols.errors import ParameterError
from protocols.privacy_amplification import toeplitz
from protocols.privacy_amplification.toeplitz import seed_bits, toeplitz_hash
from protocols.secret import SecretBits


def hashed(key: BitArray, seed: BitArray, output_bits: int) -> BitArray:
    """Hash unpacked bits."""
    out = toeplitz_hash(SecretBits(pack(key), key.size), pack(seed), output_bits)
    return unpack(out.reveal(), output_bits)


def dense(key: np.ndarray, seed: np.ndarray, output_bits: int) -> np.ndarray:
    """Multiply by the matrix written out: entry (i, j) is seed[i - j + n - 1]."""
    n = key.size
    i, j = np.indices((output_bits, n))
    return (seed[i - j + n - 1].astype(np.int64) @ key % 2).astype(np.uint8)


@settings(deadline=None)
@given(st.integers(1, 90), st.data(), st.sampled_from([4, 16, 1 << 19]))
def test_the_hash_is_the_matrix_product(n: int, data: st.DataObject, block: int) -> None:
    r = data.draw(st.integers(1, n))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    key = rng.integers(0, 2, n, dtype=np.uint8)
    seed = rng.integers(0, 2, seed_bits(n, r), dtype=np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toeplitz, "_BLOCK", block)
        assert (hashed(key, seed, r) == dense(key, seed, r)).all()


def test_long_blocks_are_exact() -> None:
    """All ones is the worst case of rounding; the output is the seed's running parity."""
    n, r = 1_300_000, 600_000
    rng = np.random.default_rng(1)
    seed = rng.integers(0, 2, seed_bits(n, r), dtype=np.uint8)
    running = np.concatenate(([0], np.cumsum(seed, dtype=np.int64)))
    expected = (running[n : n + r] - running[:r]) % 2
    assert (hashed(np.ones(n, np.uint8), seed, r) == expected).all()
    ones = hashed(np.ones(n, np.uint8), np.ones(n + r - 1, np.uint8), r)
    assert not ones.any()  # 1 300 000 ones each


def test_pairs_collide_as_two_universality_demands() -> None:
    """Over all seeds, any two keys collide for exactly 2**-r of them."""
    n, r = 4, 3
    seeds = [
        np.array([s >> i & 1 for i in range(n + r - 1)], np.uint8) for s in range(2 ** (n + r - 1))
    ]
    for difference in range(1, 2**n):
        key = np.array([difference >> i & 1 for i in range(n)], np.uint8)
        collisions = sum(not hashed(key, seed, r).any() for seed in seeds)
        assert collisions * 2**r == len(seeds)


@pytest.mark.parametrize(("n", "r"), [(0, 0), (5, 0), (5, 6)])
def test_impossible_lengths_are_refused(n: int, r: int) -> None:
    with pytest.raises(ParameterError):
        seed_bits(n, r)


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ParameterError, match="11 bits"):
        hashed(np.ones(8, np.uint8), np.ones(8, np.uint8), 4)
