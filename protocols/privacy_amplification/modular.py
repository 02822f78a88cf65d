"""Privacy amplification by a product of long integers.

h(x) = ((a·x + b) mod 2**L) >> (L − r) for a key x of n bits, with a and b uniform below
2**L and L = n + r − 1. Dietzfelbinger (STACS 1996, LNCS 1046, 569) shows that for such L
the values of two different keys are then uniform and independent: for any two values, of
all seeds exactly one in 2**(2r) gives them, so that two keys collide with probability
2**−r. Without b the collisions of some pairs are up to 1.75 times as frequent.

Packed bits are read as an integer whose first bit is the most significant.
"""

from __future__ import annotations

import gmpy2

from protocols.bits import check_packed, packed_size
from protocols.errors import ParameterError
from protocols.secret import SecretBits

__all__ = ["modular_hash", "seed_bits"]


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
    count = seed_bits(key.bit_count, output_bits)
    check_packed(seed, count)
    width = count // 2
    both = _integer(seed, count)
    a, b = both >> width, gmpy2.f_mod_2exp(both, width)
    value = gmpy2.f_mod_2exp(a * _integer(key.reveal(), key.bit_count) + b, width)
    octets = packed_size(output_bits)
    aligned = (value >> (width - output_bits)) << (8 * octets - output_bits)
    return SecretBits(aligned.to_bytes(octets, "big"), output_bits)


def _integer(packed: bytes, count: int) -> gmpy2.mpz:
    return gmpy2.mpz.from_bytes(packed, "big") >> (8 * len(packed) - count)
