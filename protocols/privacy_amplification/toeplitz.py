"""Privacy amplification by a Toeplitz matrix.

out[i] = XOR over j of seed[i − j + n − 1] · key[j], for i below r and j below n. The sums
are taken as integers by real Fourier transforms of blocks of at most 2**20 points and
reduced modulo 2. Their rounding error stays far below 1/2: for transforms of N = 2**20
points of 0/1 vectors, the bound of Percival (Math. Comp. 72, 387, 2003) is
||x||·||y||·((1 + e)**(3·20) · (1 + e·sqrt(5))**(3·20 + 1) · (1 + b)**(3·20) − 1), with
e = 2**-53, b = 2**-52 or so for the roots of unity and the norms at most 1024 and 724:
about 3e-8 for each pair of blocks. The remainder is checked all the same, since libraries
may transform in another order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.bits import BitArray, check_packed, pack, unpack
from protocols.errors import ParameterError, ProtocolError
from protocols.secret import SecretBits

__all__ = ["seed_bits", "toeplitz_hash"]

_BLOCK = 1 << 19


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


def _as_integers(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    rounded = np.rint(sums)
    if np.abs(sums - rounded).max() > 0.125:
        raise ProtocolError("this machine's Fourier transform is not accurate enough")
    return rounded.astype(np.int64)


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
    count = seed_bits(key.bit_count, output_bits)
    check_packed(seed, count)
    bits = _hash(unpack(key.reveal(), key.bit_count), unpack(seed, count), output_bits)
    return SecretBits(pack(bits), output_bits)


def _hash(key: BitArray, seed: BitArray, output_bits: int) -> BitArray:
    n = key.size
    block = min(_BLOCK, 1 << (n - 1).bit_length())
    size = 2 * block
    columns = -(-n // block)
    rows = -(-output_bits // block)
    # Key block c and output block r meet in the seed's entries from
    # (r - c - 1)·block + n to (r - c + 1)·block + n - 2, so blocks with equal r - c share them.
    margin = columns * block
    padded = np.zeros((columns + rows + 1) * block, np.float64)
    padded[margin - n + 1 : margin - n + 1 + seed.size] = seed
    keys = []
    for c in range(columns):
        part = key[c * block : (c + 1) * block].astype(np.float64)
        keys.append(np.fft.rfft(part, size))
    strips = {
        d: np.fft.rfft(padded[(d + columns - 1) * block :][:size], size)
        for d in range(1 - columns, rows)
    }
    out = np.empty(rows * block, np.uint8)
    for r in range(rows):
        total = np.zeros(block, np.int64)
        for c in range(columns):
            sums = np.fft.irfft(strips[r - c] * keys[c], size)[block:]
            total += _as_integers(sums)
        out[r * block : (r + 1) * block] = total & 1
    return out[:output_bits]
