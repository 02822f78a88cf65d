"""Polynomial universal hash over GF(2**128).

A message is cut into words of 128 bits, the last padded with zeros and followed by one
word with the message's length in bits; word ``i`` of ``w`` is the coefficient of
key**(w − i), and the tag is the first bits of the sum. Field, bit order and sum are those
of GHASH (NIST SP 800-38D, section 6): the first bit of a word is the coefficient of x**0
and the field polynomial is x**128 + x**7 + x**2 + x + 1; only the length word differs.

Two different messages of at most ``w`` words (length word counted) of equal length have
tags whose first ``t`` bits agree for at most ``w · 2**(128 − t)`` of the ``2**128`` keys:
their difference is a polynomial without constant term of degree at most ``w``, and each
value of the dropped bits has at most ``w`` roots. The collision probability is ``w·2**−t``.
With the key kept secret and the tag encrypted by a one-time pad the same bound holds for
forgery, since the tag is linear (Carter and Wegman, J. Comput. Syst. Sci. 22, 265, 1981).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.bits import check_packed, packed_size
from protocols.errors import ParameterError

__all__ = [
    "KEY_BYTES",
    "ghash",
    "multiply",
    "polynomial_tag",
    "polynomial_value",
    "tag_bits",
    "words",
]

KEY_BYTES = 16
"""Length of a key."""

_LONG_BLOCK = 1_000_000


def words(bit_count: int) -> int:
    """Return the number of 128-bit words hashed for a message, the length word included."""
    return -(-bit_count // 128) + 1


def tag_bits(bit_count: int, eps_cor: float) -> int:
    """Return the length of the tag that verifies `bit_count` bits.

    At least log2(words / eps_cor), in whole bytes, and 128 above a million bits.

    Raises
    ------
    ParameterError
        No tag of 128 bits reaches `eps_cor`.
    """
    if not 0 < eps_cor < 1 or bit_count < 0:
        raise ParameterError("eps_cor lies between 0 and 1, and bit counts are not negative")
    needed = 8 * math.ceil(math.log2(words(bit_count) / eps_cor) / 8)
    if needed > 128:
        raise ParameterError(f"a 128-bit tag does not reach {eps_cor} for {bit_count} bits")
    return 128 if bit_count > _LONG_BLOCK else needed


def multiply(a: int, b: int, degree: int = 128, polynomial: int = 0x87) -> int:
    """Multiply in GF(2**degree), by the definition; the kernel's reference.

    Parameters
    ----------
    a, b : int
        Elements; bit ``i`` is the coefficient of x**i.
    degree : int
    polynomial : int
        The irreducible field polynomial without its leading term.
    """
    product = 0
    while b:
        if b & 1:
            product ^= a
        b >>= 1
        a <<= 1
        if a >> degree:
            a ^= (1 << degree) | polynomial
    return product


def polynomial_value(
    coefficients: list[int], key: int, degree: int = 128, polynomial: int = 0x87
) -> int:
    """Return the sum over i of coefficients[i] · key**(w − i) in GF(2**degree)."""
    value = 0
    for coefficient in coefficients:
        value = multiply(value ^ coefficient, key, degree, polynomial)
    return value


@njit(cache=True)
def _shift(high: np.uint64, low: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Multiply by x: towards the last bit, in GHASH's order of bits."""
    carry = low & np.uint64(1)
    low = (low >> np.uint64(1)) | (high << np.uint64(63))
    high = high >> np.uint64(1)
    if carry:
        high ^= np.uint64(0xE100000000000000)
    return high, low


@njit(cache=True)
def _tables(high: np.uint64, low: np.uint64) -> npt.NDArray[np.uint64]:
    """Return nibble times key for each of the 32 nibbles of a word."""
    table = np.zeros((32, 16, 2), np.uint64)
    for nibble in range(32):
        for bit in (8, 4, 2, 1):
            for value in range(16):
                if value & bit:
                    table[nibble, value, 0] ^= high
                    table[nibble, value, 1] ^= low
            high, low = _shift(high, low)
    return table


@njit(cache=True)
def _ghash(
    data: npt.NDArray[np.uint64], high: np.uint64, low: np.uint64
) -> tuple[np.uint64, np.uint64]:
    table = _tables(high, low)
    y0, y1 = np.uint64(0), np.uint64(0)
    for i in range(0, data.size, 2):
        x0, x1 = y0 ^ data[i], y1 ^ data[i + 1]
        y0, y1 = np.uint64(0), np.uint64(0)
        for nibble in range(16):
            shift = np.uint64(60 - 4 * nibble)
            first = (x0 >> shift) & np.uint64(15)
            second = (x1 >> shift) & np.uint64(15)
            y0 ^= table[nibble, first, 0] ^ table[nibble + 16, second, 0]
            y1 ^= table[nibble, first, 1] ^ table[nibble + 16, second, 1]
    return y0, y1


def ghash(key: bytes, data: bytes) -> bytes:
    """Return GHASH of whole 16-byte words (NIST SP 800-38D, section 6.4)."""
    if len(key) != KEY_BYTES or len(data) % KEY_BYTES:
        raise ParameterError("GHASH takes a key of 16 bytes and whole words of 16 bytes")
    high, low = (np.uint64(int.from_bytes(half, "big")) for half in (key[:8], key[8:]))
    y0, y1 = _ghash(np.frombuffer(data, ">u8").astype(np.uint64), high, low)
    return int(y0).to_bytes(8, "big") + int(y1).to_bytes(8, "big")


def polynomial_tag(packed: bytes, bit_count: int, key: bytes, length: int = 128) -> bytes:
    """Return the tag of `bit_count` packed bits.

    Parameters
    ----------
    packed : bytes
    bit_count : int
    key : bytes
        16 uniformly random bytes.
    length : int
        Bits of the tag, a multiple of 8 up to 128.

    Raises
    ------
    ParameterError
        A length is out of its range, or `packed` is not `bit_count` packed bits.
    """
    check_packed(packed, bit_count)
    if length % 8 or not 8 <= length <= 128:
        raise ParameterError(f"a tag has 8 to 128 bits in whole bytes, not {length}")
    padding = bytes(-packed_size(bit_count) % KEY_BYTES)
    message = b"".join((packed, padding, bit_count.to_bytes(KEY_BYTES, "big")))
    return ghash(key, message)[: length // 8]
