import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from protocols.bits import BitArray, pack, unpack
from protocols.errors import ParameterError
from protocols.privacy_amplification import cantor, toeplitz, transform
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
@given(st.integers(1, 300), st.data())
def test_the_hash_is_the_matrix_product(n: int, data: st.DataObject) -> None:
    r = data.draw(st.integers(1, n))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    key = rng.integers(0, 2, n, dtype=np.uint8)
    seed = rng.integers(0, 2, seed_bits(n, r), dtype=np.uint8)
    assert (hashed(key, seed, r) == dense(key, seed, r)).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 2000), st.sampled_from([64, 192, 640]), st.data())
def test_pieces_of_a_key_add_up(n: int, piece: int, data: st.DataObject) -> None:
    r = data.draw(st.integers(1, n))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    key = rng.integers(0, 2, n, dtype=np.uint8)
    seed = rng.integers(0, 2, seed_bits(n, r), dtype=np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toeplitz, "_plan", lambda n, r: (9, piece, -(-n // piece)))
        assert (hashed(key, seed, r) == dense(key, seed, r)).all()


@pytest.mark.parametrize(("n", "r"), [(20_000, 20_000), (1_000_003, 500_001), (1_000_000, 17)])
def test_long_keys_agree_with_another_method(n: int, r: int) -> None:
    """Sums of products by a floating-point transform; their errors stay far below 1/2."""
    rng = np.random.default_rng(1)
    key = rng.integers(0, 2, n, dtype=np.uint8)
    seed = rng.integers(0, 2, seed_bits(n, r), dtype=np.uint8)
    sums = fftconvolve(seed.astype(float), key.astype(float), mode="valid")
    assert np.abs(sums - np.rint(sums)).max() < 1e-3
    assert (hashed(key, seed, r) == np.rint(sums).astype(np.int64) % 2).all()


@pytest.mark.parametrize(("n", "r"), [(2_700_000, 1_300_000), (9_000_001, 4_400_003)])
def test_sparse_keys_add_up_shifted_seeds(n: int, r: int) -> None:
    rng = np.random.default_rng(2)
    ones = [0, n - 1, *rng.choice(np.arange(1, n - 1), 20, replace=False).tolist()]
    key = np.zeros(n, np.uint8)
    key[ones] = 1
    seed = rng.integers(0, 2, seed_bits(n, r), dtype=np.uint8)
    expected = np.bitwise_xor.reduce([seed[n - 1 - j :][:r] for j in ones])
    assert (hashed(key, seed, r) == expected).all()


def test_a_key_of_ones_gives_running_parities() -> None:
    n, r = 1_300_000, 600_000
    rng = np.random.default_rng(1)
    seed = rng.integers(0, 2, seed_bits(n, r), dtype=np.uint8)
    running = np.concatenate(([0], np.cumsum(seed, dtype=np.int64)))
    expected = (running[n : n + r] - running[:r]) % 2
    assert (hashed(np.ones(n, np.uint8), seed, r) == expected).all()
    ones = hashed(np.ones(n, np.uint8), np.ones(n + r - 1, np.uint8), r)
    assert not ones.any()  # 1 300 000 ones each


@pytest.mark.parametrize("n", [1000, 300_000, 3_000_000])
def test_threads_change_nothing(n: int) -> None:
    rng = np.random.default_rng(3)
    r = n // 2
    key = SecretBits(rng.bytes(n // 8), n)
    seed = np.packbits(rng.integers(0, 2, seed_bits(n, r), dtype=np.uint8)).tobytes()
    assert toeplitz_hash(key, seed, r, workers=3) == toeplitz_hash(key, seed, r)


@settings(deadline=None)
@given(st.integers(1, 10**9), st.floats(0, 1))
def test_every_product_fits_its_transform(n: int, fraction: float) -> None:
    r = max(1, min(n, int(fraction * n)))
    m, piece, pieces = toeplitz._plan(n, r)
    assert 2 * piece + r - 2 <= 1 << (m + 6)
    assert (pieces - 1) * piece < n <= pieces * piece
    assert transform.LEAST <= m <= cantor.LARGEST


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
