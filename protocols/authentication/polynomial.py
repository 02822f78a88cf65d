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

from protocols.bits import check_packed
from protocols.clmul import clmul, word_at
from protocols.errors import ParameterError

__all__ = [
    "KEY_BYTES",
    "PolynomialHash",
    "ghash",
    "multiply",
    "polynomial_tag",
    "tag_bits",
    "words",
]

KEY_BYTES = 16
"""Length of a key."""

_LONG_BLOCK = 1_000_000

_STRIDE = 8
"""Words whose products are reduced together."""

_REDUCTION = np.uint64(0xC200000000000000)
"""x**63 + x**62 + x**57, the high half of the reflected field polynomial."""

Word = tuple[np.uint64, np.uint64]
"""The high and the low half of an element, its first coefficient in the highest bit."""


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


@njit(cache=True, nogil=True)
def _reduce(w3: np.uint64, w2: np.uint64, w1: np.uint64, w0: np.uint64) -> Word:
    """Divide by x**128, in reflected order, a product of four words."""
    high, low = clmul(w0, _REDUCTION)
    w1, w0 = w1 ^ low, w0 ^ high
    high, low = clmul(w1, _REDUCTION)
    return w3 ^ w1 ^ high, w2 ^ w0 ^ low


@njit(cache=True, nogil=True)
def _times(a1: np.uint64, a0: np.uint64, b1: np.uint64, b0: np.uint64) -> Word:
    w3, w2 = clmul(a1, b1)
    w1, w0 = clmul(a0, b0)
    high, low = clmul(a1 ^ a0, b1 ^ b0)
    return _reduce(w3, w2 ^ high ^ w3 ^ w1, w1 ^ low ^ w2 ^ w0, w0)


@njit(cache=True, nogil=True)
def _powers(high: np.uint64, low: np.uint64) -> npt.NDArray[np.uint64]:
    """Return x times the key's powers, from the highest to the first; see `_absorb`."""
    powers = np.empty((_STRIDE, 3), np.uint64)
    carry = high >> np.uint64(63)
    high = (high << np.uint64(1)) | (low >> np.uint64(63))
    low = (low << np.uint64(1)) ^ carry
    high ^= carry * _REDUCTION
    p1, p0 = high, low
    for i in range(_STRIDE - 1, -1, -1):
        powers[i] = p1, p0, p1 ^ p0
        p1, p0 = _times(p1, p0, high, low)
    return powers


@njit(cache=True, nogil=True)
def _absorb(
    powers: npt.NDArray[np.uint64], y1: np.uint64, y0: np.uint64, data: npt.NDArray[np.uint8]
) -> Word:
    """Continue a sum with more words.

    GHASH writes its polynomials with the first coefficient in the highest bit. The product
    of two reflected words is the reflected product divided by x, and `_reduce` divides by
    x**128 more: powers that carry a factor x**1 for GHASH's own order make both right
    (Gueron and Kounavis, Intel white paper 323640, 2010; RFC 8452, appendix A). The sum of
    `_STRIDE` products is reduced at once.
    """
    count = data.size // KEY_BYTES
    for start in range(0, count, _STRIDE):
        here = min(_STRIDE, count - start)
        at = _STRIDE - here
        w3 = w2 = w1 = w0 = m1 = m0 = np.uint64(0)
        for i in range(here):
            x1 = word_at(data, KEY_BYTES * (start + i)) ^ y1
            x0 = word_at(data, KEY_BYTES * (start + i) + 8) ^ y0
            y1 = y0 = np.uint64(0)
            high, low = clmul(x1, powers[at + i, 0])
            w3, w2 = w3 ^ high, w2 ^ low
            high, low = clmul(x0, powers[at + i, 1])
            w1, w0 = w1 ^ high, w0 ^ low
            high, low = clmul(x1 ^ x0, powers[at + i, 2])
            m1, m0 = m1 ^ high, m0 ^ low
        y1, y0 = _reduce(w3, w2 ^ m1 ^ w3 ^ w1, w1 ^ m0 ^ w2 ^ w0, w0)
    return y1, y0


class PolynomialHash:
    """The polynomial hash of a byte string that arrives in parts.

    Parameters
    ----------
    key : bytes
        16 uniformly random bytes.

    Raises
    ------
    ParameterError
        The key has another length.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ParameterError(f"a hash key has {KEY_BYTES} bytes, not {len(key)}")
        high, low = (np.uint64(int.from_bytes(half, "big")) for half in (key[:8], key[8:]))
        self._powers = _powers(high, low)
        self._value: Word = (np.uint64(0), np.uint64(0))
        self._rest = b""
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._size

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._size += len(data)
        start = 0
        if self._rest:
            start = KEY_BYTES - len(self._rest)
            self._rest += data[:start]
            if len(self._rest) < KEY_BYTES:
                return
            self._value = self._after(self._rest, 0, 1)
        count = (len(data) - start) // KEY_BYTES
        if count > 0:
            self._value = self._after(data, start, count)
        self._rest = data[start + count * KEY_BYTES :]

    def digest(self) -> bytes:
        """Return the 16-byte hash of what was taken so far, closed by its length in bits."""
        return self._close(8 * self._size)

    def _after(self, data: bytes, start: int, count: int) -> Word:
        """Return the sum after more whole words."""
        words = np.frombuffer(data, np.uint8, KEY_BYTES * count, start)
        y1, y0 = _absorb(self._powers, *self._value, words)
        return np.uint64(y1), np.uint64(y0)

    def _close(self, bit_count: int) -> bytes:
        end = bytes(-len(self._rest) % KEY_BYTES) + bit_count.to_bytes(KEY_BYTES, "big")
        return _as_bytes(self._after(self._rest + end, 0, len(self._rest + end) // KEY_BYTES))


def _as_bytes(value: Word) -> bytes:
    return b"".join(int(half).to_bytes(8, "big") for half in value)


def ghash(key: bytes, data: bytes) -> bytes:
    """Return GHASH of whole 16-byte words (NIST SP 800-38D, section 6.4)."""
    if len(data) % KEY_BYTES:
        raise ParameterError("GHASH takes whole words of 16 bytes")
    running = PolynomialHash(key)
    running.update(data)
    return _as_bytes(running._value)


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
    running = PolynomialHash(key)
    running.update(packed)
    return running._close(bit_count)[: length // 8]
