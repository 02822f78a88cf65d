"""Specified generators: the same seed gives the same values on every machine and for ever.

`expand` is a random-access byte stream made of SHAKE-256 (FIPS 202); block ``i`` of
16 384 bytes is::

    SHAKE-256(b"qlab stream 1" || len(label) as 2 bytes || label in UTF-8 || i as 8 bytes || seed)

with integers big-endian. `permutation` shuffles by Fisher and Yates's method, from the
last place down, with bounded integers from xoshiro256** by Lemire's multiplication with
rejection, which leaves no bias. The generator's state is the first 32 bytes
of ``expand(seed, label, ...)`` as four little-endian words. The permutations are public and
need no secrecy, only agreement.

References
----------
D. Blackman, S. Vigna, ACM Trans. Math. Softw. 47, 36 (2021), for xoshiro256**.
D. Lemire, ACM Trans. Model. Comput. Simul. 29, 3 (2019), for the bounded integers.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.errors import ParameterError

__all__ = ["BLOCK_BYTES", "expand", "permutation", "xoshiro256starstar"]

BLOCK_BYTES = 16384
"""Bytes of one block of the stream of `expand`."""


def expand(seed: bytes, label: str, start: int, count: int) -> bytes:
    """Return `count` bytes of the stream of (`seed`, `label`) from byte `start` on.

    Parameters
    ----------
    seed : bytes
        Any length.
    label : str
        Which of the seed's streams; at most 65 535 bytes in UTF-8.
    start, count : int
        Not negative. Pieces joined are the same as one long piece.

    Raises
    ------
    ParameterError
        An argument is out of its range.
    """
    name = label.encode()
    if start < 0 or count < 0 or len(name) > 0xFFFF:
        raise ParameterError("start and count must not be negative, the label below 64 KiB")
    head = hashlib.shake_256(b"qlab stream 1" + len(name).to_bytes(2, "big") + name)
    pieces = []
    block, skip = divmod(start, BLOCK_BYTES)
    while count > 0:
        hasher = head.copy()
        hasher.update(block.to_bytes(8, "big") + seed)
        piece = hasher.digest(min(BLOCK_BYTES, skip + count))[skip:]
        pieces.append(piece)
        count -= len(piece)
        block, skip = block + 1, 0
    return b"".join(pieces)


@njit(cache=True)
def _next(state: npt.NDArray[np.uint64]) -> np.uint64:
    x = state[1] * np.uint64(5)
    result = ((x << np.uint64(7)) | (x >> np.uint64(57))) * np.uint64(9)
    shifted = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = (state[3] << np.uint64(45)) | (state[3] >> np.uint64(19))
    return np.uint64(result)


@njit(cache=True)
def _fill(state: npt.NDArray[np.uint64], out: npt.NDArray[np.uint64]) -> None:
    for i in range(out.size):
        out[i] = _next(state)


@njit(cache=True)
def _shuffle(state: npt.NDArray[np.uint64], order: npt.NDArray[np.int32]) -> None:
    low = np.uint64(0xFFFFFFFF)
    for i in range(order.size - 1, 0, -1):
        bound = np.uint64(i + 1)
        product = (_next(state) >> np.uint64(32)) * bound
        if (product & low) < bound:
            threshold = (np.uint64(1) << np.uint64(32)) % bound
            while (product & low) < threshold:
                product = (_next(state) >> np.uint64(32)) * bound
        j = np.int64(product >> np.uint64(32))
        swap = order[i]
        order[i] = order[j]
        order[j] = swap


def xoshiro256starstar(state: tuple[int, int, int, int], count: int) -> npt.NDArray[np.uint64]:
    """Return the first `count` outputs of xoshiro256** from the four words of `state`.

    Raises
    ------
    ParameterError
        The state is all zero, which the generator never leaves.
    """
    if not any(state):
        raise ParameterError("the state of xoshiro256** must not be all zero")
    out = np.empty(count, np.uint64)
    _fill(np.array(state, np.uint64), out)
    return out


def permutation(seed: bytes, label: str, count: int) -> npt.NDArray[np.int32]:
    """Return a permutation of ``range(count)``, each equally likely over the seeds.

    Parameters
    ----------
    seed, label
        As `expand`.
    count : int
        From 0 to 2**31 − 1.

    Raises
    ------
    ParameterError
        `count` is out of its range.
    """
    if not 0 <= count < 2**31:
        raise ParameterError(f"a permutation has 0 to 2**31 - 1 places, not {count}")
    state = np.frombuffer(expand(seed, label, 0, 32), "<u8").astype(np.uint64)
    order = np.arange(count, dtype=np.int32)
    _shuffle(state, order)
    return order
