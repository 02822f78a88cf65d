"""The permutation of the block and its cut into frames.

The key is cut into chunks of as many bits as a group has frames, at most 64. The chunks
are shuffled over all places of all groups, and each is turned by a random number of bits:
its bits go to the frames of its group, one each. So whatever the pattern of the errors,
each frame's are scattered over its places at random, and no frame has more than chance
gives it. Places left over hold bits that are zero and known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.bits import packed_size
from protocols.errors import ParameterError
from protocols.generator import expand, permutation
from protocols.reconciliation.cascade.forest import MAX_PLACES
from protocols.reconciliation.cascade.kernels import Int, Words
from protocols.secret import SecretBits

__all__ = ["LANES", "Slicing"]

LANES = 64
"""Most frames of a group."""

_MAX_SIZE = 1 << 30


class Slicing:
    """How a key of `size` bits becomes frames; sliced, as `kernels` has it.

    Attributes
    ----------
    size : int
        Bits of the key.
    groups, lanes, places : int
        Number of groups, frames of each, places of each frame.
    """

    def __init__(self, size: int, seed: bytes) -> None:
        if not 1 <= size <= _MAX_SIZE:
            raise ParameterError(f"a key has 1 to 2**30 bits, not {size}")
        frames = -(-size // MAX_PLACES)
        self.size = size
        self.groups = -(-frames // LANES)
        self.lanes = -(-frames // self.groups)
        self.places = -(-size // (self.groups * self.lanes))
        slots = self.groups * self.places
        self._slot = permutation(seed, "cascade block", slots)
        turns = np.frombuffer(expand(seed, "cascade turns", 0, slots), np.uint8)
        self._turn = turns % np.uint8(self.lanes)

    def split(self, key: SecretBits) -> Words:
        """Return the key's bits sliced, groups × places."""
        return self._sliced(self._packed(key.reveal()), 0)

    def join(self, words: Words) -> SecretBits:
        """Return the key whose bits are sliced in `words`; the opposite of `split`."""
        packed = np.zeros(self._packed_words, np.uint64)
        _join(words.reshape(-1), self._slot, self._turn, self.lanes, packed, self._chunks)
        data = packed.astype(">u8").tobytes()[: packed_size(self.size)]
        return SecretBits(data, self.size)

    def padding(self) -> list[tuple[int, int, int]]:
        """Return group, frame of the group, and place of every bit that is no key's."""
        past = np.zeros(self._packed_words, np.uint64)
        first = self.size >> 6
        past[first:] = ~np.uint64(0)
        past[first] >>= np.uint64(self.size & 63)
        words = self._sliced(past, self.size // self.lanes)
        found = []
        for group, place in np.argwhere(words):
            word = int(words[group, place])
            lanes = (lane for lane in range(self.lanes) if word >> lane & 1)
            found += [(int(group), lane, int(place)) for lane in lanes]
        return found

    @property
    def _chunks(self) -> int:
        return -(-self.size // self.lanes)

    @property
    def _packed_words(self) -> int:
        return (self.groups * self.places * self.lanes >> 6) + 2

    def _packed(self, data: bytes) -> Words:
        padded = data.ljust(8 * self._packed_words, b"\0")
        return np.frombuffer(padded, ">u8").astype(np.uint64)

    def _sliced(self, packed: Words, start: int) -> Words:
        words = np.zeros((self.groups, self.places), np.uint64)
        _split(packed, self._slot, self._turn, self.lanes, words.reshape(-1), start)
        return words


@njit(cache=True, nogil=True)
def _turned(word: np.uint64, turn: Int, lanes: Int) -> np.uint64:
    """Turn the low `lanes` bits of a word to the left."""
    if turn == 0:
        return word
    mask = ~np.uint64(0) >> np.uint64(64 - lanes)
    return ((word << np.uint64(turn)) | (word >> np.uint64(lanes - turn))) & mask


@njit(cache=True, nogil=True)
def _split(
    packed: Words,
    slot: npt.NDArray[np.int32],
    turn: npt.NDArray[np.uint8],
    lanes: Int,
    words: Words,
    start: Int,
) -> None:
    for chunk in range(start, slot.size):
        at = chunk * lanes
        word, shift = packed[at >> 6], at & 63
        if shift:
            word = (word << np.uint64(shift)) | (packed[(at >> 6) + 1] >> np.uint64(64 - shift))
        word >>= np.uint64(64 - lanes)
        words[slot[chunk]] = _turned(word, np.int64(turn[chunk]), lanes)


@njit(cache=True, nogil=True)
def _join(
    words: Words,
    slot: npt.NDArray[np.int32],
    turn: npt.NDArray[np.uint8],
    lanes: Int,
    packed: Words,
    chunks: Int,
) -> None:
    for chunk in range(chunks):
        back = np.int64(turn[chunk])
        word = _turned(words[slot[chunk]], (lanes - back) % lanes, lanes)
        word <<= np.uint64(64 - lanes)
        at = chunk * lanes
        shift = at & 63
        packed[at >> 6] |= word >> np.uint64(shift)
        if shift:
            packed[(at >> 6) + 1] |= word << np.uint64(64 - shift)
