"""Cut a block into frames so that neighbouring errors go to different frames.

The block, filled up with zeros to words of 64 bits, is mixed in three steps that depend on
a public seed only: its words are permuted; each word is rotated by its own random number of
places; and every 64 consecutive words are transposed as a matrix of 64 × 64 bits, whose rows
are dealt out to 64 equal parts of the block. (Up to 63 words at the end, less than 4096
bits, stay as the first two steps left them.) So the bits of a word of the block, however
many of them are wrong, lie in different 64ths of the mixed block, which a burst of any
length, or errors of any period, cannot know. The mixed block is cut into frames of equal
length to within a word. A frame shorter than its code is filled up with zeros that both
parties know, at words spread evenly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.errors import ParameterError
from protocols.generator import expand, permutation
from protocols.reconciliation.ldpc.code import Words
from protocols.secret import SecretBits

__all__ = ["Framing"]


class Framing:
    """How a block of `size` bits becomes frames.

    Parameters
    ----------
    size : int
        Bits of the block, at least 1.
    frame : int
        Bits of a frame, a multiple of 64.
    seed : bytes
        Public; both parties use the same.

    Attributes
    ----------
    size, frame, frames : int
        Bits of the block and of a frame, and the number of frames.
    payload : int
        Bits of the longest frame that come from the block; others may have 64 fewer.
    """

    def __init__(self, size: int, frame: int, seed: bytes) -> None:
        if size < 1 or frame < 64 or frame % 64:
            raise ParameterError(f"{size} bits in frames of {frame}: impossible")
        self.size, self.frame = size, frame
        self._words = -(-size // 64)
        self.frames = -(-self._words * 64 // frame)
        self.payload = -(-self._words // self.frames) * 64
        self._order = permutation(seed, "ldpc words", self._words)
        turns = expand(seed, "ldpc turns", 0, self._words)
        self._turns = np.frombuffer(turns, np.uint8) & np.uint8(63)

    def places(self) -> npt.NDArray[np.int64]:
        """Return the words of a frame, ascending, that hold its part of the block."""
        count = self.payload // 64
        return np.arange(count, dtype=np.int64) * (self.frame // 64) // count

    def cut(self, key: SecretBits) -> Words:
        """Return the frames of a key, number of frames × frame/64.

        Raises
        ------
        ParameterError
            The key is of another length.
        """
        if key.bit_count != self.size:
            raise ParameterError(f"the framing is for {self.size} bits, not {key.bit_count}")
        packed = np.zeros(self._words * 8, np.uint8)
        packed[: (self.size + 7) // 8] = np.frombuffer(key.reveal(), np.uint8)
        mixed = np.empty(self._words, np.uint64)
        _mix(packed.view("<u8").astype(np.uint64, copy=False), self._order, self._turns, mixed)
        out = np.zeros((self.frames, self.frame // 64), np.uint64)
        _deal(mixed, self.places(), out)
        return out

    def join(self, frames: Words) -> SecretBits:
        """Return the key of frames: the opposite of `cut`."""
        mixed = np.empty(self._words, np.uint64)
        _collect(frames, self.places(), mixed)
        block = np.empty(self._words, np.uint64)
        _unmix(mixed, self._order, self._turns, block)
        packed = block.astype("<u8", copy=False).view(np.uint8)[: (self.size + 7) // 8]
        if self.size % 8:
            packed[-1] &= 0xFF00 >> self.size % 8 & 0xFF
        return SecretBits(packed.tobytes(), self.size)


@njit(cache=True, nogil=True)
def _transpose(square: Words) -> None:
    """Transpose 64 × 64 bits by swapping ever smaller quarters."""
    half = 32
    mask = np.uint64(0x00000000FFFFFFFF)
    while half:
        by = np.uint64(half)
        for start in range(0, 64, 2 * half):
            for i in range(start, start + half):
                swap = ((square[i] >> by) ^ square[i + half]) & mask
                square[i + half] ^= swap
                square[i] ^= swap << by
        half >>= 1
        mask ^= mask << np.uint64(half)


@njit(cache=True, nogil=True)
def _mix(
    block: Words, order: npt.NDArray[np.int32], turns: npt.NDArray[np.uint8], mixed: Words
) -> None:
    parts = block.size // 64
    square = np.empty(64, np.uint64)
    for group in range(parts + 1):
        count = min(64, block.size - 64 * group)
        for i in range(count):
            word = block[order[64 * group + i]]
            turn = np.uint64(turns[64 * group + i])
            if turn:
                word = (word << turn) | (word >> (np.uint64(64) - turn))
            square[i] = word
        if group < parts:
            _transpose(square)
            for i in range(64):
                mixed[i * parts + group] = square[i]
        else:
            mixed[64 * parts :] = square[:count]


@njit(cache=True, nogil=True)
def _unmix(
    mixed: Words, order: npt.NDArray[np.int32], turns: npt.NDArray[np.uint8], block: Words
) -> None:
    parts = block.size // 64
    square = np.empty(64, np.uint64)
    for group in range(parts + 1):
        count = min(64, block.size - 64 * group)
        if group < parts:
            for i in range(64):
                square[i] = mixed[i * parts + group]
            _transpose(square)
        else:
            square[:count] = mixed[64 * parts :]
        for i in range(count):
            word = square[i]
            turn = np.uint64(turns[64 * group + i])
            if turn:
                word = (word >> turn) | (word << (np.uint64(64) - turn))
            block[order[64 * group + i]] = word


@njit(cache=True, nogil=True)
def _deal(mixed: Words, places: npt.NDArray[np.int64], frames: Words) -> None:
    count = frames.shape[0]
    for f in range(count):
        first = mixed.size * f // count
        for i in range(mixed.size * (f + 1) // count - first):
            frames[f, places[i]] = mixed[first + i]


@njit(cache=True, nogil=True)
def _collect(frames: Words, places: npt.NDArray[np.int64], mixed: Words) -> None:
    count = frames.shape[0]
    for f in range(count):
        first = mixed.size * f // count
        for i in range(mixed.size * (f + 1) // count - first):
            mixed[first + i] = frames[f, places[i]]
