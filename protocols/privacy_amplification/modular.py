"""Privacy amplification by a product of long integers.

h(x) = ((a·x + b) mod 2**L) >> (L − r) for a key x of n bits, with a and b uniform below
2**L and L = n + r − 1. Dietzfelbinger (STACS 1996, LNCS 1046, 569) shows that for such L
the values of two different keys are then uniform and independent: for any two values, of
all seeds exactly one in 2**(2r) gives them, so that two keys collide with probability
2**−r. Without b the collisions of some pairs are up to 1.75 times as frequent.

Packed bits are read as an integer whose first bit is the most significant. Long products are
convolutions of digits of w bits, see `residues`. Only the bits from n − 1 to L count: products
of digits above them are left out or wrap around to places below them. So the convolution is
shorter than the product, and what is carried into the bits that count is known but for a
bound. Where the carry would depend on the rest, which for a random seed happens once in 2**80
hashes or so, and for short keys, GMP multiplies.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import gmpy2
import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.bits import check_packed, packed_size
from protocols.clmul import word_at
from protocols.errors import ParameterError
from protocols.privacy_amplification import residues
from protocols.privacy_amplification.residues import PRIMES, Residues, reduced, times
from protocols.secret import SecretBits

__all__ = ["modular_hash", "seed_bits"]

_SHORT = 20_000
"""Keys of fewer bits are multiplied by GMP."""

_GUARD = 4
"""Digits below those that count that take up what is carried from the others."""

_Octets = npt.NDArray[np.uint8]


def seed_bits(key_bits: int, output_bits: int) -> int:
    """Return 2·L = 2·(n + r − 1), the uniformly random bits of a and b.

    Raises
    ------
    ParameterError
        A number of bits is not positive, or the output is longer than the key.
    """
    if not 1 <= output_bits <= key_bits:
        raise ParameterError(f"{key_bits} bits cannot be hashed to {output_bits}")
    return 2 * (key_bits + output_bits - 1)


def modular_hash(key: SecretBits, seed: bytes, output_bits: int, workers: int = 1) -> SecretBits:
    """Hash a key by the multiplier and the offset that `seed` holds.

    Parameters
    ----------
    key : SecretBits
        n bits.
    seed : bytes
        2·L packed bits, uniformly random, drawn after everything else of the block is
        public; first a, then b.
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
    found = None
    if residues.EXACT and n >= _SHORT:
        found = _by_convolution(key.reveal(), n, seed, count // 2, r, workers)
    return found or _by_gmp(key.reveal(), n, seed, count // 2, r)


def _by_gmp(key: bytes, n: int, seed: bytes, width: int, r: int) -> SecretBits:
    both = _integer(seed, 2 * width)
    a, b = both >> width, gmpy2.f_mod_2exp(both, width)
    value = gmpy2.f_mod_2exp(a * _integer(key, n) + b, width)
    octets = packed_size(r)
    aligned = (value >> (width - r)) << (8 * octets - r)
    return SecretBits(aligned.to_bytes(octets, "big"), r)


def _integer(packed: bytes, count: int) -> gmpy2.mpz:
    return gmpy2.mpz.from_bytes(packed, "big") >> (8 * len(packed) - count)


def _plan(n: int, width: int) -> tuple[int, int, int] | None:
    """Return the transform's size as a power of two, the bits of a digit, and the first digit.

    Sums of products of digits stay below 2**99, and the primes' product is above.
    """
    for m in range(4, residues.LARGEST + 1):
        digit = 42
        while (-(-n // digit)) << (2 * digit) > 1 << 99:
            digit -= 1
        ours, theirs = -(-n // digit), -(-width // digit)
        first = max(0, (n - 1) // digit - _GUARD)
        if theirs <= 1 << m and ours + theirs - 1 - (1 << m) <= first:
            return m, digit, first
    return None


def _by_convolution(
    key: bytes, n: int, seed: bytes, width: int, r: int, workers: int
) -> SecretBits | None:
    """Return the hash, or None where a carry is not certain or the key is too long."""
    plan = _plan(n, width)
    if plan is None:
        return None
    m, digit, first = plan
    padding = 8 * len(seed) - 2 * width
    seed_octets, key_octets = (np.frombuffer(packed, np.uint8) for packed in (seed, key))

    def convolve(prime: int) -> Residues:
        p, table = float(prime), residues.roots(prime, m)
        a = _digits(seed_octets, padding + width, width, digit, 1 << m)
        residues.forward(a, table, p)
        x = _digits(key_octets, 8 * len(key) - n, n, digit, 1 << m)
        residues.forward(x, table, p)
        residues.multiply(a, x, float(pow(1 << m, -1, prime)), p)
        residues.inverse(a, residues.roots(prime, m, inverted=True), p)
        return a

    if workers > 1:
        with ThreadPoolExecutor(2) as pool:
            one, two = pool.map(convolve, PRIMES)
    else:
        one, two = (convolve(prime) for prime in PRIMES)
    octets = packed_size(r)
    out = np.zeros(octets, np.uint8)
    most = np.uint64((-(-n // digit) + 1) << (digit + 1) if first else 0)
    inverse = float(pow(PRIMES[0], -1, PRIMES[1]))
    certain = _carry(one, two, inverse, seed_octets, padding, width, digit, first, n - 1, most, out)
    out[-1] &= 0xFF << (8 * octets - r) & 0xFF
    return SecretBits(out.tobytes(), r) if certain else None


@njit(cache=True, nogil=True)
def _bits(octets: _Octets, place: int, count: int) -> np.uint64:
    """Return `count` <= 56 bits of a packed integer from bit `place` of its last bytes on."""
    size = octets.size
    end = size - (place >> 3)
    mask = (np.uint64(1) << np.uint64(count)) - np.uint64(1)
    if end >= 8:
        return word_at(octets, end - 8) >> np.uint64(place & 7) & mask
    value = np.uint64(0)
    for i in range(max(end, 0)):
        value = value << np.uint64(8) | np.uint64(octets[i])
    return value >> np.uint64(place & 7) & mask


@njit(cache=True, nogil=True)
def _fill(octets: _Octets, shift: int, count: int, digit: int, out: Residues) -> None:
    for i in range(-(-count // digit)):
        wanted = min(digit, count - digit * i)
        out[i] = np.int64(_bits(octets, shift + digit * i, wanted))


def _digits(octets: _Octets, shift: int, count: int, digit: int, size: int) -> Residues:
    """Return bits `shift` to shift + count of a packed integer in digits, lowest first."""
    out = np.zeros(size)
    _fill(octets, shift, count, digit, out)
    return out


@njit(cache=True, nogil=True)
def _add(high: np.uint64, low: np.uint64, more: np.uint64) -> tuple[np.uint64, np.uint64]:
    total = low + more
    return high + np.uint64(total < low), total


@njit(cache=True, nogil=True)
def _wide(factor: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the halves of the first prime times a factor below 2**50."""
    half, ones = np.uint64(25), np.uint64((1 << 25) - 1)
    a1, a0 = np.uint64(PRIMES[0] >> 25), np.uint64(PRIMES[0] & ((1 << 25) - 1))
    b1, b0 = factor >> half, factor & ones
    middle = a1 * b0 + a0 * b1
    top = a1 * b1 + (middle >> half)  # of 50 bits, like what is below
    return _add(top >> np.uint64(14), top << np.uint64(50), a0 * b0 + ((middle & ones) << half))


@njit(cache=True, nogil=True)
def _carry(
    one: Residues,
    two: Residues,
    inverse: float,
    seed: _Octets,
    shift: int,
    width: int,
    digit: int,
    first: int,
    start: int,
    most: np.uint64,
    out: _Octets,
) -> bool:
    """Add up the digits of a·x + b from bit `start` on; return whether the carry is certain.

    Parameters
    ----------
    one, two : float64 arrays
        Sums of products of digits modulo either prime, right from place `first` on.
    inverse : float
        Of the first prime modulo the second.
    seed, shift : uint8 array, int
        b is the `width` bits from bit `shift` on.
    width, digit, first, start : int
    most : uint64
        What places below `first` can add at most to the sum at that place.
    out : uint8 array
        Gets the packed bits; what follows them in the last byte is zero.
    """
    p1, p2 = float(PRIMES[0]), float(PRIMES[1])
    mask, places = np.uint64((1 << digit) - 1), np.uint64(digit)
    back = np.uint64(64 - digit)
    high = low = most_high = np.uint64(0)
    most_low = most
    done, buffer, filled = out.size, np.uint64(0), (start - width) % 8
    for i in range(first, -(-width // digit)):
        # the sum of products is x + p1·t with 0 <= x < p1 and 0 <= t < p2
        x = reduced(one[i], p1, 1 / p1)
        x += p1 if x < 0 else 0.0
        t = reduced(two[i], p2, 1 / p2) - x
        t = reduced(times(t, inverse, inverse / p2, p2), p2, 1 / p2)
        top, bottom = _wide(np.uint64(np.int64(t + p2 if t < 0 else t)))
        top, bottom = _add(top, bottom, np.uint64(np.int64(x)))
        wanted = min(digit, width - digit * i)
        top, bottom = _add(top, bottom, _bits(seed, shift + digit * i, wanted))
        high, low = _add(high + top, low, bottom)
        if digit * i <= start:
            most_high, most_low = _add(most_high + top, most_low, bottom)
            below = np.uint64(min(digit, start - digit * i))
            if digit * (i + 1) > start and (high != most_high or low >> below != most_low >> below):
                return False
            most_high, most_low = most_high >> places, most_low >> places | most_high << back
        value = low & mask
        high, low = high >> places, low >> places | high << back
        skipped = start - digit * i
        if skipped >= digit:
            continue
        if skipped > 0:
            value >>= np.uint64(skipped)
        buffer |= value << np.uint64(filled)
        filled += digit - max(skipped, 0)
        while filled >= 8 and done > 0:
            done -= 1
            out[done] = buffer & np.uint64(255)
            buffer >>= np.uint64(8)
            filled -= 8
    if done > 0:
        out[done - 1] = buffer & np.uint64(255)
    return True
