"""Bob's search for errors, compiled: blocks that differ are cut until a bit is left.

Of a block Bob learns parities from its start to a place, a cut; two cuts give the parity of
the range between them. He cuts an odd range in the middle of the chances of its bits: a
bit of a short range of the first pass that is known to be even is less likely wrong than
one of a long range, and bits known one by one are not. So a short range is never cut where
the answer is known.

The helpers take arrays one by one, since a field read from a tuple costs a reference count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.reconciliation.cascade.frames import (
    BUILT,
    CORRECTED,
    COUNT,
    HALVES,
    LONG,
    ODD,
    PASS,
    Frames,
)
from protocols.reconciliation.cascade.kernels import Forest, Int, Octets, Words
from protocols.reconciliation.cascade.words import fetch, ones, trailing_zeros

__all__ = ["advance"]

Integers = npt.NDArray[np.int64]
Places = npt.NDArray[np.uint16]
Starts = npt.NDArray[np.int32]
Active = npt.NDArray[np.int32]
Halves = npt.NDArray[np.uint32]

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_NONE = -(1 << 20)
_AHEAD = 8  # ranges whose rows are fetched before their turn


@njit(cache=True, nogil=True, forceinline=True)
def _parity(rows: Words, frame: Int, p: Int, a: Int, b: Int) -> np.uint64:
    """Return the parity of Bob's bits at places a to b − 1 of a pass, at least one."""
    low, high = a >> 6, (b - 1) >> 6
    head = _ALL << np.uint64(a & 63)
    tail = _ALL >> np.uint64(63 - ((b - 1) & 63))
    if low == high:
        return ones(rows[p, frame, low, 0] & head & tail) & _ONE
    total = (rows[p, frame, low, 0] & head) ^ (rows[p, frame, high, 0] & tail)
    for w in range(low + 1, high):
        total ^= rows[p, frame, w, 0]
    return ones(total) & _ONE


@njit(cache=True, nogil=True, forceinline=True)
def _toggle(rows: Words, frame: Int, p: Int, at: Int, end: Int) -> None:
    """Note in the known cuts of a block that ends at `end` that the bit at a place changed."""
    mask = _ALL << np.uint64(at & 63) << _ONE
    last = (end - 1) >> 6
    for w in range(at >> 6, last):
        rows[p, frame, w, 2] ^= rows[p, frame, w, 1] & mask
        mask = _ALL
    mask &= _ALL >> np.uint64(63 - ((end - 1) & 63))
    rows[p, frame, last, 2] ^= rows[p, frame, last, 1] & mask


@njit(cache=True, nogil=True, forceinline=True)
def _flip(
    rows: Words,
    odd: Words,
    cut: Words,
    tally: Integers,
    weight: Octets,
    scale: Integers,
    first: Integers,
    starts: Starts,
    inverse: Places,
    late: Places,
    half: Halves,
    frame: Int,
    place: Int,
) -> None:
    """Correct a bit in every pass."""
    weight[frame, inverse[place, 0]] = 0
    tally[frame, CORRECTED] += 1
    tally[frame, HALVES] ^= np.int64(half[place])
    for p in range(tally.shape[1] - ODD):
        at = np.int64(inverse[place, p])
        block = first[p] + (at * scale[p] >> 32)
        word, bit = block >> 6, _ONE << np.uint64(block & 63)
        new = odd[frame, word] ^ bit
        odd[frame, word] = new
        tally[frame, ODD + p] += 1 if new & bit else -1
        rows[p, frame, at >> 6, 0] ^= _ONE << np.uint64(at & 63)
        if cut[frame, word] & bit:
            _toggle(rows, frame, p, at, np.int64(starts[block + 1]))
    built = np.uint64(tally[frame, BUILT])
    while built:
        half_pass = trailing_zeros(built)
        built &= built - _ONE
        at = np.int64(late[half_pass - inverse.shape[1], place])
        block = first[half_pass] + (at * scale[half_pass] >> 32)
        rows[half_pass, frame, at >> 6, 0] ^= _ONE << np.uint64(at & 63)
        _toggle(rows, frame, half_pass, at, np.int64(starts[block + 1]))


@njit(cache=True, nogil=True)
def _build(rows: Words, origin: Places, frame: Int, p: Int) -> None:
    """Fill in Bob's bits in the order of a pass."""
    for i in range(origin.shape[1]):
        at = np.int64(origin[p, i])
        bit = (rows[0, frame, at >> 6, 0] >> np.uint64(at & 63)) & _ONE
        rows[p, frame, i >> 6, 0] |= bit << np.uint64(i & 63)


@njit(cache=True, nogil=True, forceinline=True)
def _spread(weight: Octets, table: Octets, frame: Int, a: Int, b: Int) -> None:
    """Weigh the bits of a range of the first pass that is even."""
    unknown = 0
    for i in range(a, b):
        unknown += weight[frame, i] != 0
    new = table[min(unknown, table.size - 1)]
    for i in range(a, b):
        weight[frame, i] = new if weight[frame, i] else np.uint8(0)


@njit(cache=True, nogil=True, forceinline=True)
def _narrow(
    weight: Octets, origin: Places, frame: Int, p: Int, a: Int, b: Int
) -> tuple[Int, Int, bool]:
    """Drop halves of a range whose bits are all known, until both have others or it is short.

    Of a range of more than 32 bits that is not worth looking for.
    """
    if b - a > 2 * LONG:
        return a, b, True
    while b - a > LONG:
        middle = (a + b + 1) >> 1
        left = a
        while left < middle and weight[frame, origin[p, left]] == 0:
            left += 1
        right = b - 1
        while right >= middle and weight[frame, origin[p, right]] == 0:
            right -= 1
        if left < middle <= right:
            return a, b, True
        if left == middle:
            a = middle
        else:
            b = middle
    return a, b, False


@njit(cache=True, nogil=True, forceinline=True)
def _choose(chances: Octets, frame: Int, slot: Int, length: Int) -> Int:
    """Return where to cut a short range whose chances are in `slot`, counted from its start.

    Returns −1 − i when bit i alone can be wrong, and `_NONE` when none can.
    """
    total = np.int64(0)
    for i in range(length):
        total += np.int64(chances[frame, slot, i])
    if total == 0:
        return _NONE
    before, i = np.int64(0), 0
    while 2 * (before + np.int64(chances[frame, slot, i])) <= total:
        before += np.int64(chances[frame, slot, i])
        i += 1
    here = np.int64(chances[frame, slot, i])
    if here == total:
        return -1 - i
    # The middle of the chances lies in bit i: cut before or behind it, whichever is nearer.
    if before and (before + here == total or total - 2 * before <= 2 * (before + here) - total):
        return i
    i += 1
    while chances[frame, slot, i] == 0:
        i += 1
    return i


@njit(cache=True, nogil=True, forceinline=True)
def _shortest(rows: Words, frame: Int, p: Int, a: Int, b: Int) -> tuple[Int, Int]:
    """Return the shortest range between known cuts of an odd block a to b − 1 that is odd."""
    low, high = a, b
    best = b - a + 1
    start: Int = a
    before = _ZERO
    for word in range(a >> 6, ((b - 1) >> 6) + 1):
        known = rows[p, frame, word, 1]
        differs = rows[p, frame, word, 2]
        if word == a >> 6:
            known &= _ALL << np.uint64(a & 63)
        while known:
            shift = trailing_zeros(known)
            cut = 64 * word + shift
            if cut >= b:
                break
            known &= known - _ONE
            here = (differs >> np.uint64(shift)) & _ONE
            if here != before and cut - start < best:
                low, high, best = start, cut, cut - start
            start, before = cut, here
    if before == _ZERO and b - start < best:
        low, high = start, b
    return low, high


@njit(cache=True, nogil=True, forceinline=True)
def _number(out: Octets, at: Int, value: Int) -> Int:
    """Write a number in groups of seven bits, the lowest first; return the next place."""
    while value >= 128:
        out[at] = np.uint8(value & 127 | 128)
        value >>= 7
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@njit(cache=True, nogil=True)
def advance(
    frames: Frames,
    forest: Forest,
    start: Int,
    stop: Int,
    data: Octets,
    offset: Integers,
    out: Octets,
    size: Integers,
) -> None:
    """Take the answers of groups `start` to `stop` − 1 and write their next sections.

    Group ``g`` finds its answers in `data` from byte offset[g] on, and writes its section to
    out[g] and its length to size[g]: 0 when nothing is odd, −1 when the answers contradict
    each other. A section has, for each frame that asks: its number in the group, the pass,
    the number of cuts less one, and each cut's distance from the one before, less one; the
    latter two in groups of seven bits.
    """
    group_first, rows, odd, cut, tally, weight, active, chances = frames
    scale, first, starts, order, inverse, late, origin, half, table = forest
    dense = tally.shape[1] - ODD
    for group in range(start, stop):
        at = 8 * offset[group]
        written: Int = 0
        for frame in range(group_first[group], group_first[group + 1]):
            # the answers to the ranges under search, then new ranges until some ask
            if frame + 2 < group_first[group + 1]:
                ahead = frame + 2
                p: Int = tally[ahead, PASS]
                for i in range(min(_AHEAD, tally[ahead, COUNT])):
                    fetch(rows, (p, ahead, np.int64(active[ahead, i, 2]) >> 6, np.int64(0)))
            p = tally[frame, PASS]
            left = tally[frame, COUNT]
            answered = True
            block: Int = 0
            long = False
            while True:
                kept = 0
                i = 0
                while i < left:
                    if answered:
                        if i + _AHEAD < left:
                            line = np.int64(active[frame, i + _AHEAD, 2]) >> 6
                            fetch(rows, (p, frame, line, np.int64(0)))
                        a: Int = np.int64(active[frame, i, 0])
                        b: Int = np.int64(active[frame, i, 1])
                        middle: Int = np.int64(active[frame, i, 2])
                        block = first[p] + (a * scale[p] >> 32)
                        begin = np.int64(starts[block])
                        differs = np.uint64((np.int64(data[at >> 3]) >> (7 - (at & 7))) & 1)
                        at += 1
                        differs ^= _parity(rows, frame, p, begin, middle)
                        word, shift = middle >> 6, np.uint64(middle & 63)
                        rows[p, frame, word, 1] |= _ONE << shift
                        rows[p, frame, word, 2] |= differs << shift
                        if p < dense:
                            cut[frame, block >> 6] |= _ONE << np.uint64(block & 63)
                        if a > begin:
                            differs ^= (rows[p, frame, a >> 6, 2] >> np.uint64(a & 63)) & _ONE
                        if p == 0:
                            if differs:
                                _spread(weight, table, frame, middle, b)
                            else:
                                _spread(weight, table, frame, a, middle)
                        low = a
                        fresh = b - a > LONG
                        if differs:
                            b = middle
                        else:
                            a = middle
                        if not fresh:
                            for k in range(b - a):
                                chances[frame, kept, k] = chances[frame, i, a - low + k]
                    else:
                        if p < dense:
                            word_left = odd[frame, block >> 6] >> np.uint64(block & 63)
                            while word_left == 0:
                                block = (block | 63) + 1
                                word_left = odd[frame, block >> 6]
                            block += trailing_zeros(word_left)
                        a, b = np.int64(starts[block]), np.int64(starts[block + 1])
                        a, b = _shortest(rows, frame, p, a, b)
                        block += 1
                        fresh = True
                    i += 1
                    if fresh:
                        a, b, long = _narrow(weight, origin, frame, p, a, b)
                        if not long:
                            for k in range(b - a):
                                chances[frame, kept, k] = weight[frame, origin[p, a + k]]
                    if fresh and long:
                        middle = (a + b + 1) >> 1
                    else:
                        middle = _choose(chances, frame, kept, b - a)
                        if middle == _NONE:
                            size[group] = -1
                            return
                        if middle < 0:
                            place = np.int64(order[p, a - 1 - middle])
                            _flip(
                                rows, odd, cut, tally, weight, scale, first, starts, inverse,
                                late, half, frame, place,
                            )  # fmt: skip
                            if p == 0:
                                _spread(weight, table, frame, a, b)
                            continue
                        middle += a
                    active[frame, kept, 0] = a
                    active[frame, kept, 1] = b
                    active[frame, kept, 2] = middle
                    kept += 1
                if kept:
                    break
                answered = False
                p = 0
                while p < dense and tally[frame, ODD + p] == 0:
                    p += 1
                if p < dense:
                    left = tally[frame, ODD + p]
                    if p > 1:
                        left = (left + 1) >> 1
                elif tally[frame, HALVES]:
                    p = trailing_zeros(np.uint64(tally[frame, HALVES]))
                    left = 1
                    if not (tally[frame, BUILT] >> p) & 1:
                        _build(rows, origin, frame, p)
                        tally[frame, BUILT] |= 1 << p
                else:
                    break
                block = first[p]
            tally[frame, COUNT] = kept
            tally[frame, PASS] = p
            if kept:
                out[group, written] = np.uint8(frame - group_first[group])
                out[group, written + 1] = np.uint8(p)
                written = _number(out[group], written + 2, kept - 1)
                last = np.int64(0)
                for i in range(kept):
                    middle = np.int64(active[frame, i, 2])
                    written = _number(out[group], written, middle - last - 1)
                    last = middle
        size[group] = written
