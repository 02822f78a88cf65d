import random
from collections import Counter

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.bits import packed_size
from protocols.errors import ParameterError
from protocols.privacy_amplification import modular, residues
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


def patterned(count: int, seed: int) -> int:
    """Return runs of zeros and ones, the worst for carries, of lengths by chance."""
    draw, value, have = random.Random(seed), 0, 0
    while have < count:
        run = draw.choice([1, 3, 40, 42, 84, 500])
        value = value << run | draw.choice([0, (1 << run) - 1, draw.getrandbits(run)])
        have += run
    return value >> (have - count)


@pytest.mark.skipif(not residues.EXACT, reason="this processor multiplies by GMP alone")
@settings(deadline=None, max_examples=200)
@given(st.integers(1, 4000), st.data())
def test_both_products_agree(n: int, data: st.DataObject) -> None:
    r = data.draw(st.integers(1, n))
    width, seed = n + r - 1, data.draw(st.integers(0, 2**32))
    key, both = packed(patterned(n, seed), n), packed(patterned(2 * width, seed + 1), 2 * width)
    found = modular._by_convolution(key, n, both, width, r, 1)
    assert found is None or found == modular._by_gmp(key, n, both, width, r)


@pytest.mark.parametrize(("n", "r"), [(20_000, 20_000), (123_457, 1), (1_000_003, 500_001)])
def test_long_keys_follow_the_formula(n: int, r: int) -> None:
    draw = random.Random(n)
    width = n + r - 1
    for x in (draw.getrandbits(n), patterned(n, n), 2**n - 1, 0):
        for a in (draw.getrandbits(width), patterned(width, r), 2**width - 1):
            b = draw.getrandbits(width)
            expected = (gmpy2.mpz(a) * x + b) % 2**width >> (width - r)
            assert hashed(x, n, a, b, r, workers=2) == expected


@pytest.mark.parametrize("b", [0, 1, 2])
def test_a_carry_from_afar_is_not_lost(b: int) -> None:
    """x = 1 and an a of ones: whether b adds up to a carry shows only at the lowest bit."""
    n, r = 30_000, 1000
    width = n + r - 1
    a = 2**width - 1
    assert hashed(1, n, a, b, r) == (a + b) % 2**width >> (width - r)
    if residues.EXACT:
        both = packed(a << width | b, 2 * width)
        assert modular._by_convolution(packed(1, n), n, both, width, r, 1) is None


@settings(deadline=None)
@given(st.integers(1, 10**9), st.floats(0, 1))
def test_every_convolution_is_right_where_it_counts(n: int, fraction: float) -> None:
    width = n + max(1, min(n, int(fraction * n))) - 1
    m, digit, first = modular._plan(n, width) or pytest.fail("no transform")
    ours, theirs = -(-n // digit), -(-width // digit)
    product = residues.PRIMES[0] * residues.PRIMES[1]
    assert ours * (2**digit - 1) ** 2 < product
    assert first * digit <= n - 1
    assert theirs <= 2**m
    assert ours + theirs - 2 - 2**m < first  # the last that wraps around
    carried = (ours + 1) << (digit + 1)
    assert first == 0 or carried < 2**64
    assert first == 0 or carried << 80 <= 1 << (n - 1 - first * digit)  # mostly certain


def test_the_primes_and_their_roots() -> None:
    for p in residues.PRIMES:
        assert gmpy2.is_prime(p)
        assert p % 2**residues.LARGEST == 1
        previous = p - 1
        for inverted in (False, True):
            previous = p - 1
            for element in residues._elements(p, inverted):
                assert element * element % p == previous
                previous = element
        forwards, backwards = (residues._elements(p, inverted) for inverted in (False, True))
        assert all(a * b % p == 1 for a, b in zip(forwards, backwards, strict=True))


@pytest.mark.skipif(not residues.EXACT, reason="this processor multiplies by GMP alone")
@pytest.mark.parametrize("m", [2, 5, 12, 17])
def test_convolutions_are_cyclic_and_exact(m: int) -> None:
    """The largest residues, against sums of integers."""
    p = residues.PRIMES[0]
    draw = np.random.default_rng(m)
    x = draw.integers(p - 1000, p, 1 << m)
    shift, factor = 3 % (1 << m), p - 12345
    values, others = x.astype(float), np.zeros(1 << m)
    others[shift] = factor
    table = residues.roots(p, m)
    residues.forward(values, table, float(p))
    residues.forward(others, table, float(p))
    residues.multiply(values, others, float(pow(1 << m, -1, p)), float(p))
    residues.inverse(values, residues.roots(p, m, inverted=True), float(p))
    expected = [int(element) * factor % p for element in np.roll(x, shift)]
    assert [int(value) % p for value in values] == expected


@pytest.mark.parametrize(("n", "r"), [(0, 0), (5, 0), (5, 6)])
def test_impossible_lengths_are_refused(n: int, r: int) -> None:
    with pytest.raises(ParameterError):
        seed_bits(n, r)


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(ParameterError, match="22 bits"):
        modular_hash(SecretBits(b"\xff", 8), bytes(2), 4)
