"""Bits of many frames in 64-bit words, compiled: arranged, summed, and Alice's answers.

Two arrangements of bits are used. Sliced: one word for each place of a frame, its bit
``l`` that of frame ``l`` of the group; so a permutation of places moves 64 frames at once.
By frame: one row of words for each frame, place ``i`` at bit ``i % 64`` of word ``i // 64``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = [
    "Forest",
    "Int",
    "Octets",
    "Words",
    "answer",
    "arrange",
    "blocks",
    "prefix",
    "slice_rows",
    "sums",
]

Words = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]
Int = int | np.int64

_ONE = np.uint64(1)
_ZERO = np.uint64(0)


class Forest(NamedTuple):
    """The passes of an attempt, the same for every frame.

    Passes of two blocks are the last ones; the first is never counted among them.

    Attributes
    ----------
    scale : int64 array, passes
        Place ``i`` belongs to block ``i * scale >> 32``.
    first : int64 array, passes + 1
        Where each pass's blocks begin in `starts`.
    starts : int32 array
        First place of every block of every pass, and the frame's length after each pass's.
    order : uint16 array, passes × places
        order[p, i] is the place in the frame of what is at place i of pass p.
    inverse : uint16 array, places × passes of more than two blocks
        inverse[order[p, i], p] is i.
    late : uint16 array, passes of two blocks × places
        late[p, order[p, i]] is i, the passes counted from the first of two blocks.
    origin : uint16 array, passes × places
        The place in the first pass of what is at place i of pass p.
    half : uint32 array, places
        Bit p is set for a place of the frame in the second block of pass p, of two blocks.
    weight : uint8 array
        How likely a bit is wrong, in a range of the first pass that is even and has so many
        bits not known one by one; 0 for 0 and 1, else positive.
    """

    scale: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int32]
    order: npt.NDArray[np.uint16]
    inverse: npt.NDArray[np.uint16]
    late: npt.NDArray[np.uint16]
    origin: npt.NDArray[np.uint16]
    half: npt.NDArray[np.uint32]
    weight: Octets


@njit(cache=True, nogil=True)
def _transpose(x: Words) -> None:
    """Transpose 64 × 64 bits in place (Warren, Hacker's Delight, section 7-3)."""
    mask = np.uint64(0x00000000FFFFFFFF)
    j = 32
    while j:
        shift = np.uint64(j)
        for block in range(0, 64, 2 * j):
            for k in range(block, block + j):
                t = ((x[k] >> shift) ^ x[k + j]) & mask
                x[k + j] ^= t
                x[k] ^= t << shift
        j >>= 1
        mask ^= mask << np.uint64(j)


@njit(cache=True, nogil=True)
def arrange(words: Words, order: npt.NDArray[np.uint16], out: Words) -> None:
    """Write a group's sliced bits by frame, in a pass's order, to rows of `out`."""
    chunk = np.empty((8, 64), np.uint64)
    size = words.size
    for start in range(0, size, 512):
        for k in range(8):
            row = chunk[k]
            for i in range(64):
                at = start + 64 * k + i
                row[i] = words[order[at]] if at < size else _ZERO
            _transpose(row)
        stop = min(8, out.shape[1] - start // 64)
        for lane in range(out.shape[0]):
            for k in range(stop):
                out[lane, start // 64 + k] = chunk[k, lane]


@njit(cache=True, nogil=True)
def prefix(words: Words, order: npt.NDArray[np.uint16], out: Words) -> None:
    """Write by frame, at each place of a pass, the parity of all places before it."""
    chunk = np.empty((8, 64), np.uint64)
    size = words.size
    sums = _ZERO
    for start in range(0, size + 1, 512):
        for k in range(8):
            row = chunk[k]
            for i in range(64):
                at = start + 64 * k + i
                row[i] = sums
                if at < size:
                    sums ^= words[order[at]]
            _transpose(row)
        stop = min(8, out.shape[1] - start // 64)
        for lane in range(out.shape[0]):
            for k in range(stop):
                out[lane, start // 64 + k] = chunk[k, lane]


@njit(cache=True, nogil=True)
def sums(
    words: Words, order: npt.NDArray[np.uint16], starts: npt.NDArray[np.int32], out: Words
) -> None:
    """Write the parities of a pass's blocks, sliced."""
    for block in range(starts.size - 1):
        total = _ZERO
        for i in range(starts[block], starts[block + 1]):
            total ^= words[order[i]]
        out[block] = total


@njit(cache=True, nogil=True)
def slice_rows(rows: Words, out: Words) -> None:
    """Write rows of bits by frame sliced; the opposite of `arrange` in the first order."""
    chunk = np.zeros(64, np.uint64)
    for w in range(rows.shape[1]):
        for lane in range(64):
            chunk[lane] = rows[lane, w] if lane < rows.shape[0] else _ZERO
        _transpose(chunk)
        for i in range(min(64, out.size - 64 * w)):
            out[64 * w + i] = chunk[i]


@njit(cache=True, nogil=True, forceinline=True)
def _get(row: Words, i: Int) -> np.uint64:
    bit: np.uint64 = (row[i >> 6] >> np.uint64(i & 63)) & _ONE
    return bit


@njit(cache=True, nogil=True)
def blocks(ours: Words, first: npt.NDArray[np.int64], lanes: int, whole: int, out: Octets) -> None:
    """Write a group's parities of all blocks, packed, frame by frame.

    `ours` are the blocks' parities as of `sums`. The last block of each pass from `whole`
    on is left out, since the frame's parity is known.
    """
    at = 0
    for lane in range(lanes):
        for p in range(first.size - 1):
            for block in range(first[p], first[p + 1] - 1 - (p >= whole)):
                bit = (ours[block] >> np.uint64(lane)) & _ONE
                out[at >> 3] |= np.uint8(bit) << np.uint8(7 - (at & 7))
                at += 1


@njit(cache=True, nogil=True)
def answer(
    rows: Words,
    built: npt.NDArray[np.bool_],
    first: npt.NDArray[np.int64],
    forest: Forest,
    start: Int,
    stop: Int,
    data: Octets,
    offset: npt.NDArray[np.int64],
    out: Octets,
    asked: npt.NDArray[np.int64],
) -> None:
    """Answer the sections of groups `start` to `stop` − 1, as `advance` writes them.

    Group ``g`` has its section in `data` from byte offset[g] to offset[g + 1], writes the
    parities packed to the same place in `out` and their number to asked[g]: −1 for a
    section that is malformed, −2 − p where pass p is asked for and not built.

    `rows` are passes × frames × words as of `prefix`, where `built`, passes × groups, says so.
    """
    for group in range(start, stop):
        here = slice(offset[group], offset[group + 1])
        members = rows[:, first[group] : first[group + 1]]
        asked[group] = _answer(members, built[:, group], forest, data[here], out[here])


@njit(cache=True, nogil=True)
def _answer(
    rows: Words, built: npt.NDArray[np.bool_], forest: Forest, section: Octets, out: Octets
) -> int:
    at = 0
    asked = 0
    frame = np.int64(-1)
    places = forest.order.shape[1]
    while at < section.size:
        if at + 2 > section.size:
            return -1
        lane, p = np.int64(section[at]), np.int64(section[at + 1])
        at += 2
        if lane <= frame or lane >= rows.shape[1] or p >= rows.shape[0]:
            return -1
        if not built[p]:
            return -2 - int(p)
        frame = lane
        row = rows[p, lane]
        base, scale = forest.first[p], forest.scale[p]
        left_over = np.int64(-1)
        cut = np.int64(0)
        while left_over != 0:
            value = np.int64(0)
            shift = 0
            while True:
                if at == section.size or shift > 14:
                    return -1
                byte = np.int64(section[at])
                at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            if byte == 0 and shift > 7:
                return -1
            if left_over < 0:
                left_over = value + 1
                continue
            cut += value + 1
            if cut >= places:
                return -1
            start = np.int64(forest.starts[base + (cut * scale >> 32)])
            if start == cut:
                return -1
            if _get(row, start) != _get(row, cut):
                out[asked >> 3] |= np.uint8(128 >> (asked & 7))
            asked += 1
            left_over -= 1
    return asked
