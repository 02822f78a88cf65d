import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.authentication.polynomial import (
    KEY_BYTES,
    PolynomialHash,
    ghash,
    multiply,
    polynomial_tag,
    tag_bits,
    words,
)
from protocols.bits import packed_size
from protocols.errors import ParameterError

# The GCM specification's test cases 2 and 3 (McGrew and Viega): H, the words hashed
# (ciphertext and length), GHASH.
PUBLISHED = [
    (
        "66e94bd4ef8a2c3b884cfa59ca342b2e",
        "0388dace60b6a392f328c2b971b2fe7800000000000000000000000000000080",
        "f38cbb1ad69223dcc3457ae5b6b0f885",
    ),
    (
        "b83b533708bf535d0aa6e52980d53b78",
        (
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
            "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985"
            "00000000000000000000000000000200"
        ),
        "7f1b32b81b820d02614f8895ac1d4eac",
    ),
]


@pytest.mark.parametrize(("key", "data", "value"), PUBLISHED)
def test_published_values(key: str, data: str, value: str) -> None:
    assert ghash(bytes.fromhex(key), bytes.fromhex(data)).hex() == value


def reflected(data: bytes) -> int:
    return int(f"{int.from_bytes(data, 'big'):0128b}"[::-1], 2)


def polynomial_value(
    coefficients: list[int], key: int, degree: int = 128, polynomial: int = 0x87
) -> int:
    """Return the sum over i of coefficients[i] · key**(w − i) in GF(2**degree)."""
    value = 0
    for coefficient in coefficients:
        value = multiply(value ^ coefficient, key, degree, polynomial)
    return value


@settings(deadline=None)  # the first call compiles
@given(st.binary(min_size=16, max_size=16), st.lists(st.binary(min_size=16, max_size=16)))
def test_the_kernel_follows_the_definition(key: bytes, coefficients: list[bytes]) -> None:
    value = polynomial_value([reflected(word) for word in coefficients], reflected(key))
    assert reflected(ghash(key, b"".join(coefficients))) == value


@settings(deadline=None)  # the first call compiles
@given(st.binary(max_size=60), st.binary(min_size=16, max_size=16), st.integers(1, 16))
def test_a_tag_covers_bits_and_length(data: bytes, key: bytes, size: int) -> None:
    tag = polynomial_tag(data, 8 * len(data), key, 8 * size)
    padded = data + bytes(-len(data) % 16) + (8 * len(data)).to_bytes(16, "big")
    assert tag == ghash(key, padded)[:size]
    assert len(padded) // KEY_BYTES == words(8 * len(data))


@pytest.mark.parametrize(("degree", "polynomial"), [(4, 0b0011), (6, 0b000011)])
def test_collisions_of_a_small_field_stay_below_the_bound(degree: int, polynomial: int) -> None:
    """Every pair of messages with the same length word, every key, every truncation."""
    field = range(1 << degree)
    length_word = 5
    for message in range(1, 1 << (2 * degree)):  # by linearity, the difference of two messages
        first, second = divmod(message, 1 << degree)
        values = [
            polynomial_value([first, second, length_word], key, degree, polynomial)
            ^ polynomial_value([0, 0, length_word], key, degree, polynomial)
            for key in field
        ]
        for t in range(1, degree + 1):
            collisions = sum(value & ((1 << t) - 1) == 0 for value in values)
            assert collisions <= 3 * 2 ** (degree - t)


def test_the_small_fields_are_fields() -> None:
    for degree, polynomial in ((4, 0b0011), (6, 0b000011)):
        elements = range(1, 1 << degree)
        for a in elements:
            assert len({multiply(a, b, degree, polynomial) for b in elements}) == len(elements)


@settings(deadline=None)  # the first call compiles
@given(st.integers(1, 10**7), st.integers(1, 18))
def test_the_tag_is_long_enough(bits: int, digits: int) -> None:
    eps_cor = 10.0**-digits
    length = tag_bits(bits, eps_cor)
    assert length % 8 == 0
    assert math.log2(words(bits)) - length <= math.log2(eps_cor)
    if bits > 1_000_000:
        assert length == 128


def test_lengths_of_the_default_block() -> None:
    assert tag_bits(310_000, 1e-15) == 64  # log2(2423 / 1e-15) = 61.1
    assert tag_bits(1_000_001, 1e-15) == 128
    with pytest.raises(ParameterError):
        tag_bits(10**6, 1e-38)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ParameterError):
        ghash(bytes(15), bytes(16))
    with pytest.raises(ParameterError):
        ghash(bytes(16), bytes(17))
    for length in (0, 12, 136):
        with pytest.raises(ParameterError):
            polynomial_tag(b"", 0, bytes(16), length)
    with pytest.raises(ParameterError):
        polynomial_tag(bytes(2), 8, bytes(16))
    assert packed_size(9) == 2


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=6), st.binary(min_size=16, max_size=16))
def test_parts_hash_as_their_whole(parts: list[bytes], key: bytes) -> None:
    running = PolynomialHash(key)
    for part in parts:
        running.update(part)
        running.digest()  # changes nothing
    whole = b"".join(parts)
    assert running.size == len(whole)
    assert running.digest() == polynomial_tag(whole, 8 * len(whole), key)


def test_long_messages_follow_the_definition() -> None:
    """More words than are reduced at once, by every count of words left over."""
    data = np.random.default_rng(1).bytes(16 * 40)
    key = bytes(range(1, 17))
    for count in range(41):
        coefficients = [reflected(data[16 * i : 16 * i + 16]) for i in range(count)]
        value = polynomial_value(coefficients, reflected(key))
        assert reflected(ghash(key, data[: 16 * count])) == value


PORTABLE = """
from protocols.authentication.polynomial import polynomial_tag
from protocols.clmul import INSTRUCTION
assert INSTRUCTION is None
data = bytes(i * i % 251 for i in range(5000))
print(polynomial_tag(data, 40000, data[:16]).hex())
"""


def test_the_tag_is_the_same_without_the_instruction() -> None:
    """Compiled for a processor of no features."""
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", PORTABLE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    data = bytes(i * i % 251 for i in range(5000))
    assert done.stdout.strip() == polynomial_tag(data, 40000, data[:16]).hex()
