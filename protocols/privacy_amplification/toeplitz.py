"""Privacy amplification by a Toeplitz matrix.

out[i] = XOR over j of seed[i − j + n − 1] · key[j], for i below r and j below n. With the first
bit of key, seed and output as the highest coefficient of polynomials K, S and O over GF(2),

    O = S·K divided by x**(n − 1), modulo x**r.

The product is exact: polynomials are multiplied by additive Fourier transforms over
GF(2**64), see `transform`. The key may be cut into pieces of B bits: each needs the B + r − 1
bits of the seed that it meets, contributes at the same place, and the contributions are added
before the one transform back.

The family is two-universal: for any two keys, exactly one seed in 2**r maps both to the same
output (Mansour, Nisan and Tiwari, Theor. Comput. Sci. 107, 121, 1993).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.bits import check_packed, packed_size
from protocols.clmul import word_at
from protocols.errors import ParameterError
from protocols.privacy_amplification import transform
from protocols.privacy_amplification.quads import Words
from protocols.secret import SecretBits

__all__ = ["seed_bits", "toeplitz_hash"]


def seed_bits(key_bits: int, output_bits: int) -> int:
    """Return n + r − 1, the number of uniformly random bits the matrix takes.

    Raises
    ------
    ParameterError
        A number of bits is not positive, or the output is longer than the key.
    """
    if not 1 <= output_bits <= key_bits:
        raise ParameterError(f"{key_bits} bits cannot be hashed to {output_bits}")
    return key_bits + output_bits - 1


def toeplitz_hash(key: SecretBits, seed: bytes, output_bits: int, workers: int = 1) -> SecretBits:
    """Hash a key by the Toeplitz matrix that `seed` describes.

    Parameters
    ----------
    key : SecretBits
        n bits.
    seed : bytes
        n + r − 1 packed bits, uniformly random, drawn after everything else of the block is
        public.
    output_bits : int
        r, from 1 to n.
    workers : int
        Threads to use; the output does not depend on them.

    Raises
    ------
    ParameterError
        The lengths contradict each other.
    """
    n, r = key.bit_count, output_bits
    count = seed_bits(n, r)
    check_packed(seed, count)
    m, piece, pieces = _plan(n, r)
    below_key, below_seed = pieces * piece - n, 8 * len(seed) - count
    below_key -= 8 * len(key.reveal()) - n
    total: Words | None = None
    for number in range(pieces):
        start = number * piece
        facing = (pieces - 1 - number) * piece
        product = transform.values(_cut(seed, facing + below_seed, piece + r - 1, m), m, workers)
        part = transform.values(_cut(key.reveal(), start - below_key, piece, m), m, workers)
        transform.multiply(product, part, workers)
        total = product if total is None else np.bitwise_xor(total, product, out=total)
    assert total is not None
    return _packed(transform.coefficients(total, m, workers), piece - 1, r)


def _plan(n: int, r: int) -> tuple[int, int, int]:
    """Return the transform's dimension, the bits of a piece of the key, and how many there are.

    The product of a piece with its part of the seed has 2·piece + r − 2 bits at most.
    """
    best, chosen = 0, None
    m, pieces = transform.LEAST, 0
    while pieces != 1:
        piece = ((1 << (m + 6)) - r + 2) // 2 // 64 * 64
        if piece > 0:
            pieces = -(-n // piece)
            cost = (2 * pieces + 1) * (m + 16) << m
            if chosen is None or cost < best:
                best, chosen = cost, (m, piece, pieces)
        m += 1
    assert chosen is not None
    return chosen


def _cut(packed: bytes, shift: int, count: int, m: int) -> Words:
    """Return bits `shift` to shift + count of a packed integer in 2**m words, lowest first.

    The lowest bit of the last byte is bit 0; there are zeros below it and above all bytes.
    """
    words = np.zeros(1 << m, np.uint64)
    _copy(np.frombuffer(packed, np.uint8), shift, words[: -(-count // 64)])
    if count % 64:
        words[count // 64] &= np.uint64((1 << count % 64) - 1)
    return words


@njit(cache=True, nogil=True)
def _copy(octets: npt.NDArray[np.uint8], shift: int, words: Words) -> None:
    size = octets.size
    for i in range(words.size):
        place = shift + 64 * i
        end = size - (place >> 3)  # the word's last byte is the one before
        if 9 <= end <= size:
            odd = np.uint64(place & 7)
            above = np.uint64(octets[end - 9])
            words[i] = word_at(octets, end - 8) >> odd | (
                above << np.uint64(1) << np.uint64(63) - odd
            )
        else:
            for bit in range(64):
                at = place + bit
                if 0 <= at < 8 * size:
                    value = np.uint64(octets[size - 1 - (at >> 3)] >> (at & 7) & 1)
                    words[i] |= value << np.uint64(bit)


def _packed(words: Words, shift: int, count: int) -> SecretBits:
    """Return bits `shift` to shift + count as packed secret bits, the highest first."""
    size = packed_size(count)
    padding = 8 * size - count
    whole, odd = divmod(shift - padding, 64)
    kept = words[whole : whole + size // 8 + 2]
    aligned = kept[:-1] >> np.uint64(odd) | (kept[1:] << np.uint64(1) << np.uint64(63 - odd))
    octets = np.frombuffer(aligned[::-1].byteswap().tobytes(), np.uint8)[-size:].copy()
    octets[-1] &= 0xFF << padding & 0xFF
    return SecretBits(octets.tobytes(), count)
